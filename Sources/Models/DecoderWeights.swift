import CKernels
import Experts
import ModelFiles
import Tensor

/// The trunk of a decoder: views into the bundle's mapped file, checked against the configuration.
package struct DecoderWeights: Sendable {
    package struct Layer: Sendable {
        package var attentionNorm: WeightVector
        package var attention: Attention
        package var output: WeightMatrix
        package var outputBias: WeightVector?
        package var ffnNorm: WeightVector
        /// The rows of all experts in order: one matrix, or one for each pool; none in a layer without routed experts.
        package var routers: [WeightMatrix]
        package var routerBias: WeightVector?
        package var selectionBias: WeightVector?
    }

    package enum Attention: Sendable {
        case grouped(Grouped)
        case latent(Latent)
    }

    package struct Grouped: Sendable {
        package var q: WeightMatrix
        package var k: WeightMatrix
        package var v: WeightMatrix
        package var qBias: WeightVector?
        package var kBias: WeightVector?
        package var vBias: WeightVector?
        package var qNorm: WeightVector?
        package var kNorm: WeightVector?
        package var sinks: WeightVector?
    }

    package struct Latent: Sendable {
        /// The query's projection: direct, or down to its latent and up again.
        package var q: WeightMatrix
        package var queryDown: (matrix: WeightMatrix, bias: WeightVector?, norm: WeightVector)?
        package var kvA: WeightMatrix
        package var kvABias: WeightVector?
        package var kvANorm: WeightVector
        /// Per head `[latentRank x plainWidth]` and `[valueWidth x latentRank]`.
        package var keys: HeadMatrices
        package var values: HeadMatrices
    }

    package let embedding: WeightMatrix
    package let output: WeightMatrix
    package let finalNorm: WeightVector
    package let layers: [Layer]

    /// Our name of a layer's part in `trunk.safetensors`: `L07.attention.q`.
    package static func name(_ part: String, layer: Int, head: Int? = nil) -> String {
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "L" + padded(layer, 2) + "." + part + (head.map { ".H" + padded($0, 3) } ?? "")
    }

    /// Maps and checks every tensor of the trunk.
    package init(bundle: Bundle, configuration: DecoderConfiguration) throws {
        let hidden = configuration.hiddenSize
        embedding = try bundle.matrix("embedding", configuration.vocabularySize, hidden)
        output =
            configuration.tiesEmbeddings
            ? embedding : try bundle.matrix("output", configuration.vocabularySize, hidden)
        finalNorm = try bundle.vector("final_norm", hidden)
        layers = try (0..<configuration.layerCount).map { index in
            try Self.layer(index, configuration, bundle)
        }
    }

    private static func layer(_ index: Int, _ configuration: DecoderConfiguration, _ bundle: Bundle) throws -> Layer {
        let hidden = configuration.hiddenSize
        func matrix(_ part: String, _ rows: Int, _ columns: Int) throws -> WeightMatrix {
            try bundle.matrix(name(part, layer: index), rows, columns)
        }
        func vector(_ part: String, _ count: Int, if isPresent: Bool = true) throws -> WeightVector? {
            isPresent ? try bundle.vector(name(part, layer: index), count) : nil
        }
        let attention: Attention
        let outputColumns: Int
        let hasOutputBias: Bool
        switch configuration.attention {
        case .grouped(let shape):
            let queryWidth = shape.headCount * shape.headWidth
            let keyWidth = shape.kvHeadCount * shape.headWidth
            let perHead = shape.headNorm == .perHead
            attention = .grouped(
                Grouped(
                    q: try matrix("attention.q", queryWidth, hidden),
                    k: try matrix("attention.k", keyWidth, hidden),
                    v: try matrix("attention.v", keyWidth, hidden),
                    qBias: try vector("attention.q_bias", queryWidth, if: shape.hasInputBias),
                    kBias: try vector("attention.k_bias", keyWidth, if: shape.hasInputBias),
                    vBias: try vector("attention.v_bias", keyWidth, if: shape.hasInputBias),
                    qNorm: try vector(
                        "attention.q_norm",
                        perHead ? shape.headWidth : queryWidth,
                        if: shape.headNorm != .none
                    ),
                    kNorm: try vector(
                        "attention.k_norm",
                        perHead ? shape.headWidth : keyWidth,
                        if: shape.headNorm != .none
                    ),
                    sinks: try vector("attention.sinks", shape.headCount, if: shape.hasSinks)
                )
            )
            outputColumns = queryWidth
            hasOutputBias = shape.hasOutputBias
        case .latent(let shape):
            attention = .latent(try latent(index, shape, hidden, bundle))
            outputColumns = shape.headCount * shape.valueWidth
            hasOutputBias = shape.hasBias
        }
        let routed = configuration.layers[index].hasRoutedExperts
        let experts = configuration.router?.expertCount ?? 0
        guard let attentionNorm = try vector("attention_norm", hidden), let ffnNorm = try vector("ffn_norm", hidden)
        else { throw ModelError.missingSetting("norms of layer \(index)") }
        return Layer(
            attentionNorm: attentionNorm,
            attention: attention,
            output: try matrix("attention.o", hidden, outputColumns),
            outputBias: try vector("attention.o_bias", hidden, if: hasOutputBias),
            ffnNorm: ffnNorm,
            routers: routed ? try routers(configuration) { try matrix($0, $1, hidden) } : [],
            routerBias: try vector("router_bias", experts, if: routed && configuration.hasRouterBias),
            selectionBias: try vector(
                "router_selection_bias",
                experts,
                if: routed && configuration.hasSelectionBias
            )
        )
    }

    private static func routers(
        _ configuration: DecoderConfiguration,
        _ matrix: (_ part: String, _ rows: Int) throws -> WeightMatrix
    ) throws -> [WeightMatrix] {
        guard let router = configuration.router else { return [] }
        guard let pools = router.pools else { return [try matrix("router", router.expertCount)] }
        return try pools.map { try matrix("router." + $0.name, $0.count) }
    }

    private static func latent(
        _ index: Int,
        _ shape: DecoderConfiguration.LatentAttention,
        _ hidden: Int,
        _ bundle: Bundle
    ) throws -> Latent {
        func matrix(_ part: String, _ rows: Int, _ columns: Int, head: Int? = nil) throws -> WeightMatrix {
            try bundle.matrix(name(part, layer: index, head: head), rows, columns)
        }
        func vector(_ part: String, _ count: Int) throws -> WeightVector {
            try bundle.vector(name(part, layer: index), count)
        }
        let queryWidth = shape.headCount * (shape.plainWidth + shape.ropeWidth)
        let latentWidth = shape.latentRank + shape.ropeWidth
        return Latent(
            q: try matrix(
                shape.queryRank == nil ? "attention.q" : "attention.q_b",
                queryWidth,
                shape.queryRank ?? hidden
            ),
            queryDown: try shape.queryRank.map { rank in
                (
                    try matrix("attention.q_a", rank, hidden),
                    shape.hasBias ? try vector("attention.q_a_bias", rank) : nil,
                    try vector("attention.q_a_norm", rank)
                )
            },
            kvA: try matrix("attention.kv_a", latentWidth, hidden),
            kvABias: shape.hasBias ? try vector("attention.kv_a_bias", latentWidth) : nil,
            kvANorm: try vector("attention.kv_a_norm", shape.latentRank),
            keys: HeadMatrices(
                try (0..<shape.headCount).map {
                    try matrix("attention.k_b", shape.latentRank, shape.plainWidth, head: $0)
                }
            ),
            values: HeadMatrices(
                try (0..<shape.headCount).map {
                    try matrix("attention.v_b", shape.valueWidth, shape.latentRank, head: $0)
                }
            )
        )
    }
}

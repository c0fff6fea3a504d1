import Experts
import Foundation
import JSONText

/// A decoder-only transformer in the terms that the blocks share; every family reduces its checkpoint's settings to this.
package struct DecoderConfiguration: Codable, Sendable, Equatable {
    package enum Attention: Codable, Sendable, Equatable {
        case grouped(GroupedAttention)
        case latent(LatentAttention)
    }

    /// Multi-head attention with shared KV heads.
    package struct GroupedAttention: Codable, Sendable, Equatable {
        package enum HeadNorm: String, Codable, Sendable {
            case none
            /// Queries and keys are normalised head by head (Qwen3).
            case perHead
            /// Queries and keys are normalised over all heads together (OLMoE).
            case acrossHeads
        }

        package var headCount: Int
        package var kvHeadCount: Int
        package var headWidth: Int
        package var headNorm: HeadNorm = .none
        package var hasInputBias = false
        package var hasOutputBias = false
        package var hasSinks = false
        /// Queries, keys and values are clamped to ± this (OLMo's clip_qkv).
        package var clamp: Float?
    }

    /// Multi-head latent attention (DeepSeek-V2): keys and values are projections of one small latent, which is what
    /// the cache holds. The projections are absorbed into the query's and the output's side.
    package struct LatentAttention: Codable, Sendable, Equatable {
        package var headCount: Int
        /// Rank of the query's latent; nil for a direct projection.
        package var queryRank: Int?
        package var latentRank: Int
        package var plainWidth: Int
        package var ropeWidth: Int
        package var valueWidth: Int
        /// Softmax scale times this (YaRN's magnitude squared).
        package var scaleFactor: Double
        package var hasBias = false
    }

    package struct Layer: Codable, Sendable, Equatable {
        /// Positions that a token sees; nil for all.
        package var window: Int?
        package var hasRoutedExperts: Bool
        /// An expert that every token uses; in a dense layer, the only one.
        package var hasSharedExpert: Bool
        /// Width of that expert.
        package var sharedWidth: Int
    }

    package var hiddenSize: Int
    package var vocabularySize: Int
    package var contextLength: Int
    package var normEpsilon: Float
    package var tiesEmbeddings: Bool
    package var attention: Attention
    package var rope: RopeConfiguration
    package var layers: [Layer]
    package var router: RouterConfiguration?
    package var hasRouterBias = false
    package var hasSelectionBias = false
    package var expertWidth: Int
    package var hasExpertBias = false
    package var activation: GatedActivation
    /// How sound and sight stand in the stream; nil for a model of text alone.
    package var media: MediaConfiguration?

    package var layerCount: Int { layers.count }

    package var headCount: Int {
        switch attention {
        case .grouped(let attention): attention.headCount
        case .latent(let attention): attention.headCount
        }
    }

    /// Softmax scale of the scores.
    package var attentionScale: Float {
        switch attention {
        case .grouped(let attention): Float(1 / Double(attention.headWidth).squareRoot())
        case .latent(let attention):
            Float(attention.scaleFactor / Double(attention.plainWidth + attention.ropeWidth).squareRoot())
        }
    }

    /// Parameters in all and parameters that one token uses (embedding rows counted as one row).
    package var parameterCounts: (total: Int, active: Int) {
        let expertParameters = 3 * hiddenSize * expertWidth
        var total = 0
        var active = 0
        for layer in layers {
            let shared = layer.hasSharedExpert ? 3 * hiddenSize * layer.sharedWidth : 0
            total += attentionParameters + shared
            active += attentionParameters + shared
            if layer.hasRoutedExperts, let router {
                total += router.expertCount * (expertParameters + hiddenSize)
                active += router.expertsPerToken * expertParameters + router.expertCount * hiddenSize
            }
        }
        let embedding = vocabularySize * hiddenSize
        return (total + embedding * (tiesEmbeddings ? 1 : 2), active + embedding)
    }

    private var attentionParameters: Int {
        switch attention {
        case .grouped(let attention):
            return hiddenSize * attention.headWidth * 2 * (attention.headCount + attention.kvHeadCount)
        case .latent(let attention):
            let query = attention.headCount * (attention.plainWidth + attention.ropeWidth)
            let queryParameters =
                attention.queryRank.map { $0 * (hiddenSize + query) } ?? hiddenSize * query
            return queryParameters + hiddenSize * (attention.latentRank + attention.ropeWidth)
                + attention.latentRank * attention.headCount * (attention.plainWidth + attention.valueWidth)
                + attention.headCount * attention.valueWidth * hiddenSize
        }
    }

}

extension DecoderConfiguration {
    /// As JSON, for `bundle.json`.
    package func json() throws -> JSON {
        try JSON.parse(Array(try JSONEncoder().encode(self)))
    }

    /// Reads and checks the "configuration" of a `bundle.json`.
    package init(json: JSON) throws {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(json.text().utf8))
        } catch {
            throw ModelError.invalidConfiguration("the bundle's configuration is unreadable (\(error))")
        }
        try validate()
    }

    /// Refuses numbers that no model has, so that later sizes cannot overflow.
    package func validate() throws(ModelError) {
        func require(_ condition: Bool, _ what: @autoclosure () -> String) throws(ModelError) {
            if !condition { throw .invalidConfiguration(what()) }
        }
        let widths = 1...1_048_576
        try require(widths ~= hiddenSize, "hidden size \(hiddenSize)")
        try require(1...16_777_216 ~= vocabularySize, "vocabulary of \(vocabularySize)")
        try require(1...1_073_741_824 ~= contextLength, "context length \(contextLength)")
        try require(1...1024 ~= layers.count, "\(layers.count) layers")
        try require(normEpsilon.isFinite && normEpsilon >= 0, "norm epsilon \(normEpsilon)")
        switch attention {
        case .grouped(let attention):
            try require(
                1...4096 ~= attention.headCount && 1...4096 ~= attention.kvHeadCount
                    && attention.headCount % attention.kvHeadCount == 0,
                "\(attention.headCount) heads over \(attention.kvHeadCount) KV heads"
            )
            try require(1...4096 ~= attention.headWidth, "head width \(attention.headWidth)")
            try require(rope.width <= attention.headWidth, "rope width \(rope.width) of \(attention.headWidth)")
        case .latent(let attention):
            try require(1...4096 ~= attention.headCount, "\(attention.headCount) heads")
            let parts = [
                attention.latentRank, attention.plainWidth, attention.ropeWidth, attention.valueWidth,
                attention.queryRank ?? 1,
            ]
            try require(parts.allSatisfy { 1...65_536 ~= $0 }, "latent attention widths \(parts)")
            try require(rope.width == attention.ropeWidth, "rope width \(rope.width)")
            try require(attention.scaleFactor.isFinite, "attention scale")
        }
        if let problem = media?.problem(vocabularySize: vocabularySize, layerCount: layers.count) {
            throw .invalidConfiguration(problem)
        }
        if let problem = rope.problem { throw .invalidConfiguration(problem) }
        if let problem = router?.problem { throw .invalidConfiguration(problem) }
        for layer in layers {
            try require(layer.hasRoutedExperts || layer.hasSharedExpert, "a layer without an MLP")
            try require(!layer.hasRoutedExperts || router != nil, "routed experts without a router")
            try require(!layer.hasRoutedExperts || widths ~= expertWidth, "expert width \(expertWidth)")
            try require(!layer.hasSharedExpert || widths ~= layer.sharedWidth, "MLP width \(layer.sharedWidth)")
            try require(layer.window.map { $0 >= 1 } ?? true, "a window of \(layer.window ?? 0)")
        }
    }
}

/// Why a model cannot be used.
package enum ModelError: Error, CustomStringConvertible {
    case invalidConfiguration(String)
    case unknownArchitecture(String, known: [String])
    case unsupported(String)
    case wrongShape(tensor: String, found: String, expected: String)
    case missingSetting(String)

    package var description: String {
        switch self {
        case .invalidConfiguration(let what): "the model's configuration is not usable: \(what)"
        case .unknownArchitecture(let name, let known):
            "unknown architecture '\(name)'; this version runs \(known.joined(separator: ", "))"
        case .unsupported(let what): "not supported: \(what)"
        case .wrongShape(let tensor, let found, let expected):
            "tensor '\(tensor)' has shape \(found) where \(expected) is expected; the bundle is damaged, import it again"
        case .missingSetting(let name): "the model's configuration lacks '\(name)'"
        }
    }
}

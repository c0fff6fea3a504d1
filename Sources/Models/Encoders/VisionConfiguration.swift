import JSONText
import Tensor

/// The vision tower of Qwen3-Omni and Qwen3-VL, from the checkpoint's `vision_config`.
///
/// Every size must be there: defaults of a library's classes are not those of the released models.
package struct VisionConfiguration: Sendable, Equatable {
    package var depth: Int
    package var hiddenSize: Int
    package var headCount: Int
    package var mlpWidth: Int
    package var channels: Int
    /// Pixels of a patch along each side, frames of a patch.
    package var patchSize: Int
    package var temporalPatchSize: Int
    /// Patches along each side that become one token.
    package var mergeSize: Int
    /// Width of the tokens that come out.
    package var outputSize: Int
    /// Positions of the learned table along each side.
    package var tableSide: Int
    /// Blocks whose results go to the decoder's first layers too, ascending.
    package var deepstackBlocks: [Int]
    package var ropeBase: Double
    package var activation: Pointwise

    package static let normEpsilon: Float = 1e-6

    package var headWidth: Int { hiddenSize / headCount }
    /// Values of one patch.
    package var patchWidth: Int { channels * temporalPatchSize * patchSize * patchSize }
    /// Patches of one token.
    package var mergedPatches: Int { mergeSize * mergeSize }

    /// - Throws: ``ModelError`` naming the setting that is missing or absurd.
    package init(_ json: JSON) throws {
        let settings = Settings(json, prefix: "vision_config.")
        depth = try settings.count("depth", "num_hidden_layers", maximum: 1024)
        hiddenSize = try settings.count("hidden_size", maximum: 65536)
        headCount = try settings.count("num_heads", "num_attention_heads", maximum: 4096)
        mlpWidth = try settings.count("intermediate_size", maximum: 1_048_576)
        channels = try settings.count("in_channels", "in_chans", maximum: 16)
        patchSize = try settings.count("patch_size", "spatial_patch_size", maximum: 256)
        temporalPatchSize = try settings.count("temporal_patch_size", maximum: 16)
        mergeSize = try settings.count("spatial_merge_size", maximum: 8)
        outputSize = try settings.count("out_hidden_size", maximum: 65536)
        let positions = try settings.count("num_position_embeddings", maximum: 1_048_576)
        tableSide = Int(Double(positions).squareRoot().rounded())
        let rope = settings.section("rope_parameters")
        ropeBase = try rope?.optionalNumber("rope_theta") ?? settings.optionalNumber("rope_theta") ?? 10_000
        let name = settings.text("hidden_act") ?? "gelu_pytorch_tanh"
        activation = try Self.activation(name)
        deepstackBlocks = try (settings["deepstack_visual_indexes"]?.arrayValue ?? []).map { value in
            guard let index = value.intValue else {
                throw ModelError.invalidConfiguration("'vision_config.deepstack_visual_indexes' has \(value.text())")
            }
            return index
        }
        func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
            guard holds else { throw ModelError.invalidConfiguration("vision_config: " + what()) }
        }
        try require(tableSide * tableSide == positions, "\(positions) position embeddings are not a square")
        try require(
            hiddenSize % headCount == 0 && headWidth % 4 == 0 && headWidth <= 256,
            "\(headCount) heads of a width of \(hiddenSize): two axes of rotary pairs need heads of 4, 8 ... 256"
        )
        try require(ropeBase.isFinite && ropeBase > 1, "rope_theta \(ropeBase)")
        try require(
            deepstackBlocks == Array(Set(deepstackBlocks)).sorted() && deepstackBlocks.allSatisfy { 0..<depth ~= $0 },
            "deepstack blocks \(deepstackBlocks) of \(depth)"
        )
    }

    private static func activation(_ name: String) throws -> Pointwise {
        switch name {
        case "gelu": .gelu
        case "gelu_pytorch_tanh", "gelu_new": .geluTanh
        default: throw ModelError.unsupported("activation '\(name)' of the vision tower")
        }
    }
}

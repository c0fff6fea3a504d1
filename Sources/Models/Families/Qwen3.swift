import Experts
import JSONText

/// Qwen3, dense: queries and keys normalised per head (Yang et al. 2025).
package enum Qwen3Family: Family {
    package static let name = "qwen3"
    package static let modelTypes: Set = ["qwen3"]
    package static let ggufArchitectures: Set = ["qwen3"]

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(huggingFace: settings, inventory)
        CommonSettings.withGrouped(&configuration) {
            $0.headNorm = .perHead
            // Qwen3 has no bias on the output projection even where it has them on the inputs.
            $0.hasOutputBias = $0.hasOutputBias && inventory.contains("model.layers.0.self_attn.o_proj.bias")
        }
        try setWindows(&configuration, settings)
        return configuration
    }

    package static func configuration(gguf settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(gguf: settings, inventory)
        CommonSettings.withGrouped(&configuration) { $0.headNorm = .perHead }
        return configuration
    }

    /// `sliding_window` counts only with `use_sliding_window`; `layer_types` or `max_window_layers` say where.
    static func setWindows(_ configuration: inout DecoderConfiguration, _ settings: Settings) throws {
        let isUsed = try settings.flag("use_sliding_window", default: false)
        let window = try isUsed ? settings.optionalInteger("sliding_window") : nil
        let types = settings["layer_types"]?.arrayValue?.map { $0.stringValue }
        let firstWindowed = try settings.optionalInteger("max_window_layers") ?? 0
        let isDense = settings.text("model_type") == "qwen3"
        for index in configuration.layers.indices {
            let slides: Bool
            if let types, index < types.count {
                slides = types[index] == "sliding_attention"
            } else {
                slides = !isDense || index >= firstWindowed
            }
            configuration.layers[index].window = slides ? window : nil
        }
    }
}

/// Qwen3 with routed experts; `mlp_only_layers` and `decoder_sparse_step` leave some layers dense.
package enum Qwen3MoEFamily: Family {
    package static let name = "qwen3_moe"
    package static let modelTypes: Set = ["qwen3_moe"]
    package static let ggufArchitectures: Set = ["qwen3moe"]

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try Qwen3Family.configuration(huggingFace: settings, inventory)
        let denseLayers = Set(settings["mlp_only_layers"]?.arrayValue?.compactMap(\.intValue) ?? [])
        let step = max(1, try settings.optionalInteger("decoder_sparse_step") ?? 1)
        let experts = try settings.optionalInteger("num_experts", "num_local_experts") ?? 0
        guard experts > 0 else { return configuration }
        CommonSettings.makeSparse(
            &configuration,
            router: RouterConfiguration(
                expertCount: experts,
                expertsPerToken: try settings.count("num_experts_per_tok", maximum: 4096),
                scoring: .softmax,
                renormalizes: try settings.flag("norm_topk_prob", default: false)
            ),
            width: try settings.count("moe_intermediate_size"),
            isSparse: { !denseLayers.contains($0) && ($0 + 1) % step == 0 }
        )
        return configuration
    }

    package static func configuration(gguf settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try Qwen3Family.configuration(gguf: settings, inventory)
        CommonSettings.makeSparse(
            &configuration,
            router: RouterConfiguration(
                expertCount: try settings.count("expert_count", maximum: 4096),
                expertsPerToken: try settings.count("expert_used_count", maximum: 4096),
                scoring: .softmax,
                renormalizes: try settings.flag("expert_weights_norm", default: true)
            ),
            width: try settings.count("expert_feed_forward_length"),
            isSparse: { inventory.contains("blk.\($0).ffn_gate_inp.weight") }
        )
        return configuration
    }
}

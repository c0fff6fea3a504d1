import Experts
import JSONText

/// gpt-oss: attention sinks, windows in every other layer, biased experts with a clamped activation (OpenAI 2025).
package enum GPTOSSFamily: Family {
    package static let name = "gpt_oss"
    package static let modelTypes: Set = ["gpt_oss"]
    package static let ggufArchitectures: Set = ["gpt-oss"]

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(
            huggingFace: settings,
            inventory,
            defaultEpsilon: 1e-5,
            defaultRopeBase: 150_000
        )
        let types = settings["layer_types"]?.arrayValue?.map { $0.stringValue }
        for index in configuration.layers.indices {
            let slides = types.map { index < $0.count && $0[index] == "sliding_attention" } ?? (index % 2 == 0)
            if !slides { configuration.layers[index].window = nil }
        }
        complete(
            &configuration,
            experts: try settings.count("num_local_experts", "num_experts", maximum: 4096),
            expertsPerToken: try settings.count("num_experts_per_tok", "experts_per_token", maximum: 4096),
            width: try settings.count("intermediate_size"),
            alpha: try settings.optionalNumber("swiglu_alpha") ?? 1.702,
            limit: try settings.optionalNumber("swiglu_limit") ?? 7
        )
        return configuration
    }

    package static func configuration(gguf settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(gguf: settings, inventory)
        let width: Int = configuration.rope.width
        configuration.rope = try RopeConfiguration(
            gguf: settings,
            width: width,
            inventory: inventory,
            truncatesYarn: false
        )
        for index in configuration.layers.indices where index % 2 == 1 { configuration.layers[index].window = nil }
        complete(
            &configuration,
            experts: try settings.count("expert_count", maximum: 4096),
            expertsPerToken: try settings.count("expert_used_count", maximum: 4096),
            width: try settings.count("expert_feed_forward_length"),
            alpha: 1.702,
            limit: 7
        )
        return configuration
    }

    private static func complete(
        _ configuration: inout DecoderConfiguration,
        experts: Int,
        expertsPerToken: Int,
        width: Int,
        alpha: Double,
        limit: Double
    ) {
        CommonSettings.withGrouped(&configuration) {
            $0.hasInputBias = true
            $0.hasOutputBias = true
            $0.hasSinks = true
        }
        CommonSettings.makeSparse(
            &configuration,
            router: RouterConfiguration(
                expertCount: experts,
                expertsPerToken: expertsPerToken,
                scoring: .softmaxOfChosen,
                renormalizes: false
            ),
            width: width
        )
        configuration.hasRouterBias = true
        configuration.hasExpertBias = true
        configuration.activation = .clampedSwiGLU(alpha: Float(alpha), limit: Float(limit))
    }

    package static func huggingFaceNames(_ inventory: TensorInventory) -> CheckpointNames {
        var names = CheckpointNames.huggingFace()
        let mlp = "model.layers.{L}.mlp."
        names.layer["router"] = mlp + "router.weight"
        names.layer["router_bias"] = mlp + "router.bias"
        // Plain checkpoints have transposed experts, the released 4-bit ones do not.
        names.experts = [CheckpointNames.FusedOrder.alternatingColumns, .alternatingRows].map { order in
            .fused(
                gateUp: mlp + "experts.gate_up_proj",
                down: mlp + "experts.down_proj",
                biases: (mlp + "experts.gate_up_proj_bias", mlp + "experts.down_proj_bias"),
                order: order
            )
        }
        return names
    }

    package static var ggufNames: CheckpointNames {
        var names = CheckpointNames.gguf
        names.layer["ffn_norm"] = "blk.{L}.post_attention_norm.weight"
        return names
    }
}

import Experts

/// OLMoE: 64 small experts, eight of which run; queries and keys are normalised across heads (Muennighoff et al. 2024).
package enum OLMoEFamily: Family {
    package static let name = "olmoe"
    package static let modelTypes: Set = ["olmoe"]
    package static let ggufArchitectures: Set = ["olmoe"]

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(huggingFace: settings, inventory, defaultEpsilon: 1e-5)
        let clamp = try settings.optionalNumber("clip_qkv")
        CommonSettings.withGrouped(&configuration) {
            $0.headNorm = .acrossHeads
            $0.clamp = clamp.map(Float.init)
        }
        CommonSettings.makeSparse(
            &configuration,
            router: RouterConfiguration(
                expertCount: try settings.count("num_experts", "num_local_experts", maximum: 4096),
                expertsPerToken: try settings.count("num_experts_per_tok", maximum: 4096),
                scoring: .softmax,
                renormalizes: try settings.flag("norm_topk_prob", default: false)
            ),
            width: try settings.count("intermediate_size")
        )
        return configuration
    }

    package static func configuration(gguf settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(gguf: settings, inventory)
        let clamp = try settings.optionalNumber("attention.clamp_kqv")
        CommonSettings.withGrouped(&configuration) {
            $0.headNorm = .acrossHeads
            $0.clamp = clamp.map(Float.init)
        }
        CommonSettings.makeSparse(
            &configuration,
            router: RouterConfiguration(
                expertCount: try settings.count("expert_count", maximum: 4096),
                expertsPerToken: try settings.count("expert_used_count", maximum: 4096),
                scoring: .softmax,
                renormalizes: try settings.flag("expert_weights_norm", default: false)
            ),
            width: try settings.optionalInteger("expert_feed_forward_length")
                ?? settings.count("feed_forward_length")
        )
        return configuration
    }
}

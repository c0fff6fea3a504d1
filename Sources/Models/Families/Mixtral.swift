import Experts

/// Mixtral: Mistral's attention, eight experts of which two run (Jiang et al. 2024).
package enum MixtralFamily: Family {
    package static let name = "mixtral"
    package static let modelTypes: Set = ["mixtral"]
    package static let ggufArchitectures: Set = ["llama"]

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(
            huggingFace: settings,
            inventory,
            defaultEpsilon: 1e-5,
            defaultRopeBase: 1_000_000
        )
        CommonSettings.makeSparse(
            &configuration,
            router: RouterConfiguration(
                expertCount: try settings.count("num_local_experts", "num_experts", maximum: 4096),
                expertsPerToken: try settings.count("num_experts_per_tok", maximum: 4096),
                scoring: .softmax,
                renormalizes: true
            ),
            width: try settings.count("intermediate_size")
        )
        return configuration
    }

    package static func configuration(gguf settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(gguf: settings, inventory)
        CommonSettings.makeSparse(
            &configuration,
            router: RouterConfiguration(
                expertCount: try settings.count("expert_count", maximum: 4096),
                expertsPerToken: try settings.count("expert_used_count", maximum: 4096),
                scoring: .softmax,
                renormalizes: true
            ),
            width: try settings.optionalInteger("expert_feed_forward_length")
                ?? settings.count("feed_forward_length")
        )
        return configuration
    }

    package static func huggingFaceNames(_ inventory: TensorInventory) -> CheckpointNames {
        var names = CheckpointNames.huggingFace()
        names.layer["router"] = "model.layers.{L}.block_sparse_moe.gate.weight"
        let expert = "model.layers.{L}.block_sparse_moe.experts.{E}."
        names.experts.insert(
            .separate(.init(gate: expert + "w1.weight", up: expert + "w3.weight", down: expert + "w2.weight")),
            at: 0
        )
        return names
    }

    package static let hasAdjacentRotaryPairsInGGUF = true
}

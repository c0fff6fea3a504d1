import Experts

/// DeepSeek-V2: latent attention, shared experts, softmax routing, optionally limited to some groups (arXiv 2405.04434).
package enum DeepSeekV2Family: Family {
    package static let name = "deepseek_v2"
    package static let modelTypes: Set = ["deepseek_v2"]
    package static let ggufArchitectures: Set = ["deepseek2"]

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try DeepSeek.attention(huggingFace: settings, inventory)
        let limited = settings.text("topk_method") == "group_limited_greedy"
        try DeepSeek.makeSparse(
            &configuration,
            huggingFace: settings,
            router: RouterConfiguration(
                expertCount: try settings.count("n_routed_experts", "num_local_experts", maximum: 4096),
                expertsPerToken: try settings.count("num_experts_per_tok", maximum: 4096),
                scoring: .softmax,
                renormalizes: false,
                scale: Float(try settings.optionalNumber("routed_scaling_factor") ?? 1),
                groupCount: limited ? try settings.optionalInteger("n_group") ?? 1 : 1,
                groupsPerToken: limited ? try settings.optionalInteger("topk_group") ?? 1 : 1,
                groupScoring: .maximum
            )
        )
        return configuration
    }

    package static func configuration(gguf settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    { try DeepSeek.configuration(gguf: settings, inventory, isThird: false) }

    package static func hasAdjacentRotaryPairs(huggingFace: Settings) throws -> Bool { true }
    package static let hasAdjacentRotaryPairsInGGUF = true
}

/// DeepSeek-V3: sigmoid scores, a bias that steers the choice alone, the best groups by their two best (arXiv 2412.19437).
package enum DeepSeekV3Family: Family {
    package static let name = "deepseek_v3"
    package static let modelTypes: Set = ["deepseek_v3"]
    package static let ggufArchitectures: Set = ["deepseek2"]

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try DeepSeek.attention(huggingFace: settings, inventory)
        configuration.hasSelectionBias = true
        try DeepSeek.makeSparse(
            &configuration,
            huggingFace: settings,
            router: RouterConfiguration(
                expertCount: try settings.count("n_routed_experts", "num_local_experts", maximum: 4096),
                expertsPerToken: try settings.count("num_experts_per_tok", maximum: 4096),
                scoring: .sigmoid,
                renormalizes: try settings.flag("norm_topk_prob", default: true),
                scale: Float(try settings.optionalNumber("routed_scaling_factor") ?? 2.5),
                groupCount: try settings.optionalInteger("n_group") ?? 1,
                groupsPerToken: try settings.optionalInteger("topk_group") ?? 1,
                groupScoring: .sumOfBestTwo
            )
        )
        return configuration
    }

    package static func configuration(gguf settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    { try DeepSeek.configuration(gguf: settings, inventory, isThird: true) }

    package static func hasAdjacentRotaryPairs(huggingFace settings: Settings) throws -> Bool {
        try settings.flag("rope_interleave", default: true)
    }
    package static let hasAdjacentRotaryPairsInGGUF = true
}

/// What both generations share.
private enum DeepSeek {
    static func attention(huggingFace settings: Settings, _ inventory: TensorInventory) throws -> DecoderConfiguration {
        let hidden = try settings.count("hidden_size")
        let heads = try settings.count("num_attention_heads", maximum: 4096)
        let ropeWidth = try settings.count("qk_rope_head_dim", maximum: 65_536)
        let rope = try RopeConfiguration(huggingFace: settings, width: ropeWidth)
        // YaRN's temperature acts on the softmax scale (squared: once for queries, once for keys).
        var scaleFactor = 1.0
        if rope.scaling != .none,
            let parameters = settings.section("rope_parameters") ?? settings.section("rope_scaling"),
            let magnitude = try parameters.optionalNumber("mscale_all_dim"), magnitude != 0
        {
            let factor = try parameters.optionalNumber("factor") ?? 1
            let magnitude = RopeConfiguration.yarnMagnitude(factor: factor, weight: magnitude)
            scaleFactor = magnitude * magnitude
        }
        return DecoderConfiguration(
            hiddenSize: hidden,
            vocabularySize: try settings.count("vocab_size"),
            contextLength: try settings.count("max_position_embeddings", maximum: 1_073_741_824),
            normEpsilon: Float(try settings.optionalNumber("rms_norm_eps") ?? 1e-6),
            tiesEmbeddings: try CommonSettings.tiesEmbeddings(huggingFace: settings, inventory),
            attention: .latent(
                .init(
                    headCount: heads,
                    queryRank: try settings.optionalInteger("q_lora_rank"),
                    latentRank: try settings.count("kv_lora_rank", maximum: 65_536),
                    plainWidth: try settings.count("qk_nope_head_dim", maximum: 65_536),
                    ropeWidth: ropeWidth,
                    valueWidth: try settings.count("v_head_dim", maximum: 65_536),
                    scaleFactor: scaleFactor,
                    hasBias: try settings.flag("attention_bias", default: false)
                )
            ),
            rope: rope,
            layers: Array(
                repeating: .init(
                    window: nil,
                    hasRoutedExperts: false,
                    hasSharedExpert: true,
                    sharedWidth: try settings.count("intermediate_size")
                ),
                count: try settings.count("num_hidden_layers", maximum: 1024)
            ),
            router: nil,
            expertWidth: 0,
            activation: .silu
        )
    }

    static func makeSparse(
        _ configuration: inout DecoderConfiguration,
        huggingFace settings: Settings,
        router: RouterConfiguration
    ) throws {
        let firstSparse = try settings.optionalInteger("first_k_dense_replace") ?? 0
        let width = try settings.count("moe_intermediate_size")
        let shared = try settings.optionalInteger("n_shared_experts") ?? 0
        let frequency = max(1, try settings.optionalInteger("moe_layer_freq") ?? 1)
        guard 0...1024 ~= shared else { throw ModelError.invalidConfiguration("\(shared) shared experts") }
        CommonSettings.makeSparse(
            &configuration,
            router: router,
            width: width,
            sharedWidth: shared > 0 ? shared * width : nil,
            isSparse: { $0 >= firstSparse && $0 % frequency == 0 }
        )
    }

    static func configuration(gguf settings: Settings, _ inventory: TensorInventory, isThird: Bool) throws
        -> DecoderConfiguration
    {
        let ropeWidth = try settings.count("rope.dimension_count", maximum: 65_536)
        // Files made for latent attention give the expanded widths under their own keys.
        let keyWidth = try settings.count("attention.key_length_mla", "attention.key_length", maximum: 65_536)
        let valueWidth = try settings.count("attention.value_length_mla", "attention.value_length", maximum: 65_536)
        var rope = try RopeConfiguration(gguf: settings, width: ropeWidth, inventory: inventory)
        var scaleFactor = 1.0
        if case .yarn(let factor, let context, let fast, let slow, let truncates, _) = rope.scaling {
            // The file's multiplier is 0.1 * mscale_all_dim; cosines and sines themselves are not scaled.
            let multiplier = try settings.optionalNumber("rope.scaling.yarn_log_multiplier") ?? 0
            let magnitude = RopeConfiguration.yarnMagnitude(factor: factor, weight: multiplier * 10)
            scaleFactor = magnitude * magnitude
            rope.scaling = .yarn(
                factor: factor,
                originalContext: context,
                betaFast: fast,
                betaSlow: slow,
                truncates: truncates,
                attentionFactor: 1
            )
        }
        let width = try settings.optionalInteger("expert_feed_forward_length") ?? 0
        let shared = try settings.optionalInteger("expert_shared_count") ?? 0
        let firstSparse = try settings.optionalInteger("leading_dense_block_count") ?? 0
        var configuration = DecoderConfiguration(
            hiddenSize: try settings.count("embedding_length"),
            vocabularySize: try CommonSettings.vocabularySize(inventory),
            contextLength: try settings.count("context_length", maximum: 1_073_741_824),
            normEpsilon: Float(try settings.optionalNumber("attention.layer_norm_rms_epsilon") ?? 1e-6),
            tiesEmbeddings: !inventory.contains("output.weight"),
            attention: .latent(
                .init(
                    headCount: try settings.count("attention.head_count", maximum: 4096),
                    queryRank: inventory.contains("blk.0.attn_q_a.weight")
                        ? try settings.count("attention.q_lora_rank", maximum: 65_536) : nil,
                    latentRank: try settings.count("attention.kv_lora_rank", maximum: 65_536),
                    plainWidth: keyWidth - ropeWidth,
                    ropeWidth: ropeWidth,
                    valueWidth: valueWidth,
                    scaleFactor: scaleFactor
                )
            ),
            rope: rope,
            layers: Array(
                repeating: .init(
                    window: nil,
                    hasRoutedExperts: false,
                    hasSharedExpert: true,
                    sharedWidth: try settings.count("feed_forward_length")
                ),
                count: try settings.count("block_count", maximum: 1024)
            ),
            router: nil,
            expertWidth: 0,
            activation: .silu
        )
        configuration.hasSelectionBias = isThird && inventory.contains("blk.\(firstSparse).exp_probs_b.bias")
        guard 0...1024 ~= shared, width >= 0 else { throw ModelError.invalidConfiguration("\(shared) shared experts") }
        let groups = try settings.optionalInteger("expert_group_count") ?? 1
        CommonSettings.makeSparse(
            &configuration,
            router: RouterConfiguration(
                expertCount: try settings.count("expert_count", maximum: 4096),
                expertsPerToken: try settings.count("expert_used_count", maximum: 4096),
                scoring: isThird ? .sigmoid : .softmax,
                renormalizes: try settings.flag("expert_weights_norm", default: isThird),
                scale: Float(try settings.optionalNumber("expert_weights_scale") ?? 1),
                groupCount: max(1, groups),
                groupsPerToken: max(1, try settings.optionalInteger("expert_group_used_count") ?? 1),
                groupScoring: isThird ? .sumOfBestTwo : .maximum
            ),
            width: width,
            sharedWidth: shared > 0 ? shared * width : nil,
            isSparse: { $0 >= firstSparse }
        )
        return configuration
    }
}

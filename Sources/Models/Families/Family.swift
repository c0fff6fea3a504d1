import Experts
import JSONText
import ModelFiles

/// One architecture: how its checkpoints' settings and names become a ``DecoderConfiguration`` and an import plan.
package protocol Family: Sendable {
    /// What `bundle.json` calls it.
    static var name: String { get }
    /// `model_type` in `config.json`.
    static var modelTypes: Set<String> { get }
    /// `general.architecture` in GGUF.
    static var ggufArchitectures: Set<String> { get }

    static func configuration(huggingFace: Settings, _ inventory: TensorInventory) throws -> DecoderConfiguration
    static func configuration(gguf: Settings, _ inventory: TensorInventory) throws -> DecoderConfiguration

    static func huggingFaceNames(_ inventory: TensorInventory) -> CheckpointNames
    static var ggufNames: CheckpointNames { get }
    /// Whether the checkpoint keeps rotary pairs adjacent, so that rows are re-ordered on import.
    static func hasAdjacentRotaryPairs(huggingFace: Settings) throws -> Bool
    static var hasAdjacentRotaryPairsInGGUF: Bool { get }
    /// Towers beside the decoder.
    static func encoders(huggingFace: Settings, _ inventory: TensorInventory) throws -> [ImportPlan.Encoder]
    /// Parts of a checkpoint that are known and not imported, each with a sentence that says so.
    static func leftOut(_ inventory: TensorInventory) -> [LeftOutTensors]
}

/// Tensors that a checkpoint has and a bundle has not.
package struct LeftOutTensors: Sendable {
    package var names: [String]
    /// For the user; nil where there is nothing to tell.
    package var note: String?
}

extension Family {
    package static func huggingFaceNames(_ inventory: TensorInventory) -> CheckpointNames { .huggingFace() }
    package static func encoders(huggingFace: Settings, _ inventory: TensorInventory) throws -> [ImportPlan.Encoder] {
        []
    }
    package static func leftOut(_ inventory: TensorInventory) -> [LeftOutTensors] { [] }
    package static var ggufNames: CheckpointNames { .gguf }
    package static func hasAdjacentRotaryPairs(huggingFace: Settings) throws -> Bool { false }
    package static var hasAdjacentRotaryPairsInGGUF: Bool { false }
}

/// The families that this version runs.
package enum Families {
    package static var all: [any Family.Type] {
        [
            LlamaFamily.self, MixtralFamily.self, OLMoEFamily.self, Qwen3Family.self, Qwen3MoEFamily.self,
            DeepSeekV2Family.self, DeepSeekV3Family.self, GPTOSSFamily.self, Qwen3OmniFamily.self,
            Qwen3VLMoEFamily.self,
        ]
    }

    package static func named(_ name: String) -> (any Family.Type)? { all.first { $0.name == name } }

    /// The plan for a Hugging Face folder.
    package static func plan(huggingFace config: JSON, _ inventory: TensorInventory) throws -> ImportPlan {
        let settings = Settings(config)
        guard let type = settings.text("model_type") else { throw ModelError.missingSetting("model_type") }
        if type == WhisperConfiguration.architecture {
            return WhisperImport.plan(try WhisperConfiguration(huggingFace: settings), inventory)
        }
        guard let family = all.first(where: { $0.modelTypes.contains(type) }) else {
            let known = all.flatMap { $0.modelTypes.sorted() } + [WhisperConfiguration.architecture]
            throw ModelError.unknownArchitecture(type, known: known)
        }
        let configuration = try family.configuration(huggingFace: settings, inventory)
        try configuration.validate()
        var plan = try PlanBuilder(
            architecture: family.name,
            configuration: configuration,
            names: family.huggingFaceNames(inventory),
            inventory: inventory,
            hasAdjacentRotaryPairs: try family.hasAdjacentRotaryPairs(huggingFace: settings)
        ).plan()
        plan.encoders = try family.encoders(huggingFace: settings, inventory)
        for part in family.leftOut(inventory) where !part.names.isEmpty {
            plan.ignoredTensors.formUnion(part.names)
            if let note = part.note { plan.notes.append(note) }
        }
        return plan
    }

    /// The plan for a GGUF file, from its metadata (keys as in the file).
    package static func plan(gguf metadata: JSON, _ inventory: TensorInventory) throws -> ImportPlan {
        guard let architecture = metadata["general.architecture"]?.stringValue else {
            throw ModelError.missingSetting("general.architecture")
        }
        let experts = metadata[architecture + ".expert_count"]?.intValue ?? 0
        let candidates = all.filter { $0.ggufArchitectures.contains(architecture) }
        // GGUF calls Mixtral "llama" too, and both DeepSeeks "deepseek2".
        let family: (any Family.Type)? =
            switch architecture {
            case "llama": experts > 0 ? MixtralFamily.self : LlamaFamily.self
            case "deepseek2": isDeepSeekV3(metadata) ? DeepSeekV3Family.self : DeepSeekV2Family.self
            default: candidates.first
            }
        guard let family else {
            throw ModelError.unknownArchitecture(
                architecture,
                known: Array(Set(all.flatMap { $0.ggufArchitectures })).sorted()
            )
        }
        var stripped = JSON.Object()
        for (key, value) in metadata.objectValue?.members ?? [] {
            stripped[key.hasPrefix(architecture + ".") ? String(key.dropFirst(architecture.count + 1)) : key] = value
        }
        let settings = Settings(.object(stripped), prefix: architecture + ".")
        let configuration = try family.configuration(gguf: settings, inventory)
        try configuration.validate()
        return try PlanBuilder(
            architecture: family.name,
            configuration: configuration,
            names: family.ggufNames,
            inventory: inventory,
            hasAdjacentRotaryPairs: family.hasAdjacentRotaryPairsInGGUF
        ).plan()
    }

    private static func isDeepSeekV3(_ metadata: JSON) -> Bool {
        // 2 is the sigmoid; files from before the key was written have 61 layers if they are a V3.
        if let gating = metadata["deepseek2.expert_gating_func"]?.intValue { return gating == 2 }
        return (metadata["deepseek2.block_count"]?.intValue ?? 0) >= 61
    }
}

/// Settings that most families spell alike.
enum CommonSettings {
    /// A configuration with grouped attention and dense layers; the family changes what differs.
    static func grouped(
        huggingFace settings: Settings,
        _ inventory: TensorInventory,
        defaultEpsilon: Double = 1e-6,
        defaultRopeBase: Double = 10_000
    ) throws -> DecoderConfiguration {
        let hidden = try settings.count("hidden_size")
        let heads = try settings.count("num_attention_heads", maximum: 4096)
        let kvHeads = try settings.optionalInteger("num_key_value_heads") ?? heads
        let headWidth = try settings.optionalInteger("head_dim") ?? hidden / heads
        let layers = try settings.count("num_hidden_layers", maximum: 1024)
        let window = try settings.optionalInteger("sliding_window")
        let dense = try settings.optionalInteger("intermediate_size") ?? 0
        return DecoderConfiguration(
            hiddenSize: hidden,
            vocabularySize: try settings.count("vocab_size"),
            contextLength: try settings.count("max_position_embeddings", maximum: 1_073_741_824),
            normEpsilon: Float(try settings.optionalNumber("rms_norm_eps") ?? defaultEpsilon),
            tiesEmbeddings: try tiesEmbeddings(huggingFace: settings, inventory),
            attention: .grouped(
                .init(
                    headCount: heads,
                    kvHeadCount: kvHeads,
                    headWidth: headWidth,
                    hasInputBias: try settings.flag("attention_bias", default: false),
                    hasOutputBias: try settings.flag("attention_bias", default: false)
                )
            ),
            rope: try RopeConfiguration(huggingFace: settings, width: headWidth, defaultBase: defaultRopeBase),
            layers: Array(
                repeating: .init(
                    window: window,
                    hasRoutedExperts: false,
                    hasSharedExpert: true,
                    sharedWidth: dense
                ),
                count: layers
            ),
            router: nil,
            expertWidth: 0,
            activation: try activation(settings)
        )
    }

    static func grouped(gguf settings: Settings, _ inventory: TensorInventory) throws -> DecoderConfiguration {
        let hidden = try settings.count("embedding_length")
        let heads = try settings.count("attention.head_count", maximum: 4096)
        let kvHeads = try settings.optionalInteger("attention.head_count_kv") ?? heads
        let headWidth = try settings.optionalInteger("attention.key_length") ?? hidden / heads
        let layers = try settings.count("block_count", maximum: 1024)
        let window = try settings.optionalInteger("attention.sliding_window")
        return DecoderConfiguration(
            hiddenSize: hidden,
            vocabularySize: try vocabularySize(inventory),
            contextLength: try settings.count("context_length", maximum: 1_073_741_824),
            normEpsilon: Float(try settings.optionalNumber("attention.layer_norm_rms_epsilon") ?? 1e-6),
            tiesEmbeddings: !inventory.contains("output.weight"),
            attention: .grouped(
                .init(
                    headCount: heads,
                    kvHeadCount: kvHeads,
                    headWidth: headWidth,
                    hasInputBias: inventory.contains("blk.0.attn_q.bias"),
                    hasOutputBias: inventory.contains("blk.0.attn_output.bias")
                )
            ),
            rope: try RopeConfiguration(
                gguf: settings,
                width: try settings.optionalInteger("rope.dimension_count") ?? headWidth,
                inventory: inventory
            ),
            layers: Array(
                repeating: .init(
                    window: window == 0 ? nil : window,
                    hasRoutedExperts: false,
                    hasSharedExpert: true,
                    sharedWidth: try settings.optionalInteger("feed_forward_length") ?? 0
                ),
                count: layers
            ),
            router: nil,
            expertWidth: 0,
            activation: .silu
        )
    }

    static func tiesEmbeddings(huggingFace settings: Settings, _ inventory: TensorInventory) throws -> Bool {
        try settings.flag("tie_word_embeddings", default: !inventory.contains("lm_head.weight"))
    }

    static func vocabularySize(_ inventory: TensorInventory) throws -> Int {
        guard let size = inventory.shapes["token_embd.weight"]?.first else {
            throw ModelError.missingSetting("token_embd.weight")
        }
        return size
    }

    private static func activation(_ settings: Settings) throws -> GatedActivation {
        let name = settings.text("hidden_act") ?? "silu"
        guard name == "silu" || name == "swish" else { throw ModelError.unsupported("activation '\(name)'") }
        return .silu
    }

    /// Makes every layer (or those that `isSparse` names) one of routed experts.
    static func makeSparse(
        _ configuration: inout DecoderConfiguration,
        router: RouterConfiguration,
        width: Int,
        sharedWidth: Int? = nil,
        isSparse: (Int) -> Bool = { _ in true }
    ) {
        configuration.router = router
        configuration.expertWidth = width
        for index in configuration.layers.indices where isSparse(index) {
            configuration.layers[index].hasRoutedExperts = true
            configuration.layers[index].hasSharedExpert = sharedWidth != nil
            configuration.layers[index].sharedWidth = sharedWidth ?? 0
        }
    }

    static func withGrouped(
        _ configuration: inout DecoderConfiguration,
        _ change: (inout DecoderConfiguration.GroupedAttention) -> Void
    ) {
        guard case .grouped(var attention) = configuration.attention else { return }
        change(&attention)
        configuration.attention = .grouped(attention)
    }
}

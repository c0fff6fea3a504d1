import Experts
import JSONText
import ModelFiles

/// Qwen3-Omni's thinker: text, sight and sound in, text out (Xu et al. 2025). The talker, which speaks, is not run.
///
/// Checkpoints come whole (names begin with `thinker.`, settings lie in `thinker_config`) or with the thinker alone.
package enum Qwen3OmniFamily: Family {
    package static let name = "qwen3_omni_moe"
    package static let modelTypes: Set = ["qwen3_omni_moe", "qwen3_omni_moe_thinker"]
    package static let ggufArchitectures: Set<String> = []

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        let thinker = settings.section("thinker_config") ?? settings
        guard let text = thinker.section("text_config") else { throw ModelError.missingSetting("text_config") }
        var configuration = try VisionLanguageSettings.decoder(
            text,
            outer: thinker,
            inventory,
            names: huggingFaceNames(inventory),
            renormalizes: try text.flag("norm_topk_prob", default: true)
        )
        configuration.media = try MediaConfiguration(huggingFace: thinker, rule: .aligned, hasAudio: true)
        return configuration
    }

    package static func configuration(gguf: Settings, _ inventory: TensorInventory) throws -> DecoderConfiguration {
        throw ModelError.unsupported("Qwen3-Omni from GGUF; import the Hugging Face folder")
    }

    private static func prefix(_ inventory: TensorInventory) -> String {
        inventory.contains("thinker.model.embed_tokens.weight") ? "thinker." : ""
    }

    package static func huggingFaceNames(_ inventory: TensorInventory) -> CheckpointNames {
        let prefix = prefix(inventory)
        var names = CheckpointNames.huggingFace(prefix: prefix + "model.")
        names.output = prefix + "lm_head.weight"
        return names
    }

    package static func encoders(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> [ImportPlan.Encoder]
    {
        let thinker = settings.section("thinker_config") ?? settings
        let prefix = prefix(inventory)
        return [
            try EncoderPlan.vision(
                prefix: prefix + "visual.",
                names: .omni,
                configuration: try VisionLanguageSettings.section("vision_config", of: thinker)
            ),
            try EncoderPlan.audio(
                prefix: prefix + "audio_tower.",
                configuration: try VisionLanguageSettings.section("audio_config", of: thinker)
            ),
        ]
    }

    package static func leftOut(_ inventory: TensorInventory) -> [LeftOutTensors] {
        let speech = inventory.shapes.keys.filter { $0.hasPrefix("talker.") || $0.hasPrefix("code2wav.") }
        return [
            LeftOutTensors(
                names: speech,
                note: "the talker and code2wav (\(speech.count) tensors) are left out: this version answers in text"
            )
        ]
    }
}

/// Settings that decoders with a `text_config` beside a `vision_config` share.
enum VisionLanguageSettings {
    /// Qwen3's decoder with routed experts and three-axis positions.
    ///
    /// - Parameters:
    ///   - text: the `text_config`.
    ///   - outer: the settings around it, which may say whether embeddings are tied.
    static func decoder(
        _ text: Settings,
        outer: Settings,
        _ inventory: TensorInventory,
        names: CheckpointNames,
        renormalizes: Bool
    ) throws -> DecoderConfiguration {
        var configuration = try Qwen3MoEFamily.configuration(huggingFace: text, inventory)
        let inner = try text.flag("tie_word_embeddings", default: !inventory.contains(names.output))
        configuration.tiesEmbeddings = try outer.flag("tie_word_embeddings", default: inner)
        CommonSettings.withGrouped(&configuration) {
            $0.hasOutputBias =
                $0.hasInputBias && inventory.contains((names.layer["attention.o_bias"] ?? "").filled(layer: 0))
        }
        configuration.router?.renormalizes = renormalizes
        configuration.rope.sections = try sections(text)
        return configuration
    }

    static func section(_ key: String, of settings: Settings) throws -> JSON {
        guard let section = settings.section(key) else { throw ModelError.missingSetting(key) }
        return section.json
    }

    private static func sections(_ text: Settings) throws -> [Int] {
        for key in ["rope_parameters", "rope_scaling"] {
            guard let section = text.section(key), let list = section["mrope_section"]?.arrayValue else { continue }
            guard try section.flag("mrope_interleaved", default: false) else {
                throw ModelError.unsupported("rotary sections that are not interleaved")
            }
            let sections = list.compactMap(\.intValue)
            guard sections.count == list.count else {
                throw ModelError.invalidConfiguration("'mrope_section' is \(section["mrope_section"]?.text() ?? "")")
            }
            return sections
        }
        throw ModelError.missingSetting("rope_parameters.mrope_section")
    }
}

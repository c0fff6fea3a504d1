import ModelFiles

/// Qwen3-VL with routed experts: text and sight in, text out (Bai et al. 2025).
///
/// Experts are three-dimensional tensors that exist in two layouts, `[experts, outputs, inputs]` and
/// `[experts, inputs, outputs]`; shapes tell which. Whatever `norm_topk_prob` says, weights are renormalised.
package enum Qwen3VLMoEFamily: Family {
    package static let name = "qwen3_vl_moe"
    package static let modelTypes: Set = ["qwen3_vl_moe"]
    package static let ggufArchitectures: Set<String> = []

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        guard let text = settings.section("text_config") else { throw ModelError.missingSetting("text_config") }
        var configuration = try VisionLanguageSettings.decoder(
            text,
            outer: settings,
            inventory,
            names: huggingFaceNames(inventory),
            renormalizes: true
        )
        configuration.media = try MediaConfiguration(huggingFace: settings, rule: .framewise, hasAudio: false)
        return configuration
    }

    package static func configuration(gguf: Settings, _ inventory: TensorInventory) throws -> DecoderConfiguration {
        throw ModelError.unsupported("Qwen3-VL from GGUF; import the Hugging Face folder")
    }

    package static func huggingFaceNames(_ inventory: TensorInventory) -> CheckpointNames {
        var names = CheckpointNames.huggingFace(prefix: "model.language_model.")
        // The fused forms first, so that a checkpoint without experts is told the names that it lacks.
        names.experts.append(names.experts.removeFirst())
        return names
    }

    package static func encoders(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> [ImportPlan.Encoder]
    {
        [
            try EncoderPlan.vision(
                prefix: "model.visual.",
                names: .visionLanguage,
                configuration: try VisionLanguageSettings.section("vision_config", of: settings)
            )
        ]
    }
}

/// Llama 2 and 3, SmolLM2 and their kin: dense, grouped attention (Touvron et al. 2023).
package enum LlamaFamily: Family {
    package static let name = "llama"
    package static let modelTypes: Set = ["llama", "mistral"]
    package static let ggufArchitectures: Set = ["llama"]

    package static func configuration(huggingFace settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    {
        var configuration = try CommonSettings.grouped(huggingFace: settings, inventory)
        guard try !settings.flag("mlp_bias", default: false) else { throw ModelError.unsupported("biased MLPs") }
        if settings.text("model_type") == "llama" {
            for index in configuration.layers.indices { configuration.layers[index].window = nil }
        }
        return configuration
    }

    package static func configuration(gguf settings: Settings, _ inventory: TensorInventory) throws
        -> DecoderConfiguration
    { try CommonSettings.grouped(gguf: settings, inventory) }

    // GGUF converters permute the rows of Llama's queries and keys.
    package static let hasAdjacentRotaryPairsInGGUF = true
}

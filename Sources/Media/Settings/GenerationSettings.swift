import Foundation

/// What a checkpoint's `generation_config.json` says about sampling; nil where it says nothing.
package struct GenerationSettings: Sendable, Equatable {
    package var samples: Bool?
    package var temperature: Double?
    package var topK: Int?
    package var topP: Double?
    package var minP: Double?
    package var repetitionPenalty: Double?
    /// Any of them ends the text.
    package var endTokens: [Int32]

    /// - Throws: ``ProcessorSettingsError`` naming the key. A folder without the file gives no settings.
    package init(folder: String) throws(ProcessorSettingsError) {
        let file = try SettingsReader.open(folder: folder, file: "generation_config.json")
        samples = try file?.flag("do_sample")
        temperature = try file?.number("temperature", in: 0...100)
        topK = try file?.integer("top_k", in: 0...1_000_000_000)
        topP = try file?.number("top_p", in: 0...1)
        minP = try file?.number("min_p", in: 0...1)
        repetitionPenalty = try file?.number("repetition_penalty", in: 0.001...1000)
        endTokens = try file?.tokens("eos_token_id") ?? []
    }
}

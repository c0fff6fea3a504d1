import JSONText
import Soranji

/// How tokens are chosen, and who said so.
struct SamplingChoice: Equatable {
    var options: SamplingOptions
    /// Names of the settings that come from the model's `generation_config.json`.
    var fromModel: [String] = []

    /// For `--verbose`: one line under a heading.
    func lines(style: Style) -> [String] {
        func setting(_ name: String, _ value: String) -> String {
            name.replacing("_", with: "-") + " " + value + (fromModel.contains(name) ? " (the model's)" : "")
        }
        var parts = [setting("temperature", "\(options.temperature)")]
        if options.temperature > 0 {
            if options.topK > 0 { parts.append(setting("top_k", "\(options.topK)")) }
            if options.topP < 1 { parts.append(setting("top_p", "\(options.topP)")) }
            if options.minP > 0 { parts.append(setting("min_p", "\(options.minP)")) }
        }
        if options.repetitionPenalty != 1 {
            parts.append(setting("repetition_penalty", "\(options.repetitionPenalty)"))
        }
        if options.presencePenalty != 0 { parts.append(setting("presence_penalty", "\(options.presencePenalty)")) }
        if options.frequencyPenalty != 0 { parts.append(setting("frequency_penalty", "\(options.frequencyPenalty)")) }
        if options.temperature > 0 { parts.append(setting("seed", "\(options.seed)")) }
        return ["", style.bold("Sampling:"), "  " + parts.joined(separator: ", ")]
    }

    var json: JSON {
        [
            "temperature": .number(options.temperature), "top_k": .integer(Int64(options.topK)),
            "top_p": .number(options.topP), "min_p": .number(options.minP),
            "repetition_penalty": .number(options.repetitionPenalty),
            "presence_penalty": .number(options.presencePenalty),
            "frequency_penalty": .number(options.frequencyPenalty),
            // JSON's integers end where other programs' do; a longer seed is given as its digits.
            "seed": Int64(exactly: options.seed).map(JSON.integer) ?? .string("\(options.seed)"),
            "from_model": .array(fromModel.map(JSON.string)),
        ]
    }
}

extension SamplingFlags {
    /// What holds for an opened model. Settings of the model that cannot be read are left out, with a warning.
    func choice(for runtime: Runtime) -> SamplingChoice {
        do {
            return choice(recommended: try runtime.recommendedSampling())
        } catch {
            let notes = Terminal.standardError
            notes.writeLine(
                notes.style.bold(notes.style.yellow("warning:"))
                    + " the model's sampling settings are not used: \(error)"
            )
            return choice(recommended: nil)
        }
    }
}

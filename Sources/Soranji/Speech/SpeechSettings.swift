import Foundation
import JSONText
import ModelFiles
import Models
import Tokenizers

extension SpeechTokens {
    /// The control tokens of a bundle: from its `generation_config.json`, and by name from its tokenizer where that file
    /// says nothing (files of before 2023).
    ///
    /// - Throws: ``SpeechError`` naming the key or token.
    init(folder: String, tokenizer: Tokenizer, configuration: WhisperConfiguration) throws {
        let path = folder + "/generation_config.json"
        var json = JSON.object(.init())
        if FileManager.default.fileExists(atPath: path) {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            do {
                json = try JSON.parse(Array(bytes))
            } catch { throw SpeechError.badSetting(file: path, key: "", reason: "\(error)") }
        }
        try self.init(generation: json, file: path, configuration: configuration) { tokenizer.tokenID($0) }
    }

    /// - Parameter named: the id of a token by its text.
    init(
        generation: JSON,
        file: String,
        configuration: WhisperConfiguration,
        named: (String) -> Int32?
    ) throws {
        func checked(_ value: JSON, _ key: String) throws -> Int32 {
            guard let id = value.intValue, 0..<configuration.vocabularySize ~= id else {
                throw SpeechError.badSetting(
                    file: file,
                    key: key,
                    reason:
                        "is \(value.text().prefix(40)), not a token of the vocabulary of \(configuration.vocabularySize)"
                )
            }
            return Int32(id)
        }
        func token(_ key: String) throws -> Int32? {
            guard let value = generation[key], !value.isNull else { return nil }
            return try checked(value, key)
        }
        func list(_ key: String) throws -> [Int32] {
            guard let value = generation[key], !value.isNull else { return [] }
            guard let entries = value.arrayValue else {
                throw SpeechError.badSetting(file: file, key: key, reason: "is not a list of tokens")
            }
            // -1 stands for a list that the reference fills in itself.
            return try entries.filter { $0.intValue != -1 }.map { try checked($0, key) }
        }
        guard let withoutTimes = try token("no_timestamps_token_id") ?? named("<|notimestamps|>") else {
            throw SpeechError.missingToken("<|notimestamps|>")
        }
        self.init(
            start: try token("decoder_start_token_id") ?? configuration.startToken,
            end: generation["eos_token_id"]?.intValue == nil ? configuration.endToken : try token("eos_token_id") ?? 0,
            withoutTimes: withoutTimes
        )
        suppressed = try list("suppress_tokens")
        suppressedAtBegin = try list("begin_suppress_tokens")
        if let steps = generation["max_initial_timestamp_index"], !steps.isNull {
            guard let count = steps.intValue, 0...100_000 ~= count else {
                throw SpeechError.badSetting(file: file, key: "max_initial_timestamp_index", reason: "is no count")
            }
            latestFirstTime = count
        }
        if generation["is_multilingual"]?.boolValue == false { return }
        if let table = generation["lang_to_id"]?.objectValue {
            for (name, id) in table.members {
                languages[Self.code(name)] = try checked(id, "lang_to_id." + name)
            }
        } else if generation["is_multilingual"]?.boolValue == true || configuration.vocabularySize >= 51_865 {
            // Vocabularies of English models hold the names too, but are one token smaller.
            for code in SpeechLanguages.codes { languages[code] = named("<|\(code)|>") }
        }
        let tasks = generation["task_to_id"]
        transcribe =
            try tasks?["transcribe"].map { try checked($0, "task_to_id.transcribe") } ?? named("<|transcribe|>")
        translate = try tasks?["translate"].map { try checked($0, "task_to_id.translate") } ?? named("<|translate|>")
        // Vocabularies of one language still hold the names; such a model has no place for them.
        if languages.isEmpty { (transcribe, translate) = (nil, nil) }
    }

    private static func code(_ name: String) -> String {
        name.hasPrefix("<|") && name.hasSuffix("|>") ? String(name.dropFirst(2).dropLast(2)) : name
    }
}

/// Languages that speech models know.
enum SpeechLanguages {
    /// ISO 639 codes, in the order of Whisper's vocabulary.
    static let codes = """
        en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml \
        cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am \
        yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue
        """.split(separator: " ").map(String.init)

    /// The code for what a user wrote: a code, or a name in English.
    static func code(for text: String) -> String? {
        let wanted = text.lowercased()
        if codes.contains(wanted) { return wanted }
        let english = Locale(identifier: "en")
        return codes.first { english.localizedString(forLanguageCode: $0)?.lowercased() == wanted }
    }
}

/// Why sound cannot be transcribed.
public enum SpeechError: HintedError, Equatable {
    case badSetting(file: String, key: String, reason: String)
    case missingToken(String)
    case unknownLanguage(String, known: [String])
    case cannotTranslate
    case wrongModel(String)
    case onlyTranscribes(String)
    case noSound

    public var description: String {
        switch self {
        case .badSetting(let file, let key, let reason): "\(file): " + (key.isEmpty ? "" : "'\(key)' ") + reason
        case .missingToken(let name): "the model's vocabulary has no token '\(name)'"
        case .unknownLanguage(let name, let known):
            known.isEmpty
                ? "the model knows one language only, so '\(name)' cannot be chosen"
                : "the model does not know the language '\(name)'"
        case .cannotTranslate: "the model knows one language only, so it cannot translate"
        case .wrongModel(let architecture): "a model of architecture '\(architecture)' does not transcribe"
        case .onlyTranscribes(let folder): "'\(folder)' is a model that writes down speech; it does not answer"
        case .noSound: "there is no sound to transcribe"
        }
    }

    public var hint: String? {
        switch self {
        case .badSetting: "compare it with the model's published file"
        case .missingToken: "import the model again with its tokenizer.json and generation_config.json"
        case .unknownLanguage(_, let known):
            known.isEmpty ? "leave out --language" : "known are " + known.sorted().joined(separator: ", ")
        case .cannotTranslate: "use a multilingual model, or leave out --task translate"
        case .wrongModel: "give --model a Whisper folder or a bundle made from one"
        case .onlyTranscribes: "use 'soranji transcribe', or give --model a language model"
        case .noSound: nil
        }
    }
}

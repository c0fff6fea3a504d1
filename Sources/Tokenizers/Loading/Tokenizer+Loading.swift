import JSONText

extension Tokenizer {
    /// Loads the tokenizer of a bundle or of a Hugging Face folder.
    ///
    /// Of the vocabularies `tokenizer.json`, `tokenizer.gguf.json` and `tokenizer.model` the first that is there is
    /// read; beside it the configuration files that say which tokens begin and end texts, and the templates.
    package static func load(folder: String) throws(TokenizerError) -> Tokenizer {
        let configuration = try TokenizerConfiguration(folder: folder)
        if let bytes = try FileBytes.readIfPresent(folder + "/tokenizer.json") {
            return try load(json: bytes, configuration)
        }
        if let bytes = try FileBytes.readIfPresent(folder + "/tokenizer.gguf.json") {
            return try load(gguf: bytes, configuration)
        }
        if let bytes = try FileBytes.readIfPresent(folder + "/tokenizer.model") {
            return try load(model: bytes, configuration)
        }
        throw .noTokenizer(folder: folder)
    }

    /// Loads a tokenizer from the text of `tokenizer.json` alone.
    package static func load(tokenizerJSON bytes: [UInt8]) throws(TokenizerError) -> Tokenizer {
        try load(json: bytes, TokenizerConfiguration())
    }

    /// Loads a tokenizer from the bytes of `tokenizer.model` alone.
    package static func load(tokenizerModel bytes: [UInt8]) throws(TokenizerError) -> Tokenizer {
        try load(model: bytes, TokenizerConfiguration())
    }

    /// Loads a tokenizer from GGUF metadata, as ``load(folder:)`` expects it in `tokenizer.gguf.json`.
    package static func load(gguf metadata: JSON) throws(TokenizerError) -> Tokenizer {
        try load(GGUFTokenizer(file: TokenizerFile(name: "GGUF metadata"), root: metadata), TokenizerConfiguration())
    }

    /// Loads a tokenizer from the text of `tokenizer.gguf.json` alone.
    package static func load(ggufJSON bytes: [UInt8]) throws(TokenizerError) -> Tokenizer {
        try load(gguf: bytes, TokenizerConfiguration())
    }

    // MARK: Kinds

    private static func load(
        json bytes: [UInt8],
        _ configuration: TokenizerConfiguration
    ) throws(TokenizerError) -> Tokenizer {
        let result = try HuggingFaceTokenizer.load(bytes, name: "tokenizer.json")
        let added = result.tokenizer.addedTokens
        let highest = added.map(\.id).max() ?? -1
        var builder = TokenizerBuilder(
            engine: .bytePair(result.tokenizer),
            vocabularySize: max(result.tokenizer.model.vocabulary.count, Int(highest) + 1),
            configuration: configuration
        )
        builder.prefix = result.prefix
        builder.suffix = result.suffix
        // Llama's class writes the post-processor anew from its own flags.
        if configuration.tokenizerClass.hasPrefix("Llama") || configuration.tokenizerClass.hasPrefix("CodeLlama") {
            builder.overridesPrefix(configuration.addsBeginning, configuration.addsEnd)
        } else if result.prefix.isEmpty, result.suffix.isEmpty, configuration.addsBeginning == true {
            builder.overridesPrefix(true, configuration.addsEnd)
        }
        return builder.tokenizer()
    }

    private static func load(
        model bytes: [UInt8],
        _ configuration: TokenizerConfiguration
    ) throws(TokenizerError) -> Tokenizer {
        let tokenizer = try SentencePieceTokenizer.load(
            bytes,
            name: "tokenizer.model",
            added: configuration.addedTokens
        )
        var builder = TokenizerBuilder(
            engine: .sentencePiece(tokenizer),
            vocabularySize: tokenizer.count,
            configuration: configuration
        )
        builder.bos = builder.bos ?? tokenizer.processor.beginID
        builder.eos = builder.eos ?? tokenizer.processor.endID
        builder.unknown = tokenizer.processor.unknownID
        builder.overridesPrefix(configuration.addsBeginning ?? true, configuration.addsEnd ?? false)
        return builder.tokenizer()
    }

    private static func load(
        gguf bytes: [UInt8],
        _ configuration: TokenizerConfiguration
    ) throws(TokenizerError) -> Tokenizer {
        let file = TokenizerFile(name: "tokenizer.gguf.json")
        return try load(GGUFTokenizer(file: file, root: try file.parse(bytes)), configuration)
    }

    private static func load(
        _ reader: GGUFTokenizer,
        _ configuration: TokenizerConfiguration
    ) throws(TokenizerError) -> Tokenizer {
        let (file, root) = (reader.file, reader.root)
        let vocabulary = try reader.vocabulary()
        let engine: Engine
        switch vocabulary.model {
        case "gpt2": engine = .bytePair(try reader.bytePair(vocabulary))
        case "llama", "t5": engine = .sentencePiece(try reader.sentencePiece(vocabulary))
        default: throw file.unsupported("model", "the tokenizer '\(vocabulary.model)' (gpt2, llama and t5 are)")
        }
        func id(_ key: String) throws(TokenizerError) -> Int32? {
            guard let id = try file.id(root[key], key) else { return nil }
            guard Int(id) < vocabulary.texts.count else { throw file.invalid(key, "is \(id), beyond the vocabulary") }
            return id
        }
        var configuration = configuration
        if let template = try file.string(root["chat_template"], "chat_template") {
            configuration.chatTemplate = configuration.chatTemplate ?? template
        }
        for (key, value) in root.objectValue?.members ?? [] where key.hasPrefix("chat_template.") {
            guard let template = try file.string(value, key) else { continue }
            configuration.namedChatTemplates[String(key.dropFirst("chat_template.".count))] = template
        }
        var builder = TokenizerBuilder(
            engine: engine,
            vocabularySize: vocabulary.texts.count,
            configuration: configuration
        )
        builder.bos = try id("bos_token_id") ?? builder.bos
        builder.eos = try id("eos_token_id") ?? builder.eos
        builder.pad = try id("padding_token_id") ?? builder.pad
        builder.unknown = try id("unknown_token_id") ?? builder.unknown
        for key in ["eot_token_id", "eom_token_id"] {
            if let id = try id(key) { builder.ends.insert(id) }
        }
        let addsBeginning = try file.bool(
            root["add_bos_token"],
            "add_bos_token",
            default: try reader.addsBeginningByDefault(vocabulary)
        )
        let addsEnd = try file.bool(root["add_eos_token"], "add_eos_token", default: vocabulary.model == "t5")
        builder.overridesPrefix(addsBeginning, addsEnd)
        return builder.tokenizer()
    }
}

/// Puts a tokenizer together from what the files say.
private struct TokenizerBuilder {
    let engine: Tokenizer.Engine
    let vocabularySize: Int
    let configuration: TokenizerConfiguration
    var prefix: [Int32] = []
    var suffix: [Int32] = []
    var bos: Int32?
    var eos: Int32?
    var pad: Int32?
    var unknown: Int32?
    var ends: Set<Int32> = []

    init(engine: Tokenizer.Engine, vocabularySize: Int, configuration: TokenizerConfiguration) {
        self.engine = engine
        self.vocabularySize = vocabularySize
        self.configuration = configuration
        bos = id(configuration.bosText) ?? valid(configuration.bosID)
        eos = id(configuration.eosText) ?? valid(configuration.endIDs.first)
        pad = id(configuration.padText)
        unknown = id(configuration.unknownText)
    }

    private var addedTokens: [AddedToken] {
        switch engine {
        case .bytePair(let tokenizer): tokenizer.addedTokens
        case .sentencePiece(let tokenizer): tokenizer.addedTokens
        }
    }

    private func id(_ text: String?) -> Int32? {
        guard let text else { return nil }
        switch engine {
        case .bytePair(let tokenizer):
            return addedTokens.first { $0.text == text }?.id ?? tokenizer.model.vocabulary.id(of: text)
        case .sentencePiece(let tokenizer): return tokenizer.id(of: text)
        }
    }

    private func valid(_ id: Int32?) -> Int32? { id.flatMap { Int($0) < vocabularySize ? $0 : nil } }

    /// Beginning and end by flags; nil leaves a side as it is.
    mutating func overridesPrefix(_ addsBeginning: Bool?, _ addsEnd: Bool?) {
        if let addsBeginning { prefix = addsBeginning ? bos.map { [$0] } ?? [] : [] }
        if let addsEnd { suffix = addsEnd ? eos.map { [$0] } ?? [] : [] }
    }

    /// Control tokens that end a turn or a text, in the vocabularies that are in use.
    private static let endTexts: Set<String> = [
        "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>", "<|call|>", "<|calls|>", "<|flush|>",
        "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>", "<turn|>", "<end_of_utterance>", "<|eot|>", "<EOT>",
        "_<EOT>",
        "[EOT]", "[EOS]", "</s>", "<eos>", "<｜end▁of▁sentence｜>", "<|user|>", "<|observation|>", "[e~[",
    ]

    /// GLM ends its turn by beginning another's; elsewhere these tokens only begin turns.
    private static let turnTexts: Set<String> = ["<|user|>", "<|observation|>"]

    func tokenizer() -> Tokenizer {
        let tokens = addedTokens.sorted { $0.id < $1.id }
        var ends = ends
        if let eos { ends.insert(eos) }
        for id in configuration.endIDs where Int(id) < vocabularySize { ends.insert(id) }
        let texts = Set(tokens.lazy.filter(\.isSpecial).map(\.text))
        // In harmony vocabularies "<|end|>" ends a message within a turn.
        let isHarmony = texts.contains("<|return|>") && (texts.contains("<|call|>") || texts.contains("<|calls|>"))
        let isGLM = texts.contains("<|observation|>") && texts.contains("[gMASK]")
        for token in tokens where token.isSpecial && Self.endTexts.contains(token.text) {
            if isHarmony && token.text == "<|end|>" { continue }
            if !isGLM && Self.turnTexts.contains(token.text) { continue }
            ends.insert(token.id)
        }
        return Tokenizer(
            engine: engine,
            prefix: prefix,
            suffix: suffix,
            vocabularySize: vocabularySize,
            bosToken: bos,
            eosToken: eos,
            padToken: pad,
            unknownToken: unknown,
            endOfGenerationTokens: ends,
            specialTokens: tokens,
            chatTemplate: configuration.chatTemplate,
            namedChatTemplates: configuration.namedChatTemplates
        )
    }
}

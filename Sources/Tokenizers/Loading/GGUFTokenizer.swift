import JSONText

/// Reads a tokenizer out of GGUF metadata, written as a JSON object: `model`, `pre`, `tokens`, `scores`, `token_type`,
/// `merges`, `bos_token_id`, … (the keys of `tokenizer.ggml.*`), and `chat_template`.
struct GGUFTokenizer {
    let file: TokenizerFile
    let root: JSON

    /// Types of tokens, as GGUF numbers them.
    enum TokenType: Int { case normal = 1, unknown, control, userDefined, unused, byte }

    struct Vocabulary {
        var model: String
        var texts: [String]
        var types: [TokenType]
    }

    func vocabulary() throws(TokenizerError) -> Vocabulary {
        guard root.objectValue != nil else { throw file.invalid("the file", "must hold an object") }
        let model = try file.required(try file.string(root["model"], "model"), "model")
        var texts: [String] = []
        let tokens = try file.array(root["tokens"], "tokens")
        guard !tokens.isEmpty, tokens.count < 1 << 24 else {
            throw file.invalid("tokens", "has \(tokens.count) tokens")
        }
        texts.reserveCapacity(tokens.count)
        for (index, token) in tokens.enumerated() {
            texts.append(try file.required(token.stringValue, "tokens[\(index)]"))
        }
        let codes = try file.array(root["token_type"], "token_type")
        guard codes.isEmpty || codes.count == texts.count else {
            throw file.invalid("token_type", "has \(codes.count) entries for \(texts.count) tokens")
        }
        var types: [TokenType] = []
        types.reserveCapacity(texts.count)
        for (index, code) in codes.enumerated() {
            // 0 is "undefined" in files of early converters.
            guard let number = code.intValue, let type = TokenType(rawValue: number == 0 ? 1 : number) else {
                throw file.invalid("token_type[\(index)]", "must be 1…6")
            }
            types.append(type)
        }
        if types.isEmpty { types = Array(repeating: .normal, count: texts.count) }
        return Vocabulary(model: model, texts: texts, types: types)
    }

    /// A vocabulary of model "gpt2".
    func bytePair(_ vocabulary: Vocabulary) throws(TokenizerError) -> BytePairTokenizer {
        var entries: [(id: Int32, text: String)] = []
        entries.reserveCapacity(vocabulary.texts.count)
        var added: [AddedToken] = []
        for (index, text) in vocabulary.texts.enumerated() {
            let id = Int32(truncatingIfNeeded: index)
            entries.append((id, text))
            let type = vocabulary.types[index]
            guard type == .control || type == .userDefined || type == .unknown, !text.isEmpty else { continue }
            guard text.utf8.count <= AddedTokenMatcher.maximumLength else {
                throw file.invalid("tokens[\(index)]", "is longer than \(AddedTokenMatcher.maximumLength) bytes")
            }
            added.append(AddedToken(id: id, text: text, isSpecial: type != .userDefined))
        }
        let name = try file.string(root["pre"], "pre") ?? "default"
        guard let known = GGUFPreTokenizers.named(name) else {
            let names = GGUFPreTokenizers.names.joined(separator: ", ")
            throw file.unsupported("pre", "the pre-tokenizer '\(name)' (known: \(names))")
        }
        let table = Tokenizers.Vocabulary(entries: entries, count: entries.count)
        let merges = try MergeReader(file: file, path: "merges", vocabulary: table)
            .read(try file.array(root["merges"], "merges"), excluding: added)
        let model = BytePairModel(
            vocabulary: table,
            merges: merges,
            symbols: .bytes,
            ignoresMerges: known.ignoresMerges,
            unknown: nil,
            fusesUnknown: false
        )
        var preTokenizer = try known.preTokenizer(file: file)
        if try file.bool(root["add_space_prefix"], "add_space_prefix", default: false) {
            preTokenizer.steps.insert(.prefixSpace, at: 0)
        }
        return BytePairTokenizer(
            model: model,
            normalizer: Normalizer(steps: known.normalizes ? [.form(.nfc)] : []),
            preTokenizer: preTokenizer,
            decoding: BytePairTokenizer.Decoding(),
            addedTokens: added
        )
    }

    /// Whether a beginning is put before texts when the file does not say.
    func addsBeginningByDefault(_ vocabulary: Vocabulary) throws(TokenizerError) -> Bool {
        if vocabulary.model == "llama" { return true }
        return GGUFPreTokenizers.named(try file.string(root["pre"], "pre") ?? "")?.addsBeginning ?? false
    }
}

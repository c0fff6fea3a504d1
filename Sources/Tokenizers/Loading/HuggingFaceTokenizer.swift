import JSONText

/// Reads `tokenizer.json` of Hugging Face's `tokenizers`.
struct HuggingFaceTokenizer {
    private let file: TokenizerFile
    private let root: JSON

    /// What the file says.
    struct Result {
        var tokenizer: BytePairTokenizer
        /// Tokens around an encoded text, from the post-processor.
        var prefix: [Int32] = []
        var suffix: [Int32] = []
    }

    private init(file: TokenizerFile, root: JSON) {
        self.file = file
        self.root = root
    }

    static func load(_ bytes: [UInt8], name: String) throws(TokenizerError) -> Result {
        let file = TokenizerFile(name: name)
        let reader = HuggingFaceTokenizer(file: file, root: try file.parse(bytes))
        return try reader.load()
    }

    private func load() throws(TokenizerError) -> Result {
        guard root.objectValue != nil else { throw file.invalid("the file", "must hold an object") }
        let model = try file.required(root["model"], "model")
        let kind = try file.string(model["type"], "model.type") ?? (model["merges"] == nil ? "?" : "BPE")
        guard kind == "BPE" else {
            throw file.unsupported("model.type", "'\(kind)' (only BPE; use tokenizer.model for a unigram vocabulary)")
        }
        for affix in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let text = try file.string(model[affix], "model.\(affix)"), !text.isEmpty {
                throw file.unsupported("model.\(affix)", "'\(text)'")
            }
        }
        let addedTokens = try readAddedTokens()
        let steps = PipelineReader(file: file)
        let preTokenizer = try steps.preTokenizer(root["pre_tokenizer"])
        let decoder = try steps.decoding(root["decoder"])
        // Either side may name the alphabet; a vocabulary without any byte-level step is one of scalars.
        let isByteLevel = preTokenizer.isByteLevel || decoder.isByteLevel
        let tokenizer = BytePairTokenizer(
            model: try readModel(model, addedTokens, isByteLevel: isByteLevel),
            normalizer: try steps.normalizer(root["normalizer"]),
            preTokenizer: preTokenizer.steps,
            decoding: decoder.decoding,
            addedTokens: addedTokens
        )
        var result = Result(tokenizer: tokenizer)
        (result.prefix, result.suffix) = try steps.postProcessor(root["post_processor"]) { text in
            addedTokens.first { $0.text == text }?.id ?? tokenizer.model.vocabulary.id(of: text)
        }
        return result
    }

    private func readAddedTokens() throws(TokenizerError) -> [AddedToken] {
        var tokens: [AddedToken] = []
        for (index, entry) in try file.array(root["added_tokens"], "added_tokens").enumerated() {
            let path = "added_tokens[\(index)]"
            let id = try file.required(try file.id(entry["id"], path + ".id"), path + ".id")
            let text = try file.required(try file.string(entry["content"], path + ".content"), path + ".content")
            tokens.append(try AddedToken(id: id, text: text, entry, file, path))
        }
        return tokens
    }

    private func readModel(
        _ model: JSON,
        _ addedTokens: [AddedToken],
        isByteLevel: Bool
    ) throws(TokenizerError) -> BytePairModel {
        guard let entries = model["vocab"]?.objectValue else { throw file.invalid("model.vocab", "must be an object") }
        var texts: [(id: Int32, text: String)] = []
        texts.reserveCapacity(entries.count)
        var highest: Int32 = 0
        for member in entries.members {
            guard case .integer(let number) = member.value, let id = Int32(exactly: number), id >= 0 else {
                throw file.invalid("model.vocab['\(member.key)']", "must be a token id")
            }
            texts.append((id, member.key))
            highest = max(highest, id)
        }
        guard !texts.isEmpty else { throw file.invalid("model.vocab", "is empty") }
        let count = try file.tableCount(highest: highest, tokens: texts.count, "model.vocab")
        let vocabulary = Vocabulary(entries: texts, count: count)

        let merges = try MergeReader(file: file, path: "model.merges", vocabulary: vocabulary)
            .read(try file.array(model["merges"], "model.merges"), excluding: addedTokens)
        var unknown: Int32?
        if let text = try file.string(model["unk_token"], "model.unk_token") {
            unknown = vocabulary.id(of: text) ?? addedTokens.first { $0.text == text }?.id
        }
        let byteFallback = try file.bool(model["byte_fallback"], "model.byte_fallback", default: false)
        return BytePairModel(
            vocabulary: vocabulary,
            merges: merges,
            symbols: isByteLevel ? .bytes : .scalars(byteFallback: byteFallback),
            ignoresMerges: try file.bool(model["ignore_merges"], "model.ignore_merges", default: false),
            unknown: unknown,
            fusesUnknown: try file.bool(model["fuse_unk"], "model.fuse_unk", default: false)
        )
    }
}

extension AddedToken {
    /// The flags as `tokenizer.json` and `tokenizer_config.json` write them.
    init(id: Int32, text: String, _ entry: JSON, _ file: TokenizerFile, _ path: String) throws(TokenizerError) {
        guard text.utf8.count <= AddedTokenMatcher.maximumLength else {
            throw file.invalid(path + ".content", "is longer than \(AddedTokenMatcher.maximumLength) bytes")
        }
        let isSpecial = try file.bool(entry["special"], path + ".special", default: false)
        self.init(id: id, text: text, isSpecial: isSpecial)
        stripsLeft = try file.bool(entry["lstrip"], path + ".lstrip", default: false)
        stripsRight = try file.bool(entry["rstrip"], path + ".rstrip", default: false)
        isSingleWord = try file.bool(entry["single_word"], path + ".single_word", default: false)
        isNormalized = try file.bool(entry["normalized"], path + ".normalized", default: !isSpecial)
    }
}

/// Reads merges, written "left right" or ["left", "right"], into ids.
struct MergeReader {
    let file: TokenizerFile
    let path: String
    let vocabulary: Vocabulary

    /// - Parameter addedTokens: special ones among them are never made by merging, so that text cannot become one.
    func read(
        _ entries: [JSON],
        excluding addedTokens: [AddedToken]
    ) throws(TokenizerError) -> [(left: Int32, right: Int32, result: Int32)] {
        let special = Set(addedTokens.lazy.filter(\.isSpecial).map(\.id))
        var merges: [(left: Int32, right: Int32, result: Int32)] = []
        merges.reserveCapacity(entries.count)
        var joined: [UInt8] = []
        // Trained vocabularies number their tokens in the order of the merges: the next id is nearly always the result.
        var expected: Int32 = -1
        for (index, entry) in entries.enumerated() {
            let left: Int32?
            let right: Int32?
            joined.removeAll(keepingCapacity: true)
            switch entry {
            case .string(let text):
                // The first space separates: in the byte alphabet no token holds one.
                let bytes = Array(text.utf8)
                guard let space = bytes.firstIndex(of: 0x20), !bytes[(space + 1)...].contains(0x20) else {
                    throw file.invalid("\(path)[\(index)]", "'\(text)' is not two tokens")
                }
                (left, right) = bytes.withUnsafeBufferPointer { buffer in
                    (
                        vocabulary.id(of: UnsafeBufferPointer(rebasing: buffer[..<space])),
                        vocabulary.id(of: UnsafeBufferPointer(rebasing: buffer[(space + 1)...]))
                    )
                }
                joined.append(contentsOf: bytes[..<space])
                joined.append(contentsOf: bytes[(space + 1)...])
            case .array(let sides):
                guard sides.count == 2, case .string(let first) = sides[0], case .string(let second) = sides[1] else {
                    throw file.invalid("\(path)[\(index)]", "must be two tokens")
                }
                left = vocabulary.id(of: first)
                right = vocabulary.id(of: second)
                joined.append(contentsOf: first.utf8)
                joined.append(contentsOf: second.utf8)
            default:
                throw file.invalid("\(path)[\(index)]", "must be a string or a pair")
            }
            guard let left, let right, let result = vocabulary.id(of: joined, expected: expected) else {
                let shown = String(decoding: joined, as: UTF8.self)
                throw file.invalid("\(path)[\(index)]", "makes '\(shown)' of tokens that the vocabulary lacks")
            }
            expected = result + 1
            if !special.contains(result) { merges.append((left, right, result)) }
        }
        return merges
    }
}

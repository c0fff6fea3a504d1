import JSONText

/// Reads normalizers, pre-tokenizers, post-processors and decoders of `tokenizer.json`.
struct PipelineReader {
    let file: TokenizerFile

    /// The parts of a `Sequence`, or the part itself; none for null.
    private func parts(
        _ value: JSON?,
        _ path: String,
        _ key: String
    ) throws(TokenizerError) -> [(value: JSON, type: String, path: String)] {
        guard let value, !value.isNull else { return [] }
        let type = try file.required(try file.string(value["type"], path + ".type"), path + ".type")
        guard type == "Sequence" else { return [(value, type, path)] }
        var result: [(value: JSON, type: String, path: String)] = []
        for (index, part) in try file.array(value[key], "\(path).\(key)").enumerated() {
            result.append(contentsOf: try parts(part, "\(path).\(key)[\(index)]", key))
        }
        return result
    }

    // MARK: Normalizer

    func normalizer(_ value: JSON?) throws(TokenizerError) -> Normalizer {
        var normalizer = Normalizer()
        for (part, type, path) in try parts(value, "normalizer", "normalizers") {
            switch type {
            case "NFC", "NFD", "NFKC", "NFKD":
                if let form = Normalizer.Form(rawValue: type) { normalizer.steps.append(.form(form)) }
            case "Lowercase": normalizer.steps.append(.lowercase)
            case "StripAccents": normalizer.steps.append(.stripAccents)
            case "Prepend":
                let text = try file.required(try file.string(part["prepend"], path + ".prepend"), path + ".prepend")
                normalizer.steps.append(.prepend(Array(text.utf8)))
            case "Replace":
                let content = try file.string(part["content"], path + ".content") ?? ""
                let splitter = try splitter(part["pattern"], path + ".pattern")
                normalizer.steps.append(.replace(splitter, with: Array(content.utf8)))
            case "Strip":
                normalizer.steps.append(
                    .strip(
                        left: try file.bool(part["strip_left"], path + ".strip_left", default: true),
                        right: try file.bool(part["strip_right"], path + ".strip_right", default: true)
                    )
                )
            default: throw file.unsupported(path, "the normalizer '\(type)'")
            }
        }
        return normalizer
    }

    private func splitter(_ value: JSON?, _ path: String) throws(TokenizerError) -> PreTokenizer.Splitter {
        if let text = try file.string(value?["String"], path + ".String") { return .literal(Array(text.utf8)) }
        let source = try file.required(try file.string(value?["Regex"], path + ".Regex"), path)
        return try file.splitter(expression: source)
    }

    // MARK: Pre-tokenizer

    func preTokenizer(_ value: JSON?) throws(TokenizerError) -> (steps: PreTokenizer, isByteLevel: Bool) {
        var result = PreTokenizer()
        var isByteLevel = false
        for (part, type, path) in try parts(value, "pre_tokenizer", "pretokenizers") {
            // Later steps see the letters that a ByteLevel step made of the bytes.
            if isByteLevel, !result.hasAlphabetStep { result.steps.append(.byteAlphabet) }
            switch type {
            case "ByteLevel":
                guard !isByteLevel else { throw file.unsupported(path, "a second ByteLevel") }
                if try file.bool(part["add_prefix_space"], path + ".add_prefix_space", default: true) {
                    result.steps.append(.prefixSpace)
                }
                if try file.bool(part["use_regex"], path + ".use_regex", default: true) {
                    result.steps.append(
                        .split(.scanner(WordScanner(family: .gpt2)), .isolated, isInverted: false)
                    )
                }
                isByteLevel = true
            case "Split":
                result.steps.append(
                    .split(
                        try splitter(part["pattern"], path + ".pattern"),
                        try behavior(part["behavior"], path),
                        isInverted: try file.bool(part["invert"], path + ".invert", default: false)
                    )
                )
            case "Digits":
                let isIndividual = try file.bool(part["individual_digits"], path + ".individual_digits", default: false)
                let digits = ScalarSet(.categories(UnicodeCategory.numbers))
                result.steps.append(
                    .split(.scalars(digits, runs: !isIndividual), .isolated, isInverted: false)
                )
            case "Punctuation":
                // ASCII symbols count as punctuation here.
                let marks = ScalarSet(
                    .any([
                        .categories(UnicodeCategory.punctuation), .range(0x21...0x2F), .range(0x3A...0x40),
                        .range(0x5B...0x60), .range(0x7B...0x7E),
                    ])
                )
                result.steps.append(
                    .split(.scalars(marks, runs: false), try behavior(part["behavior"], path), isInverted: false)
                )
            case "WhitespaceSplit":
                result.steps.append(
                    .split(.scalars(ScalarSet(.whiteSpace), runs: false), .removed, isInverted: false)
                )
            case "Whitespace":
                result.steps.append(.split(try file.splitter(expression: #"\w+|[^\w\s]+"#), .removed, isInverted: true))
            case "Metaspace":
                result.steps.append(try metaspace(part, path))
            default: throw file.unsupported(path, "the pre-tokenizer '\(type)'")
            }
        }
        return (result, isByteLevel)
    }

    private func behavior(_ value: JSON?, _ path: String) throws(TokenizerError) -> PreTokenizer.Behavior {
        let name = try file.string(value, path + ".behavior") ?? "Isolated"
        guard let behavior = PreTokenizer.Behavior(rawValue: name) else {
            throw file.unsupported(path + ".behavior", "'\(name)'")
        }
        return behavior
    }

    private func metaspace(_ part: JSON, _ path: String) throws(TokenizerError) -> PreTokenizer.Step {
        let mark = try file.string(part["replacement"], path + ".replacement") ?? "\u{2581}"
        guard !mark.isEmpty else { throw file.invalid(path + ".replacement", "is empty") }
        var scheme = PreTokenizer.PrependScheme.always
        if let name = try file.string(part["prepend_scheme"], path + ".prepend_scheme") {
            guard let named = PreTokenizer.PrependScheme(rawValue: name) else {
                throw file.unsupported(path + ".prepend_scheme", "'\(name)'")
            }
            scheme = named
        } else if try !file.bool(part["add_prefix_space"], path + ".add_prefix_space", default: true) {
            scheme = .never
        }
        let splits = try file.bool(part["split"], path + ".split", default: true)
        return .metaspace(replacement: Array(mark.utf8), scheme, splits: splits)
    }

    // MARK: Decoder

    func decoding(
        _ value: JSON?
    ) throws(TokenizerError) -> (decoding: BytePairTokenizer.Decoding, isByteLevel: Bool) {
        var isByteLevel = false
        var byteFallback = false
        var mark: [UInt8] = []
        var leadingSpace = LeadingSpace.keeps
        for (part, type, path) in try parts(value, "decoder", "decoders") {
            switch type {
            case "ByteLevel": isByteLevel = true
            case "ByteFallback": byteFallback = true
            case "Fuse": break
            case "Replace":
                let content = try file.string(part["content"], path + ".content") ?? ""
                guard content == " ", case .literal(let text) = try splitter(part["pattern"], path + ".pattern") else {
                    throw file.unsupported(path, "a decoder that puts '\(content)' for a pattern")
                }
                mark = text
            case "Strip":
                let content = try file.string(part["content"], path + ".content") ?? " "
                let start = part["start"]?.intValue ?? 0
                guard content == " ", 0...1 ~= start, part["stop"]?.intValue ?? 0 == 0 else {
                    throw file.unsupported(path, "a decoder that strips other than one space at the start")
                }
                leadingSpace = start == 1 ? .dropsOne : .keeps
            case "Metaspace":
                mark = Array((try file.string(part["replacement"], path + ".replacement") ?? "\u{2581}").utf8)
                let scheme = try file.string(part["prepend_scheme"], path + ".prepend_scheme") ?? "always"
                let prefixes = try file.bool(
                    part["add_prefix_space"],
                    path + ".add_prefix_space",
                    default: scheme != "never"
                )
                leadingSpace = prefixes ? .dropsInFirstToken : .keeps
            default: throw file.unsupported(path, "the decoder '\(type)'")
            }
        }
        if isByteLevel { return (BytePairTokenizer.Decoding(), true) }
        let pieces = BytePairTokenizer.Decoding.Pieces.spaceMark(mark, byteFallback: byteFallback)
        return (BytePairTokenizer.Decoding(pieces: pieces, leadingSpace: leadingSpace), false)
    }

    // MARK: Post-processor

    /// Ids before and after an encoded text.
    func postProcessor(
        _ value: JSON?,
        id: (String) -> Int32?
    ) throws(TokenizerError) -> (prefix: [Int32], suffix: [Int32]) {
        var prefix: [Int32] = []
        var suffix: [Int32] = []
        for (part, type, path) in try parts(value, "post_processor", "processors") {
            switch type {
            case "ByteLevel": break
            case "TemplateProcessing":
                let template = try self.template(part, path)
                prefix = template.prefix + prefix
                suffix += template.suffix
            case "BertProcessing", "RobertaProcessing":
                for (key, isPrefix) in [("cls", true), ("sep", false)] {
                    let pair = try file.array(part[key], "\(path).\(key)")
                    guard pair.count == 2, let text = pair[0].stringValue, let id = id(text) else {
                        throw file.invalid("\(path).\(key)", "must name a token of the vocabulary")
                    }
                    if isPrefix { prefix.insert(id, at: 0) } else { suffix.append(id) }
                }
            default: throw file.unsupported(path, "the post-processor '\(type)'")
            }
        }
        return (prefix, suffix)
    }

    private func template(_ part: JSON, _ path: String) throws(TokenizerError) -> (prefix: [Int32], suffix: [Int32]) {
        var prefix: [Int32] = []
        var suffix: [Int32] = []
        var seenText = false
        for (index, item) in try file.array(part["single"], path + ".single").enumerated() {
            let itemPath = "\(path).single[\(index)]"
            if item["Sequence"] != nil {
                seenText = true
                continue
            }
            let name = try file.required(try file.string(item["SpecialToken"]?["id"], itemPath), itemPath)
            let ids = try file.array(part["special_tokens"]?[name]?["ids"], "\(path).special_tokens['\(name)'].ids")
            guard !ids.isEmpty else { throw file.invalid(itemPath, "names '\(name)', which special_tokens lacks") }
            for value in ids {
                guard let id = try file.id(value, itemPath) else { continue }
                if seenText { suffix.append(id) } else { prefix.append(id) }
            }
        }
        return (prefix, suffix)
    }
}

extension PreTokenizer {
    fileprivate var hasAlphabetStep: Bool {
        steps.contains {
            if case .byteAlphabet = $0 { true } else { false }
        }
    }
}

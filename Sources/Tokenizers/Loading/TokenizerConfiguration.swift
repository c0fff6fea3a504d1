import JSONText

/// What stands beside a vocabulary: `tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json`,
/// `config.json`, templates.
struct TokenizerConfiguration {
    var bosText: String?
    var eosText: String?
    var padText: String?
    var unknownText: String?
    /// Ids that `generation_config.json` and `config.json` name.
    var bosID: Int32?
    var endIDs: [Int32] = []
    var addsBeginning: Bool?
    var addsEnd: Bool?
    var tokenizerClass = ""
    var chatTemplate: String?
    var namedChatTemplates: [String: String] = [:]
    private(set) var addedTokens: [AddedToken] = []
    private var addedIndex: [Int32: Int] = [:]

    init() {}

    init(folder: String) throws(TokenizerError) {
        if let (file, root) = try Self.read("special_tokens_map.json", folder) { try readSpecialTokens(root, file) }
        if let (file, root) = try Self.read("added_tokens.json", folder) { try readAddedTokens(root, file) }
        if let (file, root) = try Self.read("tokenizer_config.json", folder) {
            try readSpecialTokens(root, file)
            tokenizerClass = try file.string(root["tokenizer_class"], "tokenizer_class") ?? ""
            if case .bool(let value)? = root["add_bos_token"] { addsBeginning = value }
            if case .bool(let value)? = root["add_eos_token"] { addsEnd = value }
            try readAddedTokens(decoder: root["added_tokens_decoder"], file)
            try readTemplates(root["chat_template"], file)
        }
        if let (file, root) = try Self.read("chat_template.json", folder) {
            try readTemplates(root["chat_template"], file)
        }
        // A file of its own is what newer folders have, and counts more.
        if let bytes = try FileBytes.readIfPresent(folder + "/chat_template.jinja") {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw .invalid(file: "chat_template.jinja", path: "the text", reason: "is not UTF-8")
            }
            chatTemplate = text
        }
        for name in ["generation_config.json", "config.json"] {
            guard let (file, root) = try Self.read(name, folder) else { continue }
            try readIDs(root, file)
        }
    }

    private static func read(
        _ name: String,
        _ folder: String
    ) throws(TokenizerError) -> (file: TokenizerFile, root: JSON)? {
        guard let bytes = try FileBytes.readIfPresent(folder + "/" + name) else { return nil }
        let file = TokenizerFile(name: name)
        return (file, try file.parse(bytes))
    }

    private mutating func readSpecialTokens(_ root: JSON, _ file: TokenizerFile) throws(TokenizerError) {
        /// A token is written as its text, or as an object with its flags.
        func text(_ key: String) throws(TokenizerError) -> String? {
            if case .string(let text)? = root[key] { return text }
            return try file.string(root[key]?["content"], key)
        }
        bosText = try text("bos_token") ?? bosText
        eosText = try text("eos_token") ?? eosText
        padText = try text("pad_token") ?? padText
        unknownText = try text("unk_token") ?? unknownText
    }

    /// `added_tokens.json`: text to id, of slow tokenizers.
    private mutating func readAddedTokens(_ root: JSON, _ file: TokenizerFile) throws(TokenizerError) {
        for (key, value) in root.objectValue?.members ?? [] {
            guard let id = try file.id(value, "'\(key)'") else { continue }
            try append(try AddedToken(id: id, text: key, ["special": true], file, "'\(key)'"), file)
        }
    }

    private mutating func readAddedTokens(decoder: JSON?, _ file: TokenizerFile) throws(TokenizerError) {
        for (key, value) in decoder?.objectValue?.members ?? [] {
            let path = "added_tokens_decoder['\(key)']"
            guard let id = Int32(key), id >= 0 else { throw file.invalid(path, "must be a token id") }
            let text = try file.required(try file.string(value["content"], path + ".content"), path + ".content")
            try append(try AddedToken(id: id, text: text, value, file, path), file)
        }
    }

    private mutating func append(_ token: AddedToken, _ file: TokenizerFile) throws(TokenizerError) {
        guard token.id < 1 << 24 else { throw file.invalid("'\(token.text)'", "has the id \(token.id)") }
        if let known = addedIndex[token.id] {
            addedTokens[known] = token
        } else {
            addedIndex[token.id] = addedTokens.count
            addedTokens.append(token)
        }
    }

    private mutating func readTemplates(_ value: JSON?, _ file: TokenizerFile) throws(TokenizerError) {
        switch value {
        case nil, .null: return
        case .string(let text): chatTemplate = text
        case .array(let entries):
            for (index, entry) in entries.enumerated() {
                let path = "chat_template[\(index)]"
                let name = try file.required(try file.string(entry["name"], path + ".name"), path + ".name")
                let text = try file.string(entry["template"], path + ".template")
                let template = try file.required(text, path + ".template")
                if name == "default" { chatTemplate = template } else { namedChatTemplates[name] = template }
            }
        default: throw file.invalid("chat_template", "must be a text or a list of named texts")
        }
    }

    private mutating func readIDs(_ root: JSON, _ file: TokenizerFile) throws(TokenizerError) {
        switch root["eos_token_id"] {
        case nil, .null: break
        case .array(let ids):
            for (index, value) in ids.enumerated() {
                if let id = try file.id(value, "eos_token_id[\(index)]") { endIDs.append(id) }
            }
        case let value:
            if let id = try file.id(value, "eos_token_id") { endIDs.append(id) }
        }
        if bosID == nil, let value = root["bos_token_id"], case .integer = value {
            bosID = try file.id(value, "bos_token_id")
        }
    }
}

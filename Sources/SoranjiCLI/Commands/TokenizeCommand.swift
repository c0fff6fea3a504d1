import ArgumentParser
import Glibc
import JSONText
import ModelFiles
import Soranji
import Tokenizers

struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Show the tokens of a text, or the text of tokens.",
        discussion: """
            Examples:
              soranji tokenize "Hello, world"
              soranji tokenize --file notes.md --count
              soranji tokenize --ids "Hello" | xargs soranji tokenize --decode
            """
    )

    @OptionGroup(title: "Model") var model: ModelName

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Read the text from a file; '-' is standard input.", valueName: "file"),
        completion: .file()
    )
    var file: String?

    @Flag(help: "Print only the ids, separated by commas.")
    var ids = false

    @Flag(help: "Print only the number of tokens.")
    var count = false

    @Flag(help: "Print ids, pieces and byte ranges as JSON.")
    var json = false

    @Flag(help: "Add the tokens that the model expects around a text, such as its beginning.")
    var special = false

    @Flag(help: "Read names of special tokens in the text, such as <|im_end|>, as those tokens.")
    var parseSpecial = false

    @Flag(help: "The argument is token ids, separated by commas; print their text.")
    var decode = false

    @Argument(help: "The text; from standard input when it is left out.")
    var text: [String] = []

    func validate() throws {
        if [ids, count, json, decode].count(where: { $0 }) > 1 {
            throw ValidationError("Only one of --ids, --count, --json and --decode can be given.")
        }
        if file != nil, !text.isEmpty { throw ValidationError("Give the text or --file, not both.") }
        if file == nil, text.isEmpty, isatty(STDIN_FILENO) == 1 { throw ValidationError("Missing the text.") }
        if decode, !text.isEmpty { _ = try TokenList.parse(text.joined(separator: ",")) }
    }

    func run() throws {
        let folder = try ModelFolder.find(model.model, progress: ProgressBar())
        let tokenizer = try TokenizerAccess.load(folder: folder)
        let input = try inputBytes()
        if decode {
            let tokens = try TokenList.parse(String(decoding: input, as: UTF8.self))
            if let wrong = tokens.first(where: { $0 < 0 || Int($0) >= tokenizer.vocabularySize }) {
                throw Failure("token \(wrong) is not in the vocabulary of \(tokenizer.vocabularySize)")
            }
            try Terminal.standardOutput.outputLine(tokenizer.decode(tokens, skippingSpecialTokens: false))
            return
        }
        if count || ids {
            let tokens = tokenizer.encode(input, addingSpecialTokens: special, parsingSpecialTokens: parseSpecial)
            let list = tokens.map(String.init).joined(separator: ",")
            try Terminal.standardOutput.outputLine(count ? "\(tokens.count)" : list)
            return
        }
        guard let text = String(validating: input, as: UTF8.self) else {
            throw Failure("the text is not UTF-8", hint: "with --ids or --count any bytes can be read")
        }
        let encoded = tokenizer.encodeWithRanges(text, addingSpecialTokens: special, parsingSpecialTokens: parseSpecial)
        if json {
            let tokens = zip(encoded.tokens, encoded.ranges).map { token, range -> JSON in
                [
                    "id": .integer(Int64(token)), "piece": .string(Self.piece(token, tokenizer)),
                    "bytes": [.integer(Int64(range.lowerBound)), .integer(Int64(range.upperBound))],
                    "special": .bool(tokenizer.isSpecial(token)),
                ]
            }
            let report: JSON = ["count": .integer(Int64(tokens.count)), "tokens": .array(tokens)]
            try Terminal.standardOutput.outputLine(report.text(indented: true))
            return
        }
        let rows = encoded.tokens.map { ["\($0)", TokenText.quoted(tokenizer.tokenBytes($0) ?? [])] }
        for line in TextTable.lines(rows, rightAligned: [0]) { try Terminal.standardOutput.outputLine(line) }
        Terminal.standardError.writeLine(FixedPoint.count(encoded.tokens.count, "token"))
    }

    private func inputBytes() throws -> [UInt8] {
        if let file { return try DocumentReader().contents(of: file) }
        if text.isEmpty { return try DocumentReader().contents(of: "-") }
        return Array(text.joined(separator: decode ? "," : " ").utf8)
    }

    private static func piece(_ token: Int32, _ tokenizer: Tokenizer) -> String {
        String(decoding: tokenizer.tokenBytes(token) ?? [], as: UTF8.self)
    }
}

/// Tokens as they are shown to people.
enum TokenText {
    /// Quoted, with quotation marks and control characters as escapes; pieces of characters as their bytes: `"\xF0\x9F"`.
    static func quoted(_ bytes: [UInt8]) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let shown = bytes.map { byte in
                0x20..<0x7F ~= byte && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
                    ? String(Unicode.Scalar(byte))
                    : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
            return "\"" + shown.joined() + "\""
        }
        let shown = text.unicodeScalars.map { scalar in
            scalar.value < 0x20 || scalar == "\"" || scalar == "\\" || scalar.value == 0x7F
                ? scalar.escaped(asASCII: false) : String(scalar)
        }
        return "\"" + shown.joined() + "\""
    }
}

/// A model's tokenizer, or the error that says that it has none.
enum TokenizerAccess {
    static func load(folder: String) throws -> Tokenizer {
        let bundle = try Bundle(path: folder)
        guard bundle.manifest.hasVocabulary else { throw RuntimeError.noTokenizer(bundle.modelName) }
        return try Tokenizer.load(folder: folder)
    }

    static func require(_ runtime: Runtime) throws -> Tokenizer {
        guard let tokenizer = runtime.tokenizer else { throw RuntimeError.noTokenizer(runtime.modelName) }
        return tokenizer
    }
}

/// Token ids as people write them: `1,2,3`, or separated by white space.
enum TokenList {
    static func parse(_ text: String) throws -> [Int32] {
        let words = text.split { $0 == "," || $0.isWhitespace || $0 == "[" || $0 == "]" }
        guard !words.isEmpty else { throw ValidationError("Expected token ids such as 1,2,3.") }
        return try words.map { word in
            guard let id = Int32(word), id >= 0 else { throw ValidationError("'\(word)' is not a token id.") }
            return id
        }
    }
}

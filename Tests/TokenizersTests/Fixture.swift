import Foundation
import JSONText
import Testing

@testable import Tokenizers

/// Reads what Fixtures/generate.py wrote.
enum Fixture {
    static let folder = Bundle.module.resourcePath.map { $0 + "/Fixtures" } ?? ""

    static func bytes(_ path: String) throws -> [UInt8] {
        try #require(try FileBytes.readIfPresent(folder + "/" + path), "no fixture \(path)")
    }

    static func json(_ path: String) throws -> JSON { try JSON.parse(try bytes(path)) }

    static func strings(_ path: String) throws -> [String] {
        try #require(try json(path).arrayValue).map { try #require($0.stringValue) }
    }

    static func rows(_ path: String) throws -> [[UInt8]] {
        try bytes(path).split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map { Array($0) }
    }

    static func digit(_ byte: UInt8) throws -> Int {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): Int(byte) - 0x41
        case UInt8(ascii: "a")...UInt8(ascii: "z"): Int(byte) - 0x61 + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte) - 0x30 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "-"): 63
        default: throw Malformed()
        }
    }

    struct Malformed: Error {}

    /// Token ids, one text a line.
    static func ids(_ path: String, digits: Int = 2) throws -> [[Int32]] {
        try rows(path).map { row in
            guard row.count % digits == 0 else { throw Malformed() }
            return try stride(from: 0, to: row.count, by: digits).map { start in
                Int32(try row[start..<start + digits].reduce(0) { $0 << 6 | (try digit($1)) })
            }
        }
    }

    /// Lengths of pieces: one digit each, or `-length.`.
    static func lengths(_ path: String) throws -> [[Int]] {
        try rows(path).map { row in
            var lengths: [Int] = []
            var rest = row[...]
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "-") {
                    let end = try #require(rest.firstIndex(of: UInt8(ascii: ".")))
                    lengths.append(try #require(Int(String(decoding: rest[..<end], as: UTF8.self))))
                    rest = rest[(end + 1)...]
                } else {
                    lengths.append(try digit(byte))
                }
            }
            return lengths
        }
    }

    /// Vocabularies that see every third text only.
    static let sampled: Set<String> = ["prefix", "falcon", "spnoprefix"]

    static func lines(for name: String) throws -> [String] {
        let lines = try strings("lines.json")
        return sampled.contains(name) ? stride(from: 0, to: lines.count, by: 3).map { lines[$0] } : lines
    }

    static func tokenizer(_ name: String) throws -> Tokenizer {
        if name == "smollm2" { return try Tokenizer.load(gguf: try smolLM2()) }
        if let bytes = try FileBytes.readIfPresent("\(folder)/\(name)/tokenizer.json") {
            return try Tokenizer.load(tokenizerJSON: bytes)
        }
        return try Tokenizer.load(tokenizerModel: try bytes("\(name)/tokenizer.model"))
    }

    /// The metadata of SmolLM2-135M-Instruct's GGUF file, rebuilt: each line is a token and how many scalars of it the
    /// left side of its merge has, or `*` for a control token.
    static func smolLM2() throws -> JSON {
        var tokens: [JSON] = []
        var types: [JSON] = []
        var merges: [JSON] = []
        for row in try rows("smollm2/vocabulary.txt") {
            let tab = try #require(row.firstIndex(of: 0x09))
            let text = String(decoding: row[..<tab], as: UTF8.self)
            let mark = String(decoding: row[(tab + 1)...], as: UTF8.self)
            tokens.append(.string(text))
            types.append(mark == "*" ? 3 : 1)
            if let count = Int(mark) {
                let scalars = text.unicodeScalars
                let cut = scalars.index(scalars.startIndex, offsetBy: count)
                merges.append(.string(String(scalars[..<cut]) + " " + String(scalars[cut...])))
            }
        }
        return [
            "model": "gpt2", "pre": "smollm", "tokens": .array(tokens), "token_type": .array(types),
            "merges": .array(merges), "bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0,
            "padding_token_id": 2,
            "add_bos_token": false, "add_space_prefix": false, "chat_template": "{{ messages }}",
        ]
    }

    /// Reports all texts whose result differs, and shows the first.
    static func compare<Input, Value: Equatable>(
        _ inputs: [Input],
        _ expected: [Value],
        _ name: String,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: (Input) throws -> Value
    ) rethrows {
        #expect(inputs.count == expected.count, "\(name)", sourceLocation: sourceLocation)
        var failures = 0
        for (input, value) in zip(inputs, expected) {
            let found = try body(input)
            if found == value { continue }
            failures += 1
            if failures <= 4 {
                Issue.record(
                    "\(name): \(String(reflecting: input))\n  expected \(value)\n  found    \(found)",
                    sourceLocation: sourceLocation
                )
            }
        }
        #expect(failures == 0, "\(name): \(failures) of \(inputs.count) texts differ", sourceLocation: sourceLocation)
    }
}

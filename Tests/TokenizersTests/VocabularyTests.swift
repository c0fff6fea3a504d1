import JSONText
import Testing

@testable import Tokenizers

/// Every text of the fixtures against the ids of the Python packages.
struct VocabularyTests {
    static let bytePairs = [
        "gpt2", "prefix", "smollm", "qwen2", "llama3", "gpt4o", "deepseek3", "falcon", "mixtral", "metaspace",
    ]

    @Test(arguments: bytePairs)
    func bytePairsEqualPython(_ name: String) throws {
        let tokenizer = try Fixture.tokenizer(name)
        let lines = try Fixture.lines(for: name)
        Fixture.compare(lines, try Fixture.ids("\(name)/ids.txt"), name) {
            tokenizer.encode($0, addingSpecialTokens: true, parsingSpecialTokens: false)
        }
        let specials = try Fixture.strings("specials.json")
        Fixture.compare(specials, try Fixture.ids("\(name)/special.txt"), "\(name), control tokens read") {
            tokenizer.encode($0, addingSpecialTokens: false, parsingSpecialTokens: true)
        }
        Fixture.compare(specials, try Fixture.ids("\(name)/plain.txt"), "\(name), control tokens not read") {
            tokenizer.encode($0, addingSpecialTokens: false, parsingSpecialTokens: false)
        }
    }

    @Test(arguments: bytePairs.filter { $0 != "prefix" })
    func decodingEqualsPython(_ name: String) throws {
        try compareDecoded(name, try Fixture.tokenizer(name))
    }

    @Test(arguments: ["gpt2", "smollm", "llama3", "gpt4o", "deepseek3", "smollm2"])
    func illFormedBytesCutWordsAsReplacementCharacters(_ name: String) throws {
        let tokenizer = try Fixture.tokenizer(name)
        let inputs = try Fixture.strings("invalid.json").map(Self.bytes(hexadecimal:))
        let expected = try Fixture.ids("\(name)/invalid.txt", digits: name == "smollm2" ? 3 : 2)
        Fixture.compare(inputs, expected, name) {
            tokenizer.encode($0, addingSpecialTokens: false, parsingSpecialTokens: false)
        }
        // SmolLM2's vocabulary has no token for 21 of the bytes; Python drops them without a word.
        let known = Set(
            Array<UInt8>(0...255).filter { byte in
                !tokenizer.encode([byte], addingSpecialTokens: false, parsingSpecialTokens: false).isEmpty
            }
        )
        #expect(known.count == (name == "smollm2" ? 235 : 256))
        for input in inputs {
            let ids = tokenizer.encode(input, addingSpecialTokens: false, parsingSpecialTokens: false)
            #expect(ids.flatMap { tokenizer.tokenBytes($0) ?? [] } == input.filter(known.contains))
        }
    }

    @Test func smolLM2EqualsPython() throws {
        let tokenizer = try Fixture.tokenizer("smollm2")
        #expect(tokenizer.vocabularySize == 49152)
        #expect(tokenizer.bosText == "<|im_start|>" && tokenizer.eosText == "<|im_end|>")
        #expect(tokenizer.endOfGenerationTokens == [0, 2])
        #expect(tokenizer.chatTemplate == "{{ messages }}")
        let lines = try Fixture.strings("lines.json")
        Fixture.compare(lines, try Fixture.ids("smollm2/ids.txt", digits: 3), "smollm2") {
            tokenizer.encode($0, addingSpecialTokens: true, parsingSpecialTokens: false)
        }
        let specials = try Fixture.strings("specials.json")
        Fixture.compare(specials, try Fixture.ids("smollm2/special.txt", digits: 3), "control tokens read") {
            tokenizer.encode($0, addingSpecialTokens: true, parsingSpecialTokens: true)
        }
        Fixture.compare(specials, try Fixture.ids("smollm2/plain.txt", digits: 3), "control tokens not read") {
            tokenizer.encode($0, addingSpecialTokens: true, parsingSpecialTokens: false)
        }
    }

    @Test(arguments: ["unigram", "spbpe", "spnoprefix"])
    func sentencePieceEqualsPython(_ name: String) throws {
        try compareSentencePiece(name, try Fixture.tokenizer(name))
        try compareDecoded(name, try Fixture.tokenizer(name))
    }

    @Test(arguments: ["spbpe", "spnoprefix"])
    func sentencePieceRebuiltFromGGUFEqualsPython(_ name: String) throws {
        let tokenizer = try Tokenizer.load(ggufJSON: try Fixture.bytes("\(name)/tokenizer.gguf.json"))
        try compareSentencePiece(name, tokenizer)
        try compareDecoded(name, tokenizer)
    }

    private func compareSentencePiece(_ name: String, _ tokenizer: Tokenizer) throws {
        Fixture.compare(try Fixture.lines(for: name), try Fixture.ids("\(name)/ids.txt"), name) {
            tokenizer.encode($0, addingSpecialTokens: false, parsingSpecialTokens: false)
        }
    }

    private func compareDecoded(_ name: String, _ tokenizer: Tokenizer) throws {
        let lines = try Fixture.lines(for: name)
        let decoded = try #require(try Fixture.json("\(name)/decoded.json").arrayValue)
        let expected = zip(lines, decoded).map { Array(($1.stringValue ?? $0).utf8) }
        Fixture.compare(lines, expected, "\(name), decoded") {
            let ids = tokenizer.encode($0, addingSpecialTokens: false, parsingSpecialTokens: false)
            return Array(tokenizer.decode(ids, skippingSpecialTokens: true).utf8)
        }
    }

    private static func bytes(hexadecimal text: String) -> [UInt8] {
        let digits = Array(text)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0 }
    }
}

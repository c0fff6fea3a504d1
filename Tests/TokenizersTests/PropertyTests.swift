import Testing

@testable import Tokenizers

/// What must hold for every text, whatever the vocabulary.
struct PropertyTests {
    static let lossless = ["gpt2", "smollm", "llama3", "gpt4o", "deepseek3", "falcon"]
    static let all =
        lossless + ["qwen2", "prefix", "mixtral", "metaspace", "unigram", "spbpe", "spnoprefix", "smollm2"]

    /// Lines of the fixtures, and random bytes.
    private func inputs(_ seed: UInt64) throws -> [[UInt8]] {
        var random = SeededGenerator(seed: seed)
        var inputs = try Fixture.strings("lines.json").map { Array($0.utf8) }
        for count in 0..<300 {
            inputs.append((0..<count % 40).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
        return inputs
    }

    @Test(arguments: lossless)
    func byteLevelKeepsEveryByte(_ name: String) throws {
        let tokenizer = try Fixture.tokenizer(name)
        for input in try inputs(1) {
            let ids = tokenizer.encode(input, addingSpecialTokens: false, parsingSpecialTokens: false)
            #expect(ids.flatMap { tokenizer.tokenBytes($0) ?? [] } == input)
            let expected = String(decoding: input, as: UTF8.self)
            #expect(tokenizer.decode(ids, skippingSpecialTokens: true).utf8.elementsEqual(expected.utf8))
        }
    }

    @Test(arguments: all)
    func rangesCoverTheText(_ name: String) throws {
        let tokenizer = try Fixture.tokenizer(name)
        for line in try Fixture.strings("lines.json") + Fixture.strings("specials.json") {
            let bytes = Array(line.utf8)
            let result = tokenizer.encodeWithRanges(line, addingSpecialTokens: true, parsingSpecialTokens: true)
            let plain = tokenizer.encode(line, addingSpecialTokens: true, parsingSpecialTokens: true)
            #expect(result.tokens == plain)
            #expect(result.ranges.count == result.tokens.count)
            var end = 0
            var missing: [UInt8] = []
            for (token, range) in zip(result.tokens, result.ranges) {
                #expect(range.lowerBound >= 0 && range.upperBound <= bytes.count)
                if range.isEmpty { continue }
                // Tokens of one character share its range; otherwise they follow each other.
                if range.lowerBound > end { missing += bytes[end..<range.lowerBound] }
                end = max(end, range.upperBound)
                if Self.lossless.contains(name), !tokenizer.specialTokens.contains(where: { $0.id == token }) {
                    #expect(tokenizer.tokenBytes(token) == Array(bytes[range]))
                }
            }
            missing += bytes[min(end, bytes.count)...]
            if Self.lossless.contains(name) { #expect(missing.isEmpty) }
            // Others drop only white space and what they cannot say.
            if name == "mixtral" || name == "spbpe" {
                let isSpace = String(decoding: missing, as: UTF8.self).allSatisfy { $0.isWhitespace }
                #expect(isSpace, "\(line)")
            }
        }
    }

    @Test(arguments: all)
    func streamingEqualsDecoding(_ name: String) throws {
        let tokenizer = try Fixture.tokenizer(name)
        var random = SeededGenerator(seed: 3)
        var inputs = try Fixture.strings("lines.json").map {
            tokenizer.encode($0, addingSpecialTokens: true, parsingSpecialTokens: false)
        }
        let highest = Int32(tokenizer.vocabularySize)
        for _ in 0..<500 {
            inputs.append((0..<20).map { _ in Int32.random(in: -2...highest + 2, using: &random) })
        }
        inputs.append([.min, .max, -1, highest])
        for ids in inputs {
            for skipping in [true, false] {
                var detokenizer = StreamingDetokenizer(tokenizer, skippingSpecialTokens: skipping)
                var parts = ids.map { detokenizer.push($0) }
                parts.append(detokenizer.flush())
                // By bytes: two strings that join inside a grapheme are equal only so.
                let streamed = parts.flatMap { Array($0.utf8) }
                #expect(streamed == Array(tokenizer.decode(ids, skippingSpecialTokens: skipping).utf8))
            }
        }
    }

    @Test func streamingNeverSplitsACharacter() throws {
        let tokenizer = try Fixture.tokenizer("gpt2")
        let text = "日本語 👩‍👩‍👧‍👦 é"
        let ids = tokenizer.encode(text, addingSpecialTokens: false, parsingSpecialTokens: false)
        var detokenizer = StreamingDetokenizer(tokenizer)
        for id in ids { #expect(!detokenizer.push(id).unicodeScalars.contains("\u{FFFD}")) }
        #expect(detokenizer.flush().isEmpty)
    }

    @Test func aContinuationKeepsItsSpace() throws {
        let tokenizer = try Fixture.tokenizer("spbpe")
        let ids = tokenizer.encode("the end", addingSpecialTokens: false, parsingSpecialTokens: false)
        var first = StreamingDetokenizer(tokenizer)
        var next = StreamingDetokenizer(tokenizer, continuing: true)
        #expect(ids.map { first.push($0) }.joined() + first.flush() == "the end")
        #expect(ids.map { next.push($0) }.joined() + next.flush() == " the end")
    }

    /// The definition of byte-pair encoding: again and again the lowest rank, the leftmost of equals.
    private func merged(_ word: [UInt8], _ model: BytePairModel) -> [Int32] {
        var ids = word.map { model.byteTokens[Int($0)] }
        while true {
            var best: (rank: UInt32, place: Int, result: Int32)?
            for place in ids.indices.dropLast() {
                let merge = model.merges[ids[place], ids[place + 1]]
                if merge.rank < best?.rank ?? MergeTable.none { best = (merge.rank, place, merge.result) }
            }
            guard let best else { return ids }
            ids.replaceSubrange(best.place...best.place + 1, with: [best.result])
        }
    }

    @Test func longWordsMergeAsShortOnesDo() throws {
        guard case .bytePair(let tokenizer) = try Fixture.tokenizer("smollm").engine else { return }
        var random = SeededGenerator(seed: 5)
        for count in [1, 2, 3, 10, 63, 64, 65, 66, 100, 200, 400] {
            for letters in ["ab", "aetion s", "the quickbrown", "x"] {
                let alphabet = Array(letters.utf8)
                let word = (0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
                var symbols = SymbolList()
                word.withUnsafeBufferPointer { tokenizer.model.symbols(of: $0, into: &symbols) }
                symbols.merge(tokenizer.model.merges)
                #expect(symbols.ids == merged(word, tokenizer.model))
                #expect(symbols.counts.reduce(0, +) == Int32(count))
            }
        }
    }

    /// A quadratic algorithm would need hours for these.
    @Test(arguments: ["gpt2", "llama3", "gpt4o", "deepseek3", "mixtral"])
    func longTextsWithoutWordsEnd(_ name: String) throws {
        let tokenizer = try Fixture.tokenizer(name)
        for unit in ["a", "ab", " ", "\n ", "中", "'", "A1", "\u{301}"] {
            let text = String(repeating: unit, count: 1_000_000 / unit.utf8.count)
            let ids = tokenizer.encode(text, addingSpecialTokens: false, parsingSpecialTokens: true)
            #expect(tokenizer.decode(ids, skippingSpecialTokens: true).utf8.count >= text.utf8.count - 1, "\(unit)")
        }
    }
}

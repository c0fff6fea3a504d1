import KVCache
import Tokenizers

/// What a prompt's last tokens ask for.
struct AskedQuestion {
    /// The tokens, up to the prompt's end.
    var positions: Range<Int>
    /// What the user wrote: without the words of templates around it.
    var text: String
}

/// Finds the pages of a long context that have a question's words.
///
/// Ranking by attention looks for what a token's own query would attend to; among thousands of pages a small model's
/// queries miss the one that names what is asked for. Words do not: a rare one is on few pages, whatever the length.
/// They are looked for as runs of token ids, so that a million tokens are searched in milliseconds.
struct QuestionWords {
    private let tokenizer: Tokenizer
    /// Of each word all ways to write it, by their first tokens.
    private var spellings: [Int32: [Spelling]] = [:]
    private let wordCount: Int

    private struct Spelling {
        let word: Int
        let tokens: [Int32]
    }

    init(_ question: String, tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        let words = OkapiBM25.terms(question)
        wordCount = words.count
        for (number, word) in words.enumerated() {
            var found: Set<[Int32]> = []
            for form in [word, word + "s"] {
                let capitalized = form.prefix(1).uppercased() + form.dropFirst()
                for written in [form, capitalized, form.uppercased()] {
                    for spaced in [" " + written, written] {
                        let tokens = tokenizer.encode(
                            spaced,
                            addingSpecialTokens: false,
                            parsingSpecialTokens: false
                        )
                        if !tokens.isEmpty { found.insert(tokens) }
                    }
                }
            }
            for tokens in found { spellings[tokens[0], default: []].append(Spelling(word: number, tokens: tokens)) }
        }
    }

    /// The pages that the words say most about, by ``OkapiBM25``: the best first, an earlier one before one as good.
    ///
    /// - Parameters:
    ///   - tokens: of the whole context.
    ///   - range: pages to choose from.
    /// - Complexity: O(tokens of `range`).
    func bestPages(_ most: Int, of tokens: [Int32], in range: Range<Int>) -> [Int] {
        guard most > 0, !range.isEmpty, !spellings.isEmpty else { return [] }
        var scores = [Double](repeating: 0, count: range.count)
        for counts in counts(in: tokens, range) {
            // What is nearly everywhere tells no page from another.
            guard counts.count(where: { $0 > 0 }) * 8 <= range.count else { continue }
            OkapiBM25.add(counts, relativeLengths: nil, to: &scores)
        }
        let found = scores.indices.filter { scores[$0] > 0 }
        return found.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(most).map { $0 + range.lowerBound }
    }

    /// `[words][pages of the range]`
    private func counts(in tokens: [Int32], _ range: Range<Int>) -> [[Int]] {
        var counts = [[Int]](repeating: [Int](repeating: 0, count: range.count), count: wordCount)
        var beginsWord = [Bool](repeating: false, count: tokenizer.vocabularySize)
        for token in spellings.keys where beginsWord.indices.contains(Int(token)) { beginsWord[Int(token)] = true }
        let slots = range.lowerBound * PageLayout.positions..<min(range.upperBound * PageLayout.positions, tokens.count)
        for slot in slots {
            let token = Int(tokens[slot])
            guard beginsWord.indices.contains(token), beginsWord[token] else { continue }
            for spelling in spellings[tokens[slot]] ?? [] where stands(spelling.tokens, at: slot, in: tokens) {
                counts[spelling.word][slot / PageLayout.positions - range.lowerBound] += 1
                break
            }
        }
        return counts
    }

    /// Whether a word is written at a slot, and is no part of a longer one.
    private func stands(_ word: [Int32], at slot: Int, in tokens: [Int32]) -> Bool {
        guard tokens[slot...].starts(with: word) else { return false }
        let end = slot + word.count
        if end < tokens.count, let next = tokenizer.tokenBytes(tokens[end])?.first, Self.isPartOfWord(next) {
            return false
        }
        guard slot > 0, let first = tokenizer.tokenBytes(word[0])?.first, Self.isPartOfWord(first) else { return true }
        return !(tokenizer.tokenBytes(tokens[slot - 1])?.last.map(Self.isPartOfWord) ?? false)
    }

    /// Letters and digits; bytes of other scripts count as letters.
    private static func isPartOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
            true
        default: false
        }
    }
}

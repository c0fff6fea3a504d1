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
    /// Of a longer question the last ones count, as do so many characters: what pasted text before it says is not asked.
    private static let mostWords = 64
    private static let mostCharacters = 8192

    private struct Spelling {
        let word: Int
        let tokens: [Int32]
        /// Without a space before it: what stands before it may be a part of the same word.
        let beginsWithLetter: Bool
    }

    init(_ question: String, tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        let words = OkapiBM25.terms(String(question.suffix(Self.mostCharacters))).prefix(Self.mostWords)
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
            for tokens in found {
                let first = String(decoding: tokenizer.tokenBytes(tokens[0]) ?? [], as: UTF8.self).unicodeScalars.first
                let spelling = Spelling(
                    word: number,
                    tokens: tokens,
                    // A token may hold a part of a letter.
                    beginsWithLetter: first.map { $0 == "\u{FFFD}" || Self.isPartOfWord($0) } ?? false
                )
                spellings[tokens[0], default: []].append(spelling)
            }
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
        var slot = range.lowerBound * PageLayout.positions
        let end = min(range.upperBound * PageLayout.positions, tokens.count)
        while slot < end {
            let token = Int(tokens[slot])
            guard beginsWord.indices.contains(token), beginsWord[token],
                let found = spellings[tokens[slot]]?.first(where: { stands($0, at: slot, in: tokens) })
            else {
                slot += 1
                continue
            }
            // A word is where it ends: what follows it is what is asked for.
            slot += found.tokens.count
            let page = (slot - 1) / PageLayout.positions
            if page < range.upperBound { counts[found.word][page - range.lowerBound] += 1 }
        }
        return counts
    }

    /// Whether a word is written at a slot, and is no part of a longer one.
    private func stands(_ spelling: Spelling, at slot: Int, in tokens: [Int32]) -> Bool {
        let end = slot + spelling.tokens.count
        guard end <= tokens.count, tokens[slot..<end].elementsEqual(spelling.tokens) else { return false }
        if let next = scalar(after: end, in: tokens), Self.isPartOfWord(next) { return false }
        guard spelling.beginsWithLetter, let before = scalar(before: slot, in: tokens) else { return true }
        return !Self.isPartOfWord(before)
    }

    /// The first scalar of what tokens from a slot on say; tokens may hold a part of one.
    private func scalar(after slot: Int, in tokens: [Int32]) -> Unicode.Scalar? {
        var bytes: [UInt8] = []
        for token in tokens[slot...].prefix(4) where bytes.count < 4 { bytes += tokenizer.tokenBytes(token) ?? [] }
        return String(decoding: bytes.prefix(4), as: UTF8.self).unicodeScalars.first
    }

    /// The last scalar of what tokens before a slot say.
    private func scalar(before slot: Int, in tokens: [Int32]) -> Unicode.Scalar? {
        var bytes: [UInt8] = []
        for token in tokens[..<slot].suffix(4).reversed() where bytes.count < 4 {
            bytes = (tokenizer.tokenBytes(token) ?? []) + bytes
        }
        return String(decoding: bytes, as: UTF8.self).unicodeScalars.last
    }

    private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    }
}

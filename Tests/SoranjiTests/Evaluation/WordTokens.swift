@testable import Soranji

/// A tokenizer for tests: runs of letters with the space before them, and everything else sign by sign.
final class WordTokens {
    private var numbers: [String: Int32] = [:]
    private var texts: [String] = []

    var encoder: PieceEncoder { PieceEncoder { self.encode($0) } }

    func encode(_ text: String) -> [Int32] {
        var tokens: [Int32] = []
        var word = ""
        func flush() {
            guard !word.isEmpty else { return }
            if numbers[word] == nil {
                numbers[word] = Int32(texts.count)
                texts.append(word)
            }
            tokens.append(numbers[word] ?? 0)
            word = ""
        }
        for letter in text {
            if letter.isLetter, word.isEmpty || word == " " || word.last?.isLetter == true {
                word.append(letter)
                continue
            }
            flush()
            word = String(letter)
            if letter != " " { flush() }
        }
        flush()
        return tokens
    }

    func decode(_ tokens: [Int32]) -> String { tokens.map { texts[Int($0)] }.joined() }
}

extension EvaluationBuilder {
    /// Without a template.
    static func plain(_ words: WordTokens, seed: UInt64 = 42) -> EvaluationBuilder {
        EvaluationBuilder(frame: EvaluationFrame(), encoder: words.encoder, seed: seed)
    }
}

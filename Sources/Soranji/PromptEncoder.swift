import Foundation
import Tokenizers

/// Turns what a template made into tokens, so that control tokens come from the template alone.
///
/// Templates put what users write between control tokens; a document that spells `<|im_end|>` must not end the turn.
/// Such spellings are broken up before rendering by a character that occurs nowhere else, and put together again while
/// encoding, where the two halves are encoded apart and so stay text.
struct PromptEncoder {
    let tokenizer: Tokenizer
    private let specialTexts: [String]

    init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        specialTexts = tokenizer.specialTokens.map(\.text).filter { $0.count > 1 }
    }

    /// A character that none of the texts has.
    private func separator(notIn texts: [String]) -> Character {
        let candidates = (0xF_0000...0xF_FFFD).lazy.compactMap(Unicode.Scalar.init).map(Character.init)
        return candidates.first { candidate in texts.allSatisfy { !$0.contains(candidate) } } ?? "\u{F0000}"
    }

    /// The texts with spelled control tokens broken up, and the character that does it; nil if there are none.
    func shielded(_ texts: [String]) -> (texts: [String], separator: Character)? {
        guard texts.contains(where: { text in specialTexts.contains { text.contains($0) } }) else { return nil }
        let separator = separator(notIn: texts)
        let shielded = texts.map { text in
            specialTexts.reduce(text) { text, special in
                guard text.contains(special) else { return text }
                return text.replacingOccurrences(
                    of: special,
                    with: String(special.prefix(1)) + String(separator) + special.dropFirst()
                )
            }
        }
        return (shielded, separator)
    }

    /// Encodes a rendered prompt.
    ///
    /// - Returns: the prompt's text without separators, its tokens, and the bytes of that text that each token covers.
    func encode(
        _ rendered: String,
        separator: Character?,
        addingSpecialTokens: Bool
    ) -> (text: String, tokens: [Int32], ranges: [Range<Int>]) {
        guard let separator else {
            let encoded = tokenizer.encodeWithRanges(
                rendered,
                addingSpecialTokens: addingSpecialTokens,
                parsingSpecialTokens: true
            )
            return (rendered, encoded.tokens, encoded.ranges)
        }
        var text = ""
        var tokens: [Int32] = []
        var ranges: [Range<Int>] = []
        for (index, piece) in rendered.split(separator: separator, omittingEmptySubsequences: false).enumerated() {
            let encoded = tokenizer.encodeWithRanges(
                String(piece),
                addingSpecialTokens: addingSpecialTokens && index == 0,
                parsingSpecialTokens: true
            )
            let offset = text.utf8.count
            tokens += encoded.tokens
            ranges += encoded.ranges.map { $0.lowerBound + offset..<$0.upperBound + offset }
            text += piece
        }
        return (text, tokens, ranges)
    }
}

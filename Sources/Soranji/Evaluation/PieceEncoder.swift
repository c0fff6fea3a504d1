import Tokenizers

/// Turns pieces of a prompt into tokens one at a time, so that a text of a million tokens is put together from counts.
struct PieceEncoder {
    private let encodeText: (String) -> [Int32]
    /// Tokens of a line break, which ``tokens(_:)`` puts before a piece and takes off again.
    private let anchor: [Int32]

    init(_ tokenizer: Tokenizer) {
        self.init { tokenizer.encode($0, addingSpecialTokens: false, parsingSpecialTokens: false) }
    }

    /// - Parameter encode: text to ids; for tests any function will do.
    init(encode: @escaping (String) -> [Int32]) {
        encodeText = encode
        anchor = encode("\n")
    }

    /// The tokens of a piece that stands after other text.
    ///
    /// Sentencepiece vocabularies put a space before whatever they are given; after a line break, which is then taken
    /// off, they do not.
    func tokens(_ piece: String) -> [Int32] {
        guard !piece.isEmpty else { return [] }
        let anchored = encodeText("\n" + piece)
        if !anchor.isEmpty, anchored.count > anchor.count, anchored.starts(with: anchor) {
            return Array(anchored.dropFirst(anchor.count))
        }
        return encodeText(piece)
    }
}

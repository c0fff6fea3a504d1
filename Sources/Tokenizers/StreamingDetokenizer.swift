/// Turns tokens into text one by one, never splitting a character.
///
/// The texts that ``push(_:)`` and ``flush()`` return add up to ``Tokenizer/decode(_:skippingSpecialTokens:)`` of all
/// tokens.
package struct StreamingDetokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    private var pending: [UInt8] = []
    /// Vocabularies that put a space before every text drop it here again.
    private var dropsSpace: Bool

    /// - Parameter continuing: the tokens continue a text, so a space at their start belongs to it.
    package init(_ tokenizer: Tokenizer, skippingSpecialTokens: Bool = true, continuing: Bool = false) {
        self.tokenizer = tokenizer
        skipsSpecialTokens = skippingSpecialTokens
        dropsSpace = !continuing && tokenizer.leadingSpace != .keeps
    }

    /// The text that the token completes; empty while a character is unfinished.
    package mutating func push(_ token: Int32) -> String {
        var bytes = pending
        append(token, to: &bytes)
        let kept = UTF8Scanning.incompleteTail(bytes)
        pending = Array(bytes.suffix(kept))
        return String(decoding: bytes.dropLast(kept), as: UTF8.self)
    }

    /// What is left of an unfinished character, as U+FFFD. The detokenizer can go on after that.
    package mutating func flush() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    /// Appends the token's bytes by the rules of whole texts.
    mutating func append(_ token: Int32, to output: inout [UInt8]) {
        if skipsSpecialTokens, tokenizer.isSpecial(token) { return }
        guard let bytes = tokenizer.tokenBytes(token) else {
            dropsSpace = false
            return output.append(contentsOf: Self.replacement)
        }
        if tokenizer.isUnknownPiece(token) { dropsSpace = false }
        guard dropsSpace else { return output.append(contentsOf: bytes) }
        switch tokenizer.leadingSpace {
        case .keeps:
            output.append(contentsOf: bytes)
        case .dropsOne:
            output.append(contentsOf: bytes.first == 0x20 ? bytes[1...] : bytes[...])
            dropsSpace = bytes.isEmpty
        case .dropsInFirstToken:
            output.append(contentsOf: bytes.filter { $0 != 0x20 })
            dropsSpace = false
        case .dropsAll:
            let rest = bytes.drop { $0 == 0x20 }
            output.append(contentsOf: rest)
            dropsSpace = rest.isEmpty
        }
    }
}

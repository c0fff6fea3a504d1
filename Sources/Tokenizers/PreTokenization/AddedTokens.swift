/// A token that is found in the text before anything else: control tokens, and words added to a vocabulary.
package struct AddedToken: Sendable, Equatable {
    package var id: Int32
    package var text: String
    /// A control token: user text must not make one, decoding can leave it out.
    package var isSpecial: Bool
    /// Takes the white space before it, or after it.
    package var stripsLeft = false
    package var stripsRight = false
    /// Only where no word scalar stands directly before or after it.
    package var isSingleWord = false
    /// Is looked for in the normalized text rather than in the source.
    package var isNormalized = false

    package init(id: Int32, text: String, isSpecial: Bool) {
        self.id = id
        self.text = text
        self.isSpecial = isSpecial
    }
}

/// Finds added tokens in text: leftmost, then longest.
struct AddedTokenMatcher: Sendable {
    /// Longer ones are refused at load: the search costs their length per position in the worst case.
    static let maximumLength = 1024

    private var tokens: [AddedToken] = []
    private var firstBytes = [Bool](repeating: false, count: 256)
    /// Trie: (node << 8 | byte) to node.
    private var edges: [UInt64: UInt32] = [:]
    /// Per node: index of the token that ends there, or -1.
    private var endings: [Int32] = [-1]

    /// - Parameter tokens: with the text to look for, which for normalized ones differs from their own.
    init(_ tokens: [(token: AddedToken, pattern: [UInt8])]) {
        for (token, pattern) in tokens where !pattern.isEmpty {
            var node: UInt32 = 0
            for byte in pattern {
                let key = UInt64(node) << 8 | UInt64(byte)
                if let next = edges[key] {
                    node = next
                } else {
                    endings.append(-1)
                    let next = UInt32(endings.count - 1)
                    edges[key] = next
                    node = next
                }
            }
            // Of two tokens with one text the first counts.
            if endings[Int(node)] < 0 {
                endings[Int(node)] = Int32(self.tokens.count)
                self.tokens.append(token)
            }
            firstBytes[Int(pattern[0])] = true
        }
    }

    var isEmpty: Bool { tokens.isEmpty }

    /// Calls `body` for the stretches of the text in order, with the token where it is one.
    ///
    /// - Parameter parsingSpecialTokens: when false, special tokens in the text are text (other added tokens are not).
    func forEachStretch(
        of text: UnsafeBufferPointer<UInt8>,
        range: Range<Int>,
        parsingSpecialTokens: Bool,
        _ body: (Range<Int>, AddedToken?) -> Void
    ) {
        var start = range.lowerBound
        var position = range.lowerBound
        while position < range.upperBound {
            guard firstBytes[Int(text[position])], let match = longest(text, at: position, end: range.upperBound) else {
                position += 1
                continue
            }
            let token = tokens[match.token]
            var lower = position
            var upper = match.end
            position = match.end
            if token.isSpecial && !parsingSpecialTokens { continue }
            if token.isSingleWord, !isSingleWord(text, lower..<upper, range) { continue }
            // White space that the token before took is gone, and so is a token inside it.
            if lower < start { continue }
            if token.stripsLeft {
                while lower > start {
                    let before = UTF8Scanning.start(text, before: lower, lowerBound: start)
                    guard UnicodeClasses.isWhiteSpace(UTF8Scanning.scalar(text, at: before).value) else { break }
                    lower = before
                }
            }
            while token.stripsRight, upper < range.upperBound {
                let scalar = UTF8Scanning.scalar(text, at: upper)
                guard UnicodeClasses.isWhiteSpace(scalar.value) else { break }
                upper += scalar.count
            }
            if start < lower { body(start..<lower, nil) }
            body(lower..<upper, token)
            start = upper
        }
        if start < range.upperBound { body(start..<range.upperBound, nil) }
    }

    private func longest(_ text: UnsafeBufferPointer<UInt8>, at start: Int, end: Int) -> (token: Int, end: Int)? {
        var node: UInt32 = 0
        var found: (token: Int, end: Int)?
        var position = start
        while position < end, let next = edges[UInt64(node) << 8 | UInt64(text[position])] {
            node = next
            position += 1
            if endings[Int(node)] >= 0 { found = (Int(endings[Int(node)]), position) }
        }
        return found
    }

    private func isSingleWord(_ text: UnsafeBufferPointer<UInt8>, _ match: Range<Int>, _ range: Range<Int>) -> Bool {
        if match.lowerBound > range.lowerBound {
            let before = UTF8Scanning.start(text, before: match.lowerBound, lowerBound: range.lowerBound)
            if UnicodeClasses.isWord(UTF8Scanning.scalar(text, at: before).value) { return false }
        }
        guard match.upperBound < range.upperBound else { return true }
        return !UnicodeClasses.isWord(UTF8Scanning.scalar(text, at: match.upperBound).value)
    }
}

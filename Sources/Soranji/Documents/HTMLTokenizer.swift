/// Splits HTML into tags and text, as tolerantly as browsers do: every input is some sequence of tokens.
///
/// Time is linear in the input whatever it holds: a construct without its end takes everything that is left, so no
/// byte is looked at twice for the same reason.
struct HTMLTokenizer {
    enum Token: Equatable {
        /// Character data, entities not yet decoded.
        case text(Range<Int>)
        case start(Tag)
        /// A closing tag, by its name in lower case.
        case end(String)
    }

    struct Tag: Equatable {
        /// In lower case; empty for names longer than any element of HTML.
        var name: String
        var isSelfClosing = false
        /// The value of the attribute `alt`, entities not yet decoded.
        var alternative: Range<Int>?
    }

    let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() -> Token? {
        while position < bytes.count {
            guard bytes[position] == UInt8(ascii: "<") else { return text(from: position) }
            switch byte(position + 1) {
            case .some(let letter) where isLetter(letter):
                position += 1
                return .start(tag())
            case UInt8(ascii: "/"):
                if let letter = byte(position + 2), isLetter(letter) {
                    position += 2
                    return .end(tag().name)
                }
                skip(through: ">")
            case UInt8(ascii: "!"):
                let isComment = byte(position + 2) == UInt8(ascii: "-") && byte(position + 3) == UInt8(ascii: "-")
                if isComment { skipComment() } else { skip(through: ">") }
            case UInt8(ascii: "?"):
                skip(through: ">")
            default:
                return text(from: position)
            }
        }
        return nil
    }

    /// The contents of an element that holds no markup, such as `script`; the position is left at its closing tag.
    mutating func rawText(of name: String) -> Range<Int> {
        let start = position
        let name = Array(name.utf8)
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "<"), byte(position + 1) == UInt8(ascii: "/") {
                let after = position + 2 + name.count
                let isName = name.indices.allSatisfy { byte(position + 2 + $0).map(lowercased) == name[$0] }
                if isName,
                    byte(after).map({ isSpace($0) || $0 == UInt8(ascii: ">") || $0 == UInt8(ascii: "/") }) ?? true
                {
                    break
                }
            }
            position += 1
        }
        return start..<position
    }

    private func byte(_ index: Int) -> UInt8? { index < bytes.count ? bytes[index] : nil }

    private func isLetter(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= lowercased(byte)
    }

    /// Text up to the next "<" that can begin markup.
    private mutating func text(from start: Int) -> Token {
        position = start + 1
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "<"), let next = byte(position + 1),
                isLetter(next) || next == UInt8(ascii: "/") || next == UInt8(ascii: "!") || next == UInt8(ascii: "?")
            {
                break
            }
            position += 1
        }
        return .text(start..<position)
    }

    private mutating func skip(through end: Unicode.Scalar) {
        while position < bytes.count, bytes[position] != UInt8(ascii: end) { position += 1 }
        position = min(position + 1, bytes.count)
    }

    /// A comment ends at "-->", also right after its start: `<!-->`.
    private mutating func skipComment() {
        position = min(position + 2, bytes.count)
        while position < bytes.count {
            let isEnd =
                bytes[position] == UInt8(ascii: "-") && byte(position + 1) == UInt8(ascii: "-")
                && byte(position + 2) == UInt8(ascii: ">")
            if isEnd {
                position += 3
                return
            }
            position += 1
        }
    }

    /// Name and attributes, through the closing ">". The position is at the first letter of the name.
    private mutating func tag() -> Tag {
        let nameEnd = end(from: position) { isSpace($0) || $0 == UInt8(ascii: ">") || $0 == UInt8(ascii: "/") }
        let isKnownLength = nameEnd - position <= 32
        let name = isKnownLength ? String(decoding: bytes[position..<nameEnd].map(lowercased), as: UTF8.self) : ""
        var tag = Tag(name: name)
        position = nameEnd
        while position < bytes.count {
            let current = bytes[position]
            if current == UInt8(ascii: ">") {
                tag.isSelfClosing = bytes[position - 1] == UInt8(ascii: "/")
                position += 1
                break
            }
            if isSpace(current) || current == UInt8(ascii: "/") {
                position += 1
                continue
            }
            attribute(into: &tag)
        }
        return tag
    }

    private mutating func attribute(into tag: inout Tag) {
        let nameStart = position
        // A name may begin with "=", so one byte is always taken.
        position = end(from: position + 1) {
            isSpace($0) || $0 == UInt8(ascii: ">") || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "=")
        }
        let name = nameStart..<position
        let afterName = end(from: position) { !isSpace($0) }
        guard byte(afterName) == UInt8(ascii: "=") else { return }
        position = end(from: afterName + 1) { !isSpace($0) }
        let value: Range<Int>
        if let quote = byte(position), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
            let valueEnd = end(from: position + 1) { $0 == quote }
            value = (position + 1)..<valueEnd
            position = min(valueEnd + 1, bytes.count)
        } else {
            let valueEnd = end(from: position) { isSpace($0) || $0 == UInt8(ascii: ">") }
            value = position..<valueEnd
            position = valueEnd
        }
        if name.count == 3, bytes[name].map(lowercased).elementsEqual("alt".utf8) { tag.alternative = value }
    }

    /// The first index at or after `start` whose byte satisfies the condition, else the end of the input.
    private func end(from start: Int, where condition: (UInt8) -> Bool) -> Int {
        var index = min(start, bytes.count)
        while index < bytes.count, !condition(bytes[index]) { index += 1 }
        return index
    }
}

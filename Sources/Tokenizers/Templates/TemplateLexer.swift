/// Cuts a template into tokens, with the whitespace rules that chat templates are written for: `trim_blocks` and
/// `lstrip_blocks` on, one trailing newline dropped, `-` and `+` at the edges of tags.
///
/// The whole source is read at once: O(bytes), no recursion.
struct TemplateLexer {
    private let source: [UInt8]
    private var offset = 0
    private var line: Int32 = 1
    private var lineStart = 0
    private var lineMark = 0
    private var tokens: [TemplateToken] = []
    /// Whether what was last consumed ended a line: a tag there may strip the spaces before it.
    private var atLineStart = true
    /// Brackets open inside the current tag: `}}` closes a tag only when there is none.
    private var openBrackets: [UInt8] = []

    private init(_ text: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var previous: UInt8 = 0
        for byte in text.utf8 {
            if byte == 0x0D {
                bytes.append(0x0A)
            } else if byte != 0x0A || previous != 0x0D {
                bytes.append(byte)
            }
            previous = byte
        }
        if bytes.last == 0x0A { bytes.removeLast() }
        source = bytes
    }

    static func tokens(of text: String) throws(TemplateError) -> [TemplateToken] {
        var lexer = TemplateLexer(text)
        try lexer.root()
        lexer.append(.end)
        return lexer.tokens
    }

    // MARK: Text outside tags

    private mutating func root() throws(TemplateError) {
        while offset < source.count {
            let start = offset
            guard let tag = nextTag(from: offset) else {
                appendText(start, source.count)
                offset = source.count
                return
            }
            var bodyStart = tag + 2
            var sign: UInt8 = 0
            if bodyStart < source.count,
                source[bodyStart] == UInt8(ascii: "-") || source[bodyStart] == UInt8(ascii: "+")
            {
                sign = source[bodyStart]
                bodyStart += 1
            }
            let opener = source[tag + 1]
            let end = textEnd(start, tag, sign: sign, mayStripLine: opener != UInt8(ascii: "{"))
            appendText(start, end)
            offset = bodyStart
            switch opener {
            case UInt8(ascii: "#"): try comment(openedAt: tag)
            case UInt8(ascii: "%"):
                if let rawBody = rawBegin(bodyStart) {
                    offset = rawBody
                    try raw(openedAt: tag)
                } else {
                    append(.blockBegin, at: tag)
                    try tagBody(isBlock: true)
                }
            default:
                append(.variableBegin, at: tag)
                try tagBody(isBlock: false)
            }
        }
    }

    private func nextTag(from start: Int) -> Int? {
        var index = start
        while index + 1 < source.count {
            if source[index] == UInt8(ascii: "{") {
                let next = source[index + 1]
                if next == UInt8(ascii: "%") || next == UInt8(ascii: "{") || next == UInt8(ascii: "#") { return index }
            }
            index += 1
        }
        return nil
    }

    /// Where the text before a tag ends once the tag's sign and the line rule have had their say.
    private func textEnd(_ start: Int, _ end: Int, sign: UInt8, mayStripLine: Bool) -> Int {
        if sign == UInt8(ascii: "-") { return trimmedEnd(start, end) }
        guard sign == 0, mayStripLine else { return end }
        var lineBegin = end
        while lineBegin > start, source[lineBegin - 1] != 0x0A { lineBegin -= 1 }
        guard lineBegin > start || atLineStart else { return end }
        let trimmed = trimmedEnd(lineBegin, end)
        return trimmed == lineBegin ? lineBegin : end
    }

    private func trimmedEnd(_ start: Int, _ end: Int) -> Int {
        var index = end
        while index > start {
            var scalarStart = index - 1
            while scalarStart > start, source[scalarStart] & 0xC0 == 0x80 { scalarStart -= 1 }
            guard PythonText.isSpace(scalar(at: scalarStart)) else { break }
            index = scalarStart
        }
        return index
    }

    private mutating func appendText(_ start: Int, _ end: Int) {
        guard end > start else { return }
        append(.data(String(decoding: source[start..<end], as: UTF8.self)), at: start)
    }

    private mutating func comment(openedAt tag: Int) throws(TemplateError) {
        var index = offset
        while index + 1 < source.count {
            if source[index] == UInt8(ascii: "#"), source[index + 1] == UInt8(ascii: "}") {
                let trims = index > offset && source[index - 1] == UInt8(ascii: "-")
                let keeps = index > offset && source[index - 1] == UInt8(ascii: "+")
                closeTag(endingAt: index + 2, trimsSpace: trims, dropsNewline: !keeps)
                return
            }
            index += 1
        }
        if offset == source.count { return }
        throw TemplateError("a comment is not closed; add '#}'", at: position(of: tag))
    }

    /// After a tag's closing brackets: what follows them that the tag swallows.
    private mutating func closeTag(endingAt end: Int, trimsSpace: Bool, dropsNewline: Bool) {
        offset = end
        if trimsSpace {
            skipSpace()
        } else if dropsNewline, offset < source.count, source[offset] == 0x0A {
            offset += 1
        }
        atLineStart = source[offset - 1] == 0x0A
    }

    private mutating func skipSpace() {
        while offset < source.count {
            let next = scalar(at: offset)
            guard PythonText.isSpace(next) else { return }
            offset += UTF8.width(next)
        }
    }

    // MARK: Raw blocks

    /// The offset after `raw %}` when the block that starts here is one.
    private func rawBegin(_ start: Int) -> Int? {
        guard var index = keyword("raw", from: start) else { return nil }
        let trims = index < source.count && source[index] == UInt8(ascii: "-")
        if trims { index += 1 }
        guard matches("%}", at: index) else { return nil }
        index += 2
        return trims ? spaceEnd(index) : index
    }

    private func keyword(_ word: String, from start: Int) -> Int? {
        let index = spaceEnd(start)
        guard matches(word, at: index) else { return nil }
        return spaceEnd(index + word.utf8.count)
    }

    private func spaceEnd(_ start: Int) -> Int {
        var index = start
        while index < source.count {
            let next = scalar(at: index)
            guard PythonText.isSpace(next) else { break }
            index += UTF8.width(next)
        }
        return index
    }

    private func matches(_ text: String, at index: Int) -> Bool {
        guard index + text.utf8.count <= source.count else { return false }
        return source[index..<index + text.utf8.count].elementsEqual(text.utf8)
    }

    private mutating func raw(openedAt tag: Int) throws(TemplateError) {
        let start = offset
        var index = start
        // What a block strips is decided as for any other tag; the raw tag itself ended no line.
        atLineStart = start > 0 && source[start - 1] == 0x0A
        while index + 1 < source.count {
            guard source[index] == UInt8(ascii: "{"), source[index + 1] == UInt8(ascii: "%") else {
                index += 1
                continue
            }
            var body = index + 2
            var sign: UInt8 = 0
            if body < source.count, source[body] == UInt8(ascii: "-") || source[body] == UInt8(ascii: "+") {
                sign = source[body]
                body += 1
            }
            guard let close = keyword("endraw", from: body), close < source.count else {
                index += 1
                continue
            }
            let closeSign = source[close]
            let brackets = closeSign == UInt8(ascii: "-") || closeSign == UInt8(ascii: "+") ? close + 1 : close
            guard matches("%}", at: brackets) else {
                index += 1
                continue
            }
            appendText(start, textEnd(start, index, sign: sign, mayStripLine: true))
            closeTag(
                endingAt: brackets + 2,
                trimsSpace: closeSign == UInt8(ascii: "-"),
                dropsNewline: closeSign != UInt8(ascii: "+")
            )
            return
        }
        if start == source.count { return }
        throw TemplateError("a raw block is not closed; add '{% endraw %}'", at: position(of: tag))
    }

    // MARK: Inside tags

    private mutating func tagBody(isBlock: Bool) throws(TemplateError) {
        openBrackets.removeAll(keepingCapacity: true)
        let closer: UInt8 = isBlock ? UInt8(ascii: "%") : UInt8(ascii: "}")
        while offset < source.count {
            let byte = source[offset]
            if openBrackets.isEmpty {
                let signed = byte == UInt8(ascii: "-") || (isBlock && byte == UInt8(ascii: "+"))
                let brackets = signed ? offset + 1 : offset
                if brackets + 1 < source.count, source[brackets] == closer, source[brackets + 1] == UInt8(ascii: "}") {
                    append(isBlock ? .blockEnd : .variableEnd)
                    closeTag(
                        endingAt: brackets + 2,
                        trimsSpace: byte == UInt8(ascii: "-"),
                        dropsNewline: isBlock && byte != UInt8(ascii: "+")
                    )
                    return
                }
            }
            let next = scalar(at: offset)
            if PythonText.isSpace(next) {
                offset += UTF8.width(next)
            } else if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
                try number()
            } else if next == "_" || next.properties.isXIDStart {
                name()
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                try string(quote: byte)
            } else {
                try symbol()
            }
        }
    }

    private mutating func name() {
        let start = offset
        while offset < source.count {
            let next = scalar(at: offset)
            guard next == "_" || next.properties.isXIDContinue else { break }
            offset += UTF8.width(next)
        }
        append(.name(String(decoding: source[start..<offset], as: UTF8.self)), at: start)
    }

    private mutating func symbol() throws(TemplateError) {
        for length in [2, 1] where offset + length <= source.count {
            let spelling = String(decoding: source[offset..<offset + length], as: UTF8.self)
            guard let symbol = TemplateToken.Symbol(rawValue: spelling) else { continue }
            switch symbol {
            case .leftBrace: openBrackets.append(UInt8(ascii: "}"))
            case .leftParenthesis: openBrackets.append(UInt8(ascii: ")"))
            case .leftBracket: openBrackets.append(UInt8(ascii: "]"))
            case .rightBrace, .rightParenthesis, .rightBracket:
                guard let expected = openBrackets.popLast() else {
                    throw TemplateError("unexpected '\(spelling)'", at: position(of: offset))
                }
                guard expected == source[offset] else {
                    let wanted = Character(Unicode.Scalar(expected))
                    throw TemplateError("unexpected '\(spelling)', expected '\(wanted)'", at: position(of: offset))
                }
            default: break
            }
            append(.symbol(symbol))
            offset += length
            return
        }
        throw TemplateError("unexpected character '\(Character(scalar(at: offset)))'", at: position(of: offset))
    }

    /// Digits with single underscores between them, from `start`; nil when there are none.
    private func digitsEnd(_ start: Int, _ isDigit: (UInt8) -> Bool) -> Int? {
        var index = start
        guard index < source.count, isDigit(source[index]) else { return nil }
        while index < source.count {
            if isDigit(source[index]) {
                index += 1
            } else if source[index] == UInt8(ascii: "_"), index + 1 < source.count, isDigit(source[index + 1]) {
                index += 2
            } else {
                break
            }
        }
        return index
    }

    private mutating func number() throws(TemplateError) {
        let start = offset
        let isDecimal: (UInt8) -> Bool = { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        // `x.0.1` is two indices, not an index and a fraction.
        let mayBeFloat = start == 0 || source[start - 1] != UInt8(ascii: ".")
        if mayBeFloat, let whole = digitsEnd(start, isDecimal) {
            var end = whole
            if end < source.count, source[end] == UInt8(ascii: "."), let fraction = digitsEnd(end + 1, isDecimal) {
                end = fraction
            }
            if end < source.count, source[end] | 0x20 == UInt8(ascii: "e") {
                var digits = end + 1
                if digits < source.count, source[digits] == UInt8(ascii: "+") || source[digits] == UInt8(ascii: "-") {
                    digits += 1
                }
                if let exponent = digitsEnd(digits, isDecimal) { end = exponent }
            }
            if end > whole {
                guard let value = Double(spelling(start, end)) else {
                    throw TemplateError("unreadable number '\(spelling(start, end))'", at: position(of: start))
                }
                append(.float(value))
                offset = end
                return
            }
        }
        try integer(start, isDecimal)
    }

    private mutating func integer(_ start: Int, _ isDecimal: @escaping (UInt8) -> Bool) throws(TemplateError) {
        var end = start + 1
        var radix = 10
        var digits = start
        if source[start] == UInt8(ascii: "0") {
            let marker = end < source.count ? source[end] | 0x20 : 0
            let isDigit: (UInt8) -> Bool
            switch marker {
            case UInt8(ascii: "b"): (radix, isDigit) = (2, { $0 == UInt8(ascii: "0") || $0 == UInt8(ascii: "1") })
            case UInt8(ascii: "o"): (radix, isDigit) = (8, { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "7") })
            case UInt8(ascii: "x"):
                (radix, isDigit) = (
                    16, { isDecimal($0) || ($0 | 0x20 >= UInt8(ascii: "a") && $0 | 0x20 <= UInt8(ascii: "f")) }
                )
            default: isDigit = { $0 == UInt8(ascii: "0") }
            }
            let first = end + 1 < source.count && source[end + 1] == UInt8(ascii: "_") ? end + 2 : end + 1
            if radix != 10, let last = digitsEnd(first, isDigit) {
                digits = first
                end = last
            } else {
                radix = 10
                end = digitsEnd(start) { $0 == UInt8(ascii: "0") } ?? end
            }
        } else {
            end = digitsEnd(start, isDecimal) ?? end
        }
        guard let value = Int(spelling(digits, end), radix: radix) else {
            throw TemplateError("the number '\(spelling(start, end))' does not fit 64 bits", at: position(of: start))
        }
        append(.integer(value))
        offset = end
    }

    private func spelling(_ start: Int, _ end: Int) -> String {
        String(decoding: source[start..<end].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    }

    // MARK: Strings

    private mutating func string(quote: UInt8) throws(TemplateError) {
        let start = offset
        var index = start + 1
        while index < source.count, source[index] != quote {
            index += source[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard index < source.count else {
            throw TemplateError("a string is not closed", at: position(of: start))
        }
        let body = source[start + 1..<index]
        do throws(TemplateError) {
            append(.string(try PythonText.unescaped(body)), at: start)
        } catch {
            throw error.located(position(of: start))
        }
        offset = index + 1
    }

    // MARK: Places

    /// The scalar that starts at a byte: the source came from a `String`, so it is well formed.
    private func scalar(at index: Int) -> Unicode.Scalar {
        let byte = source[index]
        if byte < 0x80 { return Unicode.Scalar(byte) }
        var decoder = UTF8()
        var iterator = source[index...].prefix(4).makeIterator()
        if case .scalarValue(let value) = decoder.decode(&iterator) { return value }
        return "\u{FFFD}"
    }

    private mutating func append(_ kind: TemplateToken.Kind, at start: Int? = nil) {
        tokens.append(TemplateToken(kind: kind, position: position(of: start ?? offset)))
    }

    /// Places are asked for in ascending order, so counting lines costs one pass in all.
    private mutating func position(of index: Int) -> TemplatePosition {
        while lineMark < index {
            if source[lineMark] == 0x0A {
                line += 1
                lineStart = lineMark + 1
            }
            lineMark += 1
        }
        return TemplatePosition(line: line, column: Int32(clamping: max(0, index - lineStart) + 1))
    }
}

/// Collects reduced text: white space collapses, breaks wait until something follows them.
struct TextFlow {
    /// Stands between the cells of a table row until the row is complete; input never contains it.
    static let cellSeparator: UInt8 = 0x1F

    private(set) var bytes: [UInt8] = []
    private var breaks = 0
    private var hasSpace = false
    /// A list marker that waits for its item's text.
    private var marker: [UInt8] = []
    private var raises = false
    /// Where text of another line of the source begins in ``bytes``.
    private(set) var lines: [SourceLine] = []
    /// How far lines of the source have been counted.
    private var counted = SourceLine(offset: 0, line: 1)

    /// At least `count` line breaks (1: a new line, 2: a blank line between) before what follows.
    mutating func need(breaks count: Int) {
        breaks = max(breaks, count)
        hasSpace = false
    }

    /// One more line break, as `<br>`; no more than one blank line comes of many.
    mutating func addBreak() { need(breaks: min(breaks + 1, 2)) }

    mutating func needSpace() { hasSpace = true }

    mutating func setMarker(_ text: String) { marker = Array(text.utf8) }

    /// What follows is raised: "10<sup>6</sup>" must not become "106".
    mutating func raise() { raises = true }

    /// Forgets the breaks that wait: a table cell begins.
    mutating func beginCell() {
        breaks = 0
        hasSpace = false
        bytes.append(Self.cellSeparator)
    }

    /// Writes the breaks that wait, so that what follows begins at the returned offset.
    mutating func settle() -> Int {
        flush()
        return bytes.count
    }

    /// Leaves of what begins at `start` only some pieces, with a separator between them.
    ///
    /// - Parameter pieces: ranges of ``bytes`` at or after `start`, ascending.
    mutating func keep(_ pieces: [Range<Int>], from start: Int, separator: [UInt8]) {
        let start = min(start, bytes.count)
        let old = Array(bytes[start...])
        let firstLine = lines.lastIndex { $0.offset < start }.map { $0 + 1 } ?? 0
        var moved = lines[firstLine...]
        lines.removeLast(lines.count - firstLine)
        bytes.removeLast(bytes.count - start)
        for (index, piece) in pieces.enumerated() {
            if index > 0 { bytes.append(contentsOf: separator) }
            while let line = moved.first, line.offset < piece.upperBound {
                lines.append(SourceLine(offset: bytes.count + max(0, line.offset - piece.lowerBound), line: line.line))
                moved.removeFirst()
            }
            bytes.append(contentsOf: old[piece.lowerBound - start..<piece.upperBound - start])
        }
    }

    /// Counts lines of the source up to `index`: at LF, CR LF and a lone CR.
    private mutating func count(_ source: [UInt8], to index: Int) {
        while counted.offset < index {
            let byte = source[counted.offset]
            let next = counted.offset + 1
            if byte == 0x0A || byte == 0x0D && !(next < source.count && source[next] == 0x0A) { counted.line += 1 }
            counted.offset = next
        }
    }

    /// Adds character data of the source, entities decoded.
    mutating func append(_ source: [UInt8], _ range: Range<Int>, preformatted: Bool) {
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = source[index]
            count(source, to: index)
            if byte == UInt8(ascii: "&"),
                let reference = HTMLEntities.decode(source, at: index, before: range.upperBound)
            {
                put(reference.scalar, preformatted: preformatted)
                index += reference.length
            } else if byte < 0x80 {
                put(byte, preformatted: preformatted)
                index += 1
            } else {
                let length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
                let end = min(index + length, range.upperBound)
                put(source[index..<end], preformatted: preformatted)
                index = end
            }
        }
    }

    private mutating func put(_ scalar: Unicode.Scalar, preformatted: Bool) {
        if scalar.isASCII {
            put(UInt8(scalar.value), preformatted: preformatted)
        } else {
            put(ArraySlice(Array(String(scalar).utf8)), preformatted: preformatted)
        }
    }

    /// An ASCII character. Control characters vanish.
    private mutating func put(_ byte: UInt8, preformatted: Bool) {
        if isSpace(byte) {
            guard preformatted else {
                hasSpace = true
                return
            }
            if byte == 0x0D || byte == 0x0C { return }
            flush()
            bytes.append(byte)
        } else if byte >= 0x20, byte != 0x7F {
            flush(raisedDigit: UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "-"))
            bytes.append(byte)
        }
    }

    /// A character of several bytes. No-break spaces are spaces; soft hyphens and zero-width spaces vanish.
    private mutating func put(_ character: ArraySlice<UInt8>, preformatted: Bool) {
        switch Array(character) {
        case [0xC2, 0xA0]: put(0x20, preformatted: preformatted)
        case [0xC2, 0xAD], [0xE2, 0x80, 0x8B], [0xEF, 0xBB, 0xBF]: break
        case let bytes:
            if bytes[0] == 0xC2, bytes[1] < 0xA0 { return }
            flush(raisedDigit: bytes == [0xE2, 0x88, 0x92])
            self.bytes.append(contentsOf: bytes)
        }
    }

    private var isAtStart: Bool { bytes.last.map { $0 == Self.cellSeparator || $0 == 0x0A } ?? true }

    private mutating func flush(raisedDigit: Bool = false) {
        if breaks > 0, let last = bytes.last, last != Self.cellSeparator {
            let present = bytes.suffix(2).reversed().prefix { $0 == 0x0A }.count
            for _ in 0..<max(0, breaks - present) { bytes.append(0x0A) }
        } else if hasSpace, !isAtStart {
            bytes.append(0x20)
        } else if raises, raisedDigit, breaks == 0, let last = bytes.last,
            isAlphanumeric(last) || last == UInt8(ascii: ")")
        {
            bytes.append(UInt8(ascii: "^"))
        }
        breaks = 0
        hasSpace = false
        raises = false
        // Markers belong to what follows them.
        if lines.last?.line != counted.line { lines.append(SourceLine(offset: bytes.count, line: counted.line)) }
        if !marker.isEmpty {
            bytes.append(contentsOf: marker)
            marker = []
        }
    }

    private func isAlphanumeric(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= lowercased(byte) || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }
}

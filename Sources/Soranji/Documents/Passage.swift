/// A piece of a document as it is shown under an answer.
public struct Passage: Sendable, Equatable {
    /// One line of text: white space collapsed, "…" where it was cut inside a sentence.
    public var excerpt: String
    /// The bytes of ``Document/text`` that the excerpt shows.
    public var bytes: Range<Int>
    /// The lines (from 1) that those bytes come from, as ``Document/line(at:)`` counts them.
    public var lines: ClosedRange<Int>
    /// The pages (from 1) that those bytes are on, for documents with pages.
    public var pages: ClosedRange<Int>?
}

extension Document {
    /// The passage around a byte range: widened to the sentences or lines that hold it, cut to `maximumLength`
    /// characters around its middle when they are longer.
    ///
    /// - Parameter range: any range; what lies outside the text is ignored.
    /// - Returns: nil if there is no text there.
    /// - Complexity: O(length of the range + `maximumLength`).
    public func passage(at range: Range<Int>, maximumLength: Int = 200) -> Passage? {
        var text = text
        return text.withUTF8 { bytes -> Passage? in
            let snapper = PassageSnapper(bytes: bytes, kind: kind, reach: 4 * max(maximumLength, 8))
            guard let found = snapper.snap(range, maximumLength: max(maximumLength, 8)) else { return nil }
            let (first, last) = (found.bytes.lowerBound, found.bytes.upperBound - 1)
            let pages = page(at: first).flatMap { begin in page(at: last).map { begin...max(begin, $0) } }
            return Passage(
                excerpt: found.excerpt,
                bytes: found.bytes,
                lines: line(at: first)...max(line(at: first), line(at: last)),
                pages: pages
            )
        }
    }
}

/// Finds the boundaries of a passage in UTF-8 text.
private struct PassageSnapper {
    let bytes: UnsafeBufferPointer<UInt8>
    let kind: Document.Kind
    /// Bytes on either side within which boundaries are looked for.
    let reach: Int

    func snap(_ range: Range<Int>, maximumLength: Int) -> (bytes: Range<Int>, excerpt: String)? {
        var start = alignedDown(min(max(range.lowerBound, 0), bytes.count))
        var end = alignedUp(min(max(range.upperBound, 0), bytes.count))
        guard start < end, let core = trimmed(start..<end) else { return nil }
        let isCutAtStart: Bool
        let isCutAtEnd: Bool
        (start, isCutAtStart) = sentenceStart(before: core.lowerBound)
        (end, isCutAtEnd) = sentenceEnd(after: core.upperBound)
        guard let whole = trimmed(start..<end) else { return nil }
        let cut = shorten(whole, around: (core.lowerBound + core.upperBound) / 2, to: maximumLength)
        var excerpt = oneLine(cut)
        if cut.lowerBound > whole.lowerBound || isCutAtStart { excerpt = "…" + excerpt }
        if cut.upperBound < whole.upperBound || isCutAtEnd { excerpt += "…" }
        return (cut, excerpt)
    }

    // MARK: Sentences

    /// The start of the sentence that holds `offset`; true if none was found within reach.
    private func sentenceStart(before offset: Int) -> (Int, Bool) {
        var index = offset
        while index > 0, offset - index < reach {
            if isBoundary(index) { return (index, false) }
            index -= 1
        }
        return (alignedDown(index), index > 0)
    }

    private func sentenceEnd(after offset: Int) -> (Int, Bool) {
        var index = offset
        while index < bytes.count, index - offset < reach {
            if isBoundary(index) { return (index, false) }
            index += 1
        }
        return (alignedUp(index), index < bytes.count)
    }

    /// Whether a sentence may end right before `index`: after a full stop and what closes it, at a line end that is
    /// more than a wrapped line's, or before a list item or heading.
    private func isBoundary(_ index: Int) -> Bool {
        let previous = bytes[index - 1]
        if previous == 0x0A {
            // Reduced pages have one block on each line; other text is often wrapped.
            return kind == .html || isBlankOrMarked(index) || endsBlankLine(index - 1)
        }
        // Ideographic full stop, and the full-width question and exclamation marks.
        if index >= 3,
            endsWith([0xE3, 0x80, 0x82], index) || endsWith([0xEF, 0xBC, 0x9F], index)
                || endsWith([0xEF, 0xBC, 0x81], index)
        {
            return true
        }
        guard index < bytes.count, isSpace(bytes[index]) else { return false }
        var stop = index - 1
        while stop > 0, isClosing(stop) { stop -= 1 }
        switch bytes[stop] {
        case UInt8(ascii: "!"), UInt8(ascii: "?"): return true
        case UInt8(ascii: "."): return !isAbbreviation(endingAt: stop) && !isLowercase(after: index)
        default: return false
        }
    }

    /// A quotation mark or bracket that may stand between a full stop and the space.
    private func isClosing(_ index: Int) -> Bool {
        let byte = bytes[index]
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: ")")
            || byte == UInt8(ascii: "]")
        {
            return true
        }
        // The last byte of ” or ’, whose first two are skipped with it.
        if index >= 2, byte == 0x9D || byte == 0x99, bytes[index - 1] == 0x80, bytes[index - 2] == 0xE2 { return true }
        if byte == 0x80, bytes[index - 1] == 0xE2 { return true }
        return byte == 0xE2
    }

    /// One letter before the stop, as in "J. Smith" or "e.g.".
    private func isAbbreviation(endingAt stop: Int) -> Bool {
        guard stop >= 1, isLetter(bytes[stop - 1]) else { return false }
        return stop == 1 || !isLetter(bytes[stop - 2]) && bytes[stop - 2] < 0x80
    }

    private func isLowercase(after index: Int) -> Bool {
        var next = index
        while next < bytes.count, next - index < 8, isSpace(bytes[next]) { next += 1 }
        return next < bytes.count && UInt8(ascii: "a")...UInt8(ascii: "z") ~= bytes[next]
    }

    /// Whether the line at `index` is blank, or begins with a list marker, a heading mark or a table bar.
    private func isBlankOrMarked(_ index: Int) -> Bool {
        var next = index
        while next < bytes.count, next - index < 12, bytes[next] == 0x20 || bytes[next] == 0x09 { next += 1 }
        guard next < bytes.count else { return true }
        switch bytes[next] {
        case 0x0A, 0x0D, UInt8(ascii: "#"), UInt8(ascii: "|"), UInt8(ascii: ">"): return true
        case UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "+"):
            return next + 1 < bytes.count && bytes[next + 1] == 0x20
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            var digit = next
            while digit < bytes.count, digit - next < 4, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[digit] {
                digit += 1
            }
            return digit + 1 < bytes.count && bytes[digit] == UInt8(ascii: ".") && bytes[digit + 1] == 0x20
        default: return false
        }
    }

    /// Whether the line that ends at `lineFeed` is blank.
    private func endsBlankLine(_ lineFeed: Int) -> Bool {
        var index = lineFeed
        while index > 0, lineFeed - index < 12 {
            index -= 1
            if bytes[index] == 0x0A { return true }
            if !isSpace(bytes[index]) { return false }
        }
        return false
    }

    // MARK: Cutting

    /// At most `maximum` characters of `range` around `middle`, ending at words where there are any.
    private func shorten(_ range: Range<Int>, around middle: Int, to maximum: Int) -> Range<Int> {
        guard characters(range) > maximum else { return range }
        var start = middle
        var end = middle
        var left = maximum - 2
        var isGrowing = true
        start = alignedDown(start)
        end = start
        while left > 0, isGrowing {
            isGrowing = false
            if end < range.upperBound {
                end = alignedUp(end + 1)
                left -= 1
                isGrowing = true
            }
            if left > 0, start > range.lowerBound {
                start = alignedDown(start - 1)
                left -= 1
                isGrowing = true
            }
        }
        // Whole words, unless that would take a third of the excerpt.
        let slack = (end - start) / 3
        if start > range.lowerBound, let space = (start..<min(start + slack, end)).first(where: { isSpace(bytes[$0]) })
        {
            start = space
        }
        if end < range.upperBound, let space = (max(end - slack, start)..<end).last(where: { isSpace(bytes[$0]) }) {
            end = space
        }
        return trimmed(start..<end) ?? range
    }

    private func characters(_ range: Range<Int>) -> Int {
        bytes[range].reduce(0) { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) }
    }

    private func trimmed(_ range: Range<Int>) -> Range<Int>? {
        guard let first = range.first(where: { !isSpace(bytes[$0]) }),
            let last = range.last(where: { !isSpace(bytes[$0]) })
        else { return nil }
        return first..<(last + 1)
    }

    private func oneLine(_ range: Range<Int>) -> String {
        let words = bytes[range].split { isSpace($0) || $0 < 0x20 || $0 == 0x7F }
        return String(decoding: Array(words.joined(separator: [0x20])), as: UTF8.self)
    }

    // MARK: Bytes

    private func alignedDown(_ offset: Int) -> Int {
        var offset = offset
        while offset > 0, offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset -= 1 }
        return offset
    }

    private func alignedUp(_ offset: Int) -> Int {
        var offset = offset
        while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
        return min(offset, bytes.count)
    }

    private func endsWith(_ suffix: [UInt8], _ index: Int) -> Bool {
        suffix.indices.allSatisfy { bytes[index - suffix.count + $0] == suffix[$0] }
    }

    private func isLetter(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= lowercased(byte)
    }
}

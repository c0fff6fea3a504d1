/// Python's `str` operations over Swift strings: by Unicode scalar, never by grapheme or canonical equivalence.
enum PythonText {
    // MARK: Bytes

    static func withBytes<Result>(_ text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        var copy = text
        return copy.withUTF8(body)
    }

    static func same(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
    }

    /// -1, 0 or 1. UTF-8 orders as the scalars it encodes.
    static func order(_ left: String, _ right: String) -> Int {
        if same(left, right) { return 0 }
        return left.utf8.lexicographicallyPrecedes(right.utf8) ? -1 : 1
    }

    /// Scalars: the bytes of UTF-8 that continue none.
    static func count(_ text: String) -> Int {
        withBytes(text) { bytes in
            var count = 0
            for byte in bytes { count &+= byte & 0xC0 == 0x80 ? 0 : 1 }
            return count
        }
    }

    /// Byte offsets of the occurrences of `needle` that do not overlap, from the left.
    static func occurrences(of needle: String, in text: String, limit: Int = .max) -> [Int] {
        withBytes(needle) { needle in withBytes(text) { occurrences(of: needle, in: $0, limit: limit) } }
    }

    /// - Complexity: O(n + m) whatever the texts (Knuth, Morris, Pratt).
    private static func occurrences(
        of needle: some RandomAccessCollection<UInt8>,
        in bytes: some RandomAccessCollection<UInt8>,
        limit: Int
    ) -> [Int] {
        guard limit > 0, !needle.isEmpty, needle.count <= bytes.count else { return [] }
        let pattern = Array(needle)
        var borders = [0]
        var border = 0
        for byte in pattern.dropFirst() {
            while border > 0, byte != pattern[border] { border = borders[border - 1] }
            if byte == pattern[border] { border += 1 }
            borders.append(border)
        }
        var found: [Int] = []
        var matched = 0
        for (offset, byte) in bytes.enumerated() {
            while matched > 0, byte != pattern[matched] { matched = borders[matched - 1] }
            if byte == pattern[matched] { matched += 1 }
            if matched == pattern.count {
                found.append(offset + 1 - pattern.count)
                if found.count == limit { break }
                matched = 0
            }
        }
        return found
    }

    static func contains(_ text: String, _ needle: String) -> Bool {
        needle.isEmpty || !occurrences(of: needle, in: text, limit: 1).isEmpty
    }

    static func slice(_ text: String, _ range: Range<Int>) -> String {
        withBytes(text) { String(decoding: $0[range], as: UTF8.self) }
    }

    static func hasPrefix(_ text: String, _ prefix: String) -> Bool { text.utf8.starts(with: prefix.utf8) }

    static func hasSuffix(_ text: String, _ suffix: String) -> Bool {
        text.utf8.count >= suffix.utf8.count && text.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
    }

    // MARK: Whitespace

    /// What `str.isspace` and the pattern `\s` accept.
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// Strips whitespace, or the scalars of `set`, from the chosen ends.
    static func stripped(_ text: String, _ set: String? = nil, left: Bool = true, right: Bool = true) -> String {
        let members = set.map { Set($0.unicodeScalars) }
        let isStripped: (Unicode.Scalar) -> Bool = { members?.contains($0) ?? isSpace($0) }
        var view = text.unicodeScalars[...]
        if left { view = view.drop(while: isStripped) }
        if right { while let last = view.last, isStripped(last) { view.removeLast() } }
        return String(view)
    }

    // MARK: Splitting

    /// `split(separator, limit)`; the separator is not empty.
    static func split(_ text: String, _ separator: String, limit: Int) -> [String] {
        let cuts = occurrences(of: separator, in: text, limit: limit < 0 ? .max : limit)
        return pieces(text, cuts, width: separator.utf8.count)
    }

    static func splitFromRight(_ text: String, _ separator: String, limit: Int) -> [String] {
        let width = separator.utf8.count
        let cuts = withBytes(text) { bytes in
            withBytes(separator) { separator in
                occurrences(of: separator.reversed(), in: bytes.reversed(), limit: limit < 0 ? .max : limit)
                    .map { bytes.count - $0 - width }
            }
        }
        return pieces(text, cuts.reversed(), width: width)
    }

    private static func pieces(_ text: String, _ cuts: [Int], width: Int) -> [String] {
        withBytes(text) { bytes in
            var pieces: [String] = []
            var start = 0
            for cut in cuts {
                pieces.append(String(decoding: bytes[start..<cut], as: UTF8.self))
                start = cut + width
            }
            pieces.append(String(decoding: bytes[start...], as: UTF8.self))
            return pieces
        }
    }

    /// `split()` by runs of whitespace, from the left or from the right.
    static func splitBySpace(_ text: String, limit: Int, fromRight: Bool = false) -> [String] {
        var pieces: [String] = []
        var view = text.unicodeScalars[...]
        while true {
            if fromRight {
                while let last = view.last, isSpace(last) { view.removeLast() }
            } else {
                view = view.drop(while: isSpace)
            }
            if view.isEmpty { break }
            if limit >= 0, pieces.count == limit {
                pieces.append(String(view))
                break
            }
            if fromRight {
                let start = view.lastIndex(where: isSpace).map { view.index(after: $0) } ?? view.startIndex
                pieces.append(String(view[start...]))
                view = view[..<start]
            } else {
                let end = view.firstIndex(where: isSpace) ?? view.endIndex
                pieces.append(String(view[..<end]))
                view = view[end...]
            }
        }
        return fromRight ? pieces.reversed() : pieces
    }

    static func lines(_ text: String, keepingEnds: Bool = false) -> [String] {
        var lines: [String] = []
        let view = text.unicodeScalars
        var start = view.startIndex
        var index = start
        while index < view.endIndex {
            let scalar = view[index]
            var next = view.index(after: index)
            switch scalar.value {
            case 0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029:
                if scalar == "\r", next < view.endIndex, view[next] == "\n" { next = view.index(after: next) }
                lines.append(String(view[start..<(keepingEnds ? next : index)]))
                start = next
            default: break
            }
            index = next
        }
        if start < view.endIndex { lines.append(String(view[start...])) }
        return lines
    }

    /// `replace(old, new, limit)`; a negative limit is none. Nil when the result would exceed `maximum` bytes.
    static func replaced(_ text: String, _ old: String, _ new: String, limit: Int, maximum: Int) -> String? {
        let limit = limit < 0 ? Int.max : limit
        if old.isEmpty {
            // Before every scalar and at the end.
            let places = min(limit, count(text) + 1)
            let (added, overflow) = places.multipliedReportingOverflow(by: new.utf8.count)
            guard !overflow, added <= maximum - min(maximum, text.utf8.count) else { return nil }
            var output = ""
            var left = limit
            for scalar in text.unicodeScalars {
                if left > 0 {
                    output += new
                    left -= 1
                }
                output.unicodeScalars.append(scalar)
            }
            return left > 0 ? output + new : output
        }
        let cuts = occurrences(of: old, in: text, limit: limit)
        if cuts.isEmpty { return text }
        let (added, overflow) = cuts.count.multipliedReportingOverflow(by: new.utf8.count)
        guard !overflow, added <= maximum - min(maximum, text.utf8.count - cuts.count * old.utf8.count) else {
            return nil
        }
        return pieces(text, cuts, width: old.utf8.count).joined(separator: new)
    }
}

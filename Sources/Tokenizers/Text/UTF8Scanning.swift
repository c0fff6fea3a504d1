/// Scalars of UTF-8 text that may be ill-formed.
///
/// Every byte that is not part of a well-formed sequence counts as one scalar of its own with the value U+FFFD, so that
/// byte-level tokenizers lose nothing: the byte itself stays in the text.
enum UTF8Scanning {
    struct Decoded {
        var value: UInt32
        /// Bytes taken: 1…4; 1 for an ill-formed byte.
        var count: Int
    }

    static let replacement: UInt32 = 0xFFFD

    /// The scalar at `position`, which must be inside the text.
    @inline(__always)
    static func scalar(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> Decoded {
        let first = text[position]
        if first < 0x80 { return Decoded(value: UInt32(first), count: 1) }
        return multibyte(text, at: position, first: UInt32(first))
    }

    @inline(never)
    private static func multibyte(_ text: UnsafeBufferPointer<UInt8>, at position: Int, first: UInt32) -> Decoded {
        let bad = Decoded(value: replacement, count: 1)
        let rest = text.count - position
        @inline(__always) func continuation(_ offset: Int) -> UInt32? {
            let byte = text[position + offset]
            return byte & 0xC0 == 0x80 ? UInt32(byte & 0x3F) : nil
        }
        switch first {
        case 0xC2...0xDF:
            guard rest >= 2, let second = continuation(1) else { return bad }
            return Decoded(value: (first & 0x1F) << 6 | second, count: 2)
        case 0xE0...0xEF:
            guard rest >= 3, let second = continuation(1), let third = continuation(2) else { return bad }
            let value = (first & 0x0F) << 12 | second << 6 | third
            guard value >= 0x800, !(0xD800...0xDFFF ~= value) else { return bad }
            return Decoded(value: value, count: 3)
        case 0xF0...0xF4:
            guard rest >= 4, let second = continuation(1), let third = continuation(2), let fourth = continuation(3)
            else { return bad }
            let value = (first & 0x07) << 18 | second << 12 | third << 6 | fourth
            guard 0x10000...0x10FFFF ~= value else { return bad }
            return Decoded(value: value, count: 4)
        default:
            return bad
        }
    }

    /// Where the scalar that ends at `end` begins; `end` must lie on a boundary above `lowerBound`.
    @inline(__always)
    static func start(_ text: UnsafeBufferPointer<UInt8>, before end: Int, lowerBound: Int) -> Int {
        if text[end - 1] < 0x80 { return end - 1 }
        var candidate = end - 1
        let limit = max(lowerBound, end - 4)
        while candidate > limit, text[candidate] & 0xC0 == 0x80 { candidate -= 1 }
        // A lead byte further back owns this byte only if its sequence is well-formed and ends exactly here.
        return candidate + scalar(text, at: candidate).count == end ? candidate : end - 1
    }

    /// Bytes at the end of `bytes` that begin a well-formed sequence without finishing it: 0…3.
    static func incompleteTail(_ bytes: some RandomAccessCollection<UInt8>) -> Int {
        var continuations = 0
        for (offset, byte) in bytes.reversed().prefix(4).enumerated() {
            if byte & 0xC0 == 0x80 {
                continuations += 1
                continue
            }
            let needed: Int
            switch byte {
            case 0xC2...0xDF: needed = 1
            case 0xE0...0xEF: needed = 2
            case 0xF0...0xF4: needed = 3
            default: return 0
            }
            guard continuations < needed else { return 0 }
            guard continuations > 0 else { return 1 }
            // The second byte of some sequences is restricted: E0 80 or F4 90 can never become a scalar.
            let second = bytes[bytes.index(bytes.endIndex, offsetBy: -offset)]
            let isPossible =
                switch byte {
                case 0xE0: second >= 0xA0
                case 0xED: second < 0xA0
                case 0xF0: second >= 0x90
                case 0xF4: second < 0x90
                default: true
                }
            return isPossible ? offset + 1 : 0
        }
        return 0
    }

    /// Appends the scalar's UTF-8 form.
    @inline(__always)
    static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        if value < 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value))
        } else if value < 0x800 {
            bytes.append(UInt8(truncatingIfNeeded: 0xC0 | value >> 6))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        } else if value < 0x10000 {
            bytes.append(UInt8(truncatingIfNeeded: 0xE0 | value >> 12))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        } else {
            bytes.append(UInt8(truncatingIfNeeded: 0xF0 | value >> 18))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | value >> 12 & 0x3F))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        }
    }
}

/// Bytes to text: UTF-8, UTF-16 with a byte order mark, and for HTML the encoding that a page declares.
enum TextDecoding {
    enum ByteOrderMark {
        case utf8, utf16LittleEndian, utf16BigEndian

        var length: Int { self == .utf8 ? 3 : 2 }
    }

    static func byteOrderMark(_ bytes: [UInt8]) -> ByteOrderMark? {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return .utf8 }
        if bytes.starts(with: [0xFF, 0xFE]) { return .utf16LittleEndian }
        if bytes.starts(with: [0xFE, 0xFF]) { return .utf16BigEndian }
        return nil
    }

    /// - Throws: ``DocumentError/notUTF8(source:offset:declared:)`` with the first offending byte of the file.
    static func decode(_ bytes: [UInt8], source: String, declared: String? = nil) throws(DocumentError) -> String {
        switch byteOrderMark(bytes) {
        case .utf16LittleEndian: return try utf16(bytes, bigEndian: false, source: source)
        case .utf16BigEndian: return try utf16(bytes, bigEndian: true, source: source)
        case let mark:
            let start = mark?.length ?? 0
            if let text = String(validating: bytes[start...], as: UTF8.self) { return text }
            throw .notUTF8(source: source, offset: firstInvalidUTF8(bytes, from: start), declared: declared)
        }
    }

    /// As ``decode(_:source:declared:)``, but a page that declares a Latin encoding is read as browsers read it:
    /// as windows-1252.
    static func decodeHTML(_ bytes: [UInt8], source: String) throws(DocumentError) -> String {
        let declared = byteOrderMark(bytes) == nil ? declaredEncoding(bytes) : nil
        guard let declared, latinNames.contains(declared) else {
            return try decode(bytes, source: source, declared: declared)
        }
        // A wrong declaration is common; bytes that are valid UTF-8 and not ASCII are hardly ever anything else.
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(windows1252(UInt32(byte))) }
        return String(text)
    }

    private static let latinNames: Set<String> = [
        "iso-8859-1", "iso8859-1", "latin1", "latin-1", "l1", "windows-1252", "cp1252", "us-ascii", "ascii",
    ]

    /// The value after `charset=` in the first 1,024 bytes, as the HTML standard looks for it.
    private static func declaredEncoding(_ bytes: [UInt8]) -> String? {
        let start = bytes.prefix(1024).map(lowercased)
        let marker = Array("charset".utf8)
        guard var position = start.indices.first(where: { start[$0...].starts(with: marker) }) else { return nil }
        position += marker.count
        let skipped: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: "="), UInt8(ascii: "\""), UInt8(ascii: "'")]
        while position < start.count, skipped.contains(start[position]) { position += 1 }
        let name = start[position...].prefix { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
        }
        return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
    }

    private static func utf16(_ bytes: [UInt8], bigEndian: Bool, source: String) throws(DocumentError) -> String {
        var units: [UInt16] = []
        units.reserveCapacity(bytes.count / 2)
        var offset = 2
        while offset + 1 < bytes.count {
            let high = UInt16(bytes[bigEndian ? offset : offset + 1])
            let low = UInt16(bytes[bigEndian ? offset + 1 : offset])
            units.append(high << 8 | low)
            offset += 2
        }
        guard offset == bytes.count else { throw .invalidUTF16(source: source, offset: offset) }
        if let text = String(validating: units, as: UTF16.self) { return text }
        var index = 0
        while index < units.count {
            let unit = units[index]
            if UTF16.isLeadSurrogate(unit), index + 1 < units.count, UTF16.isTrailSurrogate(units[index + 1]) {
                index += 2
            } else if UTF16.isSurrogate(unit) {
                break
            } else {
                index += 1
            }
        }
        throw .invalidUTF16(source: source, offset: 2 + 2 * index)
    }

    /// Offset of the first byte that begins no well-formed UTF-8 sequence.
    static func firstInvalidUTF8(_ bytes: [UInt8], from start: Int) -> Int {
        var offset = start
        while offset < bytes.count {
            let length = sequenceLength(bytes, at: offset)
            if length == 0 { return offset }
            offset += length
        }
        return offset
    }

    /// Bytes of the well-formed sequence at `offset`, 0 if there is none (Unicode standard, table 3-7).
    private static func sequenceLength(_ bytes: [UInt8], at offset: Int) -> Int {
        let lead = bytes[offset]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0x00...0x7F: return 1
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return 0
        }
        guard offset + length <= bytes.count, second.contains(bytes[offset + 1]) else { return 0 }
        for index in 2..<max(length, 2) where bytes[offset + index] & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// A byte of windows-1252, or a numeric character reference of HTML, which shares its table for 128 to 159.
    /// What is no character gives U+FFFD.
    static func windows1252(_ code: UInt32) -> Unicode.Scalar {
        let replacement: Unicode.Scalar = "\u{FFFD}"
        if 0x80...0x9F ~= code { return Unicode.Scalar(UInt32(high[Int(code) - 0x80])) ?? replacement }
        if code == 0 { return replacement }
        return Unicode.Scalar(code) ?? replacement
    }

    /// Characters of 0x80 ... 0x9F; unassigned ones keep their control code.
    private static let high: [UInt16] = [
        0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D,
        0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
        0x0153, 0x009D, 0x017E, 0x0178,
    ]
}

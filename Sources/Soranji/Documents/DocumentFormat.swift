/// What a file is, told by its first bytes and then by its extension.
enum DocumentFormat: Equatable {
    case text, markdown, html, pdf
    /// A format that holds no plain text, named with its article: "a ZIP archive".
    case binary(String)

    static func detect(_ bytes: [UInt8], source: String) -> DocumentFormat {
        if bytes.starts(with: "%PDF-".utf8) { return .pdf }
        // Readers let other bytes stand before the header; a text that only speaks of PDF is valid UTF-8.
        if find("%PDF-", in: bytes.prefix(1024)), String(validating: bytes, as: UTF8.self) == nil { return .pdf }
        for (magic, name) in magics where bytes.starts(with: magic) { return .binary(name) }
        if TextDecoding.byteOrderMark(bytes) == nil {
            if let name = unmarkedUTF16(bytes) { return .binary(name) }
            if bytes.prefix(1 << 16).contains(0) { return .binary("a binary file") }
        }
        if looksLikeHTML(bytes) { return .html }
        switch fileExtension(source) {
        case "html", "htm", "xhtml": return .html
        case "md", "markdown", "mdown": return .markdown
        default: return .text
        }
    }

    private static let magics: [([UInt8], String)] = [
        ([0xFF, 0xFE, 0x00, 0x00], "a UTF-32 text"),
        ([0x00, 0x00, 0xFE, 0xFF], "a UTF-32 text"),
        ([0x50, 0x4B, 0x03, 0x04], "a ZIP archive (as .docx, .odt and .epub are)"),
        ([0xD0, 0xCF, 0x11, 0xE0], "an old Office document"),
        ([0x1F, 0x8B], "a gzip archive"),
        ([0x28, 0xB5, 0x2F, 0xFD], "a zstd archive"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "an xz archive"),
        ([0x89, 0x50, 0x4E, 0x47], "a PNG picture"),
        ([0xFF, 0xD8, 0xFF], "a JPEG picture"),
        (Array("GIF8".utf8), "a GIF picture"),
        (Array("RIFF".utf8), "a RIFF file (WAV, AVI or WebP)"),
        (Array("OggS".utf8), "an Ogg file"),
        (Array("ID3".utf8), "an MP3 file"),
        (Array("GGUF".utf8), "a GGUF model"),
        ([0x7F, 0x45, 0x4C, 0x46], "an ELF program"),
        (Array("SQLite format 3".utf8), "an SQLite database"),
        (Array("{\\rtf".utf8), "a rich text (RTF) document"),
    ]

    /// Text in a European language as UTF-16 has a zero in every second byte.
    private static func unmarkedUTF16(_ bytes: [UInt8]) -> String? {
        let pairs = min(bytes.count, 512) / 2
        guard pairs >= 4 else { return nil }
        let zerosFirst = (0..<pairs).count { bytes[2 * $0] == 0 && bytes[2 * $0 + 1] != 0 }
        let zerosSecond = (0..<pairs).count { bytes[2 * $0] != 0 && bytes[2 * $0 + 1] == 0 }
        if zerosSecond * 10 >= pairs * 9 { return "a UTF-16LE text without a byte order mark" }
        if zerosFirst * 10 >= pairs * 9 { return "a UTF-16BE text without a byte order mark" }
        return nil
    }

    /// Whether the first markup is a doctype or an element that only HTML begins with.
    private static func looksLikeHTML(_ bytes: [UInt8]) -> Bool {
        // Markup is ASCII: dropping zeros reads UTF-16 as well.
        let start = bytes.prefix(4096).filter { $0 != 0 && $0 < 0x80 }.map(lowercased)
        var position = 0
        func skips(_ opening: String, through closing: String) -> Bool {
            guard start[position...].starts(with: opening.utf8) else { return false }
            let closing = Array(closing.utf8)
            while position < start.count, !start[position...].starts(with: closing) { position += 1 }
            position = min(position + closing.count, start.count)
            return true
        }
        repeat {
            while position < start.count, isSpace(start[position]) { position += 1 }
        } while skips("<!--", through: "-->") || skips("<?xml", through: "?>")
        let rest = start[position...]
        return ["<!doctype html", "<html", "<head", "<body", "<title"].contains { tag in
            guard rest.starts(with: tag.utf8) else { return false }
            guard let next = rest.dropFirst(tag.utf8.count).first else { return true }
            return next == UInt8(ascii: ">") || isSpace(next)
        }
    }

    private static func fileExtension(_ source: String) -> String {
        let name = source.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return name[name.index(after: dot)...].lowercased()
    }

    private static func find(_ text: String, in bytes: ArraySlice<UInt8>) -> Bool {
        let wanted = Array(text.utf8)
        return bytes.indices.contains { bytes[$0...].starts(with: wanted) }
    }
}

/// An ASCII letter in lower case; other bytes as they are.
func lowercased(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
}

/// White space of HTML: tab, line feed, form feed, carriage return, space.
func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x09 || byte == 0x0D || byte == 0x0C
}

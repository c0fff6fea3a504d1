/// Words, sentences and paragraphs of plain text. Offsets are UTF-8 bytes.
enum BookText {
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    static func wordCount(_ text: some StringProtocol) -> Int {
        var count = 0
        var isInside = false
        for byte in text.utf8 {
            let isSpace = isSpace(byte)
            if !isSpace, !isInside { count += 1 }
            isInside = !isSpace
        }
        return count
    }

    /// Paragraphs: runs of lines without a blank one between them, headings by themselves. Where every line is a block,
    /// as in reduced HTML, each line is one.
    static func paragraphs(_ bytes: [UInt8], linesAreBlocks: Bool) -> [Range<Int>] {
        var paragraphs: [Range<Int>] = []
        var start: Int?
        var end = 0
        func close() {
            if let begin = start { paragraphs.append(begin..<end) }
            start = nil
        }
        var line = 0
        while line < bytes.count {
            let next = (bytes[line...].firstIndex(of: 0x0A) ?? bytes.count - 1) + 1
            let content = bytes[line..<next]
            guard let first = content.firstIndex(where: { !isSpace($0) }),
                let last = content.lastIndex(where: { !isSpace($0) })
            else {
                close()
                line = next
                continue
            }
            let isHeading = bytes[first] == UInt8(ascii: "#")
            if isHeading || linesAreBlocks { close() }
            if start == nil { start = first }
            end = last + 1
            if isHeading || linesAreBlocks { close() }
            line = next
        }
        close()
        return paragraphs
    }

    /// Sentences of a range: they end after ".", "!" or "?" (and what closes a quotation) before white space and a letter
    /// that is no small one, and at blank lines.
    static func sentences(_ bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
        var sentences: [Range<Int>] = []
        var start = range.lowerBound
        func close(_ end: Int) {
            guard let first = (start..<end).first(where: { !isSpace(bytes[$0]) }),
                let last = (start..<end).last(where: { !isSpace(bytes[$0]) })
            else { return }
            sentences.append(first..<last + 1)
        }
        var index = range.lowerBound
        while index < range.upperBound {
            defer { index += 1 }
            guard isSpace(bytes[index]) else { continue }
            let next = (index..<range.upperBound).first { !isSpace(bytes[$0]) } ?? range.upperBound
            let lines = bytes[index..<next].count { $0 == 0x0A }
            if lines > 1 || endsSentence(bytes, from: start, at: index, next: next, end: range.upperBound) {
                close(index)
                start = next
            }
            index = next - 1
        }
        close(range.upperBound)
        return sentences
    }

    private static func endsSentence(_ bytes: [UInt8], from start: Int, at index: Int, next: Int, end: Int) -> Bool {
        var last = index - 1
        while last > start, [UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: ")")].contains(bytes[last]) {
            last -= 1
        }
        guard last >= start, [UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?")].contains(bytes[last]) else {
            return false
        }
        guard next < end else { return true }
        // "e.g. this" goes on; so does "J. Smith".
        let isInitial = last >= start + 1 && (last == start + 1 || isSpace(bytes[last - 2]))
        return !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[next]) && !isInitial
    }

    /// Words for comparing: small letters and digits, without the ending of the plural.
    static func terms(_ text: String) -> [String] { words(text).map(singular) }

    /// Small letters and digits.
    static func words(_ text: String) -> [Substring] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber }
    }

    /// A word without the ending of the plural.
    static func singular(_ word: Substring) -> String {
        word.count > 3 && word.hasSuffix("s") && !word.hasSuffix("ss") ? String(word.dropLast()) : String(word)
    }

    static func fingerprint(_ text: String) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

@_spi(_Unicode) import Swift

/// Changes text before it is cut into words, as the vocabulary's training did.
struct Normalizer: Sendable {
    enum Form: String, Sendable { case nfc = "NFC", nfd = "NFD", nfkc = "NFKC", nfkd = "NFKD" }

    enum Step: Sendable {
        case form(Form)
        case lowercase
        case prepend([UInt8])
        case replace(PreTokenizer.Splitter, with: [UInt8])
        case strip(left: Bool, right: Bool)
        /// Drops nonspacing marks.
        case stripAccents
    }

    var steps: [Step] = []

    func apply(to text: inout AlignedText) {
        for step in steps where !text.bytes.isEmpty { Self.apply(step, to: &text) }
    }

    /// The normalized form of bytes whose source nobody asks for.
    func normalized(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBufferPointer { buffer in
            var text = AlignedText(buffer, range: 0..<buffer.count, tracking: false)
            apply(to: &text)
            return text.bytes
        }
    }

    private static func apply(_ step: Step, to text: inout AlignedText) {
        switch step {
        case .form(let form): NormalizationForms.apply(form, to: &text)
        case .lowercase: lowercase(&text)
        case .stripAccents:
            text = text.rewritten { source, output in
                forEachScalar(source) { scalar, range in
                    let classByte = UnicodeClasses.classByte(scalar)
                    if classByte & 0x1F != UnicodeCategory.nonspacingMark.rawValue { output.copy(range, of: text) }
                }
            }
        case .prepend(let prefix):
            text = text.rewritten { source, output in
                output.append(prefix, replacing: 0..<0, of: text)
                output.copy(0..<source.count, of: text)
            }
        case .replace(let splitter, let content):
            let parts = text.bytes.withUnsafeBufferPointer { PreTokenizer.parts(of: 0..<$0.count, in: $0, splitter) }
            guard parts.contains(where: \.isMatch) else { return }
            text = text.rewritten { _, output in
                for part in parts {
                    if part.isMatch {
                        output.append(content, replacing: part.range, of: text)
                    } else {
                        output.copy(part.range, of: text)
                    }
                }
            }
        case .strip(let left, let right):
            let kept = text.bytes.withUnsafeBufferPointer { stripped($0, left: left, right: right) }
            if kept.count < text.bytes.count { text = text.rewritten { _, output in output.copy(kept, of: text) } }
        }
    }

    private static func lowercase(_ text: inout AlignedText) {
        let isPlain = text.bytes.allSatisfy { $0 < 0x80 && !(0x41...0x5A ~= $0) }
        if isPlain { return }
        text = text.rewritten { source, output in
            forEachScalar(source) { scalar, range in
                guard let unicode = Unicode.Scalar(scalar), range.count > 1 || scalar < 0x80 else {
                    return output.copy(range, of: text)
                }
                let mapping = unicode.properties.lowercaseMapping
                if mapping.unicodeScalars.elementsEqual(CollectionOfOne(unicode)) {
                    output.copy(range, of: text)
                } else {
                    output.append(mapping.utf8, replacing: range, of: text)
                }
            }
        }
    }

    private static func stripped(_ text: UnsafeBufferPointer<UInt8>, left: Bool, right: Bool) -> Range<Int> {
        var lower = 0
        var upper = text.count
        while left, lower < upper {
            let scalar = UTF8Scanning.scalar(text, at: lower)
            guard UnicodeClasses.isWhiteSpace(scalar.value) else { break }
            lower += scalar.count
        }
        while right, lower < upper {
            let before = UTF8Scanning.start(text, before: upper, lowerBound: lower)
            guard UnicodeClasses.isWhiteSpace(UTF8Scanning.scalar(text, at: before).value) else { break }
            upper = before
        }
        return lower..<upper
    }

    static func forEachScalar(_ text: UnsafeBufferPointer<UInt8>, _ body: (UInt32, Range<Int>) -> Void) {
        var position = 0
        while position < text.count {
            let scalar = UTF8Scanning.scalar(text, at: position)
            body(scalar.value, position..<position + scalar.count)
            position += scalar.count
        }
    }
}

/// Unicode normalization forms of text that may hold ill-formed bytes; those stay as they are.
enum NormalizationForms {
    static func apply(_ form: Normalizer.Form, to text: inout AlignedText) {
        // Below U+0300 every scalar is in form C and composes with nothing; a lead byte below 0xCC says so.
        if form == .nfc, text.bytes.allSatisfy({ $0 < 0xCC }) { return }
        if text.bytes.allSatisfy({ $0 < 0x80 }) { return }
        text = text.rewritten { source, output in
            var start = 0
            while start < source.count {
                let end = runEnd(source, start)
                if end == start {
                    output.copy(start..<start + 1, of: text)
                    start += 1
                } else {
                    normalize(source, start..<end, form, &output, text)
                    start = end
                }
            }
        }
    }

    /// End of the well-formed run that begins at `start`.
    private static func runEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var position = start
        while position < text.count {
            let scalar = UTF8Scanning.scalar(text, at: position)
            if scalar.count == 1, text[position] >= 0x80 { break }
            position += scalar.count
        }
        return position
    }

    private static func normalize(
        _ source: UnsafeBufferPointer<UInt8>,
        _ run: Range<Int>,
        _ form: Normalizer.Form,
        _ output: inout AlignedText,
        _ text: AlignedText
    ) {
        // Segments that normalize by themselves keep the alignment fine.
        var start = run.lowerBound
        while start < run.upperBound {
            let first = UTF8Scanning.scalar(source, at: start)
            var end = start + first.count
            while end < run.upperBound {
                let next = UTF8Scanning.scalar(source, at: end)
                guard mayJoinPrevious(next.value, form) else { break }
                end += next.count
            }
            let isAlone = end == start + first.count
            let isInert = isAlone && (form == .nfc ? isComposed(first.value) : first.value < 0x80)
            if isInert {
                output.copy(start..<end, of: text)
            } else {
                let original = source[start..<end]
                let bytes = normalized(String(decoding: original, as: UTF8.self), form)
                if bytes.elementsEqual(original) {
                    output.copy(start..<end, of: text)
                } else {
                    output.append(bytes, replacing: start..<end, of: text)
                }
            }
            start = end
        }
    }

    /// Whether the scalar can compose or reorder with what stands before it: marks, conjoining vowels and finals of
    /// Hangul, letters of Kirat Rai that compose, and what maps to such scalars. A superset does no harm.
    private static func mayJoinPrevious(_ scalar: UInt32, _ form: Normalizer.Form) -> Bool {
        if scalar < 0x300 { return false }
        if 0x1160...0x11FF ~= scalar || 0x16D63...0x16D6A ~= scalar { return true }
        if form == .nfkc || form == .nfkd, 0x3131...0x318E ~= scalar || 0xFF9E...0xFFDC ~= scalar { return true }
        let bit = UInt32(1) << UInt32(UnicodeClasses.classByte(scalar) & 0x1F)
        return bit & UnicodeCategory.marks != 0
    }

    /// Whether the scalar alone is its own form C; true only for blocks where that holds throughout.
    private static func isComposed(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0..<0x300, 0x388...0x52F, 0x620...0x64A, 0xE01...0xE30, 0x2010...0x20CF, 0x3041...0x30FF, 0x3400...0x9FFF,
            0xAC00...0xD7A3, 0xFF01...0xFF9D, 0x1F000...0x1FAFF:
            true
        default: false
        }
    }

    private static func normalized(_ text: String, _ form: Normalizer.Form) -> [UInt8] {
        var text = text
        if form == .nfkc || form == .nfkd {
            var mapped = String.UnicodeScalarView()
            for scalar in text.unicodeScalars {
                if let mapping = CompatibilityMappings.mapping(of: scalar.value) {
                    mapped.append(contentsOf: mapping)
                } else {
                    mapped.append(scalar)
                }
            }
            text = String(mapped)
        }
        var bytes: [UInt8] = []
        switch form {
        case .nfc, .nfkc: for scalar in text._nfc { UTF8Scanning.append(scalar.value, to: &bytes) }
        case .nfd, .nfkd: for scalar in text._nfd { UTF8Scanning.append(scalar.value, to: &bytes) }
        }
        return bytes
    }
}

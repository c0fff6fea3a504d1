/// How many columns of a terminal a character takes: 0, 1 or 2.
enum CharacterWidth {
    static func columns(_ character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        // U+FE0F asks for the picture instead of the letter; flags are two letters that make one picture.
        let hasPicture = character.unicodeScalars.dropFirst().contains { $0.value == 0xFE0F || isRegional($0) }
        return hasPicture ? 2 : columns(first)
    }

    /// Columns of a text; escape sequences for colours take none.
    static func columns(_ text: String) -> Int {
        var count = 0
        var isSequence = false
        for character in text {
            if character == "\u{1B}" {
                isSequence = true
            } else if isSequence {
                isSequence = !character.isLetter
            } else {
                count += columns(character)
            }
        }
        return count
    }

    private static func isRegional(_ scalar: Unicode.Scalar) -> Bool { 0x1F1E6...0x1F1FF ~= scalar.value }

    private static func columns(_ scalar: Unicode.Scalar) -> Int {
        // Most text: no table needed.
        if 0x20...0x7E ~= scalar.value || 0xA1...0xAC ~= scalar.value { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control, .lineSeparator, .paragraphSeparator: return 0
        default: break
        }
        if scalar.properties.isEmojiPresentation { return 2 }
        return wide.contains { $0 ~= scalar.value } ? 2 : 1
    }

    /// East Asian Wide and Fullwidth (Unicode Standard Annex 11), neighbouring ranges joined.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97F,
        0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6,
        0x16FE0...0x18DFF, 0x1AFF0...0x1B2FF, 0x1F200...0x1F2FF, 0x20000...0x3FFFD,
    ]
}

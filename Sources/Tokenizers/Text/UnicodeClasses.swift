/// General categories and white space of scalars, from the Swift library's tables.
///
/// A class byte holds the category's number in the order of ``UnicodeCategory`` (0…29) and bit 7 for White_Space.
enum UnicodeClasses {
    static let whiteSpaceBit: UInt8 = 0x80

    /// Class bytes of the scalars below U+10000, filled on the first scalar that is not ASCII (about 3 ms).
    private static let basicPlane: [UInt8] = (0..<0x10000).map { compute(UInt32($0)) }

    static let ascii: [UInt8] = (0..<0x80).map { compute(UInt32($0)) }

    @inline(__always)
    static func classByte(_ scalar: UInt32) -> UInt8 {
        if scalar < 0x80 { return ascii[Int(scalar)] }
        if scalar < 0x10000 { return basicPlane[Int(scalar)] }
        return compute(scalar)
    }

    @inline(never)
    private static func compute(_ value: UInt32) -> UInt8 {
        guard let scalar = Unicode.Scalar(value) else { return UnicodeCategory.surrogate.rawValue }
        let category = UnicodeCategory(scalar.properties.generalCategory).rawValue
        return category | (scalar.properties.isWhitespace ? whiteSpaceBit : 0)
    }

    /// Alphabetic, mark, decimal number, connector punctuation: what regular expressions call a word scalar.
    static func isWord(_ value: UInt32) -> Bool {
        let bit = UInt32(1) << UInt32(classByte(value) & 0x1F)
        if bit & (UnicodeCategory.letters | UnicodeCategory.marks) != 0 { return true }
        if bit & (UnicodeCategory.decimalNumber.bit | UnicodeCategory.connectorPunctuation.bit) != 0 { return true }
        return value >= 0x80 && Unicode.Scalar(value)?.properties.isAlphabetic == true
    }

    static func isWhiteSpace(_ value: UInt32) -> Bool { classByte(value) & whiteSpaceBit != 0 }
}

/// Unicode general categories, numbered.
enum UnicodeCategory: UInt8, CaseIterable {
    case uppercaseLetter, lowercaseLetter, titlecaseLetter, modifierLetter, otherLetter
    case nonspacingMark, spacingMark, enclosingMark
    case decimalNumber, letterNumber, otherNumber
    case connectorPunctuation, dashPunctuation, openPunctuation, closePunctuation
    case initialPunctuation, finalPunctuation, otherPunctuation
    case mathSymbol, currencySymbol, modifierSymbol, otherSymbol
    case spaceSeparator, lineSeparator, paragraphSeparator
    case control, format, surrogate, privateUse, unassigned

    /// This category in a mask of categories.
    var bit: UInt32 { 1 << UInt32(rawValue) }

    static let letters: UInt32 = 0x1F
    static let marks: UInt32 = 0x7 << 5
    static let numbers: UInt32 = 0x7 << 8
    static let punctuation: UInt32 = 0x7F << 11
    static let symbols: UInt32 = 0xF << 18
    static let separators: UInt32 = 0x7 << 22
    static let others: UInt32 = 0x1F << 25
    static let all: UInt32 = (1 << 30) - 1

    /// The mask for a property's name in a regular expression (`L`, `Lu`, `Letter`, …); nil for other names.
    static func mask(named name: String) -> UInt32? {
        switch name.lowercased() {
        case "l", "letter": letters
        case "lu", "uppercase_letter": uppercaseLetter.bit
        case "ll", "lowercase_letter": lowercaseLetter.bit
        case "lt", "titlecase_letter": titlecaseLetter.bit
        case "lm", "modifier_letter": modifierLetter.bit
        case "lo", "other_letter": otherLetter.bit
        case "m", "mark": marks
        case "mn", "nonspacing_mark": nonspacingMark.bit
        case "mc", "spacing_mark": spacingMark.bit
        case "me", "enclosing_mark": enclosingMark.bit
        case "n", "number": numbers
        case "nd", "decimal_number", "digit": decimalNumber.bit
        case "nl", "letter_number": letterNumber.bit
        case "no", "other_number": otherNumber.bit
        case "p", "punctuation": punctuation
        case "pc", "connector_punctuation": connectorPunctuation.bit
        case "pd", "dash_punctuation": dashPunctuation.bit
        case "ps", "open_punctuation": openPunctuation.bit
        case "pe", "close_punctuation": closePunctuation.bit
        case "pi", "initial_punctuation": initialPunctuation.bit
        case "pf", "final_punctuation": finalPunctuation.bit
        case "po", "other_punctuation": otherPunctuation.bit
        case "s", "symbol": symbols
        case "sm", "math_symbol": mathSymbol.bit
        case "sc", "currency_symbol": currencySymbol.bit
        case "sk", "modifier_symbol": modifierSymbol.bit
        case "so", "other_symbol": otherSymbol.bit
        case "z", "separator": separators
        case "zs", "space_separator": spaceSeparator.bit
        case "zl", "line_separator": lineSeparator.bit
        case "zp", "paragraph_separator": paragraphSeparator.bit
        case "c", "other": others
        case "cc", "control": control.bit
        case "cf", "format": format.bit
        case "co", "private_use": privateUse.bit
        case "cn", "unassigned": unassigned.bit
        default: nil
        }
    }

    init(_ category: Unicode.GeneralCategory) {
        self =
            switch category {
            case .uppercaseLetter: .uppercaseLetter
            case .lowercaseLetter: .lowercaseLetter
            case .titlecaseLetter: .titlecaseLetter
            case .modifierLetter: .modifierLetter
            case .otherLetter: .otherLetter
            case .nonspacingMark: .nonspacingMark
            case .spacingMark: .spacingMark
            case .enclosingMark: .enclosingMark
            case .decimalNumber: .decimalNumber
            case .letterNumber: .letterNumber
            case .otherNumber: .otherNumber
            case .connectorPunctuation: .connectorPunctuation
            case .dashPunctuation: .dashPunctuation
            case .openPunctuation: .openPunctuation
            case .closePunctuation: .closePunctuation
            case .initialPunctuation: .initialPunctuation
            case .finalPunctuation: .finalPunctuation
            case .otherPunctuation: .otherPunctuation
            case .mathSymbol: .mathSymbol
            case .currencySymbol: .currencySymbol
            case .modifierSymbol: .modifierSymbol
            case .otherSymbol: .otherSymbol
            case .spaceSeparator: .spaceSeparator
            case .lineSeparator: .lineSeparator
            case .paragraphSeparator: .paragraphSeparator
            case .control: .control
            case .format: .format
            case .surrogate: .surrogate
            case .privateUse: .privateUse
            case .unassigned: .unassigned
            @unknown default: .unassigned
            }
    }
}

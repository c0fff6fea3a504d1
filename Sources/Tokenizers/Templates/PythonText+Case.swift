extension PythonText {
    static func uppercased(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.uppercased() }
        var output = ""
        for scalar in text.unicodeScalars { output += scalar.properties.uppercaseMapping }
        return output
    }

    static func lowercased(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.lowercased() }
        return lowercased(Array(text.unicodeScalars), from: 0)
    }

    private static func lowercased(_ scalars: [Unicode.Scalar], from start: Int) -> String {
        var output = ""
        for index in scalars.indices[start...] { output += lowercase(at: index, of: scalars) }
        return output
    }

    /// A capital sigma is written in its final form at the end of a word.
    private static func lowercase(at index: Int, of scalars: [Unicode.Scalar]) -> String {
        guard scalars[index] == "Σ" else { return scalars[index].properties.lowercaseMapping }
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let isFinal = (before?.properties.isCased ?? false) && !(after?.properties.isCased ?? false)
        return isFinal ? "ς" : "σ"
    }

    static func capitalized(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        guard let first = scalars.first else { return "" }
        return first.properties.titlecaseMapping + lowercased(scalars, from: 1)
    }

    /// `str.title`: a capital after everything that has no case.
    static func titled(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var output = ""
        var isInWord = false
        for index in scalars.indices {
            output += isInWord ? lowercase(at: index, of: scalars) : scalars[index].properties.titlecaseMapping
            isInWord = scalars[index].properties.isCased
        }
        return output
    }

    /// The `title` filter: a capital at the start and after spaces, hyphens and opening brackets.
    static func titledWords(_ text: String) -> String {
        var output = ""
        var word: [Unicode.Scalar] = []
        func flush() {
            guard let first = word.first else { return }
            output += first.properties.uppercaseMapping + lowercased(Array(word.dropFirst()), from: 0)
            word = []
        }
        for scalar in text.unicodeScalars {
            if isSpace(scalar) || "-({[<".unicodeScalars.contains(scalar) {
                flush()
                output.unicodeScalars.append(scalar)
            } else {
                word.append(scalar)
            }
        }
        flush()
        return output
    }

    static func caseSwapped(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var output = ""
        for index in scalars.indices {
            let properties = scalars[index].properties
            output += properties.isUppercase ? lowercase(at: index, of: scalars) : properties.uppercaseMapping
        }
        return output
    }

    // MARK: Classes

    /// Some scalar is cased, and none has the other case.
    static func isCased(_ text: String, upper: Bool) -> Bool {
        var isFound = false
        for scalar in text.unicodeScalars {
            let category = scalar.properties.generalCategory
            let isUpper = scalar.properties.isUppercase
            let isLower = scalar.properties.isLowercase
            if category == .titlecaseLetter || (upper ? isLower : isUpper) { return false }
            if upper ? isUpper : isLower { isFound = true }
        }
        return isFound
    }

    static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    static func isDecimal(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .decimalNumber }

    static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
    }

    static func isNumeric(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType != nil }

    static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool { isLetter(scalar) || isNumeric(scalar) }

    static func all(_ text: String, _ isMember: (Unicode.Scalar) -> Bool) -> Bool {
        !text.isEmpty && text.unicodeScalars.allSatisfy(isMember)
    }

    /// `str.istitle`.
    static func isTitle(_ text: String) -> Bool {
        var isInWord = false
        var isFound = false
        for scalar in text.unicodeScalars {
            let properties = scalar.properties
            if properties.isUppercase || properties.generalCategory == .titlecaseLetter {
                if isInWord { return false }
                (isInWord, isFound) = (true, true)
            } else if properties.isLowercase {
                if !isInWord { return false }
            } else {
                isInWord = false
            }
        }
        return isFound
    }

    /// Runs of letters, digits and underscores.
    static func wordCount(_ text: String) -> Int {
        var words = 0
        var isInWord = false
        for scalar in text.unicodeScalars {
            let isMember = scalar == "_" || isAlphanumeric(scalar)
            if isMember, !isInWord { words += 1 }
            isInWord = isMember
        }
        return words
    }

    /// HTML's special characters as references.
    static func escaped(_ text: String) -> String {
        var output = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "'": output += "&#39;"
            case "\"": output += "&#34;"
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output
    }
}

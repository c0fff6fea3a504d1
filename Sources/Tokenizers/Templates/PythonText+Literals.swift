extension PythonText {
    // MARK: Reading

    /// The text between a literal's quotes with its escapes resolved, as Python reads them.
    ///
    /// - Throws: for escapes that name no character.
    static func unescaped(_ body: ArraySlice<UInt8>) throws(TemplateError) -> String {
        guard body.contains(UInt8(ascii: "\\")) else { return String(decoding: body, as: UTF8.self) }
        var output = ""
        var scalars = Array(String(decoding: body, as: UTF8.self).unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "\\", let escape = scalars.popFirst() else {
                output.unicodeScalars.append(scalar)
                continue
            }
            switch escape {
            case "\n": break
            case "\\", "'", "\"": output.unicodeScalars.append(escape)
            case "a": output += "\u{7}"
            case "b": output += "\u{8}"
            case "f": output += "\u{C}"
            case "n": output += "\n"
            case "r": output += "\r"
            case "t": output += "\t"
            case "v": output += "\u{B}"
            case "0"..."7":
                var value = escape.value - 48
                for _ in 0..<2 {
                    guard let next = scalars.first, ("0"..."7").contains(next) else { break }
                    value = value * 8 + next.value - 48
                    scalars.removeFirst()
                }
                output.unicodeScalars.append(Unicode.Scalar(value) ?? "\u{FFFD}")
            case "x": output.unicodeScalars.append(try hexadecimal(&scalars, digits: 2))
            case "u": output.unicodeScalars.append(try hexadecimal(&scalars, digits: 4))
            case "U": output.unicodeScalars.append(try hexadecimal(&scalars, digits: 8))
            case "N": throw TemplateError("characters by name (\\N{…}) are not supported; write the character itself")
            default:
                output += "\\"
                // Python escapes what is not ASCII before it looks for escapes.
                if escape.isASCII {
                    output.unicodeScalars.append(escape)
                } else {
                    output += numeric(escape).dropFirst()
                }
            }
        }
        return output
    }

    private static func hexadecimal(
        _ scalars: inout ArraySlice<Unicode.Scalar>,
        digits: Int
    ) throws(TemplateError) -> Unicode.Scalar {
        let text = String(String.UnicodeScalarView(scalars.prefix(digits)))
        guard text.utf8.count == digits, !text.hasPrefix("+"), !text.hasPrefix("-"),
            let value = UInt32(text, radix: 16), let scalar = Unicode.Scalar(value)
        else {
            throw TemplateError("an escape in a string does not name a character")
        }
        scalars = scalars.dropFirst(digits)
        return scalar
    }

    // MARK: Writing

    /// `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
    static func numeric(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\" + letter + String(repeating: "0", count: width - digits.count) + digits
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: scalar == " "
        default: true
        }
    }

    /// `repr` of a string; `ascii` also escapes everything beyond ASCII.
    static func quoted(_ text: String, ascii: Bool = false) -> String {
        let hasSingle = text.utf8.contains(UInt8(ascii: "'"))
        let quote: Unicode.Scalar = hasSingle && !text.utf8.contains(UInt8(ascii: "\"")) ? "\"" : "'"
        var output = ""
        output.unicodeScalars.append(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case quote: output += "\\\(quote)"
            default:
                if scalar.isASCII ? scalar.value >= 0x20 && scalar.value < 0x7F : !ascii && isPrintable(scalar) {
                    output.unicodeScalars.append(scalar)
                } else {
                    output += numeric(scalar)
                }
            }
        }
        output.unicodeScalars.append(quote)
        return output
    }
}

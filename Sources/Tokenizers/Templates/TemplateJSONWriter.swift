/// Writes values as Python's `json.dumps` does: the `tojson` filter of chat templates, without HTML escapes.
struct TemplateJSONWriter {
    var ensuresASCII = false
    /// What each level is indented by; nil writes one line.
    var indentation: String?
    var itemSeparator = ", "
    var keySeparator = ": "
    var sortsKeys = false
    let limit: Int
    private(set) var output = ""

    init(limit: Int) { self.limit = limit }

    /// - Throws: for what JSON cannot hold, and past the limit.
    mutating func write(_ value: TemplateValue, level: Int = 0) throws(TemplateError) {
        guard output.utf8.count <= limit else { throw TemplateError("a text longer than \(limit) bytes") }
        switch value {
        case .none: output += "null"
        case .boolean(let value): output += value ? "true" : "false"
        case .integer(let value): output += String(value)
        case .float(let value): output += Self.text(value)
        case .string(let text), .markup(let text): write(text)
        case .list(let items), .tuple(let items): try write(items.elements, level)
        case .dictionary(let dictionary): try write(dictionary.entries, level)
        default: throw TemplateError("a value of type '\(value.typeName)' cannot be written as JSON")
        }
    }

    private static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return PythonNumber.text(value)
    }

    private mutating func newLine(_ level: Int) {
        guard let indentation else { return }
        output += "\n"
        for _ in 0..<level { output += indentation }
    }

    private mutating func write(_ elements: [TemplateValue], _ level: Int) throws(TemplateError) {
        output += "["
        for (offset, element) in elements.enumerated() {
            if offset > 0 { output += itemSeparator }
            newLine(level + 1)
            try write(element, level: level + 1)
        }
        if !elements.isEmpty { newLine(level) }
        output += "]"
    }

    private mutating func write(
        _ entries: [(key: TemplateValue, value: TemplateValue)],
        _ level: Int
    ) throws(TemplateError) {
        let entries =
            sortsKeys
            ? try templateSorted(entries) { (a, b) throws(TemplateError) in try TemplateValue.isLess(a.key, b.key) }
            : entries
        output += "{"
        for (offset, entry) in entries.enumerated() {
            if offset > 0 { output += itemSeparator }
            newLine(level + 1)
            switch entry.key {
            case .string(let text), .markup(let text): write(text)
            case .none: output += "\"null\""
            case .boolean(let value): output += value ? "\"true\"" : "\"false\""
            case .integer(let value): output += "\"\(value)\""
            case .float(let value): output += "\"\(Self.text(value))\""
            default: throw TemplateError("a key of type '\(entry.key.typeName)' cannot be written as JSON")
            }
            output += keySeparator
            try write(entry.value, level: level + 1)
        }
        if !entries.isEmpty { newLine(level) }
        output += "}"
    }

    private mutating func write(_ text: String) {
        output += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case "\u{8}": output += "\\b"
            case "\u{C}": output += "\\f"
            default:
                if scalar.value < 0x20 || (ensuresASCII && scalar.value > 0x7E) {
                    for unit in String(scalar).utf16 {
                        let digits = String(unit, radix: 16)
                        output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                } else {
                    output.unicodeScalars.append(scalar)
                }
            }
        }
        output += "\""
    }
}

/// A format specification: `[[fill]align][sign][#][0][width][,][.precision][type]`.
struct TemplateFormat {
    var fill: Unicode.Scalar = " "
    var alignment: Unicode.Scalar?
    var sign: Unicode.Scalar = "-"
    var isAlternate = false
    var width = 0
    var grouping: Unicode.Scalar?
    var precision: Int?
    var type: Unicode.Scalar?

    /// Wider or finer than any use; larger ones are refused.
    static let largest = 4096

    init() {}

    init(_ text: String) throws(TemplateError) {
        var scalars = Array(text.unicodeScalars)[...]
        func isAlignment(_ scalar: Unicode.Scalar?) -> Bool {
            scalar.map { "<>=^".unicodeScalars.contains($0) } ?? false
        }
        if scalars.count > 1, isAlignment(scalars[1]) {
            fill = scalars[0]
            alignment = scalars[1]
            scalars = scalars.dropFirst(2)
        } else if isAlignment(scalars.first) {
            alignment = scalars.popFirst()
        }
        if let next = scalars.first, "+- ".unicodeScalars.contains(next) {
            sign = next
            scalars.removeFirst()
        }
        if scalars.first == "#" {
            isAlternate = true
            scalars.removeFirst()
        }
        if scalars.first == "0" {
            if alignment == nil { (fill, alignment) = ("0", "=") }
            scalars.removeFirst()
        }
        width = try Self.number(&scalars) ?? 0
        if scalars.first == "," || scalars.first == "_" { grouping = scalars.popFirst() }
        if scalars.first == "." {
            scalars.removeFirst()
            guard let digits = try Self.number(&scalars) else { throw TemplateError("a format without its precision") }
            precision = digits
        }
        type = scalars.popFirst()
        guard scalars.isEmpty else { throw TemplateError("the format '\(text)' cannot be read") }
    }

    static func number(_ scalars: inout ArraySlice<Unicode.Scalar>) throws(TemplateError) -> Int? {
        var value: Int?
        while let digit = scalars.first, ("0"..."9").contains(digit) {
            value = (value ?? 0) * 10 + Int(digit.value - 48)
            guard value ?? 0 <= largest else { throw TemplateError("a format over \(largest) characters wide") }
            scalars.removeFirst()
        }
        return value
    }

    func formatted(text: String) throws(TemplateError) -> String {
        guard type == nil || type == "s" else { throw mismatch("str") }
        guard alignment != "=", sign == "-", grouping == nil, !isAlternate else { throw mismatch("str") }
        let body = precision.map { String(String.UnicodeScalarView(text.unicodeScalars.prefix($0))) } ?? text
        return padded(body, sign: "", by: "<")
    }

    func formatted(_ value: Int) throws(TemplateError) -> String {
        if let type, "eEfFgG%".unicodeScalars.contains(type) { return try formatted(Double(value)) }
        guard precision == nil else { throw TemplateError("a whole number has no precision") }
        var (radix, prefix, group) = (10, "", 3)
        switch type {
        case nil, "d", "n": break
        case "b": (radix, prefix, group) = (2, "0b", 4)
        case "o": (radix, prefix, group) = (8, "0o", 4)
        case "x": (radix, prefix, group) = (16, "0x", 4)
        case "X": (radix, prefix, group) = (16, "0X", 4)
        case "c":
            guard let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init) else { throw mismatch("int") }
            return padded(String(scalar), sign: "", by: "<")
        default: throw mismatch("int")
        }
        let digits = String(value.magnitude, radix: radix, uppercase: type == "X")
        let sign = self.sign(isNegative: value < 0) + (isAlternate ? prefix : "")
        return padded(grouped(digits, by: group), sign: sign, by: ">")
    }

    func formatted(_ value: Double) throws(TemplateError) -> String {
        let magnitude = value.magnitude
        var body: String
        switch type {
        case "f", "F", "e", "E", "g", "G":
            body = PythonNumber.formatted(magnitude, Character(type ?? "f"), precision: precision ?? 6)
        case "%": body = PythonNumber.formatted(magnitude * 100, "f", precision: precision ?? 6) + "%"
        case nil:
            body = PythonNumber.text(magnitude)
            if let precision, magnitude.isFinite {
                body = PythonNumber.formatted(magnitude, "g", precision: max(1, precision))
                if !body.contains("."), !body.contains("e") { body += ".0" }
            }
        case "n": body = PythonNumber.formatted(magnitude, "g", precision: precision ?? 6)
        default: throw mismatch("float")
        }
        if grouping != nil {
            let whole = body.prefix { $0.isNumber }
            body = grouped(String(whole), by: 3) + body.dropFirst(whole.count)
        }
        return padded(body, sign: sign(isNegative: value.sign == .minus && !value.isNaN), by: ">")
    }

    private func mismatch(_ name: String) -> TemplateError {
        TemplateError("the format '\(type.map(String.init) ?? "")' does not go with a value of type '\(name)'")
    }

    private func sign(isNegative: Bool) -> String { isNegative ? "-" : sign == "-" ? "" : String(sign) }

    private func grouped(_ digits: String, by size: Int) -> String {
        guard let grouping else { return digits }
        var output: [Unicode.Scalar] = []
        for (offset, digit) in digits.unicodeScalars.reversed().enumerated() {
            if offset > 0, offset % size == 0 { output.append(grouping) }
            output.append(digit)
        }
        return String(String.UnicodeScalarView(output.reversed()))
    }

    private func padded(_ body: String, sign: String, by usual: Unicode.Scalar) -> String {
        let missing = max(0, width - PythonText.count(body) - PythonText.count(sign))
        let (before, after): (Int, Int)
        switch alignment ?? usual {
        case "<": (before, after) = (0, missing)
        case "^": (before, after) = (missing / 2, missing - missing / 2)
        case "=": return sign + String(repeating: String(fill), count: missing) + body
        default: (before, after) = (missing, 0)
        }
        return String(repeating: String(fill), count: before) + sign + body
            + String(repeating: String(fill), count: after)
    }
}

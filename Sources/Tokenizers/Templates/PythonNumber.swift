import Glibc

/// Python's numbers as text, and back.
enum PythonNumber {
    /// `repr(float)`: the shortest digits that read back the same, scientific beyond 1e16 and below 1e-4.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
        let (digits, exponent) = shortest(value.magnitude)
        let sign = value < 0 ? "-" : ""
        if exponent < -4 || exponent >= 16 {
            let fraction = digits.dropFirst()
            let mark = exponent < 0 ? "-" : "+"
            let power = String(exponent.magnitude)
            return sign + digits.prefix(1) + (fraction.isEmpty ? "" : "." + fraction) + "e" + mark
                + (power.count < 2 ? "0" : "") + power
        }
        if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
        if digits.count <= exponent + 1 {
            return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count) + ".0"
        }
        return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
    }

    /// Significant digits and the decimal exponent of the first one, for a positive finite number.
    private static func shortest(_ value: Double) -> (digits: String, exponent: Int) {
        let parts = value.description.split(separator: "e", maxSplits: 1)
        let written = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let whole = mantissa[0]
        let all = whole + (mantissa.count > 1 ? mantissa[1] : "")
        let leadingZeros = all.prefix { $0 == "0" }.count
        var digits = all.dropFirst(leadingZeros)
        while digits.count > 1, digits.last == "0" { digits.removeLast() }
        return (String(digits), written + whole.count - 1 - leadingZeros)
    }

    /// C's `printf` of one number with a precision: exact decimal rounding, half to even.
    static func formatted(_ value: Double, _ conversion: Character, precision: Int) -> String {
        let format = "%.*\(conversion)"
        var buffer = [CChar](repeating: 0, count: 512 + precision)
        let count = withVaList([Int32(clamping: precision), value]) { vsnprintf(&buffer, buffer.count, format, $0) }
        guard count >= 0 else { return "" }
        return String(
            decoding: buffer.prefix(min(Int(count), buffer.count - 1)).map(UInt8.init(bitPattern:)),
            as: UTF8.self
        )
    }

    /// `round(value, digits)`.
    static func rounded(_ value: Double, digits: Int) -> Double {
        guard value.isFinite, digits < 330 else { return value }
        if digits >= 0 { return Double(formatted(value, "f", precision: digits)) ?? value }
        guard digits > -310 else { return 0 * value }
        let unit = pow(10, Double(-digits))
        return (value / unit).rounded(.toNearestOrEven) * unit
    }

    /// `round(integer, digits)` for negative digits; nil on overflow.
    static func rounded(_ value: Int, digits: Int) -> Int? {
        guard digits < 0 else { return value }
        guard digits > -19 else { return 0 }
        var unit = 1
        for _ in 0..<(-digits) { unit *= 10 }
        let quotient = value / unit
        let rest = (value % unit).magnitude
        let half = UInt(unit) / 2
        let isUp = rest > half || (rest == half && quotient % 2 != 0)
        let (result, overflow) = (quotient + (isUp ? (value < 0 ? -1 : 1) : 0)).multipliedReportingOverflow(by: unit)
        return overflow ? nil : result
    }

    /// `int(text, base)`: nil when Python raises.
    static func integer(_ text: String, base: Int = 10) -> Int? {
        guard base == 0 || (2...36).contains(base) else { return nil }
        var body = PythonText.stripped(text)
        var isNegative = false
        if let sign = body.first, sign == "+" || sign == "-" {
            isNegative = sign == "-"
            body.removeFirst()
        }
        var radix = base
        let prefixes: [(String, Int)] = [("0x", 16), ("0o", 8), ("0b", 2)]
        let lowered = body.lowercased()
        if let (prefix, value) = prefixes.first(where: { lowered.hasPrefix($0.0) }), base == 0 || base == value {
            radix = value
            body.removeFirst(prefix.count)
            if body.hasPrefix("_") { body.removeFirst() }
        } else if base == 0 {
            radix = 10
            if body.hasPrefix("0"), !body.allSatisfy({ $0 == "0" || $0 == "_" }) { return nil }
        }
        guard let digits = withoutUnderscores(body), let first = digits.first, first != "+", first != "-" else {
            return nil
        }
        return Int((isNegative ? "-" : "") + digits, radix: radix)
    }

    /// `float(text)`: nil when Python raises.
    static func float(_ text: String) -> Double? {
        let body = PythonText.stripped(text).lowercased()
        guard body.utf8.count < 4096 else { return nil }
        switch body {
        case "inf", "+inf", "infinity", "+infinity": return .infinity
        case "-inf", "-infinity": return -.infinity
        case "nan", "+nan", "-nan": return .nan
        default: break
        }
        guard let digits = withoutUnderscores(body), !digits.isEmpty,
            digits.utf8.allSatisfy({ byte in
                byte >= 0x30 && byte <= 0x39 || byte == UInt8(ascii: "e") || byte == UInt8(ascii: ".")
                    || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
            })
        else { return nil }
        // Python reads "1." and ".5"; Swift wants digits on both sides.
        var complete = digits
        if let dot = complete.firstIndex(of: ".") {
            let after = complete.index(after: dot)
            let hasBefore = dot > complete.startIndex && complete[complete.index(before: dot)].isNumber
            let hasAfter = after < complete.endIndex && complete[after].isNumber
            guard hasBefore || hasAfter else { return nil }
            if !hasAfter { complete.insert("0", at: after) }
            if !hasBefore { complete.insert("0", at: dot) }
        }
        return Double(complete)
    }

    /// Digits with their underscores removed; nil when one is not between two digits. Other scripts' digits read as ours.
    private static func withoutUnderscores(_ text: String) -> String? {
        var output = ""
        var previousIsDigit = false
        var pendingUnderscore = false
        for scalar in text.unicodeScalars {
            if scalar == "_" {
                guard previousIsDigit, !pendingUnderscore else { return nil }
                pendingUnderscore = true
                continue
            }
            let isDigit = scalar.properties.isAlphabetic || scalar.properties.generalCategory == .decimalNumber
            guard isDigit || !pendingUnderscore else { return nil }
            pendingUnderscore = false
            previousIsDigit = isDigit
            if scalar.properties.generalCategory == .decimalNumber, !scalar.isASCII,
                let value = scalar.properties.numericValue
            {
                output += String(Int(value))
            } else {
                output.unicodeScalars.append(scalar)
            }
        }
        return pendingUnderscore ? nil : output
    }
}

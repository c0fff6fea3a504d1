import Soranji

/// Why the value of an option makes no sense. The parser adds the option's name and the value.
struct InvalidValue: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// A number of bytes with an optional suffix: `512M`, `4G`, `1.5GiB`. Suffixes count in powers of 1,024.
struct ByteSize: Equatable, Sendable {
    var bytes: Int

    /// Larger ones are mistakes: no machine has a pebibyte of memory.
    static let maximum = 1 << 50

    static func parse(_ text: String) throws -> ByteSize {
        let number = try SuffixedNumber.parse(text, units: ["B", "iB"], example: "512M or 4G")
        guard number >= 1 else { throw InvalidValue("at least one byte is needed") }
        guard number <= Double(maximum) else { throw InvalidValue("more than \(FixedPoint.bytes(maximum))") }
        return ByteSize(bytes: Int(number))
    }
}

/// A number of tokens with an optional suffix: `8192`, `32K`, `1M`. Suffixes count in powers of 1,024, as the sizes of
/// contexts are named.
struct TokenCount: Equatable, Sendable {
    var tokens: Int

    /// Larger ones are mistakes.
    static let maximum = 1 << 30

    static func parse(_ text: String) throws -> TokenCount {
        let number = try SuffixedNumber.parse(text, units: [], example: "8192 or 32K")
        guard number >= 1 else { throw InvalidValue("at least one token is needed") }
        guard number <= Double(maximum) else {
            throw InvalidValue("more than \(FixedPoint.grouped(maximum)) tokens")
        }
        guard number == number.rounded() else { throw InvalidValue("not a whole number of tokens") }
        return TokenCount(tokens: Int(number))
    }
}

/// Digits, an optional fraction, and K, M, G or T in either case.
enum SuffixedNumber {
    /// - Parameter units: what may follow the suffix, such as "B".
    /// - Returns: a finite number that is not negative.
    static func parse(_ text: String, units: [String], example: String) throws -> Double {
        let problem = InvalidValue("expected a number such as \(example)")
        if text.hasPrefix("-") { throw InvalidValue("it cannot be negative") }
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard digits.first?.isNumber == true, digits.last?.isNumber == true, digits.count <= 20,
            let number = Double(digits)
        else { throw problem }
        var rest = String(text.dropFirst(digits.count))
        var factor = 1.0
        for (power, suffix) in ["k", "m", "g", "t"].enumerated() where rest.lowercased().hasPrefix(suffix) {
            factor = Double(1 << (10 * (power + 1)))
            rest.removeFirst()
            break
        }
        guard rest.isEmpty || units.contains(where: { $0.lowercased() == rest.lowercased() }) else { throw problem }
        // A fraction needs a suffix: half a byte is a slip of the finger.
        guard factor > 1 || !digits.contains(".") else { throw problem }
        return number * factor
    }
}

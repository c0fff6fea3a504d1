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
struct TokenCount: Equatable, Sendable, CustomStringConvertible {
    var tokens: Int

    var description: String { "\(tokens)" }

    /// Larger ones are mistakes.
    static let maximum = 1 << 30

    static func parse(_ text: String) throws -> TokenCount { try parse(text, least: 1) }

    /// Where none at all makes sense, too.
    static func parseAllowingNone(_ text: String) throws -> TokenCount { try parse(text, least: 0) }

    private static func parse(_ text: String, least: Double) throws -> TokenCount {
        let number = try SuffixedNumber.parse(text, units: [], example: "8192 or 32K")
        guard number >= least else { throw InvalidValue("at least one token is needed") }
        guard number <= Double(maximum) else {
            throw InvalidValue("more than \(FixedPoint.grouped(maximum)) tokens")
        }
        guard number == number.rounded() else { throw InvalidValue("not a whole number of tokens") }
        return TokenCount(tokens: Int(number))
    }
}

/// The longest answer: a number of tokens, or -1 for what `Runtime.answerRoom(after:)` allows.
struct AnswerLimit: Equatable, Sendable, CustomStringConvertible {
    /// Nil for no limit but the context.
    var tokens: Int?

    var description: String { tokens.map(String.init) ?? "-1" }

    static func parse(_ text: String) throws -> AnswerLimit {
        if text == "-1" { return AnswerLimit(tokens: nil) }
        if text.hasPrefix("-") { throw InvalidValue("only -1, for no limit of its own, is below 1") }
        return AnswerLimit(tokens: try TokenCount.parse(text).tokens)
    }
}

/// What random numbers begin with: a number, or -1 for another one in every run.
enum Seed: Equatable, Sendable, CustomStringConvertible {
    case number(UInt64)
    case random

    var description: String {
        switch self {
        case .number(let value): "\(value)"
        case .random: "-1"
        }
    }

    static func parse(_ text: String) throws -> Seed {
        if text == "-1" { return .random }
        guard let value = UInt64(text) else {
            throw InvalidValue("expected a number from 0 to \(UInt64.max), or -1 for a random one")
        }
        return .number(value)
    }

    /// The number, or a new one that is short enough to be typed again.
    func value() -> UInt64 {
        switch self {
        case .number(let value): value
        case .random: UInt64.random(in: 1...999_999_999)
        }
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

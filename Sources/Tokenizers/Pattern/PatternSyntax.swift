/// The tree of a regular expression.
indirect enum PatternNode: Sendable {
    case empty
    case set(ScalarSet)
    case sequence([PatternNode])
    case alternatives([PatternNode])
    case repeated(PatternNode, minimum: Int, maximum: Int?, Greed)
    case look(PatternNode, isNegated: Bool)
    /// Whether the scalar before the position is a member.
    case lookBehind(ScalarSet, isNegated: Bool)
    case atomic(PatternNode)
    case assertion(Assertion)

    enum Greed: Sendable { case greedy, lazy, possessive }
    enum Assertion: Sendable { case lineStart, lineEnd, textStart, textEnd, lastLineEnd, wordBoundary, noWordBoundary }
}

/// Reads the syntax that pre-tokenizers use (Oniguruma's, which Hugging Face tokenizers run): alternation, groups,
/// `(?i:…)`, classes with properties and intersections, quantifiers greedy, lazy and possessive, look-ahead,
/// look-behind of one scalar, anchors.
///
/// As there, `^` and `$` are at lines, `.` excludes only the line feed, `\s` is White_Space, `\d` decimal numbers.
struct PatternParser {
    private let pattern: String
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0
    private var bracketDepth = 0
    private var ignoresCase = false

    /// Nesting and repetition are limited so that a hostile file cannot exhaust the stack or memory.
    private static let maximumDepth = 40
    private static let maximumCount = 1000
    private static let maximumLength = 20_000

    private init(_ pattern: String) {
        self.pattern = pattern
        scalars = Array(pattern.unicodeScalars)
    }

    static func parse(_ pattern: String) throws(PatternError) -> PatternNode {
        var parser = PatternParser(pattern)
        guard parser.scalars.count <= maximumLength else {
            throw parser.failure("more than \(maximumLength) characters")
        }
        let node = try parser.alternatives()
        guard parser.position == parser.scalars.count else { throw parser.failure("')' without '('") }
        return node
    }

    private func failure(_ reason: String) -> PatternError {
        PatternError(pattern: pattern, offset: position, reason: reason)
    }

    private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private func isAt(_ text: StaticString) -> Bool {
        guard position + text.utf8CodeUnitCount <= scalars.count else { return false }
        return (0..<text.utf8CodeUnitCount).allSatisfy { scalars[position + $0].value == UInt32(text.utf8Start[$0]) }
    }

    private mutating func consume(_ text: StaticString) -> Bool {
        guard isAt(text) else { return false }
        position += text.utf8CodeUnitCount
        return true
    }

    // MARK: Structure

    private mutating func alternatives() throws(PatternError) -> PatternNode {
        depth += 1
        guard depth <= Self.maximumDepth else { throw failure("groups nested deeper than \(Self.maximumDepth)") }
        defer { depth -= 1 }
        let outer = ignoresCase
        defer { ignoresCase = outer }
        var options = [try sequence()]
        while consume("|") { options.append(try sequence()) }
        return options.count == 1 ? options[0] : .alternatives(options)
    }

    private mutating func sequence() throws(PatternError) -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = current, scalar != "|", scalar != ")" {
            let node = try atom()
            nodes.append(try quantified(node))
        }
        return nodes.count == 1 ? nodes[0] : nodes.isEmpty ? .empty : .sequence(nodes)
    }

    private mutating func quantified(_ atom: PatternNode) throws(PatternError) -> PatternNode {
        var node = atom
        while let bounds = try quantifier() {
            switch node {
            case .look, .lookBehind, .assertion: throw failure("a quantifier after an assertion")
            default: break
            }
            var greed = PatternNode.Greed.greedy
            if consume("?") {
                greed = .lazy
            } else if !bounds.isCounted, consume("+") {
                greed = .possessive
            }
            if bounds.maximum == nil, node.canBeEmpty { throw failure("an endless repetition of what may be empty") }
            node = .repeated(node, minimum: bounds.minimum, maximum: bounds.maximum, greed)
        }
        return node
    }

    private mutating func quantifier() throws(PatternError) -> (minimum: Int, maximum: Int?, isCounted: Bool)? {
        if consume("*") { return (0, nil, false) }
        if consume("+") { return (1, nil, false) }
        if consume("?") { return (0, 1, false) }
        guard isAt("{") else { return nil }
        let start = position
        position += 1
        let minimum = try number()
        var maximum = minimum
        if consume(",") { maximum = try number() }
        guard consume("}"), minimum != nil || maximum != nil else {
            // `{` that opens no quantifier is itself.
            position = start
            return nil
        }
        if let minimum, let maximum, minimum > maximum { throw failure("a quantifier with minimum above maximum") }
        return (minimum ?? 0, maximum, true)
    }

    private mutating func number() throws(PatternError) -> Int? {
        var value: Int?
        while let scalar = current, "0"..."9" ~= scalar {
            value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
            guard value ?? 0 <= Self.maximumCount else { throw failure("a repetition above \(Self.maximumCount)") }
            position += 1
        }
        return value
    }

    private mutating func atom() throws(PatternError) -> PatternNode {
        let start = position
        guard let scalar = current else { throw failure("unexpected end") }
        position += 1
        switch scalar {
        case "(": return try group()
        case "[": return .set(ScalarSet(try bracket()))
        case ".": return .set(ScalarSet(.not(.range(0x0A...0x0A))))
        case "^": return .assertion(.lineStart)
        case "$": return .assertion(.lineEnd)
        case "\\":
            if let assertion = assertion() { return .assertion(assertion) }
            if let word = word() { return .set(ScalarSet(word)) }
            return .set(ScalarSet(try escape()))
        case "*", "+", "?":
            position = start
            throw failure("a quantifier without anything to repeat")
        default: return .set(ScalarSet(literal(scalar.value)))
        }
    }

    /// `\w` and `\W` outside of classes: there Oniguruma counts ², ³, ¹, ¼, ½ and ¾ too.
    private mutating func word() -> ScalarSet.Term? {
        guard isAt("w") || isAt("W") else { return nil }
        let isNegated = isAt("W")
        position += 1
        let term = ScalarSet.Term.any([.word] + Self.latinNumbers.map { .range($0) })
        return isNegated ? .not(term) : term
    }

    static let latinNumbers: [ClosedRange<UInt32>] = [0xB2...0xB3, 0xB9...0xB9, 0xBC...0xBE]

    private mutating func assertion() -> PatternNode.Assertion? {
        let assertion: PatternNode.Assertion
        switch current {
        case "b": assertion = .wordBoundary
        case "B": assertion = .noWordBoundary
        case "A": assertion = .textStart
        case "z": assertion = .textEnd
        case "Z": assertion = .lastLineEnd
        default: return nil
        }
        position += 1
        return assertion
    }

    private mutating func group() throws(PatternError) -> PatternNode {
        let outer = ignoresCase
        defer { ignoresCase = outer }
        var wrap: (PatternNode) -> PatternNode = { $0 }
        if consume("?:") {
        } else if consume("?=") {
            wrap = { .look($0, isNegated: false) }
        } else if consume("?!") {
            wrap = { .look($0, isNegated: true) }
        } else if consume("?>") {
            wrap = { .atomic($0) }
        } else if isAt("?<=") || isAt("?<!") {
            let isNegated = isAt("?<!")
            position += 3
            let body = try closed(try alternatives())
            guard case .set(let set) = body.unitSet else { throw failure("look-behind of more than one character") }
            return .lookBehind(set, isNegated: isNegated)
        } else if isAt("?") {
            position += 1
            var value = true
            while let flag = current, flag != ":", flag != ")" {
                switch flag {
                case "-": value = false
                case "i": ignoresCase = value
                default: throw failure("the group option '\(flag)'")
                }
                position += 1
            }
            if consume(")") {
                // The option holds for the rest of the enclosing group, across its alternatives.
                let rest = try alternatives()
                return rest
            }
            guard consume(":") else { throw failure("an unfinished group option") }
        }
        return wrap(try closed(try alternatives()))
    }

    private mutating func closed(_ node: PatternNode) throws(PatternError) -> PatternNode {
        guard consume(")") else { throw failure("'(' without ')'") }
        return node
    }

    // MARK: Classes

    private mutating func bracket() throws(PatternError) -> ScalarSet.Term {
        depth += 1
        guard depth <= Self.maximumDepth else { throw failure("classes nested deeper than \(Self.maximumDepth)") }
        defer { depth -= 1 }
        let isNegated = consume("^")
        let isOutermost = bracketDepth == 0
        bracketDepth += 1
        defer { bracketDepth -= 1 }
        var conjunction: [ScalarSet.Term] = []
        var terms: [ScalarSet.Term] = []
        var isFirst = true
        while true {
            guard let scalar = current else { throw failure("'[' without ']'") }
            if scalar == "]", !isFirst {
                position += 1
                break
            }
            isFirst = false
            if consume("&&") {
                conjunction.append(.any(terms))
                terms = []
                continue
            }
            if isAt("[:") { throw failure("a POSIX class") }
            if consume("[") {
                terms.append(try bracket())
                continue
            }
            terms.append(try classItem())
        }
        conjunction.append(.any(terms))
        var whole: ScalarSet.Term = conjunction.count == 1 ? conjunction[0] : .all(conjunction)
        // Case is ignored in the class as a whole, before it is negated.
        if ignoresCase, isOutermost { whole = .ignoringCase(whole) }
        return isNegated ? .not(whole) : whole
    }

    private mutating func classItem() throws(PatternError) -> ScalarSet.Term {
        let (lower, term) = try classMember()
        guard let lower else { return term }
        // A hyphen before the closing bracket is itself.
        guard isAt("-"), position + 1 < scalars.count, scalars[position + 1] != "]" else {
            return .range(lower...lower)
        }
        let hyphen = position
        position += 1
        if isAt("[") || isAt("&&") {
            position = hyphen
            return .range(lower...lower)
        }
        let (upper, _) = try classMember()
        guard let upper, lower <= upper else { throw failure("a range without order") }
        return .range(lower...upper)
    }

    /// One scalar, or a class escape.
    private mutating func classMember() throws(PatternError) -> (UInt32?, ScalarSet.Term) {
        guard let scalar = current else { throw failure("'[' without ']'") }
        position += 1
        guard scalar == "\\" else { return (scalar.value, .range(scalar.value...scalar.value)) }
        if consume("b") { return (0x08, .range(0x08...0x08)) }
        let term = try escape(foldingCase: false)
        if case .range(let range) = term, range.count == 1 { return (range.lowerBound, term) }
        return (nil, term)
    }

    private mutating func escape(foldingCase: Bool = true) throws(PatternError) -> ScalarSet.Term {
        guard let scalar = current else { throw failure("a backslash at the end") }
        position += 1
        switch scalar {
        case "s": return .whiteSpace
        case "S": return .not(.whiteSpace)
        case "d": return .categories(UnicodeCategory.decimalNumber.bit)
        case "D": return .not(.categories(UnicodeCategory.decimalNumber.bit))
        case "w": return .word
        case "W": return .not(.word)
        case "p", "P": return try property(isNegated: scalar == "P")
        case "n": return .range(0x0A...0x0A)
        case "r": return .range(0x0D...0x0D)
        case "t": return .range(0x09...0x09)
        case "v": return .range(0x0B...0x0B)
        case "f": return .range(0x0C...0x0C)
        case "a": return .range(0x07...0x07)
        case "e": return .range(0x1B...0x1B)
        case "x", "u": return try hexadecimal(digits: scalar == "x" ? 2 : 4)
        case "0"..."9": throw failure("a back reference or octal escape")
        case "A"..."Z", "a"..."z": throw failure("the escape '\\\(scalar)'")
        default: return foldingCase ? literal(scalar.value) : .range(scalar.value...scalar.value)
        }
    }

    private mutating func hexadecimal(digits: Int) throws(PatternError) -> ScalarSet.Term {
        let isBraced = consume("{")
        var value: UInt32 = 0
        var count = 0
        while count < (isBraced ? 6 : digits), let scalar = current, scalar.isASCII,
            let digit = Character(scalar).hexDigitValue
        {
            value = value << 4 | UInt32(digit)
            count += 1
            position += 1
        }
        guard count > 0, !isBraced || consume("}"), value <= 0x10FFFF else { throw failure("an unreadable escape") }
        return .range(value...value)
    }

    private mutating func property(isNegated: Bool) throws(PatternError) -> ScalarSet.Term {
        var name = ""
        var isNegated = isNegated
        if consume("{") {
            if consume("^") { isNegated.toggle() }
            while let scalar = current, scalar != "}" {
                name += String(scalar)
                position += 1
            }
            guard consume("}") else { throw failure("an unfinished property") }
        } else if let scalar = current {
            name = String(scalar)
            position += 1
        }
        let term: ScalarSet.Term
        if let mask = UnicodeCategory.mask(named: name) {
            term = .categories(mask)
        } else if let ranges = UnicodeScripts.ranges(named: name) {
            term = .any(ranges.map { .range($0) })
        } else if ["space", "white_space", "whitespace"].contains(name.lowercased()) {
            term = .whiteSpace
        } else {
            throw failure("the property '\(name)'")
        }
        return isNegated ? .not(term) : term
    }

    // MARK: Case

    /// The scalar and, where case is ignored, its case variants.
    private func literal(_ scalar: UInt32) -> ScalarSet.Term {
        guard ignoresCase else { return .range(scalar...scalar) }
        return .any(Set(CaseVariants.of(scalar) + [scalar]).sorted().map { .range($0...$0) })
    }
}

extension PatternNode {
    /// Whether it can match without taking a scalar.
    var canBeEmpty: Bool {
        switch self {
        case .set: false
        case .empty, .look, .lookBehind, .assertion: true
        case .sequence(let nodes): nodes.allSatisfy(\.canBeEmpty)
        case .alternatives(let nodes): nodes.contains(where: \.canBeEmpty)
        case .repeated(let node, let minimum, _, _): minimum == 0 || node.canBeEmpty
        case .atomic(let node): node.canBeEmpty
        }
    }

    /// The node itself where it is one set, for look-behind.
    fileprivate var unitSet: PatternNode? {
        if case .set = self { return self }
        return nil
    }
}

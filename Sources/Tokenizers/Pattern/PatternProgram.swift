/// A compiled regular expression.
struct PatternProgram: Sendable {
    enum Instruction: Sendable {
        /// One scalar of the set.
        case set(Int)
        /// A run of scalars of the set; gives back one by one unless possessive.
        case run(set: Int, minimum: Int, maximum: Int, PatternNode.Greed)
        /// Tries the first address, then the second.
        case split(Int, Int)
        case jump(Int)
        /// The body lies at the next address and ends with `accept`; continues at `end`.
        case look(end: Int, isNegated: Bool)
        case lookBehind(set: Int, isNegated: Bool)
        case atomic(end: Int)
        case assertion(PatternNode.Assertion)
        case accept
    }

    private(set) var instructions: [Instruction] = []
    private(set) var sets: [ScalarSet] = []
    /// ASCII scalars that a match may begin with, and whether others or an empty match are possible.
    private(set) var first = FirstScalars()
    /// Where the whole expression begins with `X+`: a failed attempt rules out the rest of that run.
    private(set) var leadingRun: Int?

    private static let maximumCount = 20_000

    init(_ pattern: String) throws(PatternError) {
        let node = try PatternParser.parse(pattern)
        guard emit(node) else {
            throw PatternError(pattern: pattern, offset: 0, reason: "too many repetitions")
        }
        instructions.append(.accept)
        first = FirstScalars(node)
        var head = node
        if case .sequence(let nodes) = node { head = nodes[0] }
        if case .repeated(.set, 1, nil, .greedy) = head, case .run(let set, _, _, _)? = instructions.first {
            leadingRun = set
        }
    }

    private mutating func index(of set: ScalarSet) -> Int {
        if let known = sets.firstIndex(of: set) { return known }
        sets.append(set)
        return sets.count - 1
    }

    /// False when the program grows beyond bounds.
    private mutating func emit(_ node: PatternNode) -> Bool {
        guard instructions.count < Self.maximumCount else { return false }
        switch node {
        case .empty: break
        case .set(let set): instructions.append(.set(index(of: set)))
        case .assertion(let assertion): instructions.append(.assertion(assertion))
        case .lookBehind(let set, let isNegated):
            instructions.append(.lookBehind(set: index(of: set), isNegated: isNegated))
        case .sequence(let nodes):
            for node in nodes where !emit(node) { return false }
        case .alternatives(let options): return emit(options[...])
        case .look(let body, let isNegated):
            let start = placeholder()
            guard emit(body) else { return false }
            instructions.append(.accept)
            instructions[start] = .look(end: instructions.count, isNegated: isNegated)
        case .atomic(let body): return emitAtomic(body)
        case .repeated(.set(let set), let minimum, let maximum, let greed):
            instructions.append(.run(set: index(of: set), minimum: minimum, maximum: maximum ?? .max, greed))
        case .repeated(let body, let minimum, let maximum, .possessive):
            return emitAtomic(.repeated(body, minimum: minimum, maximum: maximum, .greedy))
        case .repeated(let body, let minimum, let maximum, let greed):
            return emit(body, minimum: minimum, maximum: maximum, isGreedy: greed == .greedy)
        }
        return true
    }

    private mutating func placeholder() -> Int {
        instructions.append(.accept)
        return instructions.count - 1
    }

    private mutating func emit(_ options: ArraySlice<PatternNode>) -> Bool {
        guard let option = options.first else { return true }
        guard options.count > 1 else { return emit(option) }
        var ends: [Int] = []
        for (offset, option) in options.enumerated() {
            let isLast = offset == options.count - 1
            let start = isLast ? 0 : placeholder()
            guard emit(option) else { return false }
            if isLast { continue }
            ends.append(placeholder())
            instructions[start] = .split(start + 1, instructions.count)
        }
        for end in ends { instructions[end] = .jump(instructions.count) }
        return true
    }

    private mutating func emitAtomic(_ body: PatternNode) -> Bool {
        let start = placeholder()
        guard emit(body) else { return false }
        instructions.append(.accept)
        instructions[start] = .atomic(end: instructions.count)
        return true
    }

    private mutating func emit(_ body: PatternNode, minimum: Int, maximum: Int?, isGreedy: Bool) -> Bool {
        for _ in 0..<minimum where !emit(body) { return false }
        guard let maximum else {
            let start = placeholder()
            guard emit(body) else { return false }
            instructions.append(.jump(start))
            let end = instructions.count
            instructions[start] = isGreedy ? .split(start + 1, end) : .split(end, start + 1)
            return true
        }
        var exits: [Int] = []
        for _ in minimum..<max(minimum, maximum) {
            exits.append(placeholder())
            guard emit(body) else { return false }
        }
        let end = instructions.count
        for exit in exits { instructions[exit] = isGreedy ? .split(exit + 1, end) : .split(end, exit + 1) }
        return true
    }
}

/// What a match can begin with: lets a search skip over text at one table look-up per byte.
struct FirstScalars: Sendable {
    var low: UInt64 = .max
    var high: UInt64 = .max
    var includesOthers = true

    init() {}

    init(_ node: PatternNode) {
        guard !node.canBeEmpty, let found = Self.find(node) else { return }
        self = found
    }

    /// Whether a match can begin with this byte.
    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        if byte < 64 { return low >> UInt64(byte) & 1 != 0 }
        if byte < 128 { return high >> UInt64(byte - 64) & 1 != 0 }
        return includesOthers
    }

    /// nil stands for anything.
    private static func find(_ node: PatternNode) -> FirstScalars? {
        switch node {
        case .empty, .look, .lookBehind, .assertion:
            return nil
        case .set(let set):
            var first = FirstScalars()
            (first.low, first.high) = set.asciiMembers
            return first
        case .atomic(let body), .repeated(let body, _, _, _):
            return find(body)
        case .alternatives(let options):
            var union = FirstScalars()
            (union.low, union.high) = (0, 0)
            for option in options {
                guard let first = find(option) else { return nil }
                union.low |= first.low
                union.high |= first.high
            }
            return union
        case .sequence(let nodes):
            var union: FirstScalars?
            for node in nodes {
                guard let first = find(node) else { return nil }
                union = FirstScalars(union, first)
                if !node.canBeEmpty { return union }
            }
            return nil
        }
    }

    private init(_ left: FirstScalars?, _ right: FirstScalars) {
        low = (left?.low ?? 0) | right.low
        high = (left?.high ?? 0) | right.high
    }
}

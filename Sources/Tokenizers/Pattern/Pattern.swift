/// A regular expression over UTF-8 text, for the pre-tokenizers that no hand-written scanner knows.
///
/// A backtracking matcher with an explicit stack and a budget of steps in proportion to the text, so that no expression
/// of a hostile file can hang or overflow: where the budget ends, the rest of the text is one unmatched piece.
struct Pattern: Sendable {
    let source: String
    private let program: PatternProgram

    init(_ source: String) throws(PatternError) {
        self.source = source
        program = try PatternProgram(source)
    }

    /// Steps that the search of a text may take. Expressions of real tokenizers need about ten per byte; the constant
    /// part lets those that are quadratic finish on short texts.
    static func budget(for count: Int) -> Int { 4_000_000 + 400 * count }

    /// Calls `body` with every match in order, inside `range`, as if nothing but the range existed.
    ///
    /// - Parameter budget: shared by all ranges of one text; from where it is used up nothing matches.
    func forEachMatch(
        in text: UnsafeBufferPointer<UInt8>,
        range: Range<Int>,
        budget: inout Int,
        _ body: (Range<Int>) -> Void
    ) {
        let slice = UnsafeBufferPointer(rebasing: text[range])
        var matcher = Matcher(program: program, text: slice, budget: budget)
        defer { budget = matcher.budget }
        var position = 0
        // An empty match right after another match is none, as in every search loop.
        var lastEnd = -1
        while position <= slice.count {
            if position < slice.count, !program.first.contains(slice[position]) {
                position += 1
                continue
            }
            if let end = matcher.match(at: position), end > position || lastEnd != position {
                body(range.lowerBound + position..<range.lowerBound + end)
                lastEnd = end
                if end > position {
                    position = end
                    continue
                }
            } else if matcher.budget <= 0 {
                return
            } else if let run = program.leadingRun {
                position = max(position + 1, matcher.endOfRun(run, from: position))
                continue
            }
            guard position < slice.count else { return }
            position += UTF8Scanning.scalar(slice, at: position).count
        }
    }
}

private struct Matcher {
    let program: PatternProgram
    let text: UnsafeBufferPointer<UInt8>
    var budget: Int
    private var stack: [Frame] = []

    init(program: PatternProgram, text: UnsafeBufferPointer<UInt8>, budget: Int) {
        self.program = program
        self.text = text
        self.budget = budget
    }

    /// Where to continue when the present way fails.
    private struct Frame {
        var address: Int
        var position: Int
        /// A greedy run gives back scalars down to this position; -1 for a plain alternative.
        var lowest: Int
        /// A lazy run may take this many more scalars of the set before the address; 0 otherwise.
        var remaining = 0
        var set = 0
    }

    mutating func match(at position: Int) -> Int? { run(from: 0, at: position) }

    mutating func endOfRun(_ set: Int, from start: Int) -> Int {
        var position = start
        take(set, maximum: .max, &position)
        return position
    }

    @discardableResult
    private mutating func take(_ set: Int, maximum: Int, _ position: inout Int) -> Int {
        var taken = 0
        let members = program.sets[set]
        while taken < maximum, position < text.count {
            let scalar = UTF8Scanning.scalar(text, at: position)
            guard members.contains(scalar.value) else { break }
            position += scalar.count
            taken += 1
        }
        budget -= taken
        return taken
    }

    /// Runs the program from an address to its `accept`; the frames below stay untouched.
    private mutating func run(from start: Int, at origin: Int) -> Int? {
        let base = stack.count
        defer { stack.removeSubrange(base...) }
        var address = start
        var position = origin
        while true {
            budget -= 1
            guard budget > 0 else { return nil }
            if step(&address, &position) {
                if case .accept = program.instructions[address] { return position }
                continue
            }
            guard backtrack(to: base, &address, &position) else { return nil }
        }
    }

    /// One instruction; false when it fails. An `accept` is left for the caller.
    private mutating func step(_ address: inout Int, _ position: inout Int) -> Bool {
        switch program.instructions[address] {
        case .accept:
            return true
        case .set(let set):
            guard position < text.count else { return false }
            let scalar = UTF8Scanning.scalar(text, at: position)
            guard program.sets[set].contains(scalar.value) else { return false }
            position += scalar.count
            address += 1
        case .run(let set, let minimum, let maximum, .lazy):
            guard take(set, maximum: minimum, &position) == minimum else { return false }
            address += 1
            if maximum > minimum {
                stack.append(
                    Frame(address: address, position: position, lowest: -1, remaining: maximum - minimum, set: set)
                )
            }
        case .run(let set, let minimum, let maximum, let greed):
            guard take(set, maximum: minimum, &position) == minimum else { return false }
            let lowest = position
            if maximum > minimum { take(set, maximum: maximum - minimum, &position) }
            address += 1
            if greed == .greedy, position > lowest {
                stack.append(Frame(address: address, position: position, lowest: lowest))
            }
        case .split(let first, let second):
            stack.append(Frame(address: second, position: position, lowest: -1))
            address = first
        case .jump(let target):
            address = target
        case .look(let end, let isNegated):
            guard (run(from: address + 1, at: position) == nil) == isNegated else { return false }
            address = end
        case .lookBehind(let set, let isNegated):
            var isMember = false
            if position > 0 {
                let before = UTF8Scanning.start(text, before: position, lowerBound: 0)
                isMember = program.sets[set].contains(UTF8Scanning.scalar(text, at: before).value)
            }
            guard isMember != isNegated else { return false }
            address += 1
        case .atomic(let end):
            guard let after = run(from: address + 1, at: position) else { return false }
            position = after
            address = end
        case .assertion(let assertion):
            guard holds(assertion, at: position) else { return false }
            address += 1
        }
        return true
    }

    /// Takes up the most recent alternative above `base`; false when there is none.
    private mutating func backtrack(to base: Int, _ address: inout Int, _ position: inout Int) -> Bool {
        while stack.count > base {
            let top = stack.count - 1
            address = stack[top].address
            if stack[top].lowest >= 0 {
                let shorter = UTF8Scanning.start(text, before: stack[top].position, lowerBound: stack[top].lowest)
                position = shorter
                if shorter > stack[top].lowest { stack[top].position = shorter } else { stack.removeLast() }
                return true
            }
            if stack[top].remaining > 0 {
                var longer = stack[top].position
                guard take(stack[top].set, maximum: 1, &longer) == 1 else {
                    stack.removeLast()
                    continue
                }
                position = longer
                stack[top].position = longer
                stack[top].remaining -= 1
                if stack[top].remaining == 0 { stack.removeLast() }
                return true
            }
            position = stack[top].position
            stack.removeLast()
            return true
        }
        return false
    }

    private func holds(_ assertion: PatternNode.Assertion, at position: Int) -> Bool {
        switch assertion {
        case .textStart: position == 0
        case .textEnd: position == text.count
        case .lineStart: position == 0 || text[position - 1] == 0x0A
        case .lineEnd: position == text.count || text[position] == 0x0A
        case .lastLineEnd: position == text.count || position == text.count - 1 && text[position] == 0x0A
        case .wordBoundary: isWord(before: position) != isWord(after: position)
        case .noWordBoundary: isWord(before: position) == isWord(after: position)
        }
    }

    private func isWord(before position: Int) -> Bool {
        guard position > 0 else { return false }
        let start = UTF8Scanning.start(text, before: position, lowerBound: 0)
        return Self.isWord(UTF8Scanning.scalar(text, at: start).value)
    }

    private func isWord(after position: Int) -> Bool {
        position < text.count && Self.isWord(UTF8Scanning.scalar(text, at: position).value)
    }

    private static func isWord(_ value: UInt32) -> Bool {
        UnicodeClasses.isWord(value) || PatternParser.latinNumbers.contains { $0.contains(value) }
    }
}

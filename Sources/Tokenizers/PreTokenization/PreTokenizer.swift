/// Cuts text into the words that merges never cross.
struct PreTokenizer: Sendable {
    /// What finds the places of a split.
    enum Splitter: Sendable {
        case scanner(WordScanner)
        case pattern(Pattern)
        case literal([UInt8])
        /// Every scalar of the set, or every run of them.
        case scalars(ScalarSet, runs: Bool)
    }

    /// What becomes of the matches (Hugging Face's names).
    enum Behavior: String, Sendable {
        case isolated = "Isolated"
        case removed = "Removed"
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
        case contiguous = "Contiguous"
    }

    enum PrependScheme: String, Sendable { case always, first, never }

    enum Step: Sendable {
        case split(Splitter, Behavior, isInverted: Bool)
        /// A space before every word that does not begin with one (`add_prefix_space`).
        case prefixSpace
        /// Spaces become `replacement`; words begin with it.
        case metaspace(replacement: [UInt8], PrependScheme, splits: Bool)
        /// Bytes become the scalars that stand for them, for the steps after a ByteLevel step.
        case byteAlphabet
    }

    var steps: [Step] = []

    /// The words of the text, as ranges of its bytes. Steps that change the text replace it.
    func words(of text: inout AlignedText) -> [Range<Int>] {
        var words = text.bytes.isEmpty ? [] : [0..<text.bytes.count]
        for step in steps {
            switch step {
            case .split(let splitter, let behavior, let isInverted):
                words = text.bytes.withUnsafeBufferPointer {
                    Self.split(words, of: $0, splitter, behavior, isInverted)
                }
            case .prefixSpace:
                text = Self.rewritten(text, &words) { source, word, output, text in
                    if source[word.lowerBound] != 0x20 {
                        output.append(CollectionOfOne(0x20), replacing: word.lowerBound..<word.lowerBound, of: text)
                    }
                    output.copy(word, of: text)
                }
            case .byteAlphabet:
                text = Self.rewritten(text, &words) { source, word, output, text in
                    for position in word {
                        var scalar: [UInt8] = []
                        ByteAlphabet.encode(CollectionOfOne(source[position]), into: &scalar)
                        output.append(scalar, replacing: position..<position + 1, of: text)
                    }
                }
            case .metaspace(let replacement, let scheme, let splits):
                text = Self.metaspace(text, &words, replacement, scheme)
                if splits {
                    words = text.bytes.withUnsafeBufferPointer {
                        Self.split(words, of: $0, .literal(replacement), .mergedWithNext, false)
                    }
                }
            }
        }
        return words
    }

    /// Rewrites word by word, keeping the words.
    private static func rewritten(
        _ text: AlignedText,
        _ words: inout [Range<Int>],
        _ body: (UnsafeBufferPointer<UInt8>, Range<Int>, inout AlignedText, AlignedText) -> Void
    ) -> AlignedText {
        text.rewritten { source, output in
            for index in words.indices {
                let start = output.bytes.count
                body(source, words[index], &output, text)
                words[index] = start..<output.bytes.count
            }
        }
    }

    private static func metaspace(
        _ text: AlignedText,
        _ words: inout [Range<Int>],
        _ replacement: [UInt8],
        _ scheme: PrependScheme
    ) -> AlignedText {
        rewritten(text, &words) { source, word, output, text in
            let begins = source[word.lowerBound] == 0x20 || source[word].starts(with: replacement)
            let isFirst = word.lowerBound == 0 && text.beginsAtSourceStart
            if !begins, scheme == .always || scheme == .first && isFirst {
                output.append(replacement, replacing: word.lowerBound..<word.lowerBound, of: text)
            }
            for position in word {
                if source[position] == 0x20 {
                    output.append(replacement, replacing: position..<position + 1, of: text)
                } else {
                    output.copy(position..<position + 1, of: text)
                }
            }
        }
    }

    // MARK: Splitting

    private static func split(
        _ words: [Range<Int>],
        of text: UnsafeBufferPointer<UInt8>,
        _ splitter: Splitter,
        _ behavior: Behavior,
        _ isInverted: Bool
    ) -> [Range<Int>] {
        var result: [Range<Int>] = []
        if case .scanner(let scanner) = splitter, behavior != .removed, !isInverted {
            // These expressions match everywhere: isolated matches are the words.
            result.reserveCapacity(text.count / 4 + words.count)
            for word in words { scanner.scan(text, range: word, into: &result) }
            return result
        }
        result.reserveCapacity(words.count + words.count / 4)
        var parts: [Part] = []
        var budget = Pattern.budget(for: text.count)
        for word in words {
            parts.removeAll(keepingCapacity: true)
            find(splitter, in: text, word, isInverted, &budget, &parts)
            append(parts, behavior, to: &result)
        }
        return result
    }

    /// A match of a splitter, or what lies between two.
    struct Part {
        var range: Range<Int>
        var isMatch: Bool
    }

    static func parts(of range: Range<Int>, in text: UnsafeBufferPointer<UInt8>, _ splitter: Splitter) -> [Part] {
        var parts: [Part] = []
        var budget = Pattern.budget(for: range.count)
        find(splitter, in: text, range, false, &budget, &parts)
        return parts
    }

    private static func find(
        _ splitter: Splitter,
        in text: UnsafeBufferPointer<UInt8>,
        _ word: Range<Int>,
        _ isInverted: Bool,
        _ budget: inout Int,
        _ parts: inout [Part]
    ) {
        var end = word.lowerBound
        func add(_ match: Range<Int>) {
            if match.lowerBound > end { parts.append(Part(range: end..<match.lowerBound, isMatch: isInverted)) }
            parts.append(Part(range: match, isMatch: !isInverted))
            end = match.upperBound
        }
        switch splitter {
        case .scanner(let scanner):
            var matches: [Range<Int>] = []
            scanner.scan(text, range: word, into: &matches)
            for match in matches { add(match) }
        case .pattern(let pattern):
            pattern.forEachMatch(in: text, range: word, budget: &budget, add)
        case .literal(let literal):
            guard let first = literal.first else { break }
            var position = word.lowerBound
            while position + literal.count <= word.upperBound {
                if text[position] == first, text[position..<position + literal.count].elementsEqual(literal) {
                    add(position..<position + literal.count)
                    position += literal.count
                } else {
                    position += 1
                }
            }
        case .scalars(let set, let runs):
            var position = word.lowerBound
            while position < word.upperBound {
                let scalar = UTF8Scanning.scalar(text, at: position)
                var next = position + scalar.count
                if set.contains(scalar.value) {
                    while runs, next < word.upperBound {
                        let following = UTF8Scanning.scalar(text, at: next)
                        guard set.contains(following.value) else { break }
                        next += following.count
                    }
                    add(position..<next)
                }
                position = next
            }
        }
        if end < word.upperBound { parts.append(Part(range: end..<word.upperBound, isMatch: isInverted)) }
    }

    private static func append(_ parts: [Part], _ behavior: Behavior, to words: inout [Range<Int>]) {
        func add(_ range: Range<Int>) {
            if !range.isEmpty { words.append(range) }
        }
        switch behavior {
        case .isolated:
            for part in parts { add(part.range) }
        case .removed:
            for part in parts where !part.isMatch { add(part.range) }
        case .contiguous:
            merge(parts, where: { $0.isMatch == $1.isMatch }, add)
        case .mergedWithPrevious:
            merge(parts, where: { !$0.isMatch && $1.isMatch }, add)
        case .mergedWithNext:
            merge(parts, where: { $0.isMatch && !$1.isMatch }, add)
        }
    }

    /// Joins each part to the one before it where `joins` says so.
    private static func merge(_ parts: [Part], where joins: (Part, Part) -> Bool, _ add: (Range<Int>) -> Void) {
        guard var pending = parts.first?.range else { return }
        for index in parts.indices.dropFirst() {
            if joins(parts[index - 1], parts[index]) {
                pending = pending.lowerBound..<parts[index].range.upperBound
            } else {
                add(pending)
                pending = parts[index].range
            }
        }
        add(pending)
    }
}

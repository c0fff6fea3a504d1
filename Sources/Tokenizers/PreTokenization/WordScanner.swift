/// Hand-written scanners for the regular expressions that most byte-level vocabularies were trained with.
///
/// Each finds the end of the match that begins at a position; the expressions match everywhere, so the words follow each
/// other without gaps. Equal to the ``Pattern`` of the same expression (tests compare them), several times faster.
struct WordScanner: Sendable, Equatable {
    enum Family: Sendable, Equatable {
        /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
        case gpt2
        /// `(?i:'s|'t|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
        case cl100k
        /// `[^\r\n\p{L}\p{N}]?[upper]*[lower]+(?i:'s|…)?|[^\r\n\p{L}\p{N}]?[upper]+[lower]*(?i:'s|…)?|\p{N}{1,3}|…[\r\n/]*|…`
        case o200k
    }

    var family: Family
    /// Longest run of digits of one word (cl100k and o200k).
    var maximumDigits = 3
    /// Whether English contractions are words of their own.
    var splitsContractions = true
    /// Whether combining marks count as letters (cl100k).
    var joinsMarks = false

    /// What a scalar is to the scanners.
    private struct Kind: OptionSet {
        var rawValue: UInt8
        static let letter = Kind(rawValue: 1)
        static let number = Kind(rawValue: 2)
        static let space = Kind(rawValue: 4)
        static let mark = Kind(rawValue: 8)
        /// Lu, Lt, Lm, Lo, M.
        static let upper = Kind(rawValue: 16)
        /// Ll, Lm, Lo, M.
        static let lower = Kind(rawValue: 32)
    }

    private static let kinds: [UInt8] = UnicodeCategory.allCases.map { category in
        switch category {
        case .uppercaseLetter, .titlecaseLetter: Kind([.letter, .upper]).rawValue
        case .lowercaseLetter: Kind([.letter, .lower]).rawValue
        case .modifierLetter, .otherLetter: Kind([.letter, .upper, .lower]).rawValue
        case .nonspacingMark, .spacingMark, .enclosingMark: Kind([.mark, .upper, .lower]).rawValue
        case .decimalNumber, .letterNumber, .otherNumber: Kind.number.rawValue
        default: 0
        }
    }

    private static let asciiKinds: [UInt8] = UnicodeClasses.ascii.map { kind(of: $0) }

    private static func kind(of classByte: UInt8) -> UInt8 {
        kinds[Int(classByte & 0x1F)] | (classByte & UnicodeClasses.whiteSpaceBit != 0 ? Kind.space.rawValue : 0)
    }

    /// Appends the words of `range` to `words`.
    func scan(_ text: UnsafeBufferPointer<UInt8>, range: Range<Int>, into words: inout [Range<Int>]) {
        Self.asciiKinds.withUnsafeBufferPointer { asciiKinds in
            let cursor = Cursor(text: text, end: range.upperBound, asciiKinds: asciiKinds, scanner: self)
            var position = range.lowerBound
            while position < range.upperBound {
                let end =
                    switch family {
                    case .gpt2: cursor.gpt2(position)
                    case .cl100k: cursor.cl100k(position)
                    case .o200k: cursor.o200k(position)
                    }
                words.append(position..<end)
                position = end
            }
        }
    }

    private struct Cursor {
        let text: UnsafeBufferPointer<UInt8>
        let end: Int
        let asciiKinds: UnsafeBufferPointer<UInt8>
        let scanner: WordScanner

        /// The scalar's kind and the position after it; an empty kind and the same position at the end.
        @inline(__always)
        func look(_ position: Int) -> (kind: Kind, next: Int) {
            guard position < end else { return ([], position) }
            let byte = text[position]
            if byte < 0x80 { return (Kind(rawValue: asciiKinds[Int(byte)]), position + 1) }
            let scalar = UTF8Scanning.scalar(text, at: position)
            let kind = WordScanner.kind(of: UnicodeClasses.classByte(scalar.value))
            return (Kind(rawValue: kind), position + scalar.count)
        }

        @inline(__always)
        func byte(_ position: Int) -> UInt8 { position < end ? text[position] : 0 }

        @inline(__always)
        func isNewLine(_ position: Int) -> Bool { position < end && (text[position] == 0x0A || text[position] == 0x0D) }

        /// End of the run of scalars that have any of the kinds.
        @inline(__always)
        func run(_ position: Int, anyOf kinds: Kind) -> Int {
            var position = position
            while position < end {
                let (kind, next) = look(position)
                guard !kind.isDisjoint(with: kinds) else { break }
                position = next
            }
            return position
        }

        /// End of the run of scalars that have none of the kinds.
        @inline(__always)
        func run(_ position: Int, noneOf kinds: Kind) -> Int {
            var position = position
            while position < end {
                let (kind, next) = look(position)
                guard kind.isDisjoint(with: kinds) else { break }
                position = next
            }
            return position
        }

        /// End of `'s`, `'t`, `'re`… at an apostrophe; nil where there is none.
        func contraction(_ position: Int, ignoringCase: Bool) -> Int? {
            guard byte(position) == UInt8(ascii: "'") else { return nil }
            let fold: UInt8 = ignoringCase ? 0x20 : 0
            switch byte(position + 1) | fold {
            case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
                // Folding turns no other byte than a letter into these four.
                return position + 2
            case UInt8(ascii: "r") where byte(position + 2) | fold == UInt8(ascii: "e"),
                UInt8(ascii: "v") where byte(position + 2) | fold == UInt8(ascii: "e"),
                UInt8(ascii: "l") where byte(position + 2) | fold == UInt8(ascii: "l"):
                return position + 3
            default:
                // The long s is an s to whoever ignores case.
                if ignoringCase, byte(position + 1) == 0xC5, byte(position + 2) == 0xBF { return position + 3 }
                return nil
            }
        }

        /// `\s*[\r\n]+|\s+(?!\S)|\s+`, or without the first part, at a white-space scalar.
        func whiteSpace(_ position: Int, breaksAtNewLines: Bool) -> Int {
            var last = position
            var runEnd = position
            var afterNewLine: Int?
            while runEnd < end {
                let (kind, next) = look(runEnd)
                guard kind.contains(.space) else { break }
                if isNewLine(runEnd) { afterNewLine = next }
                last = runEnd
                runEnd = next
            }
            if breaksAtNewLines, let afterNewLine { return afterNewLine }
            return runEnd == end || last == position ? runEnd : last
        }

        func gpt2(_ position: Int) -> Int {
            if let end = contraction(position, ignoringCase: false) { return end }
            var start = position
            var (kind, next) = look(position)
            if text[position] == 0x20, next < end {
                let (following, after) = look(next)
                if !following.contains(.space) { (start, kind, next) = (next, following, after) }
            }
            if kind.contains(.letter) { return run(next, anyOf: .letter) }
            if kind.contains(.number) { return run(next, anyOf: .number) }
            if kind.contains(.space) { return whiteSpace(start, breaksAtNewLines: false) }
            return run(next, noneOf: [.space, .letter, .number])
        }

        func cl100k(_ position: Int) -> Int {
            if scanner.splitsContractions, let end = contraction(position, ignoringCase: true) { return end }
            let letters: Kind = scanner.joinsMarks ? [.letter, .mark] : .letter
            let (kind, next) = look(position)
            if !kind.isDisjoint(with: letters) { return run(next, anyOf: letters) }
            if kind.contains(.number) { return digits(position) }
            if !isNewLine(position) {
                let (following, after) = look(next)
                if !following.isDisjoint(with: letters) { return run(after, anyOf: letters) }
            }
            return punctuationOrSpace(position, kind, next, excluding: letters, takesSlash: false)
        }

        private func digits(_ position: Int) -> Int {
            var position = position
            for _ in 0..<scanner.maximumDigits {
                let (kind, next) = look(position)
                guard kind.contains(.number) else { break }
                position = next
            }
            return position
        }

        /// ` ?[^\s\p{L}\p{N}]+[\r\n]*` and the white space after it in the expression.
        @inline(__always)
        private func punctuationOrSpace(
            _ position: Int,
            _ kind: Kind,
            _ next: Int,
            excluding letters: Kind,
            takesSlash: Bool
        ) -> Int {
            let excluded = letters.union([.space, .number])
            var start = position
            if text[position] == 0x20, next < end, look(next).kind.isDisjoint(with: excluded) { start = next }
            guard start > position || kind.isDisjoint(with: excluded) else {
                return whiteSpace(position, breaksAtNewLines: true)
            }
            var tail = run(start, noneOf: excluded)
            while isNewLine(tail) || takesSlash && byte(tail) == UInt8(ascii: "/") { tail += 1 }
            return tail
        }

        func o200k(_ position: Int) -> Int {
            let (kind, next) = look(position)
            let canPrecede = kind.isDisjoint(with: [.letter, .number]) && !isNewLine(position)
            // In the order of the expression: each alternative first with, then without the character before the word.
            if let word = (canPrecede ? endingLower(next) : nil) ?? endingLower(position)
                ?? (canPrecede ? beginningUpper(next) : nil) ?? beginningUpper(position)
            {
                guard scanner.splitsContractions else { return word }
                return contraction(word, ignoringCase: true) ?? word
            }
            if kind.contains(.number) { return digits(position) }
            return punctuationOrSpace(position, kind, next, excluding: .letter, takesSlash: true)
        }

        /// `[upper]*[lower]+`: scalars that are both (Lm, Lo, M) may end the first run or begin the second.
        private func endingLower(_ position: Int) -> Int? {
            var upperEnd = position
            var afterBoth: Int?
            while true {
                let (kind, next) = look(upperEnd)
                guard kind.contains(.upper) else { break }
                if kind.contains(.lower) { afterBoth = next }
                upperEnd = next
            }
            if look(upperEnd).kind.contains(.lower) { return run(upperEnd, anyOf: .lower) }
            return afterBoth
        }

        /// `[upper]+[lower]*`
        private func beginningUpper(_ position: Int) -> Int? {
            let upperEnd = run(position, anyOf: .upper)
            return upperEnd > position ? run(upperEnd, anyOf: .lower) : nil
        }
    }
}

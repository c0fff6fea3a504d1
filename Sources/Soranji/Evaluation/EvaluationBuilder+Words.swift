/// Tasks that are about the whole context: following a value, counting words.
extension EvaluationBuilder {
    /// "VAR A = 12345", then "VAR B = VAR A" and so on: five variables, one value.
    func variableCases(_ samples: [Int], _ lengths: [Int]) -> Group {
        let opening = opening("Remember which variables are given which values in the following text.\n")
        let haystack = Haystack(upTo: lengths.max() ?? 0, encoder: encoder) {
            " " + Prose.noise[$0 % Prose.noise.count]
        }
        var group = Group(haystack: haystack)
        for length in lengths {
            for sample in samples {
                var random = EvaluationRandom(seed: seed, "variables", length, sample)
                let names = Self.variableNames(5, &random)
                let value = random.digits(5)
                var depths = Self.spread(names.count, &random)
                depths.sort()
                let needles = names.indices.map { index in
                    let source = index == 0 ? value : "VAR " + names[index - 1]
                    return (depth: depths[index], tokens: encoder.tokens(" VAR \(names[index]) = \(source)."))
                }
                let question = question(
                    "Which variables have the value \(value)? There are \(names.count).",
                    answer: "The variables that have the value \(value) are",
                    names,
                    .variables
                )
                let needed =
                    opening.count + needles.reduce(0) { $0 + $1.tokens.count } + Self.room([question], inTurns: false)
                let sentences = haystack.sentences(fitting: length - needed)
                guard needed <= length, sentences > 0 else {
                    group.tooShort.append((length, needed + haystack.tokenCount(sentences: 1)))
                    continue
                }
                group.cases.append(
                    place(
                        .init(task: .variables, lengthTokens: length, sample: sample),
                        opening: opening,
                        hidden: haystack.hiding(needles, sentences: sentences),
                        questions: [question]
                    )
                )
            }
        }
        return group
    }

    /// Five capital letters each, all different.
    static func variableNames(_ count: Int, _ random: inout EvaluationRandom) -> [String] {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        var names: [String] = []
        for _ in 0..<count * 50 where names.count < count {
            let name = String((0..<5).map { _ in random.pick(letters) })
            if !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// A numbered list in which ten words come thirty times and all others three times.
    func commonWordsCases(_ samples: [Int], _ lengths: [Int]) -> Group {
        var group = Group()
        for length in lengths {
            for sample in samples {
                var random = EvaluationRandom(seed: seed, "common-words", length, sample)
                // Short lists have no room for that many.
                let repeats = length < 4096 ? (common: 6, other: 1) : (common: 30, other: 3)
                var words = Vocabulary(random: EvaluationRandom(seed: seed, "vocabulary", length, sample))
                let common = (0..<10).map { _ in words.next() }
                let example = exampleList(&words, &random)
                let opening = opening(
                    "Some words of a numbered list come more often than others. Remember the ones that come most often.\n"
                        + example
                )
                let question = question(
                    "Which 10 words come most often in the list above?",
                    answer: "The 10 words that come most often in the list are:",
                    common,
                    .commonWords
                )
                let room = length - opening.count - Self.room([question], inTurns: false)
                guard let list = wordList(common, &words, repeats, room: room, &random) else {
                    group.tooShort.append((length, length - room + 11 * repeats.common * 6))
                    continue
                }
                group.cases.append(
                    place(
                        .init(task: .commonWords, lengthTokens: length, sample: sample),
                        opening: opening,
                        hidden: ([.own(list)], [], 0),
                        questions: [question]
                    )
                )
            }
        }
        return group
    }

    /// A small list with its answer, so that the model sees what is wanted.
    private func exampleList(_ words: inout Vocabulary, _ random: inout EvaluationRandom) -> String {
        let common = (0..<10).map { _ in words.next() }
        var list = common.flatMap { [$0, $0, $0] } + (0..<10).map { _ in words.next() }
        random.shuffle(&list)
        return list.enumerated().map { "\($0 + 1). \($1)" }.joined(separator: " ")
            + "\nWhich 10 words come most often in the list above? The 10 words that come most often in the list are: "
            + common.enumerated().map { "\($0 + 1). \($1)" }.joined(separator: " ") + "\n\n"
    }

    /// As many other words as there is room for, each as often as it should be. Nil where not one fits.
    private func wordList(
        _ common: [String],
        _ words: inout Vocabulary,
        _ repeats: (common: Int, other: Int),
        room: Int,
        _ random: inout EvaluationRandom
    ) -> [Int32]? {
        // Numbers get longer as the list does: what a number of some digits takes is looked at once.
        let numberSizes = (0..<19).map { digits in
            encoder.tokens(" 1" + String(repeating: "0", count: digits) + ".").count
        }
        func size(ofNumbersUpTo count: Int) -> Int {
            var sum = 0
            var first = 1
            for tokens in numberSizes where first <= count {
                let next = first.multipliedReportingOverflow(by: 10)
                sum += (min(count, next.overflow ? count : next.partialValue - 1) - first + 1) * tokens
                guard !next.overflow else { break }
                first = next.partialValue
            }
            return sum
        }
        func size(_ word: String) -> Int { encoder.tokens(" 1. \(word)").count - numberSizes[0] }
        var list = common.flatMap { Array(repeating: $0, count: repeats.common) }
        var used = common.reduce(0) { $0 + repeats.common * size($1) }
        while true {
            let word = words.next()
            let more = repeats.other * size(word)
            guard used + more + size(ofNumbersUpTo: list.count + repeats.other) <= room else { break }
            used += more
            list += Array(repeating: word, count: repeats.other)
        }
        // Some vocabularies take more for one number than for another of as many digits: the last words make room.
        while list.count > common.count * repeats.common {
            var order = list
            random.shuffle(&order)
            let tokens = order.enumerated().flatMap { encoder.tokens((($0 == 0) ? "" : " ") + "\($0 + 1). \($1)") }
            if tokens.count <= room { return tokens }
            list.removeLast(repeats.other)
        }
        return nil
    }

    /// Invented words whose frequencies fall with the square of their rank; the most frequent is no word but dots.
    func frequentWordsCases(_ samples: [Int], _ lengths: [Int]) -> Group {
        var group = Group()
        let opening = opening(
            "Read the following text of invented words and keep count of how often each of them comes. "
                + "The dots are not a word.\n"
        )
        for length in lengths {
            for sample in samples {
                var random = EvaluationRandom(seed: seed, "frequent-words", length, sample)
                let vocabulary = Self.inventedWords(max(10, length / 50), &random)
                let question = question(
                    "Which 3 invented words come most often in the text above?",
                    answer: "The 3 words that come most often in the text are:",
                    Array(vocabulary[1...3]),
                    .frequentWords
                )
                let room = length - opening.count - Self.room([question], inTurns: false)
                guard let text = zetaText(vocabulary, room: room, &random) else {
                    group.tooShort.append((length, length - room + 200))
                    continue
                }
                group.cases.append(
                    place(
                        .init(task: .frequentWords, lengthTokens: length, sample: sample),
                        opening: opening,
                        hidden: ([.own(text)], [], 0),
                        questions: [question]
                    )
                )
            }
        }
        return group
    }

    /// Six letters each, consonants and vowels in turn, all different.
    static func inventedWords(_ count: Int, _ random: inout EvaluationRandom) -> [String] {
        let consonants = Array("bdfgklmnprstvz")
        let vowels = Array("aeiou")
        var words: [String] = []
        var known: Set<String> = []
        for _ in 0..<count * 20 where words.count < count {
            let word = String((0..<6).map { $0 % 2 == 0 ? random.pick(consonants) : random.pick(vowels) })
            if known.insert(word).inserted { words.append(word) }
        }
        return words
    }

    private func zetaText(_ vocabulary: [String], room: Int, _ random: inout EvaluationRandom) -> [Int32]? {
        let pieces = vocabulary.enumerated().map { encoder.tokens($0 == 0 ? " ..." : " " + $1) }
        let weights = (1...vocabulary.count).map { 1 / Double($0 * $0) }
        let sum = weights.reduce(0, +)
        // The mean piece decides how many words there are; the exact shares make the ranks what they are said to be.
        let mean = zip(pieces, weights).reduce(0) { $0 + Double($1.0.count) * $1.1 / sum }
        var words = Int(Double(max(0, room)) / max(mean, 1))
        while words >= 60 {
            let counts = weights.map { Int((Double(words) * $0 / sum).rounded(.down)) }
            let used = zip(counts, pieces).reduce(0) { $0 + $1.0 * $1.1.count }
            if used <= room {
                var order = counts.enumerated().flatMap { Array(repeating: $0, count: $1) }
                random.shuffle(&order)
                return order.flatMap { pieces[$0] }
            }
            words -= max(1, words / 200)
        }
        return nil
    }
}

/// Different English words without end: those of the lists first, then two of them in one.
struct Vocabulary {
    private var random: EvaluationRandom
    private var simple: [String]
    private var known: Set<String>
    private var drawn = 0

    init(random: EvaluationRandom) {
        self.random = random
        let nouns = (EnglishWords.beings + EnglishWords.things + EnglishWords.places).map(\.singular)
        let verbs = (EnglishWords.transitiveVerbs + EnglishWords.intransitiveVerbs).map(\.base)
        simple = Array(Set(nouns + verbs + EnglishWords.adjectives)).sorted()
        known = Set(simple)
        self.random.shuffle(&simple)
    }

    mutating func next() -> String {
        if let word = simple.popLast() { return word }
        for _ in 0..<100 {
            let word = random.pick(EnglishWords.things).singular + random.pick(EnglishWords.places).singular
            if known.insert(word).inserted { return word }
        }
        // Pairs run out in lists of a million tokens.
        drawn += 1
        let word = random.pick(EnglishWords.adjectives) + random.pick(EnglishWords.things).singular + "\(drawn)"
        known.insert(word)
        return word
    }
}

import Tensor
import Testing

@testable import Soranji

/// Generated contexts: the same for a seed, as long as they should be, with what is asked for where it should be.
struct EvaluationBuilderTests {
    private static let lengths = [700, 1500, 6000]
    private static let depths = [0, 0.25, 0.5, 0.75, 1.0]
    private static let contained: [EvaluationTask] = EvaluationTask.allCases.filter { $0 != .language }

    private func group(_ task: EvaluationTask, _ words: WordTokens, seed: UInt64 = 42) -> EvaluationBuilder.Group {
        EvaluationBuilder.plain(words, seed: seed).group(
            task,
            samples: task == .passkey || task == .language ? [0, 1, 2] : [1],
            lengths: Self.lengths,
            depths: Self.depths
        )
    }

    private func texts(_ task: EvaluationTask, seed: UInt64) -> [String] {
        let words = WordTokens()
        let group = group(task, words, seed: seed)
        return group.cases.map { item in
            words.decode(item.contextTokens(group.haystack)) + item.questions.map { words.decode($0.tokens) }.joined()
        }
    }

    @Test(arguments: EvaluationTask.allCases)
    func areTheSameForASeed(_ task: EvaluationTask) {
        let first = texts(task, seed: 7)
        #expect(!first.isEmpty)
        #expect(first == texts(task, seed: 7))
        #expect(first != texts(task, seed: 8))
    }

    /// No question comes twice, and as many are asked as was said, however samples are put together.
    @Test(arguments: EvaluationTask.allCases)
    func everySampleIsAskedOnce(_ task: EvaluationTask) {
        let words = WordTokens()
        func questions(_ samples: Int) -> [String] {
            EvaluationBuilder.sampleGroups(task, samples: samples).flatMap { samples in
                EvaluationBuilder.plain(words).group(task, samples: samples, lengths: [6000], depths: [0.5]).cases
            }.flatMap { item in
                item.questions.enumerated().map { index, question in
                    "\(item.identity) \(index) \(words.decode(question.tokens)) \(question.references)"
                }
            }
        }
        let one = questions(1)
        let three = questions(3)
        #expect(!one.isEmpty && three.count == 3 * one.count && Set(three).count == three.count)
        #expect(Set(one).isSubset(of: three))
    }

    /// Pinned: a seed means the same text in every version.
    @Test func proseIsPinned() {
        var prose = Prose(random: EvaluationRandom(seed: 1, "prose", 0))
        let sentences = (0..<3).map { _ in prose.sentence() }
        #expect(sentences.allSatisfy { $0.hasSuffix(".") || $0.hasSuffix("\"") })
        #expect(sentences.joined().allSatisfy { !$0.isNumber && $0 != "{" && $0 != "}" })
        var random = EvaluationRandom(seed: 1, "pinned", 2)
        #expect((0..<4).map { _ in random.below(1000) } == Self.pinned)
        #expect(random.digits(5).count == 5)
        #expect(random.below(0) == 0 && random.below(1) == 0)
    }

    /// SplitMix64 seeded by FNV-1a of the seed, "pinned" and 2; the upper half of a product with 1000.
    private static let pinned: [Int] = {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        let bytes = [1, 0, 0, 0, 0, 0, 0, 0] + Array("pinned".utf8) + [2, 0, 0, 0, 0, 0, 0, 0]
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var generator = SplitMix64(state: hash)
        return (0..<4).map { _ in Int(generator.next().multipliedFullWidth(by: 1000).high) }
    }()

    @Test(arguments: EvaluationTask.allCases)
    func lengthsAreHit(_ task: EvaluationTask) throws {
        let words = WordTokens()
        let group = group(task, words)
        #expect(Set(group.cases.map(\.identity)).count == group.cases.count)
        for item in group.cases {
            let total = item.contextCount + EvaluationBuilder.room(item.questions, inTurns: item.asksInTurns)
            #expect(total <= item.identity.lengthTokens, "\(item.identity)")
            #expect(item.contextTokens(group.haystack).count == item.contextCount)
            // Lists end with whole words; books stop where nothing more is to be learnt.
            guard task != .language else { continue }
            let slack = task == .commonWords ? 100 : 60
            #expect(total > item.identity.lengthTokens - slack, "\(item.identity): \(total)")
        }
        let done = Set(group.cases.map(\.identity.lengthTokens))
        #expect(done.union(group.tooShort.map(\.length)) == Set(Self.lengths))
        #expect(group.tooShort.allSatisfy { $0.needed > $0.length })
    }

    /// The needles' ranges hold the needles, at their depth, and what is asked for is in them and nowhere else.
    @Test(arguments: [EvaluationTask.passkey, .needle, .multiKey, .multiValue, .multiQuery, .secondQuestion, .allKeys])
    func needlesAreWhereTheyShouldBe(_ task: EvaluationTask) throws {
        let words = WordTokens()
        let group = group(task, words)
        for item in group.cases {
            let tokens = item.contextTokens(group.haystack)
            let context = words.decode(tokens)
            let needles = item.needles.map { words.decode(Array(tokens[$0])) }
            #expect(
                needles.allSatisfy { $0.hasPrefix(task == .passkey ? " The pass key" : " The special magic number") }
            )
            for reference in item.questions.flatMap(\.references) {
                #expect(needles.contains { $0.contains(reference) })
                #expect(context.ranges(of: reference).count == (task == .passkey ? 2 : 1))
                #expect(item.questions.allSatisfy { !words.decode($0.tokens).contains(reference) })
            }
            if let depth = item.identity.depth, let first = item.needles.first {
                let found = Double(first.lowerBound) / Double(max(1, item.contextCount - first.count))
                // Within a sentence and the introduction.
                #expect(abs(found - depth) < 60 / Double(item.contextCount) + 0.03, "\(item.identity): \(found)")
            }
            // What is shared is the beginning of the longest context of the haystack.
            let longest = group.cases.max { $0.contextCount < $1.contextCount }?.contextTokens(group.haystack) ?? []
            if item.identity.lengthTokens < 6000 || item.identity.depth == 1 {
                let shared = min(item.sharedTokens, longest.count)
                let first = group.cases.last?.contextTokens(group.haystack) ?? []
                #expect(tokens.prefix(shared) == first.prefix(shared))
            }
        }
        // In the order of what they share, so that what was read only grows.
        #expect(group.cases.map(\.sharedTokens) == group.cases.map(\.sharedTokens).sorted())
    }

    @Test func variablesAreHandedOn() throws {
        let words = WordTokens()
        let group = group(.variables, words)
        for item in group.cases {
            let tokens = item.contextTokens(group.haystack)
            let names = item.questions[0].references
            #expect(Set(names).count == 5)
            let chain = item.needles.map { words.decode(Array(tokens[$0])) }
            for index in 1..<5 { #expect(chain[index] == " VAR \(names[index]) = VAR \(names[index - 1]).") }
            #expect(item.needles.map(\.lowerBound) == item.needles.map(\.lowerBound).sorted())
        }
    }

    @Test func commonWordsAreCommon() throws {
        let words = WordTokens()
        for item in group(.commonWords, words).cases where item.identity.lengthTokens >= 4096 {
            let text = words.decode(item.contextTokens(nil))
            let list =
                text.split(separator: "\n").last?.split(separator: " ").filter { $0.last?.isLetter == true } ?? []
            var counts: [Substring: Int] = [:]
            for word in list { counts[word, default: 0] += 1 }
            let common = item.questions[0].references
            #expect(common.count == 10 && Set(common).count == 10)
            for (word, count) in counts { #expect(count == (common.contains(String(word)) ? 30 : 3)) }
        }
    }

    @Test func frequentWordsFallInFrequency() throws {
        let words = WordTokens()
        for item in group(.frequentWords, words).cases {
            let text = words.decode(item.contextTokens(nil))
            var counts: [Substring: Int] = [:]
            for word in text.split(separator: "\n").last?.split(separator: " ") ?? [] { counts[word, default: 0] += 1 }
            let ranked = counts.sorted { $0.value > $1.value }.map { String($0.key) }
            #expect(ranked.first == "...")
            #expect(Set(ranked[1...3]) == Set(item.questions[0].references))
        }
    }

    @Test func impossibleLengthsAreTold() {
        let words = WordTokens()
        for task in EvaluationTask.allCases {
            let group = EvaluationBuilder.plain(words).group(task, samples: [0], lengths: [1, 20], depths: [0.5])
            #expect(group.cases.isEmpty)
            #expect(Set(group.tooShort.map(\.length)) == [1, 20], "\(task)")
            #expect(group.tooShort.allSatisfy { $0.needed > $0.length })
        }
    }

    @Test func piecesKeepTheirSpaces() {
        // A vocabulary of sentencepiece: a space before whatever it is given.
        let encoder = PieceEncoder { text in Array((" " + text).unicodeScalars).map { Int32($0.value) } }
        #expect(encoder.tokens("ab") == [97, 98])
        #expect(encoder.tokens("") == [])
        let plain = PieceEncoder { text in text.unicodeScalars.map { Int32($0.value) } }
        #expect(plain.tokens(" ab") == [32, 97, 98])
    }
}

/// Makes the cases of tasks from a seed.
///
/// Cases of a task and of the samples that are asked for together share one haystack; lengths are hit by adding up the
/// tokens of sentences. `lengthTokens` bounds the prompt and the answer together, so that a case of 8,192 tokens fits a
/// model of 8,192.
struct EvaluationBuilder {
    let frame: EvaluationFrame
    let encoder: PieceEncoder
    let seed: UInt64

    /// What a task's cases look like for some samples.
    struct Group {
        var haystack: Haystack?
        var cases: [EvaluationCase] = []
        /// Lengths that are too short for what has to stand in the context, with what is needed at least.
        var tooShort: [(length: Int, needed: Int)] = []
    }

    /// Samples that share a haystack: all, where it is the same for every sample, else each for itself. Sentences to
    /// translate are asked of one book.
    static func sampleGroups(_ task: EvaluationTask, samples: Int) -> [[Int]] {
        switch task {
        case .passkey, .language: [Array(0..<samples)]
        default: (0..<samples).map { [$0] }
        }
    }

    /// All cases of some samples, in the order in which they share the most: by how much of the haystack they begin with.
    ///
    /// - Parameter depths: shares of the context, from 0 to 1, for tasks that vary it.
    func group(_ task: EvaluationTask, samples: [Int], lengths: [Int], depths: [Double]) -> Group {
        var group =
            switch task {
            case .passkey, .needle, .multiKey, .multiValue, .multiQuery, .secondQuestion:
                needleCases(task, samples, lengths, depths)
            case .allKeys: allKeysCases(samples, lengths, depths)
            case .variables: variableCases(samples, lengths)
            case .commonWords: commonWordsCases(samples, lengths)
            case .frequentWords: frequentWordsCases(samples, lengths)
            case .language: languageCases(samples, lengths)
            }
        group.cases = group.cases.enumerated().sorted {
            ($0.element.sharedTokens, $0.offset) < ($1.element.sharedTokens, $1.offset)
        }.map(\.element)
        return group
    }

    // MARK: Pieces

    /// A question that ends a prompt.
    func question(
        _ text: String,
        answer beginning: String,
        _ references: [String],
        _ task: EvaluationTask,
        isFirst: Bool = true
    ) -> EvaluationQuestion {
        EvaluationQuestion(
            tokens: (isFirst ? [] : frame.turning) + questionTokens(text, beginning),
            references: references,
            scoring: .containsAll,
            answerTokens: task.answerTokens
        )
    }

    /// After a template's words the beginning of an answer stands without a space before it.
    func questionTokens(_ text: String, _ beginning: String) -> [Int32] {
        let isRaw = frame.style == .raw
        return encoder.tokens((isRaw ? "\n" : "\n\n") + text) + frame.answering
            + encoder.tokens((isRaw ? " " : "") + beginning)
    }

    /// The context's beginning: what the frame opens with, and what the text is for.
    func opening(_ introduction: String) -> [Int32] { frame.opening + encoder.tokens(introduction) }

    /// Tokens that questions and their answers take beside the context.
    static func room(_ questions: [EvaluationQuestion], inTurns: Bool) -> Int {
        let sizes = questions.map { $0.tokens.count + $0.answerTokens }
        return inTurns ? sizes.reduce(0, +) : sizes.max() ?? 0
    }

    /// Moves what `Haystack.hiding` found behind an opening.
    func place(
        _ identity: EvaluationCase.Identity,
        opening: [Int32],
        hidden: (parts: [ContextPart], needles: [Range<Int>], shared: Int),
        questions: [EvaluationQuestion],
        inTurns: Bool = false
    ) -> EvaluationCase {
        EvaluationCase(
            identity: identity,
            context: [.own(opening)] + hidden.parts,
            sharedTokens: opening.count + hidden.shared,
            needles: hidden.needles.map { $0.lowerBound + opening.count..<$0.upperBound + opening.count },
            questions: questions,
            asksInTurns: inTurns
        )
    }

    /// Two words that name a number: "quiet-harbour".
    static func names(_ count: Int, _ random: inout EvaluationRandom) -> [String] {
        var names: [String] = []
        // There are some fifteen thousand pairs; the bound only guards against lists that shrink.
        for _ in 0..<count * 50 where names.count < count {
            let name = random.pick(EnglishWords.adjectives) + "-" + random.pick(EnglishWords.things).singular
            if !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// Depths of needles that are spread at random, in steps of a fortieth.
    static func spread(_ count: Int, _ random: inout EvaluationRandom) -> [Double] {
        random.sample((0...40).map { Double($0) / 40 }, count)
    }
}

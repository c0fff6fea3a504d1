import Foundation
import JSONText
import KVCache
import Models
import Tokenizers

/// What is to be evaluated.
package struct EvaluationSettings: Sendable, Equatable {
    package var tasks: [EvaluationTask]
    /// Tokens of prompt and answer together, each.
    package var lengths: [Int]
    /// Shares of the context before what is asked for.
    package var depths: [Double]
    package var samples: Int
    package var seed: UInt64
    package var style: EvaluationStyle
    /// Whether it is measured how much of an answer's attention falls on pages that are read.
    package var measuresAttention: Bool

    package init(
        tasks: [EvaluationTask],
        lengths: [Int],
        depths: [Double],
        samples: Int,
        seed: UInt64,
        style: EvaluationStyle,
        measuresAttention: Bool = false
    ) {
        self.tasks = tasks
        self.lengths = lengths
        self.depths = depths
        self.samples = samples
        self.seed = seed
        self.style = style
        self.measuresAttention = measuresAttention
    }

    /// `count` depths from the beginning to the end; the middle alone for one.
    package static func depths(_ count: Int) -> [Double] {
        count < 2 ? [0.5] : (0..<count).map { Double($0) / Double(count - 1) }
    }
}

/// Runs tasks on a model.
///
/// Cases of one haystack are run in the order of what they share: the haystack is read once, as far as the next case
/// needs it, and each case goes on from a fork of what was read. Forks begin at whole chunks, so that a case is computed
/// exactly as it would be alone.
package final class Evaluation {
    private let runtime: Runtime
    package let settings: EvaluationSettings
    private let builder: EvaluationBuilder
    private let tokenizer: Tokenizer
    private let massProbe: AttentionMassProbe?

    /// Contexts up to here have their attention measured: it takes a pass over all pages for every token of an answer.
    package static let mostMeasuredTokens = 65_536

    /// A length that was left out for a task.
    package struct Omission: Sendable, Equatable, Hashable {
        package var task: EvaluationTask
        package var lengthTokens: Int
        package var reason: String
        /// Whether more tokens would help, not fewer.
        package var isTooShort = false
    }

    /// Lengths that were left out, as far as they are known.
    package private(set) var omissions: [Omission] = []

    package init(runtime: Runtime, settings: EvaluationSettings) throws {
        guard !settings.lengths.isEmpty else { throw EvaluationError.noLengths }
        self.runtime = runtime
        self.settings = settings
        tokenizer = try runtime.requireTokenizer()
        massProbe =
            settings.measuresAttention
            ? try runtime.runner.makeMassProbe(positions: Self.mostMeasuredTokens) : nil
        builder = EvaluationBuilder(
            frame: try EvaluationFrame(settings.style, tokenizer: tokenizer, template: runtime.template),
            encoder: PieceEncoder(tokenizer),
            seed: settings.seed
        )
        let longest = runtime.contextTokens
        for task in settings.tasks {
            for length in settings.lengths where length > longest {
                omit(task, length, "does not fit: the context holds \(FixedPoint.count(longest, "token"))")
            }
        }
    }

    private func omit(_ task: EvaluationTask, _ length: Int, _ reason: String, isTooShort: Bool = false) {
        let omission = Omission(task: task, lengthTokens: length, reason: reason, isTooShort: isTooShort)
        if !omissions.contains(where: { $0.task == task && $0.lengthTokens == length }) { omissions.append(omission) }
    }

    /// What results have to have in common to be put into one file.
    package var header: JSON {
        let recall = runner.recall
        return [
            "evaluation": "soranji", "version": 2, "model": .string(runtime.modelName),
            "seed": .string("\(settings.seed)"), "style": .string(settings.style.rawValue),
            "vocabulary": .integer(Int64(runtime.vocabularySize)), "kv": .string(runtime.cacheElement.rawValue),
            "attention": .string(runtime.attention.mode.rawValue),
            "recall_window": recall.map { .integer(Int64($0.localPositions)) } ?? .null,
            "recall_pages": recall.map { .integer(Int64($0.retrievedPages)) } ?? .null,
            "recall_step": recall.map { .integer(Int64($0.rankingStep)) } ?? .null,
            "recall_lock": .string(runtime.attention.questionLock.rawValue),
            "recall_words": .integer(Int64(runtime.attention.wordPages)),
            "measures_attention": .bool(settings.measuresAttention),
        ]
    }

    /// How far a run has come, in tokens to be read: what is shared counts once.
    package struct Progress: Sendable {
        package var task: EvaluationTask
        package var doneTokens: Int
        package var totalTokens: Int
    }

    /// Runs everything that is not known yet.
    ///
    /// - Parameters:
    ///   - known: results of an earlier run, which are not computed again.
    ///   - onRecord: called with each new result, at once.
    package func run(
        known: [EvaluationRecord] = [],
        onProgress: (Progress) throws -> Void = { _ in },
        onRecord: (EvaluationRecord) throws -> Void
    ) throws {
        let done = Set(known.map(\.key))
        let lengths = settings.lengths.filter { $0 <= runtime.contextTokens }
        guard !lengths.isEmpty else { return }
        for task in settings.tasks {
            let groups = EvaluationBuilder.sampleGroups(task, samples: settings.samples)
            var doneTokens = 0
            for (index, samples) in groups.enumerated() {
                let group = builder.group(task, samples: samples, lengths: lengths, depths: settings.depths)
                for short in group.tooShort {
                    omit(
                        task,
                        short.length,
                        "too short: at least \(FixedPoint.count(short.needed, "token")) are needed",
                        isTooShort: true
                    )
                }
                let cases = group.cases.filter { !isDone($0, done) }
                // Every group is about as much work as this one.
                let work = work(cases)
                let total = doneTokens + work * (groups.count - index)
                try run(cases, group.haystack, done) { read in
                    // Answers of earlier turns are read again with the next question and are not part of the estimate.
                    try onProgress(
                        Progress(task: task, doneTokens: min(doneTokens + read, total), totalTokens: total)
                    )
                } onRecord: {
                    try onRecord($0)
                }
                doneTokens += work
            }
        }
    }

    private func isDone(_ item: EvaluationCase, _ done: Set<String>) -> Bool {
        item.questions.indices.allSatisfy { done.contains(record(item, $0).key) }
    }

    /// Tokens that have to be read for cases, in their order.
    private func work(_ cases: [EvaluationCase]) -> Int {
        let chunk = runner.chunkTokens
        var base = 0
        return cases.reduce(0) { sum, item in
            let shared = item.sharedTokens / chunk * chunk
            let more = max(0, shared - base)
            base = max(base, shared)
            return sum + more + item.contextCount - shared + item.questions.reduce(0) { $0 + $1.tokens.count }
        }
    }

    private var runner: DecoderRunner { runtime.runner }

    // MARK: Cases

    private func run(
        _ cases: [EvaluationCase],
        _ haystack: Haystack?,
        _ done: Set<String>,
        onProgress: (Int) throws -> Void,
        onRecord: (EvaluationRecord) throws -> Void
    ) throws {
        var base = runtime.makePageTable()
        var read = 0
        // The longest case holds all there is at one time.
        let longest = cases.map(\.identity.lengthTokens).max() ?? 0
        try runtime.checkRoom(promptTokens: longest, answerTokens: 0)
        for item in cases {
            let context = item.contextTokens(haystack)
            let shared = min(item.sharedTokens, context.count) / runner.chunkTokens * runner.chunkTokens
            let stream = TokenStream(text: context)
            // Cases come in the order of what they share and begin alike, so the base only grows.
            if base.count > shared { base = runtime.makePageTable() }
            let start = base.count
            try runtime.prefill(stream, base.count..<shared, table: &base) {
                try onProgress(read + $0)
            } onLogits: { _ in
            }
            read += shared - start
            if item.asksInTurns {
                try runTurns(item, context, base, &read, onProgress, onRecord)
            } else {
                try runForks(item, context, base, &read, done, onProgress, onRecord)
            }
        }
    }

    /// Each question on the bare context.
    private func runForks(
        _ item: EvaluationCase,
        _ context: [Int32],
        _ base: PageTable,
        _ read: inout Int,
        _ done: Set<String>,
        _ onProgress: (Int) throws -> Void,
        _ onRecord: (EvaluationRecord) throws -> Void
    ) throws {
        var trunk = base
        // With several questions the context is read to its last whole chunk once.
        if item.questions.count > 1 {
            let end = context.count / runner.chunkTokens * runner.chunkTokens
            let before = read
            try runtime.prefill(TokenStream(text: context), trunk.count..<max(end, trunk.count), table: &trunk) {
                try onProgress(before + $0)
            } onLogits: {
                _ in
            }
            read += trunk.count - base.count
        }
        for (index, question) in item.questions.enumerated() {
            var record = record(item, index)
            if done.contains(record.key) { continue }
            var table = trunk
            let before = read
            let tokens = context + question.tokens
            try answer(question, tokens, &table, &record) { try onProgress(before + $0) }
            read += tokens.count - trunk.count
            try onRecord(record)
        }
    }

    /// Each question after the answer to the one before.
    private func runTurns(
        _ item: EvaluationCase,
        _ context: [Int32],
        _ base: PageTable,
        _ read: inout Int,
        _ onProgress: (Int) throws -> Void,
        _ onRecord: (EvaluationRecord) throws -> Void
    ) throws {
        var table = base
        var tokens = context
        for (index, question) in item.questions.enumerated() {
            tokens += question.tokens
            var record = record(item, index)
            let before = read
            let begin = table.count
            let answer = try answer(question, tokens, &table, &record) { try onProgress(before + $0) }
            read += tokens.count - begin
            tokens += answer
            try onRecord(record)
        }
    }

    /// Answers and scores.
    @discardableResult
    private func answer(
        _ question: EvaluationQuestion,
        _ tokens: [Int32],
        _ table: inout PageTable,
        _ record: inout EvaluationRecord,
        _ onProgress: (Int) throws -> Void
    ) throws -> [Int32] {
        var detokenizer = StreamingDetokenizer(tokenizer)
        var text = ""
        let clock = ContinuousClock.now
        let cached = table.count
        massProbe?.shares = AttentionMassProbe.Shares()
        runner.massProbe = massProbe
        defer { runner.massProbe = nil }
        let result = try runtime.generate(
            stream: TokenStream(text: tokens),
            table: &table,
            question: AskedQuestion(
                positions: tokens.count - question.tokens.count..<tokens.count,
                text: tokenizer.decode(question.tokens, skippingSpecialTokens: true)
            ),
            maximumTokens: question.answerTokens,
            sampling: SamplingOptions(),
            stopTokens: tokenizer.endOfGenerationTokens,
            probes: nil,
            onProgress: { try onProgress($0.doneTokens - cached) },
            onToken: { token in
                text += detokenizer.push(token)
                // White space before the first word is no line yet.
                return !question.isOneLine || !text.drop(while: \.isWhitespace).contains(where: \.isNewline)
            }
        )
        text += detokenizer.flush()
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        record.answer =
            question.isOneLine ? trimmed.split(whereSeparator: \.isNewline).first.map(String.init) ?? "" : trimmed
        record.score = question.scoring.score(record.answer, question.references)
        record.promptTokens = tokens.count
        record.cachedTokens = cached
        record.seconds = seconds(clock.duration(to: .now))
        record.attentionRead = massProbe?.shares.share
        record.farAttentionRead = massProbe?.shares.farShare
        return result.tokens
    }

    /// A result without an answer yet.
    private func record(_ item: EvaluationCase, _ index: Int) -> EvaluationRecord {
        let question = item.questions[index]
        return EvaluationRecord(
            task: item.identity.task,
            setting: item.identity.setting,
            lengthTokens: item.identity.lengthTokens,
            depth: item.identity.depth,
            sample: item.identity.sample,
            question: index,
            kind: question.kind,
            scoring: question.scoring.rawValue,
            answer: "",
            references: question.references,
            score: 0,
            floor: question.floor,
            ceiling: question.ceiling,
            rules: question.rules,
            promptTokens: 0,
            cachedTokens: 0,
            needles: item.needles.map { [$0.lowerBound, $0.upperBound - 1] },
            seconds: 0
        )
    }
}

import CKernels
import Foundation
import KVCache
import Models
import Tokenizers

/// How an answer is drawn.
public struct SamplingOptions: Sendable, Equatable {
    /// 0: always the likeliest token.
    public var temperature: Double = 0
    /// Keeps the k likeliest tokens; 0: all.
    public var topK = 0
    /// Keeps the likeliest tokens that together have this probability; 1: all.
    public var topP: Double = 1
    /// Keeps tokens at least this fraction as likely as the likeliest; 0: all.
    public var minP: Double = 0
    /// Makes recent tokens less likely; 1: off.
    public var repetitionPenalty: Double = 1
    /// Taken off the logit of every token that the answer has already; 0: off.
    public var presencePenalty: Double = 0
    /// Taken off a token's logit for each time that the answer has it; 0: off.
    public var frequencyPenalty: Double = 0
    /// Same seed, same bytes, for any number of threads.
    public var seed: UInt64 = 0

    public init() {}

    var settings: SamplingSettings {
        var settings = SamplingSettings()
        settings.temperature = Float(temperature)
        settings.topK = topK
        settings.topP = Float(topP)
        settings.minP = Float(minP)
        settings.repetitionPenalty = Float(repetitionPenalty)
        settings.presencePenalty = Float(presencePenalty)
        settings.frequencyPenalty = Float(frequencyPenalty)
        settings.seed = seed
        return settings
    }
}

/// How far a run has come.
public struct PrefillProgress: Sendable, Equatable {
    /// Prompt tokens done, those taken from cached pages included.
    public var doneTokens: Int
    public var promptTokens: Int
    /// Prompt tokens that were cached already.
    public var cachedTokens: Int
    public var seconds: Double
}

/// Figures of one answer.
public struct GenerationStatistics: Sendable, Equatable {
    public var promptTokens = 0
    public var cachedTokens = 0
    public var answerTokens = 0
    public var prefillSeconds = 0.0
    public var decodeSeconds = 0.0
    /// How sure the model was of its words: the geometric mean of the likeliest token's probability, whatever was drawn. Nil
    /// where it was not measured, or nothing was said.
    public var certainty: Double?

    public var prefillTokensPerSecond: Double {
        prefillSeconds > 0 ? Double(promptTokens - cachedTokens) / prefillSeconds : 0
    }
    /// The first token comes with the prefill.
    public var decodeTokensPerSecond: Double {
        decodeSeconds > 0 && answerTokens > 1 ? Double(answerTokens - 1) / decodeSeconds : 0
    }
}

/// Why an answer ended.
public enum StopReason: String, Sendable {
    /// The model said that it is done.
    case endOfAnswer = "stop"
    /// One of the caller's stop texts came.
    case stopText = "stop_text"
    /// The limit of tokens was reached.
    case tokenLimit = "length"
    /// The caller asked to stop.
    case cancelled
}

extension Runtime {
    /// Appends a part of a stream to a context in chunks, leaving the last token's logits to `onLogits`.
    func prefill(
        _ stream: TokenStream,
        _ range: Range<Int>,
        table: inout PageTable,
        onProgress: (Int) throws -> Void,
        onLogits: (UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        try append(
            stream,
            range,
            table: &table,
            request: { $0.upperBound == range.upperBound ? .last : .none },
            onProgress: { try onProgress($0 - range.lowerBound) },
            onLogits: { try onLogits($1) }
        )
    }

    /// Appends a part of a stream to a context in chunks.
    ///
    /// - Parameters:
    ///   - request: which logits of a chunk are wanted, by its range in the stream.
    ///   - onProgress: called after each chunk with where it ended in the stream.
    ///   - onLogits: called with a token's place in the stream and the logits of what follows it.
    func append(
        _ stream: TokenStream,
        _ range: Range<Int>,
        table: inout PageTable,
        request: (Range<Int>) -> LogitsRequest,
        onProgress: (Int) throws -> Void,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        var begin = range.lowerBound
        while begin < range.upperBound {
            let end = begin + runner.chunkLength(after: table.count, of: range.upperBound - begin)
            try stream.withChunk(begin..<end) { chunk in
                try runner.append(chunk, to: &table, logits: request(begin..<end)) { try onLogits(begin + $0, $1) }
            }
            begin = end
            try onProgress(end)
        }
    }

    /// Continues a context until the model ends its answer or a limit is reached.
    ///
    /// - Parameters:
    ///   - stream: all tokens of the context; those that `table` holds already are not computed again.
    ///   - question: what the stream's last tokens ask for, see ``RecallQuestion``.
    ///   - stopTokens: ids that end the answer (not part of it).
    ///   - measuresCertainty: whether ``GenerationStatistics/certainty`` is wanted; costs one pass over the logits a token.
    ///   - probes: record where the attention of the answer's first tokens falls, and of the prompt's last ones.
    ///   - onToken: called with each token; return false to stop.
    /// - Returns: the answer's ids, why it ended, and figures.
    func generate(
        stream: TokenStream,
        table: inout PageTable,
        question: AskedQuestion? = nil,
        maximumTokens: Int,
        sampling: SamplingOptions,
        stopTokens: Set<Int32>,
        measuresCertainty: Bool = false,
        probes: AnswerProbes? = nil,
        onProgress: (PrefillProgress) throws -> Void,
        onToken: (Int32) throws -> Bool
    ) throws -> (tokens: [Int32], reason: StopReason, statistics: GenerationStatistics) {
        let prompt = stream.tokens
        defer { runner.endQuestion() }
        try beginQuestion(question, of: prompt, &table)
        var statistics = GenerationStatistics()
        statistics.promptTokens = prompt.count
        statistics.cachedTokens = table.count
        var sampler = Sampler(sampling.settings, vocabularySize: vocabularySize)
        for token in prompt.suffix(1024) { sampler.observe(token) }
        // Everything that decoding needs is there before it begins: a token allocates nothing. An answer that may take all
        // of a long context grows by pages instead: hardly any does.
        let reserved = min(maximumTokens, 8192)
        try table.reserve(positions: min(contextTokens, prompt.count + reserved))
        var answer: [Int32] = []
        answer.reserveCapacity(reserved)

        let clock = ContinuousClock()
        let start = clock.now
        var next: Int32 = 0
        var sureness = 0.0
        var total = 0.0
        func choose(_ logits: UnsafeMutableBufferPointer<Float>) {
            if measuresCertainty, let base = logits.baseAddress {
                let count = Int64(logits.count)
                let best = sk_argmax(base, count)
                sureness = best >= 0 ? Double(logits[Int(best)]) - sk_log_sum_exp(base, count) : 0
            }
            next = sampler.sample(logits)
        }
        let cached = table.count
        func progress(_ done: Int) -> PrefillProgress {
            PrefillProgress(
                doneTokens: cached + done,
                promptTokens: prompt.count,
                cachedTokens: cached,
                seconds: seconds(start.duration(to: clock.now))
            )
        }
        try onProgress(progress(0))
        defer { runner.probe = nil }
        // With probes the prompt's last tokens go alone; the results are the same bytes.
        let bulkEnd = max(cached, prompt.count - (probes == nil ? 0 : AnswerProbes.baselineTokens))
        try prefill(stream, cached..<bulkEnd, table: &table, onProgress: { try onProgress(progress($0)) }) { logits in
            if bulkEnd == prompt.count { choose(logits) }
        }
        runner.probe = probes?.baseline
        for index in bulkEnd..<prompt.count {
            try prefill(stream, index..<index + 1, table: &table, onProgress: { _ in }) { logits in
                if index == prompt.count - 1 { choose(logits) }
            }
        }
        if bulkEnd < prompt.count { try onProgress(progress(prompt.count - cached)) }
        try table.prepareFollowingText()
        let prefillEnd = clock.now
        statistics.prefillSeconds = seconds(start.duration(to: prefillEnd))

        var reason = StopReason.tokenLimit
        while answer.count < maximumTokens {
            if stopTokens.contains(next) {
                reason = .endOfAnswer
                break
            }
            answer.append(next)
            total += sureness
            sampler.observe(next)
            sampler.observeAnswer(next)
            guard try onToken(next) else {
                reason = .cancelled
                break
            }
            guard answer.count < maximumTokens else { break }
            runner.probe = answer.count <= AnswerProbes.answerTokens ? probes?.answer : nil
            var token = next
            try withUnsafePointer(to: &token) { pointer in
                try runner.append(UnsafeBufferPointer(start: pointer, count: 1), to: &table, logits: .last) {
                    choose($1)
                }
            }
        }
        statistics.answerTokens = answer.count
        if measuresCertainty, !answer.isEmpty { statistics.certainty = exp(total / Double(answer.count)) }
        statistics.decodeSeconds = seconds(prefillEnd.duration(to: clock.now))
        return (answer, reason, statistics)
    }
}

/// Where an answer's attention falls, and where attention falls anyway.
///
/// A model attends to some places whatever it is asked: the end of the document, headings. What the prompt's last tokens
/// (the template's own words) attend to is taken off what the answer's first tokens attend to; the rest is evidence.
struct AnswerProbes {
    /// The first words of an answer carry its fact; looking at more only costs time.
    static let answerTokens = 32
    static let baselineTokens = 3

    let answer: AttentionProbe
    let baseline: AttentionProbe

    /// Evidence per span of the prompt's positions.
    func evidence(positions: Int, answerTokens: Int) -> [Float] {
        let probed = Float(max(1, min(answerTokens - 1, Self.answerTokens)))
        return zip(answer.shares(positions: positions), baseline.shares(positions: positions)).map {
            max(0, $0 / probed - $1 / Float(Self.baselineTokens))
        }
    }
}

/// A duration in seconds.
func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
}

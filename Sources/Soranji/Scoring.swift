import CKernels
import Foundation
import KVCache
import Models

/// Log-probabilities that a model gives to a run of tokens.
public struct Score: Sendable {
    /// One scored token.
    public struct Position: Sendable, Equatable {
        public var position: Int
        public var token: Int32
        /// Natural logarithm of the probability that the model gave this token from those before it.
        public var logProbability: Double
        /// The likeliest tokens there, with their log-probabilities.
        public var alternatives: [Alternative]
    }

    public struct Alternative: Sendable, Equatable {
        public var token: Int32
        public var logProbability: Double
    }

    /// Positions with a token before them, as far as they were scored.
    public var positions: [Position] = []
    /// The likeliest tokens after the last position.
    public var next: [Alternative] = []
    public var scoredTokens = 0
    public var totalLogProbability = 0.0
    public var seconds = 0.0
    /// What became of the media that stood among the tokens.
    public var media = MediaReceipt(entries: [])

    public var perplexity: Double { scoredTokens > 0 ? exp(-totalLogProbability / Double(scoredTokens)) : .nan }
}

extension Runtime {
    /// Scores tokens in one context.
    ///
    /// - Parameters:
    ///   - media: their rows fill the placeholders among the tokens in order; rows are not scored, what follows them is.
    ///   - top: how many alternatives to keep per position.
    ///   - onLogits: called with every position's logits `[vocabulary]`, in order.
    /// - Throws: ``RuntimeError`` when a token is unknown or the context too small; ``MediaUseError`` when placeholders and
    ///   rows do not match.
    public func score(
        tokens: [Int32],
        media: [MediaInput] = [],
        options: MediaOptions = MediaOptions(),
        top: Int = 0,
        keepsPositions: Bool = true,
        onProgress: (_ doneTokens: Int) throws -> Void = { _ in },
        onLogits: ((UnsafeMutableBufferPointer<Float>) throws -> Void)? = nil,
        onMedia: (MediaReceipt.Entry) throws -> Void = { _ in }
    ) throws -> Score {
        try check(tokens)
        try checkRoom(promptTokens: tokens.count, answerTokens: 0)
        var score = Score()
        let start = ContinuousClock.now
        let stream = try scoredStream(tokens, media, options, &score.media, onMedia)
        var table = makePageTable()
        try scoreWindow(
            stream,
            table: &table,
            scoredFrom: 1,
            top: top,
            keepsPositions: keepsPositions,
            into: &score,
            onProgress: onProgress,
            onLogits: onLogits
        )
        score.seconds = Soranji.seconds(start.duration(to: .now))
        return score
    }

    /// Ids that a user gave, with rows in the place of placeholders.
    private func scoredStream(
        _ tokens: [Int32],
        _ inputs: [MediaInput],
        _ options: MediaOptions,
        _ receipt: inout MediaReceipt,
        _ onMedia: (MediaReceipt.Entry) throws -> Void
    ) throws -> TokenStream {
        guard let configuration = decoder.configuration.media else {
            guard inputs.isEmpty else { throw MediaUseError.modelReadsTextAlone }
            return TokenStream(text: tokens)
        }
        let planner = try mediaPlanner(options)
        var plans = try inputs.map { try planner.plan($0) }
        // A clip brings its sound along where its place among the tokens begins with sound's start token.
        var bringsSound = ClipPlaces.bringSound(tokens, configuration)[...]
        // Windows have no start tokens: sound has its place where there is a placeholder of its own.
        let hasPlaces = configuration.rule == .windowed && tokens.contains { $0 == configuration.audioToken }
        for index in plans.indices where plans[index].input.kind == .video && !hasPlaces {
            if bringsSound.popFirst() == true || plans[index].sound == nil { continue }
            plans[index].sound = nil
            plans[index].notes.append("its sound is left out: the tokens have no place for it")
        }
        try ClipPlaces.check(tokens, plans, configuration)
        let media = try readMedia(plans, planner: planner) { try onMedia($0.entry) }
        receipt = MediaReceipt(entries: media.map(\.plan.entry))
        let layout = MediaLayout.stream(media)
        do throws(StreamError) {
            return try TokenStream(
                tokens: tokens,
                media: layout.rows,
                layout: layout.media,
                configuration: decoder.configuration
            )
        } catch {
            throw MediaUseError.placeholders(error.description)
        }
    }

    /// Scores a long text in windows: each window is a context of its own and only its second half is scored, so every
    /// scored token has at least half a window before it.
    ///
    /// The last window is dropped when it is not full. With `beginToken`, the first token of every window is replaced
    /// by it. This is how llama.cpp's perplexity tool counts, so figures compare.
    public func score(
        tokens: [Int32],
        window: Int,
        beginToken: Int32? = nil,
        onProgress: (_ doneTokens: Int, _ perplexity: Double) throws -> Void = { _, _ in }
    ) throws -> Score {
        try check(tokens)
        guard window >= 4 else { throw RuntimeError.tooFewTokens(window, needed: 4) }
        guard window <= contextTokens else {
            throw RuntimeError.windowTooLong(window, contextTokens: contextTokens, trainedTokens: longestUsefulContext)
        }
        guard tokens.count >= window else { throw RuntimeError.tooFewTokens(tokens.count, needed: window) }
        var score = Score()
        let start = ContinuousClock.now
        for number in 0..<tokens.count / window {
            var slice = Array(tokens[number * window..<(number + 1) * window])
            if let beginToken { slice[0] = beginToken }
            var table = makePageTable()
            try scoreWindow(
                TokenStream(text: slice),
                table: &table,
                scoredFrom: window / 2 + 1,
                top: 0,
                keepsPositions: false,
                into: &score,
                onProgress: { _ in },
                onLogits: nil
            )
            try onProgress((number + 1) * window, score.perplexity)
        }
        score.seconds = Soranji.seconds(start.duration(to: .now))
        return score
    }

    private func scoreWindow(
        _ stream: TokenStream,
        table: inout PageTable,
        scoredFrom: Int,
        top: Int,
        keepsPositions: Bool,
        into score: inout Score,
        onProgress: (Int) throws -> Void,
        onLogits: ((UnsafeMutableBufferPointer<Float>) throws -> Void)?
    ) throws {
        let tokens = stream.tokens
        try append(
            stream,
            tokens.indices,
            table: &table,
            // Rows before `scoredFrom - 1` predict nothing that counts: skip the output projection where possible.
            request: { onLogits == nil && $0.upperBound < scoredFrom ? .none : .all },
            onProgress: onProgress
        ) { index, logits in
            try onLogits?(logits)
            let target = index + 1
            guard target >= scoredFrom, target < tokens.count || keepsPositions, !stream.isMedia(target) else { return }
            take(logits, target, tokens, top, keepsPositions, &score)
        }
    }

    private func take(
        _ logits: UnsafeMutableBufferPointer<Float>,
        _ target: Int,
        _ tokens: [Int32],
        _ top: Int,
        _ keepsPositions: Bool,
        _ score: inout Score
    ) {
        guard let base = logits.baseAddress else { return }
        let normalizer = sk_log_sum_exp(base, Int64(logits.count))
        let alternatives = top > 0 ? best(top, of: logits, normalizer) : []
        guard target < tokens.count else {
            score.next = alternatives
            return
        }
        let logProbability = Double(logits[Int(tokens[target])]) - normalizer
        score.scoredTokens += 1
        score.totalLogProbability += logProbability
        if keepsPositions {
            score.positions.append(
                .init(
                    position: target,
                    token: tokens[target],
                    logProbability: logProbability,
                    alternatives: alternatives
                )
            )
        }
    }

    private func best(
        _ count: Int,
        of logits: UnsafeMutableBufferPointer<Float>,
        _ normalizer: Double
    ) -> [Score.Alternative] {
        var best: [Score.Alternative] = []
        for (token, logit) in logits.enumerated() {
            let logProbability = Double(logit) - normalizer
            if best.count == count, let last = best.last, logProbability <= last.logProbability { continue }
            let place = best.firstIndex { $0.logProbability < logProbability } ?? best.count
            best.insert(.init(token: Int32(token), logProbability: logProbability), at: place)
            if best.count > count { best.removeLast() }
        }
        return best
    }
}

import CKernels
import Foundation

/// Logarithms and shares of rows of logits.
enum SpeechScoring {
    static func exponential(_ x: Float) -> Float { expf(x) }
    static func logarithm(_ x: Double) -> Double { log(x) }

    /// log of the share of `index` in the softmax of a row.
    static func logProbability(_ logits: UnsafeMutableBufferPointer<Float>, _ index: Int) -> Double {
        Double(logits[index]) - sk_log_sum_exp(logits.baseAddress, Int64(logits.count))
    }
}

/// One try at a window.
package struct SpeechAttempt: Sendable, Equatable {
    /// After the prompt, without the end.
    package var text: [Int32]
    /// Mean log probability of the tokens and the end.
    package var meanLogProbability: Double
    /// How likely it is that nobody speaks.
    package var silence: Double

    package init(text: [Int32], meanLogProbability: Double, silence: Double) {
        self.text = text
        self.meanLogProbability = meanLogProbability
        self.silence = silence
    }
}

/// Writes down what is said in the window that a ``WhisperRunner`` has encoded.
package struct SpeechDecoder {
    private let runner: WhisperRunner
    private let tokens: SpeechTokens
    private let rules: SpeechRules

    package init(runner: WhisperRunner, tokens: SpeechTokens) {
        self.runner = runner
        self.tokens = tokens
        rules = SpeechRules(tokens)
    }

    /// The likeliest language of the window, by its code; nil for a model of one language.
    package func language() throws -> String? {
        guard !tokens.languages.isEmpty else { return nil }
        runner.restart()
        var best: (code: String, logit: Float)?
        try runner.append([tokens.start], logits: .last) { _, logits in
            for (code, id) in tokens.languages.sorted(by: { $0.value < $1.value }) where Int(id) < logits.count {
                if logits[Int(id)] > best?.logit ?? -.infinity { best = (code, logits[Int(id)]) }
            }
        }
        return best?.code
    }

    /// One try: the likeliest token each time at temperature 0, else by chance among all.
    ///
    /// - Parameters:
    ///   - prompt: see ``SpeechTokens/prompt(language:translates:)``.
    ///   - limit: tokens at most; half of the text's positions by the reference's rule.
    ///   - isCancelled: asked before every token.
    package func attempt(
        prompt: [Int32],
        temperature: Double,
        limit: Int,
        random: inout some RandomNumberGenerator,
        isCancelled: () -> Bool = { false }
    ) throws -> SpeechAttempt {
        runner.restart()
        var attempt = SpeechAttempt(text: [], meanLogProbability: 0, silence: 0)
        var total = 0.0
        var count = 0
        var next = tokens.end
        func choose(_ logits: UnsafeMutableBufferPointer<Float>, _ draw: Double) {
            rules.apply(logits, text: attempt.text)
            let chosen = Self.choose(logits, temperature: temperature, draw: draw)
            guard let chosen else { return next = tokens.end }
            total += SpeechScoring.logProbability(logits, chosen)
            count += 1
            next = Int32(chosen)
        }
        // The share of silence is read where the text begins, before any rule.
        let start = prompt.lastIndex(of: tokens.start) ?? prompt.count - 1
        let last = prompt.count - 1
        let first = Double.random(in: 0..<1, using: &random)
        try runner.append(prompt, logits: .all) { position, logits in
            if position == start, logits.indices.contains(Int(tokens.silence)) {
                attempt.silence = exp(SpeechScoring.logProbability(logits, Int(tokens.silence)))
            }
            if position == last { choose(logits, first) }
        }
        while next != tokens.end, !isCancelled() {
            attempt.text.append(next)
            guard attempt.text.count < limit, runner.remainingTokens > 0 else { break }
            let draw = Double.random(in: 0..<1, using: &random)
            try runner.append([next], logits: .last) { choose($1, draw) }
        }
        attempt.meanLogProbability = total / Double(max(1, count))
        return attempt
    }

    /// nil when every token is forbidden.
    static func choose(_ logits: UnsafeMutableBufferPointer<Float>, temperature: Double, draw: Double) -> Int? {
        let best = Int(sk_argmax(logits.baseAddress, Int64(logits.count)))
        guard best >= 0, logits[best] > -.infinity else { return nil }
        guard temperature > 0 else { return best }
        let largest = Double(logits[best])
        func weight(_ index: Int) -> Double { exp((Double(logits[index]) - largest) / temperature) }
        let total = logits.indices.reduce(0.0) { $0 + weight($1) }
        var rest = draw * total
        for index in logits.indices {
            rest -= weight(index)
            if rest < 0 { return index }
        }
        return best
    }
}

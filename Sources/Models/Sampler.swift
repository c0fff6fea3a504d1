import CKernels
import Foundation

/// How the next token is drawn from the logits.
package struct SamplingSettings: Sendable, Equatable {
    /// 0: always the likeliest token.
    package var temperature: Float = 0
    /// Keeps the k likeliest; 0: all.
    package var topK = 0
    /// Keeps the likeliest tokens that together have this probability; 1: all.
    package var topP: Float = 1
    /// Keeps tokens at least this fraction as likely as the likeliest; 0: all.
    package var minP: Float = 0
    /// Divides positive and multiplies negative logits of recent tokens; 1: off (Keskar et al. 2019).
    package var repetitionPenalty: Float = 1
    /// How many recent tokens the penalty looks at.
    package var repetitionWindow = 256
    package var seed: UInt64 = 0

    package init() {}
}

/// Draws tokens: same seed and logits, same tokens. Allocates at start only.
package struct Sampler {
    private let settings: SamplingSettings
    private var generator: SplitMix64
    private var candidates: [Candidate] = []
    private var recent: [Int32] = []
    private var recentStart = 0

    private struct Candidate {
        var token: Int32
        var weight: Float
    }

    package init(_ settings: SamplingSettings, vocabularySize: Int) {
        self.settings = settings
        generator = SplitMix64(state: settings.seed)
        if settings.temperature > 0 { candidates.reserveCapacity(vocabularySize) }
        recent.reserveCapacity(max(0, settings.repetitionWindow))
    }

    /// Takes note of a token of the context, for the repetition penalty.
    package mutating func observe(_ token: Int32) {
        guard settings.repetitionPenalty != 1, settings.repetitionWindow > 0 else { return }
        if recent.count < settings.repetitionWindow {
            recent.append(token)
        } else {
            recent[recentStart] = token
            recentStart = (recentStart + 1) % settings.repetitionWindow
        }
    }

    /// Draws a token; the logits are changed in place by the penalty.
    package mutating func sample(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
        penalize(logits)
        guard let base = logits.baseAddress else { return 0 }
        let best = sk_argmax(base, Int64(logits.count))
        guard settings.temperature > 0, best >= 0 else { return max(0, best) }
        collect(logits, maximum: logits[Int(best)])
        return draw() ?? best
    }

    private func penalize(_ logits: UnsafeMutableBufferPointer<Float>) {
        guard settings.repetitionPenalty != 1 else { return }
        // Each token once, however often it came: later appearances are skipped.
        for (index, token) in recent.enumerated() where Int(token) < logits.count {
            if recent[..<index].contains(token) { continue }
            let logit = logits[Int(token)]
            logits[Int(token)] =
                logit > 0 ? logit / settings.repetitionPenalty : logit * settings.repetitionPenalty
        }
    }

    /// The tokens that survive the filters, likeliest first, with weights relative to the likeliest.
    private mutating func collect(_ logits: UnsafeMutableBufferPointer<Float>, maximum: Float) {
        candidates.removeAll(keepingCapacity: true)
        // e^-30 of the likeliest is below what a float sum can hold; min-p cuts earlier.
        let floor = settings.minP > 0 ? max(log(settings.minP), -30) : -30
        for (token, logit) in logits.enumerated() {
            let scaled = (logit - maximum) / settings.temperature
            if scaled >= floor { candidates.append(Candidate(token: Int32(token), weight: exp(scaled))) }
        }
        candidates.sort { $0.weight != $1.weight ? $0.weight > $1.weight : $0.token < $1.token }
        if settings.topK > 0, candidates.count > settings.topK {
            candidates.removeLast(candidates.count - settings.topK)
        }
        guard settings.topP < 1 else { return }
        let total = candidates.reduce(0.0) { $0 + Double($1.weight) }
        var sum = 0.0
        var kept = 0
        for candidate in candidates {
            kept += 1
            sum += Double(candidate.weight)
            if sum >= Double(settings.topP) * total { break }
        }
        candidates.removeLast(candidates.count - kept)
    }

    private mutating func draw() -> Int32? {
        let total = candidates.reduce(0.0) { $0 + Double($1.weight) }
        var remaining = generator.nextUnit() * total
        for candidate in candidates {
            remaining -= Double(candidate.weight)
            if remaining < 0 { return candidate.token }
        }
        return candidates.last?.token
    }
}

/// Steele, Lea & Flood 2014: 64 bits of state, the same numbers on every machine.
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Uniform in 0 ..< 1 with 53 bits.
    package mutating func nextUnit() -> Double { Double(next() >> 11) * 0x1p-53 }
}

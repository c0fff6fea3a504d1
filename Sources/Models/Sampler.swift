import CKernels
import Foundation
import Tensor

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
    /// Taken off the logit of every token that the answer has.
    package var presencePenalty: Float = 0
    /// Taken off a token's logit for each time that the answer has it.
    package var frequencyPenalty: Float = 0
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
    /// How often the answer has each token, and which it has; empty without the penalties that need them.
    private var answerCounts: [Int32] = []
    private var answerTokens: [Int32] = []

    private struct Candidate {
        var token: Int32
        var weight: Float
    }

    package init(_ settings: SamplingSettings, vocabularySize: Int) {
        self.settings = settings
        generator = SplitMix64(state: settings.seed)
        if settings.temperature > 0 { candidates.reserveCapacity(vocabularySize) }
        recent.reserveCapacity(max(0, settings.repetitionWindow))
        if settings.presencePenalty != 0 || settings.frequencyPenalty != 0 {
            answerCounts = [Int32](repeating: 0, count: vocabularySize)
            answerTokens.reserveCapacity(vocabularySize)
        }
    }

    /// Takes note of a token of the answer, for the penalties on presence and frequency.
    package mutating func observeAnswer(_ token: Int32) {
        guard answerCounts.indices.contains(Int(token)) else { return }
        if answerCounts[Int(token)] == 0 { answerTokens.append(token) }
        answerCounts[Int(token)] &+= 1
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

    /// Draws a token; the logits are changed in place by the penalties.
    package mutating func sample(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
        penalize(logits)
        penalizeAnswer(logits)
        guard let base = logits.baseAddress else { return 0 }
        let best = sk_argmax(base, Int64(logits.count))
        guard settings.temperature > 0, best >= 0 else { return max(0, best) }
        collect(logits, maximum: logits[Int(best)])
        return draw() ?? best
    }

    private func penalizeAnswer(_ logits: UnsafeMutableBufferPointer<Float>) {
        for token in answerTokens where Int(token) < logits.count {
            let count = Float(answerCounts[Int(token)])
            logits[Int(token)] -= settings.presencePenalty + settings.frequencyPenalty * count
        }
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

    /// The tokens that survive the filters, with weights relative to the likeliest.
    private mutating func collect(_ logits: UnsafeMutableBufferPointer<Float>, maximum: Float) {
        candidates.removeAll(keepingCapacity: true)
        // e^-30 of the likeliest is below what a float sum can hold; min-p cuts earlier.
        let floor = settings.minP > 0 ? max(log(settings.minP), -30) : -30
        for (token, logit) in logits.enumerated() {
            let scaled = (logit - maximum) / settings.temperature
            if scaled >= floor { candidates.append(Candidate(token: Int32(token), weight: exp(scaled))) }
        }
        guard settings.topP < 1 || (settings.topK > 0 && settings.topK < candidates.count) else { return }
        keepLikeliest()
    }

    /// Moves the likeliest tokens, in order, to the front until top-k or top-p is satisfied, and drops the rest.
    ///
    /// A heap in place: linear in the vocabulary plus a logarithm for each token kept, and no allocation.
    private mutating func keepLikeliest() {
        let limit = settings.topK > 0 ? min(settings.topK, candidates.count) : candidates.count
        var total = 0.0
        if settings.topK > 0 {
            // Top-p counts among what top-k leaves: that sum is known only after the choice.
            total = .infinity
        } else {
            for candidate in candidates { total += Double(candidate.weight) }
        }
        let kept = candidates.withUnsafeMutableBufferPointer { heap -> Int in
            for parent in stride(from: heap.count / 2 - 1, through: 0, by: -1) {
                Self.siftDown(heap, parent, heap.count)
            }
            var count = heap.count
            var chosen = 0
            var sum = 0.0
            while chosen < limit, count > 0 {
                count -= 1
                heap.swapAt(0, count)
                Self.siftDown(heap, 0, count)
                sum += Double(heap[count].weight)
                chosen += 1
                if sum >= Double(settings.topP) * total { break }
            }
            // Chosen ones were moved to the end, likeliest last.
            heap.reverse()
            return chosen
        }
        candidates.removeLast(candidates.count - kept)
        guard settings.topK > 0, settings.topP < 1 else { return }
        total = 0
        for candidate in candidates { total += Double(candidate.weight) }
        var sum = 0.0
        var count = 0
        while count < candidates.count, sum < Double(settings.topP) * total {
            sum += Double(candidates[count].weight)
            count += 1
        }
        candidates.removeLast(candidates.count - max(1, count))
    }

    private static func siftDown(_ heap: UnsafeMutableBufferPointer<Candidate>, _ start: Int, _ count: Int) {
        var parent = start
        while true {
            var best = parent
            for child in 2 * parent + 1...2 * parent + 2 where child < count && isLikelier(heap[child], heap[best]) {
                best = child
            }
            if best == parent { return }
            heap.swapAt(parent, best)
            parent = best
        }
    }

    /// Ties go to the lower token.
    private static func isLikelier(_ left: Candidate, _ right: Candidate) -> Bool {
        left.weight != right.weight ? left.weight > right.weight : left.token < right.token
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

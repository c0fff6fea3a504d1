import Foundation
import Models
import Testing

struct SamplerTests {
    private func draws(_ settings: SamplingSettings, _ logits: [Float], count: Int = 2000) -> [Int32] {
        var sampler = Sampler(settings, vocabularySize: logits.count)
        return (0..<count).map { _ in
            var copy = logits
            return copy.withUnsafeMutableBufferPointer { sampler.sample($0) }
        }
    }

    @Test func greedyTakesTheFirstLargest() {
        #expect(draws(SamplingSettings(), [0, 3, 3, -1], count: 3) == [1, 1, 1])
        #expect(draws(SamplingSettings(), [.nan, 1, 2], count: 1) == [2])
        #expect(draws(SamplingSettings(), [.nan, .nan], count: 1) == [0])
    }

    @Test func frequenciesFollowTheProbabilities() {
        var settings = SamplingSettings()
        settings.temperature = 2
        settings.seed = 7
        let logits: [Float] = [2, 0, 1, -4]
        let total = logits.map { exp(Double($0) / 2) }.reduce(0, +)
        let counts = draws(settings, logits, count: 40_000).reduce(into: [Int](repeating: 0, count: 4)) {
            $0[Int($1)] += 1
        }
        for (index, logit) in logits.enumerated() {
            let expected = exp(Double(logit) / 2) / total
            #expect(abs(Double(counts[index]) / 40_000 - expected) < 0.01)
        }
    }

    @Test func sameSeedSameTokens() {
        var settings = SamplingSettings()
        settings.temperature = 1
        settings.seed = 3
        let logits = (0..<100).map { Float($0 % 7) }
        #expect(draws(settings, logits) == draws(settings, logits))
        var other = settings
        other.seed = 4
        #expect(draws(settings, logits) != draws(other, logits))
    }

    @Test func filtersKeepWhatTheyShould() {
        // Probabilities 0.5, 0.25, 0.125, 0.125
        let logits = [0.5, 0.25, 0.125, 0.125].map { Float(log($0)) }
        var settings = SamplingSettings()
        settings.temperature = 1
        settings.topK = 2
        #expect(Set(draws(settings, logits)) == [0, 1])
        settings.topK = 0
        settings.topP = 0.6
        #expect(Set(draws(settings, logits)) == [0, 1])
        settings.topP = 0.5
        #expect(Set(draws(settings, logits)) == [0])
        settings.topP = 1
        settings.minP = 0.4
        #expect(Set(draws(settings, logits)) == [0, 1])
        settings.minP = 1
        #expect(Set(draws(settings, logits)) == [0])
    }

    @Test func thePenaltyMakesRecentTokensLessLikely() {
        var settings = SamplingSettings()
        settings.repetitionPenalty = 2
        settings.repetitionWindow = 2
        var sampler = Sampler(settings, vocabularySize: 3)
        func next() -> Int32 {
            var logits: [Float] = [1.5, 1, -0.1]
            let token = logits.withUnsafeMutableBufferPointer { sampler.sample($0) }
            return token
        }
        #expect(next() == 0)
        sampler.observe(0)
        #expect(next() == 1)
        sampler.observe(1)
        #expect(next() == 0)
        sampler.observe(2)
        sampler.observe(2)
        #expect(next() == 0)
    }

    @Test func answersAreKeptFromRepeating() {
        func next(_ presence: Float, _ frequency: Float, _ answer: [Int32]) -> [Float] {
            var settings = SamplingSettings()
            settings.presencePenalty = presence
            settings.frequencyPenalty = frequency
            var sampler = Sampler(settings, vocabularySize: 4)
            for token in answer { sampler.observeAnswer(token) }
            var logits: [Float] = [4, 3, -2, 0]
            logits.withUnsafeMutableBufferPointer { _ = sampler.sample($0) }
            return logits
        }
        #expect(next(0, 0, [0, 0, 1]) == [4, 3, -2, 0])
        #expect(next(0.5, 0, [0, 0, 2]) == [3.5, 3, -2.5, 0])
        #expect(next(0, 0.25, [0, 0, 2]) == [3.5, 3, -2.25, 0])
        #expect(next(1, 0.5, [1, 1, 1, 99, -1]) == [4, 0.5, -2, 0])
        #expect(next(-1, 0, [3]) == [4, 3, -2, 1])
    }
}

import Foundation
import ModelFiles
import Models
import Tensor
import Testing

/// The grammar of times and windows, on logits made by hand: 20 words, the end, two controls, silence, no times, 60 times.
struct SpeechRulesTests {
    static let tokens: SpeechTokens = {
        var tokens = SpeechTokens(start: 21, end: 20, withoutTimes: 24)
        tokens.suppressed = [3, 21, 22, 23, 999, -1]
        tokens.suppressedAtBegin = [5, 20]
        tokens.latestFirstTime = 50
        return tokens
    }()
    static let vocabulary = 85

    /// Ids that may follow `text`; words are made likelier than times unless `times` says so.
    private func allowed(after text: [Int32], likelyTimes: Bool = false) -> Set<Int> {
        var logits = (0..<Self.vocabulary).map { Float($0 < 25 ? 10 : likelyTimes ? 9 : -10) }
        logits.withUnsafeMutableBufferPointer { SpeechRules(Self.tokens).apply($0, text: text) }
        return Set(logits.indices.filter { logits[$0] > -.infinity })
    }

    private let words = Set(0..<20).subtracting([3])

    @Test func aWindowBeginsWithAnEarlyTime() {
        #expect(allowed(after: []) == Set(25...75))
    }

    @Test func timesComeInPairs() {
        // After the first time and after a pair: text or the end, no time.
        #expect(allowed(after: [25]) == words.union([20]))
        #expect(allowed(after: [25, 7, 30, 30]) == words.union([20]))
        // After a single time: the end or a time that is not earlier.
        #expect(allowed(after: [25, 7, 30]) == Set([20]).union(30..<85))
    }

    @Test func timesNeverGoBack() {
        #expect(allowed(after: [30, 7]) == words.union([20]).union(31..<85))
        #expect(allowed(after: [30, 7, 40, 40, 8]) == words.union([20]).union(41..<85))
    }

    @Test func likelyTimesExcludeWords() {
        #expect(allowed(after: [30, 7], likelyTimes: true) == Set(31..<85))
        #expect(allowed(after: [84, 7], likelyTimes: true) == words.union([20]))
    }

    @Test func smallVocabulariesAreNoTraps() {
        for count in [0, 1, 10, 25, 26] {
            var logits = [Float](repeating: 1, count: count)
            logits.withUnsafeMutableBufferPointer { SpeechRules(Self.tokens).apply($0, text: [80]) }
            logits.withUnsafeMutableBufferPointer { SpeechRules(Self.tokens).apply($0, text: []) }
            logits.withUnsafeMutableBufferPointer { SpeechRules(Self.tokens).apply($0, text: [80, 1]) }
        }
    }

    private func window(_ text: [Int32], frames: Int = 3000, begin: Int = 100) -> SpeechWindow {
        SpeechWindow(text: text, tokens: Self.tokens, begin: begin, frames: frames)
    }

    @Test func pairsCutSegmentsAndSteerTheNextWindow() {
        // <0> a <10><10> b <30><30> c: the rest is heard again from 30 steps on.
        let cut = window([25, 1, 35, 35, 2, 55, 55, 4])
        #expect(cut.segments.map(\.tokens) == [[1], [2]])
        #expect(cut.segments.map(\.start) == [1, 1.2] && cut.segments.map(\.end) == [1.2, 1.6])
        #expect(cut.advance == 60)
        // A single time at the end: nobody speaks after it.
        let ended = window([25, 1, 35, 35, 2, 55])
        #expect(ended.segments.map(\.tokens) == [[1], [2]] && ended.advance == 3000)
    }

    @Test func withoutPairsTheWindowIsOneSegment() {
        let plain = window([1, 2], frames: 500)
        #expect(plain.segments == [SpeechSegment(start: 1, end: 6, tokens: [1, 2])] && plain.advance == 500)
        let timed = window([25, 1, 35])
        #expect(timed.segments == [SpeechSegment(start: 1, end: 1.2, tokens: [1])] && timed.advance == 3000)
        #expect(window([], frames: 7).advance == 7)
    }

    @Test func windowsAlwaysAdvance() {
        #expect(window([25, 25, 1]).advance == 3000)
        #expect(window([84, 84], frames: 20).advance == 20)
        #expect(window([25, 26, 26], frames: 0).advance >= 1)
    }

    @Test func promptsNameLanguageAndTask() {
        var tokens = Self.tokens
        #expect(tokens.prompt(language: nil, translates: false) == [21])
        tokens.languages = ["en": 22]
        tokens.transcribe = 23
        tokens.translate = 19
        #expect(tokens.prompt(language: "en", translates: false) == [21, 22, 23])
        #expect(tokens.prompt(language: "en", translates: true) == [21, 22, 19])
        #expect(tokens.prompt(language: "xx", translates: false) == [21, 23])
    }

    @Test func decodingFollowsTheRulesAndRepeats() throws {
        let golden = try GoldenCase("whisper")
        let bundle = try TemporaryBundle(importing: golden.path, weights: .f32)
        let model = try Whisper(bundle: Bundle(path: bundle.path))
        // 180 words, the end, controls, 71 times.
        var tokens = SpeechTokens(start: 181, end: 180, withoutTimes: 184)
        tokens.suppressed = [181, 182, 183, 184]
        tokens.languages = ["en": 60, "de": 61, "ja": 62]
        var texts: [[Int32]] = []
        for threads in [1, 2] {
            let runner = try WhisperRunner(model: model, pool: ThreadPool(threadCount: threads))
            try WhisperTests.window(golden).withUnsafeBufferPointer { try runner.encode($0) }
            let decoder = SpeechDecoder(runner: runner, tokens: tokens)
            #expect(["en", "de", "ja"].contains(try decoder.language() ?? ""))
            for temperature in [0, 0.8] {
                var random = SeededGenerator(seed: 4)
                let attempt = try decoder.attempt(prompt: [181], temperature: temperature, limit: 24, random: &random)
                #expect(tokens.isTime(try #require(attempt.text.first)))
                #expect(!attempt.text.contains(180) && attempt.text.count <= 24)
                #expect(attempt.meanLogProbability < 0 && 0...1 ~= attempt.silence)
                let times = attempt.text.filter(tokens.isTime)
                #expect(times == times.sorted())
                texts.append(attempt.text)
            }
        }
        #expect(texts[0] == texts[2] && texts[1] == texts[3])
        // Greedy text is what the same logits say when all of it is given at once.
        let runner = try WhisperRunner(model: model, pool: ThreadPool(threadCount: 2))
        try WhisperTests.window(golden).withUnsafeBufferPointer { try runner.encode($0) }
        var replayed: [Int32] = []
        try runner.append([181] + texts[0], logits: .all) { position, logits in
            SpeechRules(tokens).apply(logits, text: Array(texts[0].prefix(position)))
            if let best = logits.indices.max(by: { logits[$0] < logits[$1] }) { replayed.append(Int32(best)) }
        }
        #expect(Array(replayed.prefix(texts[0].count)) == texts[0])
    }
}

private struct SeededGenerator: RandomNumberGenerator {
    var seed: UInt64

    mutating func next() -> UInt64 {
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return seed ^ seed >> 29
    }
}

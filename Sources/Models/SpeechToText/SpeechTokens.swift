/// The control tokens of a speech model, and what its checkpoint asks of the choice of tokens.
package struct SpeechTokens: Sendable, Equatable {
    /// `<|startoftranscript|>`
    package var start: Int32
    /// `<|endoftext|>`
    package var end: Int32
    /// By language code ("en"); empty for a model of one language.
    package var languages: [String: Int32] = [:]
    package var transcribe: Int32?
    package var translate: Int32?
    /// `<|notimestamps|>`; the token before it means that nobody speaks, those after it are times in steps of 20 ms.
    package var withoutTimes: Int32
    /// Never chosen.
    package var suppressed: [Int32] = []
    /// Not chosen as the first token of a window.
    package var suppressedAtBegin: [Int32] = []
    /// The first time of a window lies at most this many steps after its beginning.
    package var latestFirstTime: Int? = 50

    package init(start: Int32, end: Int32, withoutTimes: Int32) {
        self.start = start
        self.end = end
        self.withoutTimes = withoutTimes
    }

    package var firstTime: Int32 { withoutTimes + 1 }
    package var silence: Int32 { withoutTimes - 1 }
    package func isTime(_ token: Int32) -> Bool { token >= firstTime }

    /// Seconds of one step of a time token.
    package static let secondsPerStep = 0.02

    /// The tokens that begin every window's text.
    ///
    /// - Parameter language: a code among ``languages``; nil for a model that has none.
    package func prompt(language: String?, translates: Bool) -> [Int32] {
        [start] + [language.flatMap { languages[$0] }, translates ? translate : transcribe].compactMap { $0 }
    }
}

/// Which tokens may follow, as rules on logits: what the checkpoint suppresses, and the grammar of times
/// (Radford et al. 2022, and the reference's decoding).
///
/// Times come in pairs (the end of one segment, the beginning of the next), never go back, and a window begins with one;
/// where the times together are likelier than any single word, a time it is.
package struct SpeechRules: Sendable {
    private let tokens: SpeechTokens

    package init(_ tokens: SpeechTokens) { self.tokens = tokens }

    /// Sets what may not follow to -infinity.
    ///
    /// - Parameters:
    ///   - logits: `[vocabulary]`; ids of tokens that the vocabulary lacks are passed over.
    ///   - text: the window's tokens after the prompt.
    package func apply(_ logits: UnsafeMutableBufferPointer<Float>, text: [Int32]) {
        func forbid(_ range: Range<Int>) {
            for index in range.clamped(to: 0..<logits.count) { logits[index] = -.infinity }
        }
        func forbid(_ ids: [Int32]) {
            for id in ids { forbid(Int(id)..<Int(id) + 1) }
        }
        forbid(tokens.suppressed)
        forbid([tokens.withoutTimes])
        if text.isEmpty { forbid(tokens.suppressedAtBegin) }
        let times = Int(tokens.firstTime)
        if let last = text.last, tokens.isTime(last) {
            let isPaired = text.count < 2 || tokens.isTime(text[text.count - 2])
            // After a pair comes text; after a single time its partner, or the end.
            if isPaired { forbid(times..<max(times, logits.count)) } else { forbid(0..<Int(tokens.end)) }
        }
        if let latest = text.last(where: tokens.isTime) {
            // A segment may not be empty: its end lies after its beginning.
            let opensPair =
                tokens.isTime(text[text.count - 1]) && text.count >= 2 && !tokens.isTime(text[text.count - 2])
            forbid(times..<Int(latest) + (opensPair ? 0 : 1))
        }
        if text.isEmpty {
            forbid(0..<times)
            if let latest = tokens.latestFirstTime {
                forbid(times + latest + 1..<max(times + latest + 1, logits.count))
            }
        }
        if prefersTime(logits) { forbid(0..<times) }
    }

    /// Whether all times together are likelier than the likeliest other token.
    private func prefersTime(_ logits: UnsafeMutableBufferPointer<Float>) -> Bool {
        let times = Int(tokens.firstTime)
        guard times < logits.count else { return false }
        let largest = logits[times...].max() ?? -.infinity
        guard largest > -.infinity else { return false }
        let sum = logits[times...].reduce(0.0) { $0 + Double(SpeechScoring.exponential($1 - largest)) }
        let other = logits[..<times].max() ?? -.infinity
        return Double(largest) + SpeechScoring.logarithm(sum) > Double(other)
    }
}

/// A piece of text with its time.
package struct SpeechSegment: Sendable, Equatable {
    /// Seconds from the beginning of the sound.
    package var start: Double
    package var end: Double
    /// Words only, without times.
    package var tokens: [Int32]

    package init(start: Double, end: Double, tokens: [Int32]) {
        self.start = start
        self.end = end
        self.tokens = tokens
    }
}

/// How a window's tokens fall into segments, and where the next window begins.
package struct SpeechWindow: Sendable, Equatable {
    package var segments: [SpeechSegment]
    /// Frames of 10 ms to the next window's beginning; at least one.
    package var advance: Int

    /// - Parameters:
    ///   - text: the tokens after the prompt, without the end.
    ///   - begin: the window's beginning in frames.
    ///   - frames: of sound in the window.
    package init(text: [Int32], tokens: SpeechTokens, begin: Int, frames: Int) {
        let offset = Double(begin) / 100
        func seconds(_ token: Int32) -> Double {
            offset + Double(token - tokens.firstTime) * SpeechTokens.secondsPerStep
        }
        func words(_ slice: ArraySlice<Int32>) -> [Int32] { slice.filter { !tokens.isTime($0) && $0 < tokens.end } }
        segments = []
        let pairs = text.indices.dropFirst().filter { tokens.isTime(text[$0]) && tokens.isTime(text[$0 - 1]) }
        let endsSingly =
            text.count >= 2 && tokens.isTime(text[text.count - 1]) && !tokens.isTime(text[text.count - 2])
        guard !pairs.isEmpty else {
            // One segment, up to its last time where it has one; the whole window is done.
            var end = offset + Double(frames) / 100
            if let last = text.last(where: tokens.isTime), last != tokens.firstTime { end = seconds(last) }
            segments.append(SpeechSegment(start: offset, end: end, tokens: words(text[...])))
            advance = max(1, frames)
            return
        }
        var first = 0
        for last in pairs + (endsSingly ? [text.count] : []) {
            let slice = text[first..<last]
            if let begins = slice.first, let ends = slice.last {
                let start = tokens.isTime(begins) ? seconds(begins) : offset
                segments.append(
                    SpeechSegment(
                        start: start,
                        end: max(start, seconds(max(ends, tokens.firstTime))),
                        tokens: words(slice)
                    )
                )
            }
            first = last
        }
        if endsSingly {
            // Nobody speaks after the last time.
            advance = max(1, frames)
        } else {
            // The rest was cut off: it is heard again from the last whole segment on.
            let steps = Int(text[first - 1] - tokens.firstTime)
            // No step at all would never end.
            advance = steps > 0 ? min(max(1, frames), 2 * steps) : max(1, frames)
        }
    }
}

import Foundation
import KVCache
import Models

/// A gist without writing: the sentences of a page that a model attends to most when it is asked what the page is about.
final class GistExtractor {
    private let runtime: Runtime
    private let probes: AnswerProbes
    /// Words of a gist for each word of the page.
    private static let share = 6
    private static let question = "What is this text about? Which names and facts are in it?"

    init(runtime: Runtime) throws {
        self.runtime = runtime
        probes = try runtime.makeProbes()
    }

    /// Sentences in their order, about a sixth of the page.
    func gist(of page: String) throws -> String {
        let bytes = Array(page.utf8)
        let sentences = BookText.sentences(bytes, in: 0..<bytes.count)
        let words = sentences.map { BookText.wordCount(String(decoding: bytes[$0], as: UTF8.self)) }
        let budget = max(24, words.reduce(0, +) / Self.share)
        guard sentences.count > 1, words.reduce(0, +) > budget else { return page }
        let attention = try attention(page, sentences)
        let ranked = sentences.indices.sorted { (attention[$0], $1) > (attention[$1], $0) }
        var chosen: [Int] = []
        var used = 0
        for index in ranked where words[index] >= 3 {
            // The best sentence is taken whatever its length; others as far as there is room.
            guard chosen.isEmpty || used + words[index] <= budget else { continue }
            chosen.append(index)
            used += words[index]
            if used >= budget { break }
        }
        return chosen.sorted().map { index in
            String(decoding: bytes[sentences[index]], as: UTF8.self).split(whereSeparator: \.isWhitespace)
                .joined(separator: " ")
        }.joined(separator: " ")
    }

    /// Attention for each token of each sentence, from the first words of an answer.
    private func attention(_ page: String, _ sentences: [Range<Int>]) throws -> [Float] {
        let none = [Float](repeating: 0, count: sentences.count)
        let text = "Text:\n\n\(page)\n\nQuestion: \(Self.question)"
        let encoded = try runtime.encode([.init(role: .user, text: text)], systemPrompt: nil)
        let tokens = encoded.stream.tokens
        let answerTokens = 24
        try runtime.checkRoom(promptTokens: tokens.count, answerTokens: answerTokens)
        // A template may change what stands in it; then the sentences count as they come.
        guard let found = encoded.text.range(of: page) else { return none }
        let offset = encoded.text.utf8.distance(from: encoded.text.startIndex, to: found.lowerBound)
        probes.answer.clear()
        probes.baseline.clear()
        var table = runtime.makePageTable()
        let result = try runtime.generate(
            stream: encoded.stream,
            table: &table,
            maximumTokens: answerTokens,
            sampling: SamplingOptions(),
            stopTokens: [],
            probes: probes,
            onProgress: { _ in },
            onToken: { _ in true }
        )
        let evidence = probes.evidence(positions: tokens.count, answerTokens: result.tokens.count)
        var sums = none
        var counts = none
        var sentence = 0
        for (index, range) in encoded.ranges.enumerated() {
            let middle = (range.lowerBound + range.upperBound) / 2 - offset
            while sentence < sentences.count, sentences[sentence].upperBound <= middle { sentence += 1 }
            guard sentence < sentences.count else { break }
            guard middle >= sentences[sentence].lowerBound else { continue }
            let span = index / AttentionProbe.spanPositions
            sums[sentence] += span < evidence.count ? evidence[span] : 0
            counts[sentence] += 1
        }
        return zip(sums, counts).map { $1 > 0 ? $0 / $1 : 0 }
    }
}

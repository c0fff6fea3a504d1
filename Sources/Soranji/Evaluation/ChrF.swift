/// The character n-gram F-score of translations (Popović 2015), with sacrebleu's default settings: n from 1 to 6, beta 2,
/// white space left out, orders that neither text has not counted.
package struct ChrF: Sendable, Equatable {
    static let order = 6
    private static let betaSquared = 4.0

    private struct Counts: Equatable {
        var hypothesis = 0
        var reference = 0
        var match = 0
    }

    private var counts = [Counts](repeating: Counts(), count: ChrF.order)

    package init() {}

    /// Adds one sentence to the corpus.
    package mutating func add(_ hypothesis: String, _ reference: String) {
        let hypothesis = Self.characters(hypothesis)
        let reference = Self.characters(reference)
        for order in 1...Self.order {
            let found = Self.grams(hypothesis, order)
            let wanted = Self.grams(reference, order)
            // An order that the reference does not have says nothing about the hypothesis.
            if !wanted.isEmpty { counts[order - 1].hypothesis += found.values.reduce(0, +) }
            counts[order - 1].reference += wanted.values.reduce(0, +)
            for (gram, count) in found { counts[order - 1].match += min(count, wanted[gram] ?? 0) }
        }
    }

    /// The score of all sentences together, from 0 to 100: counts are added before they are divided.
    package var score: Double {
        let orders = counts.filter { $0.hypothesis > 0 && $0.reference > 0 }
        guard !orders.isEmpty else { return 0 }
        let precision = orders.reduce(0) { $0 + Double($1.match) / Double($1.hypothesis) } / Double(orders.count)
        let recall = orders.reduce(0) { $0 + Double($1.match) / Double($1.reference) } / Double(orders.count)
        guard precision + recall > 0 else { return 0 }
        return 100 * (1 + Self.betaSquared) * precision * recall / (Self.betaSquared * precision + recall)
    }

    /// The score of one sentence.
    package static func score(_ hypothesis: String, _ reference: String) -> Double {
        var corpus = ChrF()
        corpus.add(hypothesis, reference)
        return corpus.score
    }

    /// Code points without white space, as Python counts both.
    private static func characters(_ text: String) -> [Unicode.Scalar] {
        text.unicodeScalars.filter { !$0.properties.isWhitespace && !("\u{1C}"..."\u{1F}").contains($0) }
    }

    private static func grams(_ text: [Unicode.Scalar], _ order: Int) -> [ArraySlice<Unicode.Scalar>: Int] {
        guard text.count >= order else { return [:] }
        var grams: [ArraySlice<Unicode.Scalar>: Int] = [:]
        for start in 0...text.count - order { grams[text[start..<start + order], default: 0] += 1 }
        return grams
    }
}

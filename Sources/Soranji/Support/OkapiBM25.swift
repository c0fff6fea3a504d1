import Foundation

/// Okapi BM25 (Robertson & Zaragoza 2009): how much a text of many is about some words.
enum OkapiBM25 {
    /// Words that say nothing about what is asked for.
    static let stopWords: Set<String> = [
        "a", "an", "the", "of", "to", "in", "on", "at", "for", "and", "or", "is", "are", "was", "were", "be", "it",
        "its",
        "this", "that", "who", "what", "when", "where", "which", "how", "why", "do", "does", "did", "by", "with",
        "from",
        "as", "many", "much", "there", "has", "have", "had", "i", "you", "he", "she", "they", "we",
    ]

    /// What a question's words are looked for by, each once, the last one first; without single letters.
    static func terms(_ question: String) -> [String] {
        var known: Set<String> = []
        return BookText.words(question).reversed().compactMap { word in
            let says = word.count > 1 || word.first?.isNumber == true
            guard says, !stopWords.contains(String(word)) else { return nil }
            let term = BookText.singular(word)
            return known.insert(term).inserted ? term : nil
        }
    }

    /// Adds to the texts' scores what one word gives them.
    ///
    /// - Parameters:
    ///   - counts: how often the word is in each text.
    ///   - relativeLengths: of the texts, by their mean; nil where all are as long.
    static func add(_ counts: [Int], relativeLengths: [Double]?, to scores: inout [Double]) {
        let holding = Double(counts.count { $0 > 0 })
        guard holding > 0 else { return }
        let rarity = log(1 + (Double(counts.count) - holding + 0.5) / (holding + 0.5))
        for (index, count) in counts.enumerated() where count > 0 {
            let count = Double(count)
            let length = relativeLengths?[index] ?? 1
            scores[index] += rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length))
        }
    }
}

import CKernels
import Foundation
import KVCache
import Models
import Tokenizers

/// How the pages that a question needs are found.
package enum BookLookup: String, Sendable, CaseIterable {
    /// Parallel for models that can be asked, pages for small ones.
    case auto
    /// The model reads all gists and names several pages at once.
    case parallel
    /// The model reads all gists and names one page after the other, seeing what it has reread.
    case sequential
    /// Without asking: by the words of the question, then by how likely the question is after each page.
    case pages
}

/// Ranks pages for a question without asking for page numbers.
struct PageRanking {
    let runtime: Runtime
    let book: Book
    /// Pages that the model is tried on; words alone decide between the others.
    private static let candidates = 10

    /// The best pages first.
    func best(_ count: Int, for question: String) throws -> [Int] {
        let byWords = Self.wordScores(question, book.pages.map { $0.text })
        let order = book.pages.indices.sorted { (byWords[$0], $1) > (byWords[$1], $0) }
        guard count < order.count else { return order }
        let candidates = Array(order.prefix(max(count, Self.candidates)))
        guard candidates.count > count else { return candidates }
        // Both say something: words are sure where they are rare, the model knows what is meant. Ranks are put together
        // (Cormack, Clarke & Büttcher 2009), since the two scores have no common scale.
        let likelihoods = try candidates.map { try likelihood(of: question, after: book.pages[$0].text) }
        let byModel = candidates.indices.sorted { (likelihoods[$0], $1) > (likelihoods[$1], $0) }
        var score = [Double](repeating: 0, count: candidates.count)
        for (rank, candidate) in byModel.enumerated() { score[candidate] += 1 / Double(rank + 3) }
        for rank in candidates.indices where byWords[candidates[rank]] > 0 { score[rank] += 1 / Double(rank + 3) }
        return candidates.indices.sorted { (score[$0], $1) > (score[$1], $0) }.prefix(count).map { candidates[$0] }
    }

    /// ``OkapiBM25`` of every page.
    static func wordScores(_ question: String, _ pages: [String]) -> [Double] {
        let terms = OkapiBM25.terms(question)
        let counts = pages.map { page in
            BookText.terms(page).reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        }
        let lengths = pages.map { Double(BookText.wordCount($0)) }
        let mean = max(1, lengths.reduce(0, +) / Double(max(1, pages.count)))
        let relativeLengths = lengths.map { $0 / mean }
        var scores = [Double](repeating: 0, count: pages.count)
        for term in terms {
            OkapiBM25.add(counts.map { $0[term] ?? 0 }, relativeLengths: relativeLengths, to: &scores)
        }
        return scores
    }

    /// Mean logarithm of the probability of the question's tokens after a page (Sachan et al. 2022, "Improving Passage
    /// Retrieval with Zero-Shot Question Generation").
    private func likelihood(of question: String, after page: String) throws -> Double {
        let tokenizer = try runtime.requireTokenizer()
        func tokens(_ text: String, _ isFirst: Bool) -> [Int32] {
            tokenizer.encode(text, addingSpecialTokens: isFirst, parsingSpecialTokens: false)
        }
        let room = runtime.contextTokens
        let asked = tokens(" " + question, false)
        let context = tokens(page + "\n\nA question about this text:", true)
        // A page that leaves no room cannot be answered from either; the answer will say so.
        guard !asked.isEmpty, context.count + asked.count <= room else { return -.infinity }
        let all = context + asked
        var table = runtime.makePageTable()
        var sum = 0.0
        func take(_ logits: UnsafeMutableBufferPointer<Float>, _ target: Int) {
            guard let base = logits.baseAddress, all.indices.contains(target) else { return }
            sum += Double(logits[Int(all[target])]) - sk_log_sum_exp(base, Int64(logits.count))
        }
        try runtime.prefill(TokenStream(text: context), 0..<context.count, table: &table, onProgress: { _ in }) {
            take($0, context.count)
        }
        try runtime.append(
            TokenStream(text: asked),
            0..<asked.count - 1,
            table: &table,
            request: { _ in .all },
            onProgress: { _ in },
            onLogits: { take($1, context.count + $0 + 1) }
        )
        return sum / Double(asked.count)
    }
}

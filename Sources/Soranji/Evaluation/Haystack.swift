/// The beginning of an endless text, sentence by sentence: what needles are hidden in.
///
/// A shorter context is the beginning of a longer one, and a needle further back leaves what is before it unchanged: so
/// contexts of one haystack share what was read of it.
struct Haystack: Sendable {
    /// Tokens of all sentences, one after the other.
    let tokens: [Int32]
    /// Where each sentence ends among them.
    let ends: [Int]

    /// - Parameters:
    ///   - limit: tokens that are needed at most; the last sentence may pass it.
    ///   - next: the text of the sentence with a number, with the white space that stands before it.
    init(upTo limit: Int, encoder: PieceEncoder, next: (Int) -> String) {
        var tokens: [Int32] = []
        tokens.reserveCapacity(max(0, limit) + 64)
        var ends: [Int] = []
        // A sentence without tokens would never end the loop.
        var empty = 0
        while tokens.count < limit, empty < 1000 {
            let sentence = encoder.tokens(next(ends.count))
            empty = sentence.isEmpty ? empty + 1 : 0
            tokens += sentence
            ends.append(tokens.count)
        }
        self.tokens = tokens
        self.ends = ends
    }

    /// How many whole sentences fit into a number of tokens.
    func sentences(fitting limit: Int) -> Int {
        var low = 0
        var high = ends.count
        while low < high {
            let middle = (low + high) / 2
            if ends[middle] <= limit { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Tokens of the first `count` sentences.
    func tokenCount(sentences count: Int) -> Int { count > 0 ? ends[min(count, ends.count) - 1] : 0 }

    /// Needles among the first `sentences` sentences.
    ///
    /// - Parameter needles: tokens of each, with its depth: the share of the haystack's tokens that stand before it.
    /// - Returns: the parts in order, where the needles came to lie, and how many tokens of the haystack are before the
    ///   first of them.
    func hiding(
        _ needles: [(depth: Double, tokens: [Int32])],
        sentences: Int
    ) -> (parts: [ContextPart], needles: [Range<Int>], shared: Int) {
        let total = tokenCount(sentences: sentences)
        // In the order of their depth, but told back in the order given.
        let order = needles.indices.sorted { (needles[$0].depth, $0) < (needles[$1].depth, $1) }
        var parts: [ContextPart] = []
        var found = [Range<Int>](repeating: 0..<0, count: needles.count)
        var begin = 0
        var added = 0
        var shared = total
        for index in order {
            let wanted = Int((Double(total) * min(max(needles[index].depth, 0), 1)).rounded())
            let place = max(begin, tokenCount(sentences: self.sentences(fitting: min(wanted, total))))
            if place > begin { parts.append(.haystack(begin..<place)) }
            shared = min(shared, place)
            found[index] = place + added..<place + added + needles[index].tokens.count
            parts.append(.own(needles[index].tokens))
            added += needles[index].tokens.count
            begin = place
        }
        if begin < total { parts.append(.haystack(begin..<total)) }
        return (parts, found, shared)
    }
}

/// A part of a context: tokens of the haystack, which many contexts share, or its own.
enum ContextPart: Sendable, Equatable {
    case haystack(Range<Int>)
    case own([Int32])

    var count: Int {
        switch self {
        case .haystack(let range): range.count
        case .own(let tokens): tokens.count
        }
    }
}

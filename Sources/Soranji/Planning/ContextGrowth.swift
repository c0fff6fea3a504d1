import KVCache

/// What a context takes beside its pages, by its length: buffers of a run, about, and how much one token attends to.
package struct ContextGrowth: Sendable, Equatable {
    /// Activations of a chunk, and logits.
    var fixedBytes: Double
    /// Tables of turns.
    var bytesPerPage: Double
    /// Running states of attention.
    var bytesPerGroup: Double
    /// Nil where every token sees all before it.
    var recall: RecallSettings?

    func scratchBytes(tokens: Int) -> Int {
        let pages = max(0, tokens) / PageLayout.positions
        let groups = PagedAttention.maximumGroups(pages, recall)
        let bytes = fixedBytes + Double(pages) * bytesPerPage + Double(groups) * bytesPerGroup
        return bytes < 1e18 ? Int(bytes) : Int.max
    }

    /// How many tokens one token attends to at most; nil: all.
    func attendedTokens(of tokens: Int) -> Int? {
        recall.map { max($0.attendedPositions, min($0.firstPosition, tokens)) }
    }
}

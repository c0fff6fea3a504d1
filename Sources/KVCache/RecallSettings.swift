/// Attention to a part of a long context: its first page, a local window, and the pages that ranking finds for a query.
///
/// In the window, distances are true. Keys before it are not rotated and the query is turned by one fixed angle, that
/// of the window's length, so that no distance is ever larger than what the model was trained on (Xiao et al. 2024,
/// "InfLLM"). What a token attends to depends on its position and the tokens before it alone, so results are the same
/// however a prompt was cut.
package struct RecallSettings: Sendable, Equatable {
    /// Positions before this see everything.
    package var firstPosition: Int
    /// Positions of the local window, a multiple of 128. A token's window begins with a page: up to 127 fewer.
    package var localPositions: Int
    /// Pages at the beginning that are always attended to.
    package var initialPages = 1
    /// Pages that ranking adds.
    package var retrievedPages: Int
    /// Tokens, on a grid, that share the ranking of the first of them. A divisor of 128.
    package var rankingStep = 8
    /// Turns the keys of far pages by their true distance: what exact attention does, for comparison.
    package var turnsFarKeys = false

    package init(firstPosition: Int, localPositions: Int, retrievedPages: Int) {
        self.firstPosition = firstPosition
        self.localPositions = localPositions
        self.retrievedPages = retrievedPages
    }

    /// The shortest window: what is older must be in groups that are sealed already.
    package static let leastLocalPositions = PageSealing.groupPositions + PageLayout.positions

    /// An eighth of the trained length for the window and a quarter for what is found, 4,096 positions each at most:
    /// more is slower and hardly better (`Docs/long-context.md`). Nil where a model was trained on too little for that.
    ///
    /// - Parameter firstPosition: nil for the first one that exact attention was not trained for.
    package static func fitting(trainedPositions: Int, firstPosition: Int? = nil) -> RecallSettings? {
        let eighth = max(min(trainedPositions / 8, 4096), leastLocalPositions)
        let window = eighth / PageLayout.positions * PageLayout.positions
        let retrieved = min(trainedPositions / 4, 4096) / PageLayout.positions
        guard window + (retrieved + 1) * PageLayout.positions <= trainedPositions else { return nil }
        return RecallSettings(
            firstPosition: firstPosition ?? trainedPositions / PageSealing.groupPositions * PageSealing.groupPositions,
            localPositions: window,
            retrievedPages: retrieved
        )
    }

    /// Positions that one token attends to at most.
    package var attendedPositions: Int {
        localPositions + (initialPages + retrievedPages) * PageLayout.positions
    }

    /// The first page of a token's window; 0 where it sees everything.
    func firstLocalPage(position: Int) -> Int {
        guard position >= firstPosition else { return 0 }
        let begin = position + 1 - localPositions
        return begin <= 0 ? 0 : (begin + PageLayout.positions - 1) / PageLayout.positions
    }

    /// Whether tokens before a position see less than everything.
    package func recalls(before position: Int) -> Bool { position > 0 && firstLocalPage(position: position - 1) > 0 }

    /// Pages that a token's list is chosen from, beside the initial ones.
    package func farPages(position: Int) -> Range<Int> {
        initialPages..<max(initialPages, firstLocalPage(position: position))
    }

    /// The most pages that one token's list holds.
    var listCapacity: Int { initialPages + retrievedPages }
    /// Groups that a list is cut into.
    var listGroups: Int { (listCapacity + PagedAttention.groupPages - 1) / PagedAttention.groupPages }
}

/// How much work ranking was.
package struct RecallStatistics: Sendable, Equatable, BitwiseCopyable {
    /// Lists of pages that were made.
    package var lists = 0
    /// Pages on them.
    package var listedPages = 0
    /// Pages that could have been.
    package var candidatePages = 0
    /// Pages that questions named, see ``RecallQuestion``.
    package var namedPages = 0

    package init() {}

    static func + (a: RecallStatistics, b: RecallStatistics) -> RecallStatistics {
        var sum = a
        sum.lists += b.lists
        sum.listedPages += b.listedPages
        sum.candidatePages += b.candidatePages
        sum.namedPages += b.namedPages
        return sum
    }
}

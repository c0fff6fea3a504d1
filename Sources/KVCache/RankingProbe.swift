import CKernels
import Tensor

/// How fast ranking is on this machine.
package enum RankingProbe {
    /// Lists of a prompt that are made together.
    package static let promptLists = PageSearch.listCount

    /// Seconds that one thread takes to score one page for one list, measured for a few milliseconds.
    ///
    /// - Parameters:
    ///   - layout: of the pages.
    ///   - headCount: query heads of a layer.
    ///   - lists: how many are made together, as in a prompt; 1 for a token that is written.
    package static func secondsPerPage(
        _ layout: PageLayout,
        headCount: Int,
        lists: Int
    ) throws(AllocationError) -> Double {
        let width = layout.keyWidth
        let rows = headCount / layout.kvHeadCount
        let count = lists * rows * width
        let block = try AlignedBuffer<UInt8>(count: PageIndexBlock.Shape(layout).headBytes)
        let numbers = try AlignedBuffer<Float>(count: 2 * count)
        let scores = try AlignedBuffer<Float>(count: lists * PageIndexBlock.pages)
        var queries = sk_rank_queries(
            queries: numbers.pointer,
            squares: numbers.pointer + count,
            lists: Int32(lists),
            rows: Int32(rows),
            width: Int32(width),
            stride: Int32(lists * rows)
        )
        let clock = ContinuousClock()
        let start = clock.now
        var rounds = 0
        var time = Duration.zero
        while time < .milliseconds(3) {
            for _ in 0..<16 { sk_rank_block(&queries, block.pointer, scores.pointer) }
            rounds += 16
            time = start.duration(to: clock.now)
        }
        return time / .seconds(1) / Double(rounds * PageIndexBlock.pages * lists)
    }
}

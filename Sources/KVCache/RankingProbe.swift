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
    ///   - lists: how many are made together: ``promptLists``, or 1 for a token that is written.
    package static func secondsPerPage(
        _ layout: PageLayout,
        headCount: Int,
        lists: Int
    ) throws(AllocationError) -> Double {
        let unused = try AlignedBuffer<Float>(count: 1)
        let search = try PageSearch(
            layout: layout,
            rows: headCount / layout.kvHeadCount,
            foundPages: 1,
            maximumPages: PageIndexBlock.pages,
            workers: 1,
            cosines: unused.pointer,
            sines: unused.pointer
        )
        let block = try AlignedBuffer<UInt8>(count: PageIndexBlock.Shape(layout).headBytes)
        let scores = try AlignedBuffer<Float>(count: lists * PageIndexBlock.pages)
        let clock = ContinuousClock()
        let start = clock.now
        var rounds = 0
        var time = Duration.zero
        while time < .milliseconds(3) {
            for _ in 0..<16 { search.score(block.pointer, next: nil, lists: lists, worker: 0, into: scores.pointer) }
            rounds += 16
            time = start.duration(to: clock.now)
        }
        return time / .seconds(1) / Double(rounds * PageIndexBlock.pages * lists)
    }
}

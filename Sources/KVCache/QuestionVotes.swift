import Tensor

/// The votes of a question's tokens: each list that is made for one of them gives its best page as many votes as the list
/// has places, the next one a vote less, and so on. Votes are whole numbers, so their sums do not depend on any order.
final class QuestionVotes {
    let lock: QuestionLock
    /// Positions that vote; what follows them is the answer.
    let positions: Range<Int>
    /// Pages from here on were not yet, or still in the window, when the question ended.
    let endPage: Int
    /// Pages that a list takes beyond the initial ones.
    private let listPages: Int
    /// `[layers * kvHeads][endPage]`
    private let votes: AlignedBuffer<Int32>
    /// `[layers * kvHeads][capacity]`, most votes first, and their number; negative before the question's end.
    private let chosen: AlignedBuffer<Int32>
    private let counts: AlignedBuffer<Int32>

    /// - Parameter headCount: KV heads of all layers.
    init(
        _ lock: QuestionLock,
        positions: Range<Int>,
        settings: RecallSettings,
        headCount: Int
    ) throws(AllocationError) {
        self.lock = lock
        self.positions = positions
        listPages = settings.retrievedPages
        endPage = settings.firstLocalPage(position: max(0, positions.upperBound - 1))
        votes = try AlignedBuffer(count: headCount * endPage)
        chosen = try AlignedBuffer(count: headCount * 2 * listPages)
        counts = try AlignedBuffer(count: headCount)
        for head in 0..<headCount { counts.pointer[head] = -1 }
    }

    /// Counts a list's pages.
    ///
    /// - Parameters:
    ///   - head: counted over all layers.
    ///   - pages: the best one first.
    func vote(head: Int, _ pages: UnsafeBufferPointer<Int32>) {
        for (rank, page) in pages.enumerated() where page < endPage {
            votes.pointer[head * endPage + Int(page)] += Int32(listPages - rank)
        }
    }

    /// Chooses the candidates of some heads, once the question has ended: before several threads ask for them.
    ///
    /// - Parameter position: where the next chunk begins.
    func choose(before position: Int, heads: Range<Int>) {
        guard position >= positions.upperBound else { return }
        for head in heads where counts.pointer[head] < 0 {
            counts.pointer[head] = Int32(choose(head, into: chosen.pointer + head * 2 * listPages))
        }
    }

    /// The pages with most votes, up to twice as many as a list has places; none before they were chosen.
    func candidates(head: Int) -> UnsafeBufferPointer<Int32> {
        UnsafeBufferPointer(start: chosen.pointer + head * 2 * listPages, count: Int(max(0, counts.pointer[head])))
    }

    /// The pages that a list of an answer may be chosen from; nil for all.
    func locked(head: Int, position: Int) -> LockedPages? {
        guard lock == .lock, position >= positions.upperBound else { return nil }
        let candidates = candidates(head: head)
        // A question that ended before anything was beyond its window says nothing.
        return candidates.isEmpty ? nil : LockedPages(candidates: candidates, endPage: endPage)
    }

    /// The pages that a list of an answer has in any case; nil for none.
    func fixed(head: Int, position: Int) -> Slice<UnsafeBufferPointer<Int32>>? {
        guard lock == .hybrid, position >= positions.upperBound else { return nil }
        let candidates = candidates(head: head)
        return candidates.isEmpty ? nil : candidates.prefix(listPages / 2)
    }

    private func choose(_ head: Int, into first: UnsafeMutablePointer<Int32>) -> Int {
        let own = votes.pointer + head * endPage
        var count = 0
        for page in 0..<endPage where own[page] > 0 {
            // An earlier page goes before one with as many votes.
            var place = count
            while place > 0, own[Int(first[place - 1])] < own[page] { place -= 1 }
            guard place < 2 * listPages else { continue }
            var last = min(count, 2 * listPages - 1)
            while last > place {
                first[last] = first[last - 1]
                last -= 1
            }
            first[place] = Int32(page)
            count = min(count + 1, 2 * listPages)
        }
        return count
    }
}

/// What the question's tokens voted for, and all that was in its window.
struct LockedPages {
    let candidates: UnsafeBufferPointer<Int32>
    let endPage: Int

    func contains(_ page: Int) -> Bool { page >= endPage || candidates.contains(Int32(page)) }
}

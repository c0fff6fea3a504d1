import Tensor

/// The pages of one context, in order. A value: copying it forks the context without copying pages.
///
/// Writes happen in two steps, so that a failed or cancelled chunk leaves the table as it was:
/// ``prepareAppend(_:)`` makes room (copying a tail page that someone else holds too), the model fills the keys and
/// values, ``commitAppend()`` makes the positions part of the context.
package struct PageTable {
    package let layout: PageLayout
    package private(set) var pages: [Page] = []
    /// Committed positions.
    package private(set) var count = 0
    private var pendingTokens: [Int32] = []

    package init(layout: PageLayout) {
        self.layout = layout
        pendingTokens.reserveCapacity(512)
    }

    /// Pages of an equal prefix that another context has filled: full pages only.
    package init(layout: PageLayout, sharing pages: [Page]) {
        self.init(layout: layout)
        self.pages = pages
        count = pages.count * PageLayout.positions
    }

    /// Token ids of all committed positions.
    package var tokens: [Int32] {
        var result: [Int32] = []
        result.reserveCapacity(count)
        for page in pages {
            guard result.count < count else { break }
            result.append(contentsOf: page.tokens.prefix(count - result.count))
        }
        return result
    }

    /// Allocates pages for `positions` positions in all, so that later appends allocate nothing.
    package mutating func reserve(positions: Int) throws(AllocationError) {
        let needed = (positions + PageLayout.positions - 1) / PageLayout.positions
        pages.reserveCapacity(needed)
        while pages.count < needed { pages.append(try Page(layout: layout)) }
    }

    /// Makes the positions count ..< count + tokens.count writable.
    package mutating func prepareAppend(_ tokens: some Collection<Int32>) throws(AllocationError) {
        guard !tokens.isEmpty else { return }
        try reserve(positions: count + tokens.count)
        let first = count / PageLayout.positions
        let last = (count + tokens.count - 1) / PageLayout.positions
        for index in first...last {
            let filled = min(max(0, count - index * PageLayout.positions), PageLayout.positions)
            if !isKnownUniquelyReferenced(&pages[index]) {
                pages[index] = try Page(copying: pages[index], count: filled)
            } else if pages[index].tokens.count != filled {
                pages[index].truncate(to: filled)
            }
        }
        pendingTokens.removeAll(keepingCapacity: true)
        pendingTokens.append(contentsOf: tokens)
    }

    /// Commits what ``prepareAppend(_:)`` announced.
    package mutating func commitAppend() {
        for token in pendingTokens {
            pages[count / PageLayout.positions].append(token)
            count += 1
        }
        pendingTokens.removeAll(keepingCapacity: true)
    }

    /// Forgets the positions from `newCount` on.
    package mutating func truncate(to newCount: Int) {
        guard newCount < count else { return }
        count = max(0, newCount)
        let needed = (count + PageLayout.positions - 1) / PageLayout.positions
        if pages.count > needed { pages.removeLast(pages.count - needed) }
    }
}

import Tensor

/// The pages of one context, in order. A value: copying it forks the context without copying pages.
///
/// Writes happen in two steps, so that a failed or cancelled chunk leaves the table as it was:
/// ``prepareAppend(_:positions:media:)`` makes room (copying a tail page that someone else holds too), the model fills
/// the keys and values, ``commitAppend()`` makes the tokens part of the context. A token's place in the table is its
/// slot; its position is what the rotary embedding sees, see ``RotaryPosition``.
package struct PageTable {
    /// How pages lie in memory until they are sealed.
    package let layout: PageLayout
    /// What becomes of complete groups of pages; nil: nothing.
    package let sealing: PageSealing?
    private let spectrum: RotarySpectrum
    package internal(set) var pages: [Page] = []
    /// Pages of groups that were sealed and described, as far as that is wanted.
    package internal(set) var completedPages = 0
    /// What ranking knows of them.
    var blocks: [PageIndexBlock] = []
    /// Sealed pages to be.
    var spares: [Page] = []
    /// What the last tokens attended with, and the number of slots that it goes with; -1 for none.
    var lists: RankingLists?
    var listedCount = -1
    /// Committed slots.
    package private(set) var count = 0
    /// The largest number that a committed position has on any axis; -1 for an empty context.
    package private(set) var largestPosition = -1.0
    private var pendingTokens: [Int32] = []
    private var pendingMedia: [MediaRun] = []
    private var pendingLargestPosition = -1.0

    /// - Parameter spectrum: frequencies of the model's rotary embedding; needed where positions do not count up by one.
    package init(layout: PageLayout, spectrum: RotarySpectrum, sealing: PageSealing? = nil) {
        self.layout = layout
        self.sealing = sealing
        self.spectrum = spectrum
        pendingTokens.reserveCapacity(512)
    }

    /// Pages of an equal prefix that another context has filled: full pages only. With sealing, fewer may be taken.
    package init(
        layout: PageLayout,
        spectrum: RotarySpectrum,
        sealing: PageSealing? = nil,
        sharing pages: [Page]
    ) throws(AllocationError) {
        self.init(layout: layout, spectrum: spectrum, sealing: sealing)
        self.pages = Array(Self.usable(pages, sealing))
        count = self.pages.count * PageLayout.positions
        largestPosition = measuredLargestPosition
        try adoptPages()
    }

    /// Pages that were stored, all of them full but the last one. Where pages are sealed, those of complete groups are, and
    /// no others.
    ///
    /// - Parameters:
    ///   - count: committed slots; what the last page holds beyond them is forgotten.
    ///   - index: what ranking knows of the first pages. Others of complete groups are read and described.
    /// - Throws: ``AllocationError``, or ``PageDamage`` when a page that has to be read for that is damaged.
    package init(
        layout: PageLayout,
        spectrum: RotarySpectrum,
        sealing: PageSealing? = nil,
        pages: [Page],
        count: Int,
        index: StoredPageIndex = StoredPageIndex(),
        pool: ThreadPool
    ) throws {
        self.init(layout: layout, spectrum: spectrum, sealing: sealing)
        precondition(pages.count == (count + PageLayout.positions - 1) / PageLayout.positions)
        precondition(pages.dropLast().allSatisfy(\.isFull))
        self.pages = pages
        self.count = count
        largestPosition = measuredLargestPosition
        guard let sealing else { return }
        completedPages = count / PageSealing.groupPositions * PageSealing.groupPages
        let isSealed = sealing.layout != nil
        precondition(pages.enumerated().allSatisfy { $1.isSealed == (isSealed && $0 < completedPages) })
        guard sealing.describesPages else { return }
        let described = min(index.pages, completedPages)
        blocks = Array(index.blocks.prefix((described + PageIndexBlock.pages - 1) / PageIndexBlock.pages))
        for layer in 0..<layout.layerCount {
            try checkIntact(layer: layer, pages: described..<completedPages, pool: pool)
        }
        try describe(from: described, pool: pool)
    }

    /// Counts and describes the groups that pages of another context complete.
    private mutating func adoptPages() throws(AllocationError) {
        guard let sealing else { return }
        completedPages = count / PageSealing.groupPositions * PageSealing.groupPages
        if sealing.describesPages { try describe(from: 0, pool: nil) }
    }

    /// Puts pages with the same content in the place of some, such as those that were stored meanwhile.
    package mutating func replace(_ pages: [Page], from first: Int) {
        precondition(first >= 0 && first + pages.count <= self.pages.count)
        for (offset, page) in pages.enumerated() { self.pages[first + offset] = page }
    }

    /// Token ids of all committed slots.
    package var tokens: [Int32] {
        var result: [Int32] = []
        result.reserveCapacity(count)
        for page in pages {
            guard result.count < count else { break }
            result.append(contentsOf: page.tokens.prefix(count - result.count))
        }
        return result
    }

    /// Tokens, positions and media of all committed slots.
    package var content: ContextContent {
        var content = ContextContent(tokens: tokens)
        let isPlain = pages.enumerated().allSatisfy { index, page in
            index * PageLayout.positions >= count
                || page.angles == nil && page.anchor == RotaryPosition(Double(index * PageLayout.positions))
        }
        if !isPlain { content.positions = (0..<count).map(position) }
        for (index, page) in pages.enumerated() {
            let first = index * PageLayout.positions
            guard first < count else { break }
            for run in MediaRun.clipped(page.media, to: 0..<min(PageLayout.positions, count - first)) {
                var moved = run
                moved.first += first
                MediaRun.append(moved, to: &content.media)
            }
        }
        return content
    }

    /// The position of a committed or announced slot.
    package func position(_ slot: Int) -> RotaryPosition {
        pages[slot / PageLayout.positions].position(slot % PageLayout.positions)
    }

    /// Where text that follows stands: one after the largest position so far.
    package var nextPosition: Double { largestPosition + 1 }

    /// Allocates pages for `positions` slots in all, so that later appends of text allocate nothing.
    ///
    /// Where pages are sealed, only those of the group at hand are open: no more than its end is reserved.
    package mutating func reserve(positions: Int) throws(AllocationError) {
        var end = positions
        if sealing != nil, PageSealing.groupEnd(after: count) <= positions {
            if sealing?.layout != nil { end = PageSealing.groupEnd(after: count) }
            try prepareCompletion(of: count)
        }
        try prepareLists()
        let needed = (end + PageLayout.positions - 1) / PageLayout.positions
        pages.reserveCapacity(needed)
        while pages.count < needed { pages.append(try Page(layout: layout)) }
    }

    /// Makes the slots count ..< count + tokens.count writable and announces their positions.
    ///
    /// - Parameter media: which of the tokens are rows of media; slots count from the first of `tokens`.
    /// - Throws: ``AllocationError``, or ``PageDamage`` when a stored page that is continued is damaged.
    package mutating func prepareAppend(
        _ tokens: some Collection<Int32>,
        positions: AppendedPositions = .following,
        media: [MediaRun] = []
    ) throws {
        guard !tokens.isEmpty else { return }
        precondition(sealing == nil || count + tokens.count <= PageSealing.groupEnd(after: count))
        try reserve(positions: count + tokens.count)
        listedCount = -1
        if sealing != nil, (count + tokens.count) % PageSealing.groupPositions == 0 { try checkGroup(of: count) }
        let first = count / PageLayout.positions
        let last = (count + tokens.count - 1) / PageLayout.positions
        for index in first...last {
            let filled = min(max(0, count - index * PageLayout.positions), PageLayout.positions)
            if !isKnownUniquelyReferenced(&pages[index]) || pages[index].record.isReadOnly {
                try checkIntact(page: index)
                pages[index] = try Page(copying: pages[index], count: filled)
            } else if pages[index].tokens.count != filled {
                pages[index].truncate(to: filled)
            }
        }
        pendingLargestPosition = largestPosition
        for token in 0..<tokens.count {
            let position: RotaryPosition =
                switch positions {
                case .following: RotaryPosition(nextPosition + Double(token))
                case .listed(let list): list[token]
                }
            let slot = count + token
            try pages[slot / PageLayout.positions].setPosition(slot % PageLayout.positions, position, spectrum)
            pendingLargestPosition = max(pendingLargestPosition, position.largest)
        }
        pendingTokens.removeAll(keepingCapacity: true)
        pendingTokens.append(contentsOf: tokens)
        pendingMedia = media
    }

    /// Commits what ``prepareAppend(_:positions:media:)`` announced.
    package mutating func commitAppend() {
        let first = count
        for token in pendingTokens {
            pages[count / PageLayout.positions].append(token)
            count += 1
        }
        for run in pendingMedia {
            var slot = first + run.first
            let end = slot + run.count
            while slot < end {
                let offset = slot % PageLayout.positions
                let part = min(end - slot, PageLayout.positions - offset)
                let row = run.firstRow + slot - first - run.first
                pages[slot / PageLayout.positions].append(
                    MediaRun(first: offset, count: part, digest: run.digest, firstRow: row)
                )
                slot += part
            }
        }
        listedCount = count
        largestPosition = pendingLargestPosition
        pendingTokens.removeAll(keepingCapacity: true)
        pendingMedia = []
    }

    /// Prepares the tail page for text that does not count up from its last position, so that appending it allocates
    /// nothing.
    package mutating func prepareFollowingText() throws {
        let offset = count % PageLayout.positions
        guard offset > 0, position(count - 1) != RotaryPosition(largestPosition) else { return }
        let index = count / PageLayout.positions
        if !isKnownUniquelyReferenced(&pages[index]) || pages[index].record.isReadOnly {
            try checkIntact(page: index)
            pages[index] = try Page(copying: pages[index], count: offset)
        }
        try pages[index].makeAngles(filled: offset, spectrum)
    }

    /// Forgets the slots from `newCount` on.
    ///
    /// Some slots before it are forgotten too where what follows would depend on how the context came about: sealed
    /// pages are not written to, so a sealed group is forgotten whole, and so are tokens that share a list of pages which
    /// is not known any more; see ``count`` afterwards.
    package mutating func truncate(to newCount: Int) {
        guard newCount < count else { return }
        let keepsLists = listedCount == count
        count = max(0, newCount)
        if let sealing {
            if needsLists(at: count), let step = sealing.recall?.rankingStep {
                let isKnown = keepsLists && lists?.hold(block: count / step) == true
                if !isKnown { count -= count % step }
            }
            listedCount = keepsLists ? count : -1
            let complete = count / PageSealing.groupPositions * PageSealing.groupPages
            if sealing.layout != nil, complete < completedPages {
                count = complete * PageLayout.positions
                listedCount = -1
            }
            completedPages = min(completedPages, complete)
            let kept = (completedPages + PageIndexBlock.pages - 1) / PageIndexBlock.pages
            if blocks.count > kept { blocks.removeLast(blocks.count - kept) }
        }
        let needed = (count + PageLayout.positions - 1) / PageLayout.positions
        if pages.count > needed { pages.removeLast(pages.count - needed) }
        largestPosition = measuredLargestPosition
    }

    private var measuredLargestPosition: Double {
        pages.enumerated().reduce(-1) { largest, entry in
            let filled = min(PageLayout.positions, count - entry.offset * PageLayout.positions)
            return max(largest, entry.element.largestPosition(count: max(0, filled)))
        }
    }
}

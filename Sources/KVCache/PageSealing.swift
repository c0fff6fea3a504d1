import CKernels
import Tensor

/// What becomes of pages when a group of four of them, on the grid of 512 positions, is complete.
///
/// Groups stand on a grid of the whole context, and no chunk crosses it. So what a token sees of the past, sealed or
/// not, depends on its position alone: results are the same bytes however a prompt was cut, and whether its beginning
/// was taken from another context.
package struct PageSealing: Sendable, Equatable {
    /// Pages of a group, and its positions.
    package static let groupPages = 4
    package static let groupPositions = groupPages * PageLayout.positions

    /// How sealed pages lie in memory; nil to leave pages as they are.
    package var layout: PageLayout?
    /// How long contexts are attended to; nil: exactly.
    package var recall: RecallSettings?

    package init(layout: PageLayout?, recall: RecallSettings?) {
        self.layout = layout
        self.recall = recall
    }

    /// Whether pages are described for ranking.
    package var describesPages: Bool { recall != nil }

    /// The first position of the group after the one that holds `position`.
    package static func groupEnd(after position: Int) -> Int { (position / groupPositions + 1) * groupPositions }
}

extension PageTable {
    /// Whether the last commit completed a group that is still open.
    private var hasCompletedGroup: Bool {
        sealing != nil && count > 0 && count % PageSealing.groupPositions == 0
            && completedPages < count / PageLayout.positions
    }

    /// Makes everything that completing the group of `position` needs, so that completing it cannot fail.
    mutating func prepareCompletion(of position: Int) throws(AllocationError) {
        guard let sealing else { return }
        if let sealed = sealing.layout {
            spares.reserveCapacity(PageSealing.groupPages)
            while spares.count < PageSealing.groupPages { spares.append(try Page(layout: sealed)) }
        }
        if sealing.describesPages { try prepareBlock(of: position / PageLayout.positions) }
    }

    /// Seals and describes the pages of the group that the last commit completed; does nothing if there is none.
    package mutating func completeGroup(pool: ThreadPool) {
        guard hasCompletedGroup, let sealing else { return }
        let first = count / PageLayout.positions - PageSealing.groupPages
        sealGroup(from: first, sealing, pool)
        if sealing.layout != nil { exchange(from: first) }
        completedPages = first + PageSealing.groupPages
    }

    /// Fills the spare pages and the records of a group. Nothing holds on to its pages afterwards.
    private func sealGroup(from first: Int, _ sealing: PageSealing, _ pool: ThreadPool) {
        let block = sealing.describesPages ? blocks[first / PageIndexBlock.pages] : nil
        let work = SealWork(
            layout: layout,
            sealed: sealing.layout,
            pages: Array(pages[first..<first + PageSealing.groupPages]),
            targets: sealing.layout == nil ? [] : Array(spares.prefix(PageSealing.groupPages)),
            block: block,
            firstInBlock: first % PageIndexBlock.pages
        )
        pool.run(tasks: PageSealing.groupPages * layout.layerCount, work)
    }

    /// Checks the stored pages of the group that holds `position`, so that what they are sealed or described as is what was
    /// written: layers with windows of their own may not have come to them.
    func checkGroup(of position: Int) throws(PageDamage) {
        let first = position / PageSealing.groupPositions * PageSealing.groupPages
        for index in first..<min(first + PageSealing.groupPages, pages.count) where pages[index].record.isReadOnly {
            try checkIntact(page: index)
        }
    }

    /// Puts the sealed pages in the place of the open ones, which serve for the next group where nobody else has them.
    private mutating func exchange(from first: Int) {
        for index in first..<first + PageSealing.groupPages {
            let sealed = spares.removeFirst()
            sealed.adopt(pages[index])
            if !pages[index].record.isReadOnly, isKnownUniquelyReferenced(&pages[index]) {
                pages[index].reset()
                pages.append(pages[index])
            }
            pages[index] = sealed
        }
    }
}

/// Seals and describes a page's layer per task.
private struct SealWork: ParallelWork {
    let layout: PageLayout
    let sealed: PageLayout?
    let pages: [Page]
    let targets: [Page]
    let block: PageIndexBlock?
    let firstInBlock: Int

    func perform(task: Int, worker: Int) {
        let page = task % PageSealing.groupPages
        let layer = task / PageSealing.groupPages
        for head in 0..<layout.kvHeadCount {
            if let sealed {
                seal(page, layer: layer, head: head, sealed)
            } else {
                block?.describe(pages[page], layer: layer, head: head, page: firstInBlock + page)
            }
        }
    }

    private func seal(_ page: Int, layer: Int, head: Int, _ sealed: PageLayout) {
        var openLayout = layout.kernelLayout
        var sealedLayout = sealed.kernelLayout
        let target = targets[page]
        let keys = target.keys(layer: layer, head: head)
        sk_page_seal(
            &openLayout,
            pages[page].keys(layer: layer, head: head),
            pages[page].values(layer: layer, head: head),
            &sealedLayout,
            keys,
            target.values(layer: layer, head: head)
        )
        sk_rank_describe(&sealedLayout, keys, target.indexRecord(layer: layer, head: head))
        block?.describe(target, layer: layer, head: head, page: firstInBlock + page)
    }
}

extension PageTable {
    /// The pages of a shared prefix that this context may begin with: whole sealed groups, and pages that are not sealed
    /// in the group behind them.
    static func usable(_ pages: [Page], _ sealing: PageSealing?) -> ArraySlice<Page> {
        guard sealing?.layout != nil else { return pages[...] }
        let sealed = pages.firstIndex { !$0.isSealed } ?? pages.count
        guard sealed % PageSealing.groupPages == 0 else {
            return pages.prefix(sealed / PageSealing.groupPages * PageSealing.groupPages)
        }
        let open = pages[sealed...].prefix { !$0.isSealed }.count
        return pages.prefix(sealed + min(open, PageSealing.groupPages - 1))
    }

    /// Describes pages of complete groups that came from elsewhere, from a page that begins a group on.
    ///
    /// - Parameter pool: nil for the thread at hand alone.
    mutating func describe(from first: Int, pool: ThreadPool?) throws(AllocationError) {
        guard first < completedPages else { return }
        for index in stride(from: first, to: completedPages, by: PageSealing.groupPages) { try prepareBlock(of: index) }
        let layers = layout.layerCount
        for index in first..<completedPages {
            let work = DescribeWork(
                layout: layout,
                page: pages[index],
                block: blocks[index / PageIndexBlock.pages],
                number: index % PageIndexBlock.pages
            )
            if let pool {
                pool.run(tasks: layers, work)
            } else {
                for layer in 0..<layers { work.perform(task: layer, worker: 0) }
            }
        }
    }
}

/// Describes a layer of one page per task.
private struct DescribeWork: ParallelWork {
    let layout: PageLayout
    let page: Page
    let block: PageIndexBlock
    let number: Int

    func perform(task layer: Int, worker: Int) {
        for head in 0..<layout.kvHeadCount {
            block.describe(page, layer: layer, head: head, page: number)
        }
    }
}

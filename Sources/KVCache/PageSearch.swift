import CKernels
import Tensor

/// Finds the pages that score best for a few lists of one KV head, in one pass over what an index knows of a context.
///
/// All pages are compared. Bounds for 16 pages each, made of the ranges of their channels, were tried for a best-first
/// search: they excluded none of the 592 pages of an English book, as some corner of the ranges of 64 channels fits
/// nearly any query.
final class PageSearch {
    /// Lists that are made together at most.
    static let listCount = 8

    /// What a list is made for.
    struct Wanted: BitwiseCopyable {
        /// Where the list goes.
        var number = 0
        /// The first position that it is for.
        var position = 0
        /// Pages to choose from, up to the one before `endPage`.
        var firstPage = 0
        var endPage = 0
        /// How many were found.
        var count = 0
    }

    private let layout: PageLayout
    private let rowCount: Int
    /// Of channels, the last one with nothing where their number is odd.
    private let pairCount: Int
    private let foundPages: Int
    /// `[pairs]`: the one turn of all queries to far pages.
    private let cosines: UnsafePointer<Float>
    private let sines: UnsafePointer<Float>
    /// Per worker: one list's queries before and after their turn, `[rows][keyWidth]`.
    private let turning: AlignedBuffer<Float>
    /// Per worker: turned queries as `sk_rank_queries` has them, `[pairs of channels][listCount * rows]`, and their squares.
    private let queries: AlignedBuffer<Int32>
    /// Per worker: `[listCount * rows]` scales of the queries, and those of their squares.
    private let scales: AlignedBuffer<Float>
    /// Per worker: `[listCount][pages of a block]`
    private let scores: AlignedBuffer<Float>
    /// Per worker: `[listCount][foundPages]`
    private let candidates: AlignedBuffer<Candidate>
    private let wantedLists: AlignedBuffer<Wanted>
    /// Where the context's blocks begin.
    private let blockBases: AlignedBuffer<UInt>
    private let headBytes: Int

    /// - Parameters:
    ///   - rows: query heads of one KV head.
    ///   - foundPages: the most that a list takes; with 0 nothing may be searched.
    ///   - cosines: of the queries' turn, as are `sines`; they outlive the search.
    init(
        layout: PageLayout,
        rows: Int,
        foundPages: Int,
        maximumPages: Int,
        workers: Int,
        cosines: UnsafePointer<Float>,
        sines: UnsafePointer<Float>
    ) throws(AllocationError) {
        self.layout = layout
        rowCount = rows
        pairCount = (layout.keyWidth + 1) / 2
        self.foundPages = foundPages
        self.cosines = cosines
        self.sines = sines
        turning = try AlignedBuffer(count: workers * 2 * rows * layout.keyWidth)
        queries = try AlignedBuffer(count: workers * 2 * Self.listCount * rows * pairCount)
        scales = try AlignedBuffer(count: workers * 2 * Self.listCount * rows)
        scores = try AlignedBuffer(count: workers * Self.listCount * PageIndexBlock.pages)
        candidates = try AlignedBuffer(count: workers * Self.listCount * foundPages)
        wantedLists = try AlignedBuffer(count: workers * Self.listCount)
        blockBases = try AlignedBuffer(count: maximumPages / PageIndexBlock.pages + 1)
        headBytes = PageIndexBlock.Shape(layout).headBytes
    }

    /// Notes where a context's blocks lie; once per chunk.
    func prepare(_ table: PageTable) {
        for (number, block) in table.blocks.enumerated() {
            blockBases.pointer[number] = UInt(bitPattern: block.columns(layer: 0, head: 0))
        }
    }

    /// The lists of one worker.
    func wanted(_ worker: Int) -> UnsafeMutablePointer<Wanted> { wantedLists.pointer + worker * Self.listCount }

    /// What was found for a list, in no order.
    func found(_ list: Int, _ worker: Int) -> UnsafeMutableBufferPointer<Candidate> {
        UnsafeMutableBufferPointer(
            start: candidates.pointer + (worker * Self.listCount + list) * foundPages,
            count: wanted(worker)[list].count
        )
    }

    /// Takes the queries of a list: a KV head's group at one position.
    ///
    /// - Parameter head: of the layer.
    func setQueries(_ request: PagedAttention.Request, head: Int, position: Int, list: Int, worker: Int) {
        let width = layout.keyWidth
        let count = rowCount * width
        let plain = turning.pointer + 2 * worker * count
        let turned = plain + count
        let token = position - request.firstPosition
        let heads = rowCount * layout.kvHeadCount
        let source = request.queries + (token * heads + head * rowCount) * width
        for index in 0..<count { plain[index] = source[index] * request.scale }
        layout.turn(plain, count: rowCount, cosines, sines, into: turned)
        var queries = kernelQueries(lists: list + 1, worker: worker)
        for row in 0..<rowCount {
            sk_rank_set_query(&queries, Int32(list * rowCount + row), turned + row * width)
        }
    }

    /// What the kernel takes of a worker's first `lists` lists.
    private func kernelQueries(lists: Int, worker: Int) -> sk_rank_queries {
        let columns = Self.listCount * rowCount
        let codes = queries.pointer + worker * 2 * columns * pairCount
        let scales = scales.pointer + worker * 2 * columns
        return sk_rank_queries(
            queries: codes,
            squares: codes + columns * pairCount,
            scales: scales,
            square_scales: scales + columns,
            lists: Int32(lists),
            rows: Int32(rowCount),
            width: Int32(layout.keyWidth),
            stride: Int32(columns)
        )
    }

    /// Finds the best pages for the first `lists` lists of a worker.
    ///
    /// - Parameters:
    ///   - head: counted over all layers.
    ///   - accepts: which pages may be found, for a list.
    func run(lists: Int, head: Int, worker: Int, accepts: (_ list: Int, _ page: Int) -> Bool) {
        let wanted = wanted(worker)
        var first = Int.max
        var end = 0
        for list in 0..<lists {
            wanted[list].count = 0
            first = min(first, wanted[list].firstPage)
            end = max(end, wanted[list].endPage)
        }
        guard first < end else { return }
        let blockPages = PageIndexBlock.pages
        let scores = scores.pointer + worker * Self.listCount * blockPages
        let last = (end - 1) / blockPages
        for number in first / blockPages...last {
            guard let block = UnsafeRawPointer(bitPattern: blockBases.pointer[number]) else { continue }
            let next = number < last ? UnsafeRawPointer(bitPattern: blockBases.pointer[number + 1]) : nil
            score(
                block + head * headBytes,
                next: next.map { $0 + head * headBytes },
                lists: lists,
                worker: worker,
                into: scores
            )
            let pages = number * blockPages..<(number + 1) * blockPages
            for list in 0..<lists {
                let from = max(pages.lowerBound, wanted[list].firstPage)
                let to = min(pages.upperBound, wanted[list].endPage)
                guard from < to else { continue }
                offer(from..<to, scores + list * blockPages, to: list, worker) { accepts(list, $0) }
            }
        }
    }

    /// Makes the first list of a worker of what searches of parts of its pages found.
    func offer(_ list: Wanted, worker: Int, _ offers: (inout CandidateHeap) -> Void) {
        var heap = CandidateHeap(candidates.pointer + worker * Self.listCount * foundPages, limit: foundPages)
        offers(&heap)
        wanted(worker)[0] = list
        wanted(worker)[0].count = heap.count
    }

    /// - Parameter scores: of the block's pages.
    private func offer(
        _ pages: Range<Int>,
        _ scores: UnsafePointer<Float>,
        to list: Int,
        _ worker: Int,
        accepts: (Int) -> Bool
    ) {
        let wanted = wanted(worker) + list
        let memory = candidates.pointer + (worker * Self.listCount + list) * foundPages
        var heap = CandidateHeap(memory, limit: foundPages, count: wanted.pointee.count)
        for page in pages {
            let score = scores[page % PageIndexBlock.pages]
            // Hardly any page is better than the worst of the best; a later one with the same score is not.
            if heap.isFull, let worst = heap.worst, score <= worst.score { continue }
            if accepts(page) { heap.offer(Candidate(score: score, page: Int32(page))) }
        }
        wanted.pointee.count = heap.count
    }

    /// Scores of a block's pages for the first `lists` lists of a worker, `[lists][pages of a block]`.
    ///
    /// - Parameter next: the block that is scored next.
    func score(
        _ block: UnsafeRawPointer,
        next: UnsafeRawPointer?,
        lists: Int,
        worker: Int,
        into scores: UnsafeMutablePointer<Float>
    ) {
        var queries = kernelQueries(lists: lists, worker: worker)
        sk_rank_block(&queries, block, next, scores)
    }
}

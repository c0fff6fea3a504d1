import CKernels
import Tensor

/// Lists of far pages for the tokens of a chunk: per KV head and block of tokens, see ``RecallSettings``.
///
/// A list holds the pages that score best, all of them: a search opens a block of 16 pages only while its cover says
/// that it may hold one that belongs on the list, and says so of every block that does.
final class RecallSelection {
    let settings: RecallSettings
    /// `[pairs]`: the one turn of all queries to far pages.
    let cosines: AlignedBuffer<Float>
    let sines: AlignedBuffer<Float>

    private let layout: PageLayout
    private let headCount: Int
    private let maximumBlocks: Int
    /// `[kvHeads][blocks of the chunk][capacity]`, ascending, and `[kvHeads][blocks]` of their lengths.
    private let lists: AlignedBuffer<Int32>
    private let counts: AlignedBuffer<Int32>
    /// `[kvHeads][blocks]` lists in the order of scores, where they vote, and their lengths.
    private let ranked: AlignedBuffer<Int32>
    private let rankedCounts: AlignedBuffer<Int32>
    /// The question whose tokens vote, and whose answer chooses from what they voted for.
    private(set) var question: QuestionVotes?
    /// Per worker: queries before and after their turn, squares, positive and negative parts.
    private let scratch: AlignedBuffer<Float>
    private let scratchPerWorker: Int
    private let candidates: AlignedBuffer<Candidate>
    private let candidatesPerWorker: Int
    private let counters: AlignedBuffer<RecallCounter>
    private let workerCount: Int
    /// Where the context's blocks of records begin.
    private let blockBases: AlignedBuffer<UInt>
    private let shape: PageIndexBlock.Shape

    init(
        _ settings: RecallSettings,
        layout: PageLayout,
        headCount: Int,
        rotary: RotaryEmbedding,
        workers: Int,
        maximumTokens: Int,
        maximumPages: Int
    ) throws(AllocationError) {
        self.settings = settings
        self.layout = layout
        self.headCount = headCount
        workerCount = workers
        cosines = try AlignedBuffer(count: rotary.pairCount)
        sines = try AlignedBuffer(count: rotary.pairCount)
        rotary.writeQueryAngles(
            position: RotaryPosition(Double(settings.localPositions - 1)),
            cosines: cosines.pointer,
            sines: sines.pointer
        )
        maximumBlocks = maximumTokens / settings.rankingStep + 2
        let lists = layout.kvHeadCount * maximumBlocks
        self.lists = try AlignedBuffer(count: lists * settings.listCapacity)
        counts = try AlignedBuffer(count: lists)
        ranked = try AlignedBuffer(count: lists * settings.retrievedPages)
        rankedCounts = try AlignedBuffer(count: lists)
        let stride = Int(sk_rank_stride(Int32(layout.keyWidth)))
        scratchPerWorker = 5 * (headCount / layout.kvHeadCount) * stride
        scratch = try AlignedBuffer(count: workers * scratchPerWorker)
        let blocks = maximumPages / PageIndexBlock.pages + 1
        candidatesPerWorker = blocks + settings.listCapacity
        candidates = try AlignedBuffer(count: workers * candidatesPerWorker)
        counters = try AlignedBuffer(count: workers)
        blockBases = try AlignedBuffer(count: blocks)
        shape = PageIndexBlock.Shape(layout)
    }

    /// Begins a question, or ends the last one.
    ///
    /// - Parameters:
    ///   - positions: its tokens, none of which was computed yet, and whose last one ends a chunk; nil for none.
    ///   - lock: what they mean for what follows them.
    func ask(_ positions: Range<Int>?, _ lock: QuestionLock) throws(AllocationError) {
        question = nil
        guard let positions, lock != .free, settings.retrievedPages > 0 else { return }
        question = try QuestionVotes(
            lock,
            positions: positions,
            settings: settings,
            headCount: layout.layerCount * layout.kvHeadCount
        )
    }

    /// Notes where a context's records lie; once per chunk.
    func prepare(_ table: PageTable) {
        for (number, block) in table.blocks.enumerated() {
            blockBases.pointer[number] = UInt(bitPattern: block.cover(layer: 0, head: 0))
        }
    }

    /// The pages on the list of a KV head for a token of the chunk that begins at `firstPosition`.
    func pages(head: Int, position: Int, chunk firstPosition: Int) -> UnsafeBufferPointer<Int32> {
        let block = position / settings.rankingStep - firstPosition / settings.rankingStep
        let list = head * maximumBlocks + block
        return UnsafeBufferPointer(
            start: lists.pointer + list * settings.listCapacity,
            count: Int(counts.pointer[list])
        )
    }

    /// The pages on any list of a chunk, each once.
    func listedPages(_ request: PagedAttention.Request, before end: Int) -> [Int] {
        let step = settings.rankingStep
        let last = request.firstPosition + request.tokenCount - 1
        var isListed = [Bool](repeating: false, count: end + maximumBlocks)
        for head in 0..<layout.kvHeadCount {
            for block in request.firstPosition / step...last / step {
                let position = max(block * step, request.firstPosition)
                for page in pages(head: head, position: position, chunk: request.firstPosition) {
                    isListed[Int(page)] = true
                }
            }
        }
        return isListed.indices.filter { isListed[$0] }
    }

    var statistics: RecallStatistics {
        get {
            var sum = RecallStatistics()
            for worker in 0..<workerCount { sum = sum + counters.pointer[worker].statistics }
            return sum
        }
        set {
            for worker in 0..<workerCount { counters.pointer[worker] = RecallCounter() }
            counters.pointer[0].statistics = newValue
        }
    }

    /// Makes the lists of a chunk in one layer.
    func rank(_ request: PagedAttention.Request, table: PageTable, pool: ThreadPool) {
        let step = settings.rankingStep
        let first = request.firstPosition
        let last = first + request.tokenCount - 1
        let blocks = last / step - first / step + 1
        // A chunk may begin within a block whose list was made with an earlier token.
        let begin = first / step * step
        let continues = begin < first && table.lists?.block(request.layer) == first / step
        if continues, let lists = table.lists { restore(lists, layer: request.layer) }
        let work = RankWork(selection: self, request: request, blockCount: blocks, continues: continues)
        let tasks = layout.kvHeadCount * blocks
        if settings.firstLocalPage(position: last) > settings.listCapacity, tasks > continuedTasks(continues) {
            pool.run(tasks: tasks, work)
        } else {
            for task in 0..<tasks { work.perform(task: task, worker: 0) }
        }
        if let question { collectVotes(question, request, blocks) }
        guard let lists = table.lists else { return }
        for head in 0..<layout.kvHeadCount {
            let list = pages(head: head, position: last, chunk: first)
            lists.setList(list, layer: request.layer, head: head)
        }
        lists.setBlock(last / step, layer: request.layer)
    }

    /// One list after the other: several heads and blocks vote for the same pages.
    private func collectVotes(_ question: QuestionVotes, _ request: PagedAttention.Request, _ blocks: Int) {
        for block in 0..<blocks {
            let begin = (request.firstPosition / settings.rankingStep + block) * settings.rankingStep
            // One that began before this chunk has voted.
            guard begin >= request.firstPosition, question.positions.contains(begin) else { continue }
            for head in 0..<layout.kvHeadCount {
                let number = head * maximumBlocks + block
                let pages = UnsafeBufferPointer(
                    start: ranked.pointer + number * settings.retrievedPages,
                    count: Int(rankedCounts.pointer[number])
                )
                question.vote(head: request.layer * layout.kvHeadCount + head, pages)
            }
        }
    }

    private func continuedTasks(_ continues: Bool) -> Int { continues ? layout.kvHeadCount : 0 }

    private func restore(_ saved: RankingLists, layer: Int) {
        for head in 0..<layout.kvHeadCount {
            let list = saved.list(layer: layer, head: head)
            let number = head * maximumBlocks
            counts.pointer[number] = Int32(list.count)
            guard let base = list.baseAddress else { continue }
            (lists.pointer + number * settings.listCapacity).update(from: base, count: list.count)
        }
    }

    /// Makes one list.
    fileprivate func makeList(
        _ request: PagedAttention.Request,
        head: Int,
        block: Int,
        position: Int,
        worker: Int
    ) {
        let number = head * maximumBlocks + block
        let list = lists.pointer + number * settings.listCapacity
        let end = settings.firstLocalPage(position: position)
        let initial = min(settings.initialPages, end)
        for page in 0..<initial { list[page] = Int32(page) }
        var count = initial
        rankedCounts.pointer[number] = 0
        if end - initial <= settings.retrievedPages {
            while count < end {
                list[count] = Int32(count)
                count += 1
            }
        } else {
            let query = self.query(request, head: head, position: position, worker: worker)
            let place = Place(
                head: request.layer * layout.kvHeadCount + head,
                pages: initial..<end,
                // Lists of a block's later tokens are those of its first.
                position: position / settings.rankingStep * settings.rankingStep,
                worker: worker
            )
            count += retrieve(query, place, into: list + initial, number)
            sortAscending(list + initial, count - initial)
        }
        counts.pointer[number] = Int32(count)
        counters.pointer[worker].statistics.lists += 1
        counters.pointer[worker].statistics.listedPages += count
        counters.pointer[worker].statistics.candidatePages += end
    }

    /// Where a list is made.
    private struct Place {
        /// Counted over all layers.
        var head: Int
        /// To choose from.
        var pages: Range<Int>
        var position: Int
        var worker: Int
    }

    /// Writes the pages of a list beyond the initial ones.
    ///
    /// - Returns: how many there are.
    private func retrieve(
        _ query: sk_rank_query,
        _ place: Place,
        into list: UnsafeMutablePointer<Int32>,
        _ number: Int
    ) -> Int {
        guard let question, place.position >= question.positions.lowerBound else {
            return copy(search(query, place.head, place.pages, place.worker), to: list)
        }
        if place.position < question.positions.upperBound {
            let found = search(query, place.head, place.pages, place.worker)
            sortByScore(found)
            rankedCounts.pointer[number] = Int32(copy(found, to: ranked.pointer + number * settings.retrievedPages))
            return copy(found, to: list)
        }
        let candidates = question.candidates(head: place.head)
        // A question that ended before anything was beyond its window says nothing.
        guard !candidates.isEmpty else { return copy(search(query, place.head, place.pages, place.worker), to: list) }
        switch question.lock {
        case .lock:
            return copy(best(query, place, of: candidates, since: question.endPage), to: list)
        case .free, .hybrid:
            let fixed = UnsafeBufferPointer(rebasing: candidates.prefix(settings.retrievedPages / 2))
            let found = search(query, place.head, place.pages, place.worker)
            sortByScore(found)
            var count = 0
            for page in fixed {
                list[count] = page
                count += 1
            }
            for candidate in found where count < settings.retrievedPages && !fixed.contains(candidate.page) {
                list[count] = candidate.page
                count += 1
            }
            return count
        }
    }

    private func copy(
        _ found: UnsafeMutableBufferPointer<Candidate>,
        to list: UnsafeMutablePointer<Int32>
    ) -> Int {
        for index in found.indices { list[index] = found[index].page }
        return found.count
    }

    /// The best of some pages, and of all from `firstPage` on.
    private func best(
        _ query: sk_rank_query,
        _ place: Place,
        of candidates: UnsafeBufferPointer<Int32>,
        since firstPage: Int
    ) -> UnsafeMutableBufferPointer<Candidate> {
        var query = query
        let memory = self.candidates.pointer + place.worker * candidatesPerWorker
        var best = CandidateHeap(memory, isBetter: { $1.isBefore($0) })
        func offer(_ page: Int) {
            guard place.pages.contains(page), let cover = cover(page / PageIndexBlock.pages, place.head) else { return }
            counters.pointer[place.worker].statistics.rankedPages += 1
            let record = cover + shape.coverBytes + page % PageIndexBlock.pages * shape.recordBytes
            best.offer(Candidate(score: score(&query, record), page: Int32(page)), limit: settings.retrievedPages)
        }
        for page in candidates { offer(Int(page)) }
        for page in max(firstPage, place.pages.lowerBound)..<max(firstPage, place.pages.upperBound) { offer(page) }
        return UnsafeMutableBufferPointer(start: memory, count: best.count)
    }

    /// The queries of a KV head's group at one position, turned by the fixed angle, and their parts.
    func query(
        _ request: PagedAttention.Request,
        head: Int,
        position: Int,
        worker: Int
    ) -> sk_rank_query {
        let width = layout.keyWidth
        let stride = Int(sk_rank_stride(Int32(width)))
        let rows = headCount / layout.kvHeadCount
        let plain = scratch.pointer + worker * scratchPerWorker
        let queries = plain + rows * stride
        let squares = queries + rows * stride
        let positive = squares + rows * stride
        let negative = positive + rows * stride
        let token = position - request.firstPosition
        for row in 0..<rows {
            let source = request.queries + (token * headCount + head * rows + row) * width
            for column in 0..<stride {
                plain[row * stride + column] = column < width ? source[column] * request.scale : 0
            }
        }
        queries.update(from: plain, count: rows * stride)
        if !layout.ropeColumns.isEmpty {
            sk_rotate_rows(
                plain,
                Int64(stride),
                Int32(rows),
                Int32(width),
                Int32(layout.ropeColumns.lowerBound),
                Int32(layout.ropeColumns.count),
                cosines.pointer,
                sines.pointer,
                0,
                queries,
                Int64(stride)
            )
        }
        for index in 0..<rows * stride {
            squares[index] = queries[index] * queries[index]
            positive[index] = max(queries[index], 0)
            negative[index] = min(queries[index], 0)
        }
        return sk_rank_query(
            queries: queries,
            squares: squares,
            positive: positive,
            negative: negative,
            rows: Int32(rows),
            stride: Int32(stride)
        )
    }

    /// The best pages of a range, in no order.
    ///
    /// - Parameter head: counted over all layers.
    private func search(
        _ query: sk_rank_query,
        _ head: Int,
        _ range: Range<Int>,
        _ worker: Int
    ) -> UnsafeMutableBufferPointer<Candidate> {
        var query = query
        let memory = candidates.pointer + worker * candidatesPerWorker
        var heap = CandidateHeap(memory + settings.retrievedPages, isBetter: { $0.isBefore($1) })
        let firstBlock = range.lowerBound / PageIndexBlock.pages
        let lastBlock = (range.upperBound - 1) / PageIndexBlock.pages
        for number in firstBlock...lastBlock {
            guard let cover = cover(number, head) else { continue }
            let bound = sk_rank_bound(&query, cover)
            heap.append(Candidate(score: bound.isNaN ? .infinity : bound, page: Int32(number)))
        }
        // The worst of the best is on top, so that it goes first.
        var best = CandidateHeap(memory, isBetter: { $1.isBefore($0) })
        while let next = heap.top {
            if best.count == settings.retrievedPages, let worst = best.top, next.score < worst.score { break }
            heap.removeTop()
            guard let records = cover(Int(next.page), head).map({ $0 + shape.coverBytes }) else { continue }
            let first = Int(next.page) * PageIndexBlock.pages
            let pages = (first..<first + PageIndexBlock.pages).clamped(to: range)
            counters.pointer[worker].statistics.rankedPages += pages.count
            for page in pages {
                let record = records + (page - first) * shape.recordBytes
                best.offer(Candidate(score: score(&query, record), page: Int32(page)), limit: settings.retrievedPages)
            }
        }
        return UnsafeMutableBufferPointer(start: memory, count: best.count)
    }

    private func cover(_ block: Int, _ head: Int) -> UnsafeRawPointer? {
        UnsafeRawPointer(bitPattern: blockBases.pointer[block]).map { $0 + head * shape.headBytes }
    }

    /// How a page ranks by its record.
    func score(_ query: inout sk_rank_query, _ record: UnsafeRawPointer) -> Float {
        let score = sk_rank_page(&query, record)
        return score.isNaN ? -.infinity : score
    }
}

/// One list per task.
private struct RankWork: ParallelWork {
    let selection: RecallSelection
    let request: PagedAttention.Request
    let blockCount: Int
    let continues: Bool

    func perform(task: Int, worker: Int) {
        let block = task % blockCount
        if block == 0, continues { return }
        let step = selection.settings.rankingStep
        let begin = (request.firstPosition / step + block) * step
        selection.makeList(
            request,
            head: task / blockCount,
            block: block,
            position: max(begin, request.firstPosition),
            worker: worker
        )
    }
}

/// Counters of one worker, in a cache line of their own.
private struct RecallCounter: BitwiseCopyable {
    var statistics = RecallStatistics()
    private var padding: (Int, Int, Int, Int) = (0, 0, 0, 0)

    init() {}
}

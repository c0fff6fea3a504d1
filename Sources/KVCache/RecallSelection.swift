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
        guard let lists = table.lists else { return }
        for head in 0..<layout.kvHeadCount {
            let list = pages(head: head, position: last, chunk: first)
            lists.setList(list, layer: request.layer, head: head)
        }
        lists.setBlock(last / step, layer: request.layer)
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
        if end - initial <= settings.retrievedPages {
            while count < end {
                list[count] = Int32(count)
                count += 1
            }
        } else {
            let query = self.query(request, head: head, position: position, worker: worker)
            let found = search(query, request.layer * layout.kvHeadCount + head, initial..<end, worker)
            for index in 0..<found.count { list[count + index] = found[index].page }
            count += found.count
            sortAscending(list + initial, count - initial)
        }
        counts.pointer[number] = Int32(count)
        counters.pointer[worker].statistics.lists += 1
        counters.pointer[worker].statistics.listedPages += count
        counters.pointer[worker].statistics.candidatePages += end
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
    ) -> UnsafeBufferPointer<Candidate> {
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
                let found = Candidate(score: score(&query, record), page: Int32(page))
                if best.count < settings.retrievedPages {
                    best.append(found)
                } else if let worst = best.top, found.isBefore(worst) {
                    best.replaceTop(found)
                }
            }
        }
        return UnsafeBufferPointer(start: memory, count: best.count)
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

/// A page, or a block of them, and its score.
struct Candidate: BitwiseCopyable {
    var score: Float
    var page: Int32

    /// The better score, then the earlier page.
    func isBefore(_ other: Candidate) -> Bool {
        score > other.score || (score == other.score && page < other.page)
    }
}

/// Counters of one worker, in a cache line of their own.
private struct RecallCounter: BitwiseCopyable {
    var statistics = RecallStatistics()
    private var padding: (Int, Int, Int, Int) = (0, 0, 0, 0)

    init() {}
}

/// A binary heap in memory that someone else owns.
private struct CandidateHeap {
    private let memory: UnsafeMutablePointer<Candidate>
    private(set) var count = 0
    private let isBetter: (Candidate, Candidate) -> Bool

    init(_ memory: UnsafeMutablePointer<Candidate>, isBetter: @escaping (Candidate, Candidate) -> Bool) {
        self.memory = memory
        self.isBetter = isBetter
    }

    var top: Candidate? { count > 0 ? memory[0] : nil }

    mutating func append(_ candidate: Candidate) {
        var place = count
        count += 1
        while place > 0, isBetter(candidate, memory[(place - 1) / 2]) {
            memory[place] = memory[(place - 1) / 2]
            place = (place - 1) / 2
        }
        memory[place] = candidate
    }

    mutating func removeTop() {
        count -= 1
        if count > 0 { sink(memory[count]) }
    }

    mutating func replaceTop(_ candidate: Candidate) { sink(candidate) }

    private mutating func sink(_ candidate: Candidate) {
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < count else { break }
            if child + 1 < count, isBetter(memory[child + 1], memory[child]) { child += 1 }
            guard isBetter(memory[child], candidate) else { break }
            memory[place] = memory[child]
            place = child
        }
        memory[place] = candidate
    }
}

/// Lists are short: no need for more.
private func sortAscending(_ list: UnsafeMutablePointer<Int32>, _ count: Int) {
    for index in 1..<max(1, count) {
        let value = list[index]
        var place = index
        while place > 0, list[place - 1] > value {
            list[place] = list[place - 1]
            place -= 1
        }
        list[place] = value
    }
}

import Tensor

/// Lists of far pages for the tokens of a chunk: per KV head and block of tokens, see ``RecallSettings``. A list holds
/// the pages that score best, see ``PageSearch``.
final class RecallSelection {
    let settings: RecallSettings
    /// `[pairs]`: the one turn of all queries to far pages.
    let cosines: AlignedBuffer<Float>
    let sines: AlignedBuffer<Float>

    private let layout: PageLayout
    private let maximumBlocks: Int
    /// `[kvHeads][blocks of the chunk][capacity]`, ascending, and `[kvHeads][blocks]` of their lengths.
    private let lists: AlignedBuffer<Int32>
    private let counts: AlignedBuffer<Int32>
    /// `[kvHeads][blocks]` lists in the order of scores, where they vote, and their lengths.
    private let ranked: AlignedBuffer<Int32>
    private let rankedCounts: AlignedBuffer<Int32>
    /// The question whose tokens vote, and whose answer chooses from what they voted for.
    private(set) var question: QuestionVotes?
    /// `[retrievedPages]`: pages that lists from `namedPosition` on have in any case, the best first.
    private let named: AlignedBuffer<Int32>
    private var namedCount = 0
    private var namedPosition = 0
    let search: PageSearch
    /// What was found in each part of the pages, where they are cut: `[kvHeads][parts][retrievedPages]`, and
    /// `[kvHeads][parts]` how many. There are as many parts as workers.
    private let parts: AlignedBuffer<Candidate>
    private let partCounts: AlignedBuffer<Int32>
    private let counters: AlignedBuffer<RecallCounter>
    private let workerCount: Int

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
        named = try AlignedBuffer(count: settings.retrievedPages)
        search = try PageSearch(
            layout: layout,
            rows: headCount / layout.kvHeadCount,
            foundPages: settings.retrievedPages,
            maximumPages: maximumPages,
            workers: workers,
            cosines: cosines.pointer,
            sines: sines.pointer
        )
        parts = try AlignedBuffer(count: layout.kvHeadCount * workers * settings.retrievedPages)
        partCounts = try AlignedBuffer(count: layout.kvHeadCount * workers)
        counters = try AlignedBuffer(count: workers)
    }

    /// Begins a question, none of whose tokens was computed yet. Where it has a lock, its last token ends a chunk.
    func beginQuestion(_ asked: RecallQuestion) throws(AllocationError) {
        endQuestion()
        guard settings.retrievedPages > 0 else { return }
        name(asked.namedPages, from: asked.positions.lowerBound)
        guard let lock = asked.lock else { return }
        question = try QuestionVotes(
            lock,
            positions: asked.positions,
            settings: settings,
            headCount: layout.layerCount * layout.kvHeadCount
        )
    }

    func endQuestion() {
        question = nil
        namedCount = 0
    }

    /// Pages that are in the window at a position need no place on the lists from there on.
    private func name(_ pages: [Int], from position: Int) {
        let far = settings.farPages(position: position)
        namedPosition = position
        for page in pages where far.contains(page) && namedCount < settings.retrievedPages {
            guard !(0..<namedCount).contains(where: { named.pointer[$0] == Int32(page) }) else { continue }
            named.pointer[namedCount] = Int32(page)
            namedCount += 1
        }
        counters.pointer[0].statistics.namedPages += namedCount
    }

    /// Notes where a context's index lies; once per chunk.
    func prepare(_ table: PageTable) { search.prepare(table) }

    /// The pages on the list of a KV head for a token of the chunk that begins at `firstPosition`.
    func pages(head: Int, position: Int, chunk firstPosition: Int) -> UnsafeBufferPointer<Int32> {
        let block = position / settings.rankingStep - firstPosition / settings.rankingStep
        let list = head * maximumBlocks + block
        return UnsafeBufferPointer(
            start: lists.pointer + list * settings.listCapacity,
            count: Int(counts.pointer[list])
        )
    }

    /// The pages before page `end` that are on any list of a chunk, each once.
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
        return (0..<end).filter { isListed[$0] }
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
        let layerHead = request.layer * layout.kvHeadCount
        question?.choose(before: first, heads: layerHead..<layerHead + layout.kvHeadCount)
        let new = (continues ? 1 : 0)..<blocks
        let work = RankWork(selection: self, request: request, blocks: new, headCount: layout.kvHeadCount)
        if new.count == 1, isCut(request, block: new.lowerBound) {
            let work = PartWork(selection: self, request: request, block: new.lowerBound, partCount: workerCount)
            pool.run(tasks: layout.kvHeadCount * workerCount, work)
            for head in 0..<layout.kvHeadCount { joinParts(request, head: head, block: new.lowerBound) }
        } else if settings.firstLocalPage(position: last) > settings.listCapacity {
            pool.run(tasks: work.taskCount, work)
        } else {
            for task in 0..<work.taskCount { work.perform(task: task, worker: 0) }
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

    private func restore(_ saved: RankingLists, layer: Int) {
        for head in 0..<layout.kvHeadCount {
            let list = saved.list(layer: layer, head: head)
            let number = head * maximumBlocks
            counts.pointer[number] = Int32(list.count)
            guard let base = list.baseAddress else { continue }
            (lists.pointer + number * settings.listCapacity).update(from: base, count: list.count)
        }
    }

    /// Makes a few lists of a KV head.
    ///
    /// - Parameter blocks: at most ``PageSearch/listCount`` blocks of the chunk.
    fileprivate func makeLists(_ request: PagedAttention.Request, head: Int, blocks: Range<Int>, worker: Int) {
        let wanted = search.wanted(worker)
        var count = 0
        for block in blocks {
            let list = wantedList(request, head: head, block: block)
            rankedCounts.pointer[list.number] = 0
            guard needsSearch(list) else {
                let pages = settings.retrievedPages > 0 ? list.endPage : list.firstPage
                listFirst(pages, of: list.endPage, list.number, worker)
                continue
            }
            wanted[count] = list
            setQueries(request, head: head, block: block, list: count, worker: worker)
            count += 1
        }
        guard count > 0 else { return }
        let layerHead = request.layer * layout.kvHeadCount + head
        runSearch(lists: count, head: layerHead, worker: worker)
        for list in 0..<count { choose(wanted[list], search.found(list, worker), head: layerHead, worker) }
    }

    /// What is wanted for a block of the chunk. Lists of a block's later tokens are those of its first.
    private func wantedList(_ request: PagedAttention.Request, head: Int, block: Int) -> PageSearch.Wanted {
        let begin = (request.firstPosition / settings.rankingStep + block) * settings.rankingStep
        let end = settings.firstLocalPage(position: max(begin, request.firstPosition))
        return PageSearch.Wanted(
            number: head * maximumBlocks + block,
            position: begin,
            firstPage: min(settings.initialPages, end),
            endPage: end
        )
    }

    /// Whether a list cannot take all pages there are.
    private func needsSearch(_ list: PageSearch.Wanted) -> Bool {
        settings.retrievedPages > 0 && list.endPage - list.firstPage > settings.retrievedPages
    }

    private func setQueries(_ request: PagedAttention.Request, head: Int, block: Int, list: Int, worker: Int) {
        let begin = (request.firstPosition / settings.rankingStep + block) * settings.rankingStep
        let position = max(begin, request.firstPosition)
        search.setQueries(request, head: head, position: position, list: list, worker: worker)
    }

    /// - Parameter head: counted over all layers.
    private func runSearch(lists: Int, head: Int, worker: Int) {
        let wanted = search.wanted(worker)
        let question = question
        search.run(lists: lists, head: head, worker: worker) { list, page in
            guard let locked = question?.locked(head: head, position: wanted[list].position) else { return true }
            return locked.contains(page)
        }
    }

    // MARK: Parts

    /// Whether a single list's pages are cut into a part for each worker: its KV heads alone would leave workers idle, and
    /// an answer waits for every list.
    private func isCut(_ request: PagedAttention.Request, block: Int) -> Bool {
        workerCount > 1 && layout.kvHeadCount % workerCount != 0
            && needsSearch(wantedList(request, head: 0, block: block))
    }

    /// Finds the best pages of one part.
    fileprivate func findPart(_ request: PagedAttention.Request, head: Int, block: Int, part: Int, worker: Int) {
        var list = wantedList(request, head: head, block: block)
        let pages = list.endPage - list.firstPage
        (list.firstPage, list.endPage) = (
            list.firstPage + pages * part / workerCount, list.firstPage + pages * (part + 1) / workerCount
        )
        search.wanted(worker)[0] = list
        setQueries(request, head: head, block: block, list: 0, worker: worker)
        runSearch(lists: 1, head: request.layer * layout.kvHeadCount + head, worker: worker)
        let found = search.found(0, worker)
        let place = head * workerCount + part
        partCounts.pointer[place] = Int32(found.count)
        guard let base = found.baseAddress else { return }
        (parts.pointer + place * settings.retrievedPages).update(from: base, count: found.count)
    }

    /// Makes a list of what was found in all parts: the same as of a search of all pages.
    private func joinParts(_ request: PagedAttention.Request, head: Int, block: Int) {
        let list = wantedList(request, head: head, block: block)
        rankedCounts.pointer[list.number] = 0
        let places = head * workerCount..<(head + 1) * workerCount
        search.offer(list, worker: 0) { heap in
            for place in places {
                let found = parts.pointer + place * settings.retrievedPages
                for index in 0..<Int(partCounts.pointer[place]) { heap.offer(found[index]) }
            }
        }
        choose(list, search.found(0, 0), head: request.layer * layout.kvHeadCount + head, 0)
    }

    // MARK: Lists

    /// A list of the first `count` of `pages` pages.
    private func listFirst(_ count: Int, of pages: Int, _ number: Int, _ worker: Int) {
        let list = lists.pointer + number * settings.listCapacity
        for page in 0..<count { list[page] = Int32(page) }
        finish(number, count: count, of: pages, worker)
    }

    /// Writes a list: the initial pages, those that the question names, and those of what was found that it leaves.
    ///
    /// - Parameter head: counted over all layers.
    private func choose(
        _ wanted: PageSearch.Wanted,
        _ found: UnsafeMutableBufferPointer<Candidate>,
        head: Int,
        _ worker: Int
    ) {
        let list = lists.pointer + wanted.number * settings.listCapacity
        let initial = wanted.firstPage
        for page in 0..<initial { list[page] = Int32(page) }
        var count = initial
        func add(_ page: Int32) {
            list[count] = page
            count += 1
        }
        let isNamed = namedCount > 0 && wanted.position >= namedPosition
        if isNamed { for index in 0..<namedCount { add(named.pointer[index]) } }
        let fixed = question?.fixed(head: head, position: wanted.position)
        let votes = question?.positions.contains(wanted.position) ?? false
        if isNamed || fixed != nil || votes { sortByScore(found) }
        if votes {
            let votes = ranked.pointer + wanted.number * settings.retrievedPages
            for index in found.indices { votes[index] = found[index].page }
            rankedCounts.pointer[wanted.number] = Int32(found.count)
        }
        func isFree(_ page: Int32) -> Bool {
            count < settings.listCapacity && !(initial..<count).contains { list[$0] == page }
        }
        if let fixed { for page in fixed where isFree(page) { add(page) } }
        if isNamed || fixed != nil {
            for candidate in found where isFree(candidate.page) { add(candidate.page) }
        } else {
            for candidate in found { add(candidate.page) }
        }
        sortAscending(list + initial, count - initial)
        finish(wanted.number, count: count, of: wanted.endPage, worker)
    }

    private func finish(_ number: Int, count: Int, of pages: Int, _ worker: Int) {
        counts.pointer[number] = Int32(count)
        counters.pointer[worker].statistics.lists += 1
        counters.pointer[worker].statistics.listedPages += count
        counters.pointer[worker].statistics.candidatePages += pages
    }
}

/// A few lists of one KV head per task.
private struct RankWork: ParallelWork {
    let selection: RecallSelection
    let request: PagedAttention.Request
    /// Of the chunk, whose lists are made.
    let blocks: Range<Int>
    let headCount: Int

    private var groupCount: Int { (blocks.count + PageSearch.listCount - 1) / PageSearch.listCount }
    var taskCount: Int { headCount * groupCount }

    func perform(task: Int, worker: Int) {
        let first = blocks.lowerBound + task % groupCount * PageSearch.listCount
        selection.makeLists(
            request,
            head: task / groupCount,
            blocks: first..<min(blocks.upperBound, first + PageSearch.listCount),
            worker: worker
        )
    }
}

/// A part of the pages of one KV head's list per task.
private struct PartWork: ParallelWork {
    let selection: RecallSelection
    let request: PagedAttention.Request
    /// Of the chunk, whose list is made.
    let block: Int
    let partCount: Int

    func perform(task: Int, worker: Int) {
        selection.findPart(
            request,
            head: task / partCount,
            block: block,
            part: task % partCount,
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

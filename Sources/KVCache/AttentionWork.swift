import CKernels
import Tensor

/// The tasks of one layer's attention: tiles of up to 64 rows (a row is one query head of one token) of one KV head.
struct AttentionWork: ParallelWork {
    enum Phase {
        /// A task is (KV head, tile): all groups, merged in order.
        case whole
        /// A task is (KV head, tile, group): its state goes to the partial buffers.
        case groups
        /// A task is (KV head, tile): merges the partial states in order.
        case merge
    }

    let request: PagedAttention.Request
    let layout: PageLayout
    let kernels: PageKernels
    /// What is attended to beyond the window; nil: no more than the window, or there is none.
    let recall: RecallSelection?
    let headCount: Int
    let headsPerGroup: Int
    let pairs: Int
    let pageCount: Int
    /// Groups 0 ..< farGroups are of listed pages, the next one is number `firstGroup` of the context.
    let farGroups: Int
    let firstGroup: Int
    let groupCount: Int
    let tileCount: Int
    let rowCount: Int
    let queryCosines: UnsafePointer<Float>
    let querySines: UnsafePointer<Float>
    let pageCosines: UnsafePointer<Float>
    let pageSines: UnsafePointer<Float>
    let keyTables: UnsafePointer<KeyTable>
    let pageBases: UnsafePointer<PageBase>
    let scratch: UnsafeMutablePointer<Float>
    let scratchPerWorker: Int
    let ranges: UnsafeMutablePointer<Int32>
    let partialOutput: UnsafeMutablePointer<Float>
    let partialMaximum: UnsafeMutablePointer<Float>
    let partialTotal: UnsafeMutablePointer<Float>
    var phase: Phase

    private static let rows = PagedAttention.tileRows

    func perform(task: Int, worker: Int) {
        let memory = WorkerScratch(base: scratch + worker * scratchPerWorker, layout: layout, pairs: pairs)
        switch phase {
        case .whole:
            let tile = Tile(self, head: task / tileCount, number: task % tileCount)
            gatherQueries(tile, memory)
            for group in 0..<groupCount {
                if group == 0 {
                    attendGroup(group, tile, memory, worker, memory.maximum, memory.total, memory.output)
                } else if groupIsVisible(group, tile) {
                    attendGroup(group, tile, memory, worker, memory.maximum2, memory.total2, memory.output2)
                    sk_attend_merge(
                        Int32(tile.count),
                        Int32(layout.valueStride),
                        memory.maximum,
                        memory.total,
                        memory.output,
                        memory.maximum2,
                        memory.total2,
                        memory.output2
                    )
                }
            }
            finish(tile, memory.total, memory.output)
        case .groups:
            let unit = task / groupCount
            let group = task % groupCount
            let tile = Tile(self, head: unit / tileCount, number: unit % tileCount)
            guard group == 0 || groupIsVisible(group, tile) else { return }
            gatherQueries(tile, memory)
            let state = task * Self.rows
            attendGroup(
                group,
                tile,
                memory,
                worker,
                partialMaximum + state,
                partialTotal + state,
                partialOutput + state * layout.valueStride
            )
        case .merge:
            let tile = Tile(self, head: task / tileCount, number: task % tileCount)
            let first = task * groupCount * Self.rows
            for group in 1..<groupCount where groupIsVisible(group, tile) {
                let state = first + group * Self.rows
                sk_attend_merge(
                    Int32(tile.count),
                    Int32(layout.valueStride),
                    partialMaximum + first,
                    partialTotal + first,
                    partialOutput + first * layout.valueStride,
                    partialMaximum + state,
                    partialTotal + state,
                    partialOutput + state * layout.valueStride
                )
            }
            finish(tile, partialTotal + first, partialOutput + first * layout.valueStride)
        }
    }

    /// Rows `first ..< first + count` of one KV head; row r is token r / headsPerGroup, head r % headsPerGroup.
    struct Tile {
        let head: Int
        let first: Int
        let count: Int
        let firstToken: Int
        let lastToken: Int

        init(_ work: AttentionWork, head: Int, number: Int) {
            self.head = head
            first = number * AttentionWork.rows
            count = min(AttentionWork.rows, work.rowCount - first)
            firstToken = first / work.headsPerGroup
            lastToken = (first + count - 1) / work.headsPerGroup
        }
    }

    /// The first position that a token sees.
    private func begin(token: Int) -> Int {
        if let recall {
            return recall.settings.firstLocalPage(position: request.firstPosition + token) * PageLayout.positions
        }
        guard let window = request.window else { return 0 }
        return max(0, request.firstPosition + token - window + 1)
    }

    private func groupIsVisible(_ group: Int, _ tile: Tile) -> Bool {
        guard group >= farGroups else { return begin(token: tile.lastToken) > 0 }
        let groupStart = (firstGroup + group - farGroups) * PagedAttention.groupPages * PageLayout.positions
        let groupEnd = groupStart + PagedAttention.groupPages * PageLayout.positions
        return groupStart <= request.firstPosition + tile.lastToken && groupEnd > begin(token: tile.firstToken)
    }

    /// Copies the tile's queries, scaled, into contiguous rows.
    private func gatherQueries(_ tile: Tile, _ memory: WorkerScratch) {
        let width = layout.keyWidth
        for row in 0..<tile.count {
            let token = (tile.first + row) / headsPerGroup
            let head = tile.head * headsPerGroup + (tile.first + row) % headsPerGroup
            let source = request.queries + (token * headCount + head) * width
            let target = memory.queries + row * width
            for column in 0..<width { target[column] = source[column] * request.scale }
        }
    }

    private func attendGroup(
        _ group: Int,
        _ tile: Tile,
        _ memory: WorkerScratch,
        _ worker: Int,
        _ maximum: UnsafeMutablePointer<Float>,
        _ total: UnsafeMutablePointer<Float>,
        _ output: UnsafeMutablePointer<Float>
    ) {
        startGroup(group, tile, maximum, total)
        output.update(repeating: 0, count: tile.count * layout.valueStride)
        let begins = ranges + worker * 2 * Self.rows
        let ends = begins + Self.rows
        if group < farGroups {
            attendListed(group, tile, memory, begins, ends, maximum, total, output)
            return
        }
        let firstPage = (firstGroup + group - farGroups) * PagedAttention.groupPages
        for page in firstPage..<min(firstPage + PagedAttention.groupPages, pageCount) {
            let pageStart = page * PageLayout.positions
            guard pageStart <= request.firstPosition + tile.lastToken,
                pageStart + PageLayout.positions > begin(token: tile.firstToken)
            else { continue }
            for row in 0..<tile.count {
                let token = (tile.first + row) / headsPerGroup
                let end = min(max(request.firstPosition + token + 1 - pageStart, 0), PageLayout.positions)
                ends[row] = Int32(end)
                begins[row] = Int32(min(max(begin(token: token) - pageStart, 0), end))
            }
            rotateQueries(tile, page, memory)
            var queryTile = sk_query_tile(
                queries: memory.rotated,
                query_stride: Int64(layout.keyWidth),
                rows: Int32(tile.count),
                begin: begins,
                end: ends,
                maximum: maximum,
                total: total,
                out: output,
                page_maximum: nil,
                page_total: nil
            )
            attend(page, head: tile.head, isTurned: true, &queryTile, memory)
        }
    }

    /// A state before its first page. A sink takes part once, in the first group that a row sees.
    private func startGroup(
        _ group: Int,
        _ tile: Tile,
        _ maximum: UnsafeMutablePointer<Float>,
        _ total: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<tile.count {
            let token = (tile.first + row) / headsPerGroup
            let head = tile.head * headsPerGroup + (tile.first + row) % headsPerGroup
            let first = recall == nil || begin(token: token) > 0 ? 0 : farGroups
            let sink = group == first ? request.sinks : nil
            maximum[row] = sink.map { $0[head] } ?? -.infinity
            total[row] = sink == nil ? 0 : 1
        }
    }

    /// Attends to a part of the lists of a tile's tokens: runs of rows that share a list go together.
    private func attendListed(
        _ group: Int,
        _ tile: Tile,
        _ memory: WorkerScratch,
        _ begins: UnsafeMutablePointer<Int32>,
        _ ends: UnsafeMutablePointer<Int32>,
        _ maximum: UnsafeMutablePointer<Float>,
        _ total: UnsafeMutablePointer<Float>,
        _ output: UnsafeMutablePointer<Float>
    ) {
        guard let recall else { return }
        let step = recall.settings.rankingStep
        let width = layout.keyWidth
        begins.update(repeating: 0, count: tile.count)
        ends.update(repeating: Int32(PageLayout.positions), count: tile.count)
        if !recall.settings.turnsFarKeys { turnQueries(tile, recall, memory) }
        var row = 0
        while row < tile.count {
            let token = (tile.first + row) / headsPerGroup
            let position = request.firstPosition + token
            let lastToken = (position / step + 1) * step - 1 - request.firstPosition
            let end = min(tile.count, (lastToken + 1) * headsPerGroup - tile.first)
            let list = recall.pages(head: tile.head, position: position, chunk: request.firstPosition)
            let first = group * PagedAttention.groupPages
            for place in first..<max(first, min(first + PagedAttention.groupPages, list.count)) {
                let page = Int(list[place])
                if recall.settings.turnsFarKeys { rotateQueries(tile, page, memory) }
                var queryTile = sk_query_tile(
                    queries: memory.rotated + row * width,
                    query_stride: Int64(width),
                    rows: Int32(end - row),
                    begin: begins,
                    end: ends,
                    maximum: maximum + row,
                    total: total + row,
                    out: output + row * layout.valueStride,
                    page_maximum: nil,
                    page_total: nil
                )
                attend(page, head: tile.head, isTurned: recall.settings.turnsFarKeys, &queryTile, memory)
            }
            row = end
        }
    }

    private func attend(
        _ page: Int,
        head: Int,
        isTurned: Bool,
        _ tile: inout sk_query_tile,
        _ memory: WorkerScratch
    ) {
        guard let base = pageBases[page].address else { return }
        var form = kernels[pageBases[page]]
        let keys = base + form.layerOffset + head * form.headBytes
        if isTurned {
            sk_attend_page(
                &form.layout,
                keys,
                keys + form.keyBytes,
                UnsafePointer(bitPattern: keyTables[page].cosines),
                UnsafePointer(bitPattern: keyTables[page].sines),
                &tile,
                memory.kernel
            )
        } else {
            sk_attend_page(&form.unrotated, keys, keys + form.keyBytes, nil, nil, &tile, memory.kernel)
        }
    }

    /// Turns the tile's queries by the one angle of everything beyond the window.
    private func turnQueries(_ tile: Tile, _ recall: RecallSelection, _ memory: WorkerScratch) {
        layout.turn(
            memory.queries,
            count: tile.count,
            recall.cosines.pointer,
            recall.sines.pointer,
            into: memory.rotated
        )
    }

    /// Turns the tile's queries by their distance to the page's first position.
    private func rotateQueries(_ tile: Tile, _ page: Int, _ memory: WorkerScratch) {
        let width = layout.keyWidth
        guard pairs > 0 else {
            memory.rotated.update(from: memory.queries, count: tile.count * width)
            return
        }
        var row = 0
        while row < tile.count {
            let token = (tile.first + row) / headsPerGroup
            let rows = min(tile.count - row, (token + 1) * headsPerGroup - (tile.first + row))
            sk_angle_difference(
                queryCosines + token * pairs,
                querySines + token * pairs,
                pageCosines + page * pairs,
                pageSines + page * pairs,
                Int32(pairs),
                memory.cosines,
                memory.sines
            )
            layout.turn(
                memory.queries + row * width,
                count: rows,
                memory.cosines,
                memory.sines,
                into: memory.rotated + row * width
            )
            row += rows
        }
    }

    private func finish(_ tile: Tile, _ total: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>) {
        sk_attend_finish(Int32(tile.count), Int32(layout.valueWidth), Int32(layout.valueStride), total, output)
        for row in 0..<tile.count {
            let token = (tile.first + row) / headsPerGroup
            let head = tile.head * headsPerGroup + (tile.first + row) % headsPerGroup
            (request.output + (token * headCount + head) * layout.valueWidth)
                .update(from: output + row * layout.valueStride, count: layout.valueWidth)
        }
    }
}

/// One worker's scratch memory, cut into its parts (each a multiple of 64 bytes).
struct WorkerScratch {
    let queries: UnsafeMutablePointer<Float>
    let rotated: UnsafeMutablePointer<Float>
    let cosines: UnsafeMutablePointer<Float>
    let sines: UnsafeMutablePointer<Float>
    let maximum: UnsafeMutablePointer<Float>
    let total: UnsafeMutablePointer<Float>
    let output: UnsafeMutablePointer<Float>
    let maximum2: UnsafeMutablePointer<Float>
    let total2: UnsafeMutablePointer<Float>
    let output2: UnsafeMutablePointer<Float>
    let kernel: UnsafeMutablePointer<Float>

    static func floats(layout: PageLayout, pairs: Int) -> Int {
        let rows = PagedAttention.tileRows
        return 2 * rounded(rows * layout.keyWidth) + 2 * rounded(pairs) + 4 * rows + 2 * rows * layout.valueStride
    }

    private static func rounded(_ count: Int) -> Int { (count + 15) & ~15 }

    init(base: UnsafeMutablePointer<Float>, layout: PageLayout, pairs: Int) {
        let rows = PagedAttention.tileRows
        let queryFloats = Self.rounded(rows * layout.keyWidth)
        let outputFloats = rows * layout.valueStride
        queries = base
        rotated = queries + queryFloats
        cosines = rotated + queryFloats
        sines = cosines + Self.rounded(pairs)
        maximum = sines + Self.rounded(pairs)
        total = maximum + rows
        maximum2 = total + rows
        total2 = maximum2 + rows
        output = total2 + rows
        output2 = output + outputFloats
        kernel = output2 + outputFloats
    }
}

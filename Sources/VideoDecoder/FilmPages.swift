import CKernels
import KVCache
import Tensor

/// Keys and values of a run of rows in every block, in pages: a prompt, or one chunk of a clip.
///
/// Keys lie as attention wants them: normalised, and those of chunks turned by their positions.
package final class FilmPages {
    private let layout: PageLayout
    private(set) var pages: [Page] = []
    /// Rows that are filled.
    var count = 0

    init(layout: PageLayout) { self.layout = layout }

    /// Makes room for `rows` rows; room once made is kept.
    func reserve(rows: Int) throws(AllocationError) {
        let needed = (rows + PageLayout.positions - 1) / PageLayout.positions
        pages.reserveCapacity(needed)
        while pages.count < needed { pages.append(try Page(layout: layout)) }
    }

    /// Stores one row of one head.
    @inline(__always)
    func store(
        block: Int,
        head: Int,
        row: Int,
        key: UnsafePointer<Float>,
        value: UnsafePointer<Float>,
        _ kernelLayout: inout sk_page_layout
    ) {
        let page = pages[row / PageLayout.positions]
        sk_page_store(
            &kernelLayout,
            page.keys(layer: block, head: head),
            page.values(layer: block, head: head),
            Int32(row % PageLayout.positions),
            key,
            value
        )
    }
}

extension FlowDecoder {
    /// How pages of this decoder lie in memory.
    var pageLayout: PageLayout {
        PageLayout(
            layerCount: settings.flow.depth,
            kvHeadCount: settings.flow.headCount,
            keyWidth: headWidth,
            valueWidth: headWidth,
            ropeColumns: 0..<0,
            element: .f32
        )
    }
}

/// Attention of a chunk's rows to the prompt, to earlier chunks and to the chunk itself, in one softmax.
final class FilmAttention {
    /// One branch of guidance.
    struct Branch {
        /// The rows of the chunk in the row buffers.
        var firstRow: Int
        /// Nil where the prompt is dropped.
        var prompt: FilmPages?
        var history: [FilmPages]
        var own: FilmPages
    }

    static let tileRows = 32

    private let layout: PageLayout
    private let pool: ThreadPool
    private let scratch: AlignedBuffer<Float>
    private let scratchPerWorker: Int
    private let states: AlignedBuffer<Float>
    private let statesPerWorker: Int
    private let ranges: AlignedBuffer<Int32>
    /// Kernels want tables of turns; nothing is turned here.
    private let noAngles: AlignedBuffer<Float>

    init(_ decoder: FlowDecoder, pool: ThreadPool) throws {
        layout = decoder.pageLayout
        self.pool = pool
        var kernelLayout = layout.kernelLayout
        scratchPerWorker = (sk_attend_scratch_floats(&kernelLayout, Int32(Self.tileRows)) + 15) & ~15
        scratch = try AlignedBuffer(count: scratchPerWorker * pool.threadCount)
        // Weighted sums, then maxima and totals.
        statesPerWorker = Self.tileRows * (layout.valueStride + 2)
        states = try AlignedBuffer(count: ((statesPerWorker + 15) & ~15) * pool.threadCount)
        ranges = try AlignedBuffer(count: 2 * Self.tileRows * pool.threadCount)
        noAngles = try AlignedBuffer(count: 2 * PageLayout.positions)
    }

    /// - Parameters:
    ///   - clipQueries, promptQueries: `[rows][heads * head width]`, scaled, those to clips turned by their positions.
    ///   - rows: of each branch.
    func run(
        block: Int,
        branches: [Branch],
        rows: Int,
        clipQueries: Activations,
        promptQueries: Activations,
        into output: Activations
    ) {
        let tiles = (rows + Self.tileRows - 1) / Self.tileRows
        let heads = layout.kvHeadCount
        let work = FilmAttentionWork(tilesPerBranch: tiles * heads) { [self] branch, task, worker in
            let first = task % tiles * Self.tileRows
            attend(
                branches[branch],
                block: block,
                head: task / tiles,
                rows: first..<min(rows, first + Self.tileRows),
                clipQueries: clipQueries,
                promptQueries: promptQueries,
                output: output,
                worker: worker
            )
        }
        pool.run(tasks: branches.count * tiles * heads, work)
    }

    private func attend(
        _ branch: Branch,
        block: Int,
        head: Int,
        rows: Range<Int>,
        clipQueries: Activations,
        promptQueries: Activations,
        output: Activations,
        worker: Int
    ) {
        let stride = layout.valueStride
        let state = states.pointer + ((statesPerWorker + 15) & ~15) * worker
        let maximum = state + Self.tileRows * stride
        let total = maximum + Self.tileRows
        state.update(repeating: 0, count: Self.tileRows * stride)
        maximum.update(repeating: -.infinity, count: Self.tileRows)
        total.update(repeating: 0, count: Self.tileRows)
        let column = head * layout.keyWidth
        func add(_ pages: FilmPages, _ queries: Activations) {
            attend(
                pages,
                block: block,
                head: head,
                queries: queries.row(branch.firstRow + rows.lowerBound) + column,
                queryStride: queries.stride,
                rows: rows.count,
                state: (state, maximum, total),
                worker: worker
            )
        }
        if let prompt = branch.prompt { add(prompt, promptQueries) }
        for earlier in branch.history { add(earlier, clipQueries) }
        add(branch.own, clipQueries)
        sk_attend_finish(Int32(rows.count), Int32(layout.valueWidth), Int32(stride), total, state)
        for row in 0..<rows.count {
            (output.row(branch.firstRow + rows.lowerBound + row) + column)
                .update(from: state + row * stride, count: layout.valueWidth)
        }
    }

    private func attend(
        _ pages: FilmPages,
        block: Int,
        head: Int,
        queries: UnsafePointer<Float>,
        queryStride: Int,
        rows: Int,
        state: (
            out: UnsafeMutablePointer<Float>, maximum: UnsafeMutablePointer<Float>, total: UnsafeMutablePointer<Float>
        ),
        worker: Int
    ) {
        var kernelLayout = layout.kernelLayout
        let begins = ranges.pointer + 2 * Self.tileRows * worker
        let ends = begins + Self.tileRows
        for (index, page) in pages.pages.enumerated() {
            let filled = min(PageLayout.positions, pages.count - index * PageLayout.positions)
            guard filled > 0 else { break }
            begins.update(repeating: 0, count: rows)
            ends.update(repeating: Int32(filled), count: rows)
            var tile = sk_query_tile(
                queries: queries,
                query_stride: Int64(queryStride),
                rows: Int32(rows),
                begin: begins,
                end: ends,
                maximum: state.maximum,
                total: state.total,
                out: state.out,
                page_maximum: nil,
                page_total: nil
            )
            sk_attend_page(
                &kernelLayout,
                page.keys(layer: block, head: head),
                page.values(layer: block, head: head),
                noAngles.pointer,
                noAngles.pointer + PageLayout.positions,
                &tile,
                scratch.pointer + scratchPerWorker * worker
            )
        }
    }
}

private struct FilmAttentionWork: ParallelWork {
    let tilesPerBranch: Int
    let body: (_ branch: Int, _ task: Int, _ worker: Int) -> Void

    init(tilesPerBranch: Int, body: @escaping (Int, Int, Int) -> Void) {
        self.tilesPerBranch = tilesPerBranch
        self.body = body
    }

    func perform(task: Int, worker: Int) { body(task / tilesPerBranch, task % tilesPerBranch, worker) }
}

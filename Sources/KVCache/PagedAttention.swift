import CKernels
import Tensor

/// Causal attention over pages, with grouped heads, sliding windows and sinks; of a long context to a part of it, with
/// ``RecallSettings``.
///
/// The context is cut into groups of eight pages; each group is one running softmax, and groups are merged in order.
/// The cut depends on positions alone, so the bytes of a row are the same whether it is computed in a chunk of 512 or
/// alone, on one thread or many. Few rows (decoding) spread the groups over the threads; many rows spread the rows.
package final class PagedAttention {
    /// One layer's attention for a chunk.
    package struct Request {
        package var layer: Int
        /// Position of the chunk's first token.
        package var firstPosition: Int
        package var tokenCount: Int
        /// `[tokens][heads * keyWidth]`, not rotated, not scaled.
        package var queries: UnsafePointer<Float>
        /// `[tokens][heads * valueWidth]`.
        package var output: UnsafeMutablePointer<Float>
        package var scale: Float
        /// Positions that a token sees, itself included; nil for all.
        package var window: Int?
        /// One logit per head that takes part in the softmax and has no value; nil for none.
        package var sinks: UnsafePointer<Float>?

        package init(
            layer: Int,
            firstPosition: Int,
            tokenCount: Int,
            queries: UnsafePointer<Float>,
            output: UnsafeMutablePointer<Float>,
            scale: Float,
            window: Int?,
            sinks: UnsafePointer<Float>?
        ) {
            self.layer = layer
            self.firstPosition = firstPosition
            self.tokenCount = tokenCount
            self.queries = queries
            self.output = output
            self.scale = scale
            self.window = window
            self.sinks = sinks
        }
    }

    static let tileRows = 64
    static let groupPages = 8

    private let layout: PageLayout
    private let headCount: Int
    private let rotary: RotaryEmbedding
    private let pool: ThreadPool
    private let maximumTokens: Int
    private let maximumPages: Int
    /// `[tokens][pairs]`: turns of the chunk's positions.
    private let queryCosines: AlignedBuffer<Float>
    private let querySines: AlignedBuffer<Float>
    /// `[pages][pairs]`: turns of the pages' first positions, and the positions they were computed for.
    private let pageCosines: AlignedBuffer<Float>
    private let pageSines: AlignedBuffer<Float>
    private let pageAnchors: AlignedBuffer<RotaryPosition>
    private var preparedPages = 0
    /// Whether pages of the chunk's context lie in files.
    private var readsStoredPages = false
    /// `[pages]`: the key tables of the chunk's context.
    private let keyTables: AlignedBuffer<KeyTable>
    /// Running states of decode tasks: `[kvHeads * tiles][groups][tile rows][valueStride]` and their maxima and totals.
    private let partialOutput: AlignedBuffer<Float>
    private let partialMaximum: AlignedBuffer<Float>
    private let partialTotal: AlignedBuffer<Float>
    private let scratch: AlignedBuffer<Float>
    private let scratchPerWorker: Int
    private let ranges: AlignedBuffer<Int32>
    /// `[pages]` keys and values of the chunk's context: pages are classes, tasks should not touch reference counts.
    private let pageBases: AlignedBuffer<PageBase>
    /// Keeps stored pages within a limit; nil: there is none.
    private(set) var residency: StoredPageResidency?
    /// Which pages are attended to beyond the window; nil: all are.
    let selection: RecallSelection?

    /// - Parameters:
    ///   - maximumTokens: the largest chunk.
    ///   - maximumPositions: the longest context.
    ///   - recall: nil for exact attention at any length.
    package init(
        layout: PageLayout,
        headCount: Int,
        rotary: RotaryEmbedding,
        pool: ThreadPool,
        maximumTokens: Int,
        maximumPositions: Int,
        recall: RecallSettings? = nil
    ) throws(AllocationError) {
        self.layout = layout
        self.headCount = headCount
        self.rotary = rotary
        self.pool = pool
        self.maximumTokens = maximumTokens
        maximumPages = (maximumPositions + PageLayout.positions - 1) / PageLayout.positions
        let pairs = rotary.pairCount
        queryCosines = try AlignedBuffer(count: maximumTokens * pairs)
        querySines = try AlignedBuffer(count: maximumTokens * pairs)
        pageCosines = try AlignedBuffer(count: maximumPages * pairs)
        pageSines = try AlignedBuffer(count: maximumPages * pairs)
        pageAnchors = try AlignedBuffer(count: maximumPages)
        keyTables = try AlignedBuffer(count: maximumPages)
        // Split work needs states for every (tile, group); tiles are then few (see `splitsGroups`).
        let groups = Self.maximumGroups(maximumPages, recall)
        let states = (4 * pool.threadCount + layout.kvHeadCount) * groups
        partialOutput = try AlignedBuffer(count: states * Self.tileRows * layout.valueStride)
        partialMaximum = try AlignedBuffer(count: states * Self.tileRows)
        partialTotal = try AlignedBuffer(count: states * Self.tileRows)
        selection = try recall.map { settings throws(AllocationError) in
            try RecallSelection(
                settings,
                layout: layout,
                headCount: headCount,
                rotary: rotary,
                workers: pool.threadCount,
                maximumTokens: maximumTokens,
                maximumPages: (maximumPositions + PageLayout.positions - 1) / PageLayout.positions
            )
        }
        // Sealed pages need the most.
        var layout = layout.with(.q8).kernelLayout
        let kernelScratch = Int(sk_attend_scratch_floats(&layout, Int32(Self.tileRows)))
        scratchPerWorker = WorkerScratch.floats(layout: self.layout, pairs: pairs) + ((kernelScratch + 15) & ~15)
        scratch = try AlignedBuffer(count: scratchPerWorker * pool.threadCount)
        ranges = try AlignedBuffer(count: 2 * Self.tileRows * pool.threadCount)
        pageBases = try AlignedBuffer(count: maximumPages)
    }

    /// Computes the turns of a chunk's positions, which `table` has announced; once per chunk, before its layers.
    package func prepare(firstPosition: Int, tokenCount: Int, table: PageTable) {
        precondition(tokenCount <= maximumTokens)
        let pairs = rotary.pairCount
        for token in 0..<tokenCount {
            rotary.writeQueryAngles(
                position: table.position(firstPosition + token),
                cosines: queryCosines.pointer + token * pairs,
                sines: querySines.pointer + token * pairs
            )
        }
        let pages = (firstPosition + tokenCount + PageLayout.positions - 1) / PageLayout.positions
        precondition(pages <= maximumPages)
        readsStoredPages = false
        for index in 0..<pages {
            let page = table.pages[index]
            pageBases.pointer[index] = PageBase(page)
            if page.record.isReadOnly { readsStoredPages = true }
            let tables = rotary.keyTables(of: page)
            keyTables.pointer[index] = KeyTable(
                cosines: UInt(bitPattern: tables.cosines),
                sines: UInt(bitPattern: tables.sines)
            )
            // Contexts take turns: what stands here may be another one's.
            guard index >= preparedPages || pageAnchors.pointer[index] != page.anchor else { continue }
            pageAnchors.pointer[index] = page.anchor
            rotary.writePageAngles(
                anchor: page.anchor,
                cosines: pageCosines.pointer + index * pairs,
                sines: pageSines.pointer + index * pairs
            )
        }
        preparedPages = max(preparedPages, pages)
        selection?.prepare(table)
        if readsStoredPages { residency?.prepare(table.pages.prefix(pages)) }
    }

    /// How many bytes of stored pages may be in memory from now on; nil leaves that to the system.
    package func limitStoredPages(toBytes bytes: Int?) {
        guard let bytes else {
            residency = nil
            return
        }
        if let residency {
            residency.limitBytes = bytes
        } else {
            residency = StoredPageResidency(
                limitBytes: bytes,
                layerCount: layout.layerCount,
                maximumPages: maximumPages
            )
        }
    }

    /// What a request attends beyond its window with; nil where it sees everything, or no more than the window.
    func recall(_ request: Request) -> RecallSelection? {
        guard let selection, request.window == nil else { return nil }
        let last = request.firstPosition + request.tokenCount - 1
        return selection.settings.firstLocalPage(position: last) > 0 ? selection : nil
    }

    /// Begins a question, for which lists of pages are made as it says. Nothing happens where everything is seen.
    package func beginQuestion(_ question: RecallQuestion) throws(AllocationError) {
        try selection?.beginQuestion(question)
    }

    /// All tokens choose freely again.
    package func endQuestion() { selection?.endQuestion() }

    /// What recall did since it was last set to nothing.
    package var recallStatistics: RecallStatistics {
        get { selection?.statistics ?? RecallStatistics() }
        set { selection?.statistics = newValue }
    }

    /// Writes a chunk's keys and values into the pages that ``PageTable/prepareAppend(_:positions:media:)`` made writable.
    ///
    /// - Parameters:
    ///   - keys: `[tokens][kvHeads * keyWidth]` before rotation, rows `keyStride` floats apart.
    ///   - values: `[tokens][kvHeads * valueWidth]`, rows `valueStride` floats apart.
    package func store(
        layer: Int,
        firstPosition: Int,
        tokenCount: Int,
        keys: UnsafePointer<Float>,
        keyStride: Int,
        values: UnsafePointer<Float>,
        valueStride: Int,
        into table: PageTable
    ) {
        let work = StoreWork(
            layout: layout,
            kernelLayout: layout.kernelLayout,
            pageBases: pageBases.pointer,
            layer: layer,
            firstPosition: firstPosition,
            tokenCount: tokenCount,
            keys: keys,
            keyStride: keyStride,
            values: values,
            valueStride: valueStride
        )
        // One token is not worth waking anyone.
        if tokenCount < 8 {
            for task in 0..<work.taskCount { work.perform(task: task, worker: 0) }
        } else {
            pool.run(tasks: work.taskCount, work)
        }
    }

    /// Attention of a chunk whose keys and values are stored.
    ///
    /// - Throws: when a page of a file is not what was written there; nothing was computed then.
    package func attend(_ request: Request, table: PageTable) throws(PageDamage) {
        let endPosition = request.firstPosition + request.tokenCount
        let pageCount = (endPosition + PageLayout.positions - 1) / PageLayout.positions
        var firstPage = request.window.map { max(0, request.firstPosition - $0 + 1) / PageLayout.positions } ?? 0
        // Layers with a window of their own see no farther than that.
        let recall = self.recall(request)
        if let recall {
            firstPage = recall.settings.firstLocalPage(position: request.firstPosition)
            recall.rank(request, table: table, pool: pool)
        }
        if readsStoredPages {
            let read = (recall?.listedPages(request, before: firstPage) ?? []) + Array(firstPage..<pageCount)
            residency?.use(layer: request.layer, read, of: table.pages)
            try table.checkIntact(layer: request.layer, pages: read, pool: pool)
        }
        let farGroups = recall?.settings.listGroups ?? 0
        let firstGroup = recall == nil ? 0 : firstPage / Self.groupPages
        let headsPerGroup = headCount / layout.kvHeadCount
        let rows = request.tokenCount * headsPerGroup
        let tiles = (rows + Self.tileRows - 1) / Self.tileRows
        var work = AttentionWork(
            request: request,
            layout: layout,
            kernels: PageKernels(layout, layer: request.layer),
            recall: recall,
            headCount: headCount,
            headsPerGroup: headsPerGroup,
            pairs: rotary.pairCount,
            pageCount: pageCount,
            farGroups: farGroups,
            firstGroup: firstGroup,
            groupCount: farGroups + (pageCount + Self.groupPages - 1) / Self.groupPages - firstGroup,
            tileCount: tiles,
            rowCount: rows,
            queryCosines: queryCosines.pointer,
            querySines: querySines.pointer,
            pageCosines: pageCosines.pointer,
            pageSines: pageSines.pointer,
            keyTables: keyTables.pointer,
            pageBases: pageBases.pointer,
            scratch: scratch.pointer,
            scratchPerWorker: scratchPerWorker,
            ranges: ranges.pointer,
            partialOutput: partialOutput.pointer,
            partialMaximum: partialMaximum.pointer,
            partialTotal: partialTotal.pointer,
            phase: .whole
        )
        let tasks = layout.kvHeadCount * tiles
        // Layers with windows of their own count all groups, and may have too many: the other way gives the same bytes.
        let fits = tasks * work.groupCount * Self.tileRows <= partialMaximum.count
        if tasks < 4 * pool.threadCount, work.groupCount > 1, fits {
            work.phase = .groups
            pool.run(tasks: tasks * work.groupCount, work)
            work.phase = .merge
            for task in 0..<tasks { work.perform(task: task, worker: 0) }
        } else {
            pool.run(tasks: tasks, work)
        }
    }
}

/// Where a page's key tables lie, `[pairs][128]` each.
struct KeyTable: BitwiseCopyable {
    var cosines: UInt
    var sines: UInt
}

extension PagedAttention {
    /// Groups of pages, those of lists among them, that one chunk can attend to.
    package static func maximumGroups(_ pages: Int, _ recall: RecallSettings?) -> Int {
        let whole = (pages + groupPages - 1) / groupPages + 1
        guard let recall else { return whole }
        // A window, a chunk of a group, and what rounding adds on both sides.
        let exact = min(whole, max(recall.firstPosition, recall.localPositions) / PageLayout.positions / groupPages + 3)
        return exact + recall.listGroups + 1
    }
}

/// Where a page's keys and values begin, and in which form they are.
struct PageBase: BitwiseCopyable {
    private let bits: UInt

    /// Pages are aligned to 64 bytes, which leaves room for the form.
    init(_ page: Page) {
        bits = UInt(bitPattern: page.keys(layer: 0, head: 0)) | Self.form(page.layout.element)
    }

    private static func form(_ element: PageLayout.Element) -> UInt {
        switch element {
        case .f32, .f16: 0
        case .q8: 1
        case .q8v4: 2
        }
    }

    /// 0: open, 1: q8, 2: q8v4
    var form: Int { Int(bits & 63) }
    var address: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: bits & ~63) }
}

/// How the forms of pages are read in one layer.
struct PageKernels {
    struct Form {
        var layout: sk_page_layout
        /// The same for keys that are not turned.
        var unrotated: sk_page_layout
        var layerOffset: Int
        var headBytes: Int
        var keyBytes: Int
    }

    let forms: (open: Form, q8: Form, q8v4: Form)

    init(_ layout: PageLayout, layer: Int) {
        func form(_ layout: PageLayout) -> Form {
            Form(
                layout: layout.kernelLayout,
                unrotated: layout.unrotatedKernelLayout,
                layerOffset: layer * layout.layerBytes,
                headBytes: layout.headBytes,
                keyBytes: layout.keyBytes
            )
        }
        forms = (form(layout), form(layout.with(.q8)), form(layout.with(.q8v4)))
    }

    subscript(base: PageBase) -> Form {
        switch base.form {
        case 1: forms.q8
        case 2: forms.q8v4
        default: forms.open
        }
    }
}

/// Writes the chunk's keys and values: one task per (KV head, page).
private struct StoreWork: ParallelWork {
    let layout: PageLayout
    let kernelLayout: sk_page_layout
    let pageBases: UnsafePointer<PageBase>
    let layer: Int
    let firstPosition: Int
    let tokenCount: Int
    let keys: UnsafePointer<Float>
    let keyStride: Int
    let values: UnsafePointer<Float>
    let valueStride: Int

    var firstPage: Int { firstPosition / PageLayout.positions }
    var taskCount: Int {
        ((firstPosition + tokenCount - 1) / PageLayout.positions - firstPage + 1) * layout.kvHeadCount
    }

    func perform(task: Int, worker: Int) {
        let head = task % layout.kvHeadCount
        let page = firstPage + task / layout.kvHeadCount
        let pageStart = page * PageLayout.positions
        guard let base = pageBases[page].address else { return }
        let pageKeys = base + layer * layout.layerBytes + head * layout.headBytes
        let first = max(firstPosition, pageStart)
        let last = min(firstPosition + tokenCount, pageStart + PageLayout.positions)
        var kernelLayout = kernelLayout
        for position in first..<last {
            let token = position - firstPosition
            sk_page_store(
                &kernelLayout,
                pageKeys,
                pageKeys + layout.keyBytes,
                Int32(position - pageStart),
                keys + token * keyStride + head * layout.keyWidth,
                values + token * valueStride + head * layout.valueWidth
            )
        }
    }
}

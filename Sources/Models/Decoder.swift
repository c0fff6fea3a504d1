import CKernels
import Experts
import KVCache
import ModelFiles
import Tensor

/// A decoder-only transformer, read-only and shared by all its contexts.
package final class Decoder: Sendable {
    package let configuration: DecoderConfiguration
    package let weights: DecoderWeights
    package let store: ExpertStore

    package init(bundle: Bundle) throws {
        configuration = try DecoderConfiguration(json: bundle.configuration)
        weights = try DecoderWeights(bundle: bundle, configuration: configuration)
        store = ExpertStore(bundle: bundle, shape: configuration.storeShape)
    }

    /// How pages of this model's keys and values lie in memory.
    package func pageLayout(_ element: PageLayout.Element) -> PageLayout {
        switch configuration.attention {
        case .grouped(let shape):
            return PageLayout(
                layerCount: configuration.layerCount,
                kvHeadCount: shape.kvHeadCount,
                keyWidth: shape.headWidth,
                valueWidth: shape.headWidth,
                ropeColumns: 0..<configuration.rope.width,
                element: element
            )
        case .latent(let shape):
            let width = shape.latentRank + shape.ropeWidth
            return PageLayout(
                layerCount: configuration.layerCount,
                kvHeadCount: 1,
                keyWidth: width,
                valueWidth: shape.latentRank,
                ropeColumns: shape.latentRank..<width,
                element: element
            )
        }
    }
}

extension DecoderConfiguration {
    /// What the expert store checks shards against.
    package var storeShape: ExpertStore.Shape {
        ExpertStore.Shape(
            hiddenSize: hiddenSize,
            expertCount: router?.expertCount ?? 0,
            expertWidth: expertWidth,
            sharedWidths: layers.map { $0.hasSharedExpert ? $0.sharedWidth : 0 }
        )
    }
}

/// Which rows of a chunk should give logits.
package enum LogitsRequest {
    case none
    case last
    case all
}

/// Runs chunks of tokens through a ``Decoder``: owns every buffer of a run, allocated once.
///
/// One runner serves any number of contexts, one at a time; a context is its ``PageTable``.
package final class DecoderRunner {
    package let decoder: Decoder
    package let pool: ThreadPool
    package let layout: PageLayout
    /// What becomes of complete groups of pages; nil: nothing.
    package let sealing: PageSealing?
    /// How long contexts are attended to; nil: exactly.
    package let recall: RecallSettings?
    /// Tokens per chunk at most.
    package let chunkTokens: Int
    package let maximumPositions: Int
    /// Choices of experts since it was last cleared.
    package var statistics: ExpertStatistics
    /// Called with each routed layer's choices of a chunk, `[tokens][k]`; for tests and traces.
    package var onRouting: ((_ layer: Int, _ experts: UnsafeBufferPointer<Int32>) -> Void)?
    /// Records where the attention of single tokens falls, when set; see ``makeProbe()``.
    package var probe: AttentionProbe?
    /// Records how much of the attention of single tokens falls on what they read, when set; see ``makeMassProbe(positions:)``.
    package var massProbe: AttentionMassProbe?

    let attention: PagedAttention
    private let rotary: RotaryEmbedding
    let experts: ExpertRunner
    let residual: Activations
    let normed: Activations
    let blockOutput: Activations
    let attentionOutput: Activations
    let grouped: GroupedBuffers?
    let latent: LatentBuffers?
    /// What each token of the chunk came from.
    private let modalities: AlignedBuffer<Modality>
    private let logitsBuffer: Activations
    private static let logitsRows = 32

    /// - Parameters:
    ///   - element: how keys and values are kept; sealed forms take the place of halves when a group of pages is complete.
    ///   - maximumPositions: the longest context; bounds the memory of attention's tables.
    package init(
        decoder: Decoder,
        pool: ThreadPool,
        element: PageLayout.Element,
        maximumPositions: Int,
        chunkTokens: Int = 512,
        recall: RecallSettings? = nil
    ) throws {
        let configuration = decoder.configuration
        self.decoder = decoder
        self.pool = pool
        self.maximumPositions = maximumPositions
        self.chunkTokens = chunkTokens
        layout = decoder.pageLayout(element.isSealed ? .f16 : element)
        self.recall = recall
        let sealed = element.isSealed ? layout.with(element) : nil
        sealing = sealed == nil && recall == nil ? nil : PageSealing(layout: sealed, recall: recall)
        rotary = try RotaryEmbedding(
            configuration.rope.spectrum,
            attentionFactor: configuration.rope.attentionFactor
        )
        attention = try PagedAttention(
            layout: layout,
            headCount: configuration.headCount,
            rotary: rotary,
            pool: pool,
            maximumTokens: chunkTokens,
            maximumPositions: maximumPositions,
            recall: recall
        )
        experts = try ExpertRunner(
            sizes: .init(
                hiddenSize: configuration.hiddenSize,
                expertWidth: configuration.expertWidth,
                sharedWidth: configuration.layers.map { $0.hasSharedExpert ? $0.sharedWidth : 0 }.max() ?? 0,
                router: configuration.router,
                maximumTokens: chunkTokens
            ),
            store: decoder.store,
            activation: configuration.activation,
            pool: pool
        )
        residual = try Activations(columns: configuration.hiddenSize, maximumRows: chunkTokens)
        normed = try Activations(columns: configuration.hiddenSize, maximumRows: chunkTokens)
        modalities = try AlignedBuffer(count: chunkTokens)
        blockOutput = try Activations(columns: configuration.hiddenSize, maximumRows: chunkTokens)
        let outputWidth: Int
        switch configuration.attention {
        case .grouped(let shape):
            grouped = try GroupedBuffers(shape, tokens: chunkTokens)
            latent = nil
            outputWidth = shape.headCount * shape.headWidth
        case .latent(let shape):
            grouped = nil
            latent = try LatentBuffers(shape, tokens: chunkTokens)
            outputWidth = shape.headCount * shape.valueWidth
        }
        attentionOutput = try Activations(columns: outputWidth, maximumRows: chunkTokens)
        logitsBuffer = try Activations(columns: configuration.vocabularySize, maximumRows: Self.logitsRows)
        statistics = ExpertStatistics(
            layerCount: configuration.layerCount,
            expertCount: configuration.router?.expertCount ?? 1
        )
    }

    /// An empty context.
    package func makeTable() -> PageTable {
        PageTable(layout: layout, spectrum: rotary.spectrum, sealing: sealing)
    }

    /// A context that begins with full pages of another one; with fewer of them where it could not go on from there.
    package func makeTable(sharing pages: [Page]) throws(AllocationError) -> PageTable {
        try PageTable(layout: layout, spectrum: rotary.spectrum, sealing: sealing, sharing: pages)
    }

    /// A context of stored pages, all of them full but the last one, with what ranking knows of the first ones.
    ///
    /// - Throws: ``AllocationError``, or ``PageDamage`` when a page that has to be read for ranking is damaged.
    package func makeTable(stored pages: [Page], count: Int, index: StoredPageIndex) throws -> PageTable {
        try PageTable(
            layout: layout,
            spectrum: rotary.spectrum,
            sealing: sealing,
            pages: pages,
            count: count,
            index: index,
            pool: pool
        )
    }

    /// How many of `wanted` tokens one ``append(_:to:logits:onLogits:)-(StreamChunk,_,_,_)`` may take when a context
    /// holds `slots`: chunks do not cross the grid that pages are sealed on.
    package func chunkLength(after slots: Int, of wanted: Int) -> Int {
        let room = sealing == nil ? chunkTokens : PageSealing.groupEnd(after: slots) - slots
        return min(wanted, chunkTokens, room)
    }

    /// How many bytes of stored pages may be in memory from now on; nil leaves that to the system.
    package func limitStoredPages(toBytes bytes: Int?) { attention.limitStoredPages(toBytes: bytes) }

    /// Begins a question, none of whose tokens was computed yet. Where it has a lock, its last token ends a chunk.
    package func beginQuestion(_ question: RecallQuestion) throws(AllocationError) {
        try attention.beginQuestion(question)
    }

    /// Ends the last question, if there was one.
    package func endQuestion() { attention.endQuestion() }

    /// What recall did since it was last set to nothing.
    package var recallStatistics: RecallStatistics {
        get { attention.recallStatistics }
        set { attention.recallStatistics = newValue }
    }

    /// Bytes that `positions` positions take when all groups are complete.
    package func bytes(positions: Int) -> Int { (sealing?.layout ?? layout).bytes(positions: positions) }

    /// Frequencies of the rotary embedding, which pages with positions of their own need.
    package var spectrum: RotarySpectrum { rotary.spectrum }

    /// Appends text to a context.
    ///
    /// - Parameters:
    ///   - tokens: at most ``chunkLength(after:of:)`` ids, each within the vocabulary.
    ///   - onLogits: called with (row in the chunk, `[vocabulary]`) for the requested rows, in order; the memory is
    ///     reused afterwards.
    /// - Throws: when memory or a shard is missing; the context is then unchanged.
    package func append(
        _ tokens: UnsafeBufferPointer<Int32>,
        to table: inout PageTable,
        logits request: LogitsRequest,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        try append(StreamChunk(tokens: tokens), to: &table, logits: request, onLogits: onLogits)
    }

    /// Appends text and rows of media to a context.
    package func append(
        _ chunk: StreamChunk,
        to table: inout PageTable,
        logits request: LogitsRequest,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        let tokens = chunk.tokens
        let count = tokens.count
        guard count > 0 else { return }
        let firstPosition = table.count
        precondition(count <= chunkLength(after: firstPosition, of: count))
        guard firstPosition + count <= maximumPositions else {
            throw ModelError.invalidConfiguration(
                "\(firstPosition + count) positions where at most \(maximumPositions) were prepared"
            )
        }
        try table.prepareAppend(tokens, positions: chunk.positions, media: chunk.mediaRuns)
        embed(chunk)
        attention.prepare(firstPosition: firstPosition, tokenCount: count, table: table)
        let configuration = decoder.configuration
        var addend: Activations?
        for (index, layer) in decoder.weights.layers.enumerated() {
            pool.addNormalize(
                residual: residual,
                addend: addend,
                weight: layer.attentionNorm.pointer,
                epsilon: configuration.normEpsilon,
                rows: count,
                output: normed,
                quantizes: true
            )
            switch layer.attention {
            case .grouped(let weights):
                try attendGrouped(index, weights, firstPosition: firstPosition, tokens: count, table: table)
            case .latent(let weights):
                try attendLatent(index, weights, firstPosition: firstPosition, tokens: count, table: table)
            }
            pool.quantize(attentionOutput, rows: count)
            pool.multiply(layer.output, bias: layer.outputBias, attentionOutput, into: blockOutput, tokens: count)
            pool.addNormalize(
                residual: residual,
                addend: blockOutput,
                weight: layer.ffnNorm.pointer,
                epsilon: configuration.normEpsilon,
                rows: count,
                output: normed,
                quantizes: true
            )
            try runExperts(index, layer, tokens: count)
            addDeepstack(chunk, layer: index)
            addend = blockOutput
        }
        table.commitAppend()
        table.completeGroup(pool: pool)
        try emitLogits(request, count, addend, onLogits)
    }

    /// A recorder of where attention falls, for ``probe``.
    package func makeProbe() throws -> AttentionProbe {
        try AttentionProbe(
            layout: layout,
            headCount: decoder.configuration.headCount,
            rotary: rotary,
            maximumPositions: maximumPositions
        )
    }

    /// - Parameter positions: of contexts that are looked at.
    package func makeMassProbe(positions: Int) throws -> AttentionMassProbe {
        try AttentionMassProbe(
            layout: layout,
            headCount: decoder.configuration.headCount,
            rotary: rotary,
            maximumPositions: min(positions, maximumPositions)
        )
    }

    /// Lets probes look at a request of one token.
    func recordProbes(_ request: PagedAttention.Request, _ table: PageTable) {
        guard request.tokenCount == 1 else { return }
        probe?.record(request, table: table, attention: attention)
        massProbe?.record(request, table: table, attention: attention)
    }

    /// Fills the residual: embeddings of ids, and rows of media where they stand.
    private func embed(_ chunk: StreamChunk) {
        var matrix = decoder.weights.embedding.kernelMatrix
        let vocabulary = Int32(decoder.configuration.vocabularySize)
        var row = 0
        func embedText(upTo end: Int) {
            while row < end {
                let token = chunk.tokens[row]
                precondition(token >= 0 && token < vocabulary)
                sk_unpack_row(&matrix, token, residual.row(row))
                modalities.pointer[row] = .text
                row += 1
            }
        }
        let columns = decoder.configuration.hiddenSize
        for media in chunk.media {
            embedText(upTo: media.slots.lowerBound)
            for index in 0..<media.slots.count {
                residual.row(row).update(from: media.rows + index * columns, count: columns)
                modalities.pointer[row] = media.modality
                row += 1
            }
        }
        embedText(upTo: chunk.tokens.count)
    }

    /// Adds what the vision tower saw at its j-th depth to the output of layer j (Meng et al. 2024, "DeepStack").
    private func addDeepstack(_ chunk: StreamChunk, layer: Int) {
        let columns = decoder.configuration.hiddenSize
        for media in chunk.media where layer < media.deepstack.count {
            for (index, slot) in media.slots.enumerated() {
                sk_add(blockOutput.row(slot), media.deepstack[layer] + index * columns, Int64(columns))
            }
        }
    }

    private func runExperts(_ index: Int, _ layer: DecoderWeights.Layer, tokens: Int) throws {
        let settings = decoder.configuration.layers[index]
        var router: ExpertRunner.LayerRouter?
        if !layer.routers.isEmpty, let configuration = decoder.configuration.router {
            router = .init(
                router: Router(configuration, selectionBias: layer.selectionBias?.pointer),
                matrices: layer.routers,
                bias: layer.routerBias
            )
        }
        try experts.run(
            layer: index,
            x: normed,
            tokens: tokens,
            router: router,
            hasShared: settings.hasSharedExpert,
            modalities: UnsafeBufferPointer(start: modalities.pointer, count: tokens),
            statistics: &statistics,
            into: blockOutput
        )
        if router != nil, let onRouting {
            let choices = experts.dispatch.experts.pointer
            onRouting(index, UnsafeBufferPointer(start: choices, count: tokens * experts.dispatch.expertsPerToken))
        }
    }

    /// The final norm and the output projection, for the rows that are wanted, a few at a time.
    private func emitLogits(
        _ request: LogitsRequest,
        _ count: Int,
        _ addend: Activations?,
        _ onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        let rows: Range<Int>
        switch request {
        case .none: return
        case .last: rows = count - 1..<count
        case .all: rows = 0..<count
        }
        let configuration = decoder.configuration
        let hidden = Int64(configuration.hiddenSize)
        var begin = rows.lowerBound
        while begin < rows.upperBound {
            let size = min(Self.logitsRows, rows.upperBound - begin)
            for row in begin..<begin + size {
                if let addend { sk_add(residual.row(row), addend.row(row), hidden) }
            }
            sk_rms_norm(
                residual.row(begin),
                Int64(residual.stride),
                decoder.weights.finalNorm.pointer,
                configuration.normEpsilon,
                Int32(size),
                Int32(hidden),
                normed.pointer,
                Int64(normed.stride)
            )
            pool.quantize(normed, rows: size)
            pool.multiply(decoder.weights.output, normed, into: logitsBuffer, tokens: size)
            for row in 0..<size {
                try onLogits(
                    begin + row,
                    UnsafeMutableBufferPointer(start: logitsBuffer.row(row), count: configuration.vocabularySize)
                )
            }
            begin += size
        }
    }
}

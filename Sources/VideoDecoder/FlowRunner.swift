import CKernels
import Foundation
import KVCache
import Tensor

/// Runs chunks of one size through a ``FlowDecoder``: owns every buffer of a run, allocated once.
///
/// The prompt's keys and values are computed once by ``readPrompt(count:rows:)`` and serve all steps and both branches of
/// guidance. Noisy chunks write their keys and values to scratch pages; ``commit(_:)`` turns scratch into history.
package final class FlowRunner {
    package typealias Kind = FlowDecoder.ChunkKind

    /// What a chunk is, and what it sees.
    package struct Chunk {
        package var kind: Kind
        /// Number of its first frame: its position in time.
        package var firstFrame: Int
        /// Noise level, 0 (clean) ... 1 (noise alone).
        package var level: Float
        /// Chunks that were committed before, in any order.
        package var history: [FilmPages]

        package init(kind: Kind, firstFrame: Int, level: Float, history: [FilmPages]) {
            self.kind = kind
            self.firstFrame = firstFrame
            self.level = level
            self.history = history
        }
    }

    package let decoder: FlowDecoder
    /// Tokens of a frame as they come in and go out, down and across.
    package let gridRows: Int
    package let gridColumns: Int
    /// Frames of a chunk.
    package let frames: Int
    /// Video tokens of a chunk as the network has them, one a window; one sound token a frame follows them.
    package let videoTokens: Int
    package let soundTokens: Int
    /// Rows of a prompt at most.
    package let maximumPromptRows: Int

    let pool: ThreadPool
    private let attention: FilmAttention
    private let experts: FlowExperts
    let rotation: AxisRotation
    let prompt: FilmPages
    private var scratch: [FilmPages]
    private var spare: [FilmPages] = []

    let windows: TokenWindows
    /// Tokens with their rims, on their way in and out.
    let video: Activations
    /// `[frames][tokens of a frame][token]`
    private let drawn: AlignedBuffer<Float>
    let sound: Activations
    let stream: Activations
    private let normed: Activations
    private let qkv: Activations
    private let clipQueries: Activations
    private let promptQueries: Activations
    private let keys: Activations
    private let attended: Activations
    private let product: Activations
    let places: Activations
    let cosines: AlignedBuffer<Float>
    let sines: AlignedBuffer<Float>
    let timeFeatures: Activations
    let timeHidden: Activations
    let condition: Activations
    let modulation: Activations
    let lastModulation: Activations
    let promptInput: Activations
    let promptHidden: Activations
    let promptKeysValues: Activations
    static let promptRowsAtOnce = PageLayout.positions

    var width: Int { decoder.width }
    var tokens: Int { videoTokens + soundTokens }

    /// - Parameters:
    ///   - gridRows: tokens of a frame down; across: `gridColumns`.
    ///   - isShifted: whether each of the network's tokens lies where four of the frame meet.
    ///   - prompt: of another runner of the decoder, to be read by that one.
    ///   - frames: of a chunk, at most as many as it was trained with; nil for those.
    ///   - maximumPromptRows: the longest prompt; pages are made as prompts need them.
    package init(
        _ decoder: FlowDecoder,
        gridRows: Int,
        gridColumns: Int,
        isShifted: Bool = false,
        frames: Int? = nil,
        maximumPromptRows: Int,
        sharingPromptOf other: FlowRunner? = nil,
        pool: ThreadPool
    ) throws {
        let flow = decoder.settings.flow
        let d = flow.width
        self.decoder = decoder
        self.gridRows = gridRows
        self.gridColumns = gridColumns
        self.maximumPromptRows = maximumPromptRows
        self.pool = pool
        self.frames = max(1, min(flow.chunkFrames, frames ?? flow.chunkFrames))
        windows = TokenWindows(
            gridRows: gridRows,
            gridColumns: gridColumns,
            isShifted: isShifted,
            settings: decoder.settings
        )
        videoTokens = self.frames * windows.cells
        soundTokens = self.frames
        let tokens = videoTokens + soundTokens
        let rows = 2 * tokens
        attention = try FilmAttention(decoder, pool: pool)
        experts = try FlowExperts(decoder, maximumRows: rows, pool: pool)
        rotation = AxisRotation(headWidth: decoder.headWidth, axisCount: 3)
        prompt = other?.prompt ?? FilmPages(layout: decoder.pageLayout)
        scratch = [FilmPages(layout: decoder.pageLayout), FilmPages(layout: decoder.pageLayout)]
        for pages in scratch { try pages.reserve(rows: tokens) }
        video = try Activations(columns: windows.width, maximumRows: videoTokens)
        drawn = try AlignedBuffer(count: self.frames * gridRows * gridColumns * decoder.settings.tokenWidth)
        sound = try Activations(columns: decoder.settings.soundWidth, maximumRows: soundTokens)
        stream = try Activations(columns: d, maximumRows: rows)
        normed = try Activations(columns: d, maximumRows: rows)
        qkv = try Activations(columns: 3 * d, maximumRows: rows)
        clipQueries = try Activations(columns: d, maximumRows: rows)
        promptQueries = try Activations(columns: d, maximumRows: rows)
        keys = try Activations(columns: d, maximumRows: rows)
        attended = try Activations(columns: d, maximumRows: rows)
        product = try Activations(columns: d, maximumRows: rows)
        places = try Activations(columns: d, maximumRows: windows.cells)
        cosines = try AlignedBuffer(count: tokens * rotation.pairCount)
        sines = try AlignedBuffer(count: tokens * rotation.pairCount)
        timeFeatures = try Activations(columns: 128, maximumRows: 1)
        timeHidden = try Activations(columns: d, maximumRows: 1)
        condition = try Activations(columns: d, maximumRows: 1)
        modulation = try Activations(columns: 6 * d, maximumRows: 1)
        lastModulation = try Activations(columns: 2 * d, maximumRows: 1)
        promptInput = try Activations(columns: decoder.promptWidth, maximumRows: Self.promptRowsAtOnce)
        promptHidden = try Activations(columns: d, maximumRows: Self.promptRowsAtOnce)
        promptKeysValues = try Activations(columns: 2 * d, maximumRows: Self.promptRowsAtOnce)
        try fillPlaces()
    }

    /// Cosines and sines of pi k u, k = 1 ... 4, for u = the token's centre in 0 ... 1 down, then across.
    private func fillPlaces() throws {
        let features = try Activations(columns: 16, maximumRows: windows.cells)
        for cell in 0..<windows.cells {
            let centres = [
                (Float(cell / windows.columns) + windows.offset + 0.5) / Float(gridRows),
                (Float(cell % windows.columns) + windows.offset + 0.5) / Float(gridColumns),
            ]
            for (axis, centre) in centres.enumerated() {
                for k in 0..<4 {
                    let angle = centre * (Float.pi * Float(k + 1))
                    features.row(cell)[axis * 8 + k] = Float(cos(Double(angle)))
                    features.row(cell)[axis * 8 + 4 + k] = Float(sin(Double(angle)))
                }
            }
        }
        pool.multiply(
            decoder.place.matrix,
            bias: decoder.place.bias,
            features,
            into: places,
            tokens: windows.cells
        )
    }

    // MARK: Chunks

    /// Predicts the clean tokens of a noisy chunk.
    ///
    /// - Parameters:
    ///   - video: `[frames][tokens of a frame][token]`, sound: `[soundTokens][sound]`, normalised.
    ///   - seesPrompt: one entry a branch, at most two: whether it sees the prompt. The branches share everything else.
    ///   - output: called with the branch, its video tokens and its sound tokens; these are `stride` floats apart.
    package func predict(
        _ chunk: Chunk,
        video source: UnsafePointer<Float>,
        sound soundSource: UnsafePointer<Float>,
        seesPrompt: [Bool],
        output: (
            _ branch: Int, _ video: UnsafePointer<Float>, _ sound: UnsafePointer<Float>, _ soundStride: Int
        ) -> Void
    ) {
        let branches = forward(chunk, source, soundSource, seesPrompt: seesPrompt)
        for branch in 0..<branches {
            let first = branch * tokens
            pool.multiply(
                decoder.videoOut.matrix,
                bias: decoder.videoOut.bias,
                normed,
                first: first,
                rows: videoTokens,
                into: video.pointer,
                outputStride: video.stride
            )
            windows.sum(video, frames: frames, into: drawn.pointer)
            pool.multiply(
                decoder.soundOut.matrix,
                bias: decoder.soundOut.bias,
                normed,
                first: first + videoTokens,
                rows: soundTokens,
                into: sound.pointer,
                outputStride: sound.stride
            )
            output(branch, drawn.pointer, sound.pointer, sound.stride)
        }
    }

    /// Runs a chunk once more, clean as a rule, and keeps its keys and values: what later chunks see of it.
    ///
    /// - Returns: pages to be named as ``Chunk/history``; hand them back with ``recycle(_:)`` when no chunk will see them
    ///   any more.
    package func commit(
        _ chunk: Chunk,
        video source: UnsafePointer<Float>,
        sound soundSource: UnsafePointer<Float>
    ) throws -> FilmPages {
        let fresh = spare.popLast() ?? FilmPages(layout: decoder.pageLayout)
        try fresh.reserve(rows: tokens)
        _ = forward(chunk, source, soundSource, seesPrompt: [true])
        let committed = scratch[0]
        scratch[0] = fresh
        return committed
    }

    /// Takes pages back that ``commit(_:video:sound:)`` gave.
    package func recycle(_ pages: FilmPages) { spare.append(pages) }

    /// Leaves the modulated, normed rows of all branches in `normed`.
    private func forward(
        _ chunk: Chunk,
        _ source: UnsafePointer<Float>,
        _ soundSource: UnsafePointer<Float>,
        seesPrompt: [Bool]
    ) -> Int {
        let branches = seesPrompt.prefix(2).enumerated().map { index, sees in
            FilmAttention.Branch(
                firstRow: index * tokens,
                prompt: sees ? prompt : nil,
                history: chunk.history,
                own: scratch[index]
            )
        }
        let rows = branches.count * tokens
        embed(source, soundSource, branches: branches.count)
        modulate(level: chunk.level, kind: chunk.kind)
        fillAngles(firstFrame: chunk.firstFrame)
        for pages in scratch.prefix(branches.count) { pages.count = tokens }
        let d = width
        var gate: (table: [Float], part: Int)?
        for (index, block) in decoder.blocks.enumerated() {
            addNormalize(rows, gate: gate, shift: parts(block, 0), scale: parts(block, 1))
            pool.multiply(block.qkv, normed, into: qkv, tokens: rows)
            splitHeads(block, rows)
            store(index, branches)
            attention.run(
                block: index,
                branches: branches,
                rows: tokens,
                clipQueries: clipQueries,
                promptQueries: promptQueries,
                into: attended
            )
            pool.multiply(block.out, attended, into: product, tokens: rows)
            addNormalize(rows, gate: (block.table, 2), shift: parts(block, 3), scale: parts(block, 4))
            experts.run(block, normed, rows: rows, into: product)
            gate = (block.table, 5)
        }
        let last = lastModulation.pointer
        addNormalize(rows, gate: gate, shift: { last[$0] }, scale: { last[d + $0] })
        return branches.count
    }

    /// Column c of part p of the modulation, with the block's table added.
    private func parts(_ block: FlowDecoder.Block, _ part: Int) -> (Int) -> Float {
        let offset = part * width
        let all = modulation.pointer
        return { all[offset + $0] + block.table[offset + $0] }
    }

    /// stream += (1 + gate) * product where there is a gate; normed = norm(stream) * (1 + scale) + shift.
    private func addNormalize(
        _ rows: Int,
        gate: (table: [Float], part: Int)?,
        shift: (Int) -> Float,
        scale: (Int) -> Float
    ) {
        let d = width
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * d) { factors in
            for column in 0..<d {
                factors[column] = 1 + scale(column)
                factors[d + column] = shift(column)
                if let gate {
                    let index = gate.part * d + column
                    factors[2 * d + column] = 1 + (modulation.pointer[index] + gate.table[index])
                }
            }
            guard let factors = UnsafePointer(factors.baseAddress) else { return }
            pool.forRows(rows, perTask: 16) { range in
                for row in range {
                    let x = stream.row(row)
                    if gate != nil {
                        let y = product.row(row)
                        for column in 0..<d { x[column] += factors[2 * d + column] * y[column] }
                    }
                    let to = normed.row(row)
                    sk_rms_norm(x, Int64(d), factors, normEpsilon, 1, Int32(d), to, Int64(d))
                    sk_add(to, factors + d, Int64(d))
                }
            }
        }
    }

    /// Normalised heads: queries to the prompt as they are, queries and keys of clips turned by their positions.
    private func splitHeads(_ block: FlowDecoder.Block, _ rows: Int) {
        let head = decoder.headWidth
        pool.forRows(rows, perTask: 16) { range in
            for row in range {
                let angles = row % tokens * rotation.pairCount
                for h in 0..<decoder.settings.flow.headCount {
                    let query = qkv.row(row) + h * head
                    let key = qkv.row(row) + width + h * head
                    normalize(query, columns: head, into: query)
                    normalize(key, columns: head, into: key)
                    let far = promptQueries.row(row) + h * head
                    for column in 0..<head { far[column] = query[column] * block.promptScale[h] }
                    rotation.turn(
                        query,
                        cosines.pointer + angles,
                        sines.pointer + angles,
                        scale: block.clipScale[h],
                        into: clipQueries.row(row) + h * head
                    )
                    rotation.turn(
                        key,
                        cosines.pointer + angles,
                        sines.pointer + angles,
                        scale: 1,
                        into: keys.row(row) + h * head
                    )
                }
            }
        }
    }

    private func store(_ index: Int, _ branches: [FilmAttention.Branch]) {
        let head = decoder.headWidth
        let heads = decoder.settings.flow.headCount
        pool.forRows(branches.count * heads, perTask: 1) { range in
            var layout = decoder.pageLayout.kernelLayout
            for task in range {
                let branch = branches[task / heads]
                let h = task % heads
                for row in 0..<tokens {
                    branch.own.store(
                        block: index,
                        head: h,
                        row: row,
                        key: keys.row(branch.firstRow + row) + h * head,
                        value: qkv.row(branch.firstRow + row) + 2 * width + h * head,
                        &layout
                    )
                }
            }
        }
    }
}

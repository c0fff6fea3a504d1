import ModelFiles
import Tensor

/// What a vision tower makes of pictures: rows for the decoder's input, and rows that its first layers add to theirs.
package struct VisionOutput: Sendable {
    /// Tokens of all pictures, in order: a picture has frames * height * width / merge^2.
    package var tokens: Int
    package var width: Int
    /// `[tokens][width]`
    package var rows: [Float]
    /// Per layer of the decoder from the first on, `[tokens][width]`: added behind that layer where the tokens stand.
    package var deepstack: [[Float]]
}

/// The vision tower of Qwen3-Omni and Qwen3-VL: patches of images and video frames become tokens.
///
/// Frames do not see each other, so they go through in batches of bounded size: memory does not grow with the length of
/// a video, only with its largest frame. Not for two threads at once.
package final class VisionTower {
    package let configuration: VisionConfiguration
    private let pool: ThreadPool
    private let patchEmbedding: Linear
    private let blocks: [EncoderBlock]
    private let merger: VisionMerger
    private let deepstackMergers: [VisionMerger]
    private let positions: VisionPositions
    private var workspace: Workspace?
    /// Patches of a batch, unless one frame has more.
    private let batchPatches: Int

    /// Most patches of one frame: 16384 x 16384 pixels.
    package static let maximumFramePatches = 1 << 20

    /// Maps the encoder "vision" of a bundle.
    ///
    /// - Throws: ``ModelError`` or ``ModelFileError`` naming what is missing or does not fit; `.unsupported` when the bundle
    ///   has no vision tower.
    package convenience init(bundle: ModelFiles.Bundle, pool: ThreadPool) throws {
        guard let file = try bundle.encoder(named: EncoderPlan.visionName) else {
            throw ModelError.unsupported("images and video: this model has no vision tower")
        }
        try self.init(file: file, pool: pool)
    }

    package init(file: EncoderFile, pool: ThreadPool, batchPatches: Int = 4096) throws {
        let configuration = try VisionConfiguration(file.configuration)
        self.configuration = configuration
        self.pool = pool
        self.batchPatches = max(1, batchPatches)
        let weights = EncoderWeights(file: file)
        let width = configuration.hiddenSize
        patchEmbedding = try weights.linear("patch_embed", width, configuration.patchWidth)
        let side = configuration.tableSide
        positions = VisionPositions(configuration, table: try weights.matrix("positions", side * side, width))
        let shape = Self.shape(configuration)
        blocks = try (0..<configuration.depth).map {
            try EncoderBlock(weights, block: $0, shape: shape, isFused: true)
        }
        merger = try VisionMerger(weights, "merger", configuration, normalizesMerged: false)
        deepstackMergers = try configuration.deepstackBlocks.indices.map {
            try VisionMerger(weights, "deepstack.\($0)", configuration, normalizesMerged: true)
        }
    }

    private static func shape(_ configuration: VisionConfiguration) -> EncoderShape {
        EncoderShape(
            hiddenSize: configuration.hiddenSize,
            headCount: configuration.headCount,
            mlpWidth: configuration.mlpWidth,
            normEpsilon: VisionConfiguration.normEpsilon,
            activation: configuration.activation
        )
    }

    /// Tokens that a picture becomes.
    package func tokens(_ grid: PatchGrid) -> Int {
        grid.frames * grid.height * grid.width / configuration.mergedPatches
    }

    /// Encodes pictures.
    ///
    /// - Parameters:
    ///   - patches: rows of `patchWidth` values, (channel, frame, y, x) inside a patch; the pictures one after the other,
    ///     a picture's frames in order, a frame's patches in the order of merged blocks.
    ///   - grids: one for every picture, in order; height and width are multiples of the merge size.
    /// - Throws: ``ModelError/invalidConfiguration(_:)`` when the grids do not fit the rows or are absurd.
    package func encode(_ patches: UnsafeBufferPointer<Float>, grids: [PatchGrid]) throws -> VisionOutput {
        let frames = try checkedFrames(patches, grids)
        let width = configuration.outputSize
        let tokens = grids.reduce(0) { $0 + self.tokens($1) }
        var output = VisionOutput(
            tokens: tokens,
            width: width,
            rows: [Float](repeating: 0, count: tokens * width),
            deepstack: deepstackMergers.map { _ in [Float](repeating: 0, count: tokens * width) }
        )
        var first = 0
        while first < frames.count {
            var end = first
            var rows = 0
            while end < frames.count, end == first || rows + frames[end].patches <= batchPatches {
                rows += frames[end].patches
                end += 1
            }
            try encode(Array(frames[first..<end]), rows: rows, patches, into: &output)
            first = end
        }
        return output
    }

    /// One frame of a picture.
    private struct Frame {
        var grid: PatchGrid
        /// Of all rows.
        var firstPatch: Int
        var patches: Int { grid.height * grid.width }
    }

    private func checkedFrames(_ patches: UnsafeBufferPointer<Float>, _ grids: [PatchGrid]) throws -> [Frame] {
        let merge = configuration.mergeSize
        var frames: [Frame] = []
        var first = 0
        for grid in grids {
            let (area, overflow) = grid.height.multipliedReportingOverflow(by: grid.width)
            guard grid.frames > 0, grid.height > 0, grid.width > 0, !overflow, area <= Self.maximumFramePatches,
                grid.frames <= 1 << 24, grid.height % merge == 0, grid.width % merge == 0
            else {
                throw ModelError.invalidConfiguration(
                    "a picture of \(grid.frames) x \(grid.height) x \(grid.width) patches (sides are multiples of "
                        + "\(merge), a frame has at most \(Self.maximumFramePatches))"
                )
            }
            for _ in 0..<grid.frames {
                guard first + area <= patches.count / configuration.patchWidth else {
                    throw ModelError.invalidConfiguration("fewer rows of patches than the pictures' sizes ask for")
                }
                frames.append(Frame(grid: grid, firstPatch: first))
                first += area
            }
        }
        guard first * configuration.patchWidth == patches.count else {
            throw ModelError.invalidConfiguration("more rows of patches than the pictures' sizes ask for")
        }
        return frames
    }

    private func encode(
        _ frames: [Frame],
        rows: Int,
        _ patches: UnsafeBufferPointer<Float>,
        into output: inout VisionOutput
    ) throws {
        guard let start = patches.baseAddress, let first = frames.first?.firstPatch else { return }
        let work = try workspace(rows: rows, segments: frames.count)
        let stack = work.stack
        let pairs = configuration.headWidth / 2
        var row = 0
        var segments: [RowSegment] = []
        for (index, frame) in frames.enumerated() {
            segments.append(RowSegment(begin: row, count: frame.patches))
            let target = stack.residual.row(row)
            if index > 0, frames[index - 1].grid == frame.grid {
                // Frames of one video have the same positions.
                let before = row - frame.patches
                target.update(from: stack.residual.row(before), count: frame.patches * stack.residual.stride)
                (work.cosines.pointer + row * pairs).update(
                    from: work.cosines.pointer + before * pairs,
                    count: frame.patches * pairs
                )
                (work.sines.pointer + row * pairs).update(
                    from: work.sines.pointer + before * pairs,
                    count: frame.patches * pairs
                )
            } else {
                positions.resample(frame.grid, into: target, stride: stack.residual.stride)
                positions.angles(
                    frame.grid,
                    cosines: work.cosines.pointer + row * pairs,
                    sines: work.sines.pointer + row * pairs
                )
            }
            row += frame.patches
        }
        embed(start + first * configuration.patchWidth, rows: rows, work)
        let angles = RowAngles(cosines: work.cosines.pointer, sines: work.sines.pointer, stride: pairs)
        let width = configuration.outputSize
        let firstToken = first / configuration.mergedPatches
        for (index, block) in blocks.enumerated() {
            stack.run(block, rows: rows, segments: segments, angles: angles)
            guard let deep = configuration.deepstackBlocks.firstIndex(of: index) else { continue }
            output.deepstack[deep].withUnsafeMutableBufferPointer { out in
                guard let base = out.baseAddress else { return }
                deepstackMergers[deep].run(
                    stack.residual,
                    rows: rows,
                    work.merging,
                    into: base + firstToken * width,
                    pool: pool
                )
            }
        }
        output.rows.withUnsafeMutableBufferPointer { out in
            guard let base = out.baseAddress else { return }
            merger.run(stack.residual, rows: rows, work.merging, into: base + firstToken * width, pool: pool)
        }
    }

    /// residual += patch embedding of the rows at `patches`, a tile at a time.
    private func embed(_ patches: UnsafePointer<Float>, rows: Int, _ work: Workspace) {
        let width = configuration.patchWidth
        let tile = work.patches.maximumRows
        for first in stride(from: 0, to: rows, by: tile) {
            let count = min(tile, rows - first)
            for row in 0..<count {
                work.patches.row(row).update(from: patches + (first + row) * width, count: width)
            }
            pool.fill(work.patches, patchEmbedding.reading, count: count)
            let residual = work.stack.residual
            let target = ProductTarget.floats(residual.row(first), stride: residual.stride)
            pool.apply(patchEmbedding, work.patches, rows: count, adds: true, into: target)
        }
    }

    /// Memory of a batch; grows when a larger one comes.
    private final class Workspace {
        let rows: Int
        let segments: Int
        let stack: EncoderStack
        let patches: EncoderRows
        let cosines: AlignedBuffer<Float>
        let sines: AlignedBuffer<Float>
        let merging: VisionMerger.Workspace

        init(rows: Int, segments: Int, tower: VisionTower) throws {
            self.rows = rows
            self.segments = segments
            let configuration = tower.configuration
            stack = try EncoderStack(
                shape: VisionTower.shape(configuration),
                blocks: tower.blocks,
                maximumRows: rows,
                maximumSegments: segments,
                pool: tower.pool
            )
            patches = try EncoderRows(
                columns: configuration.patchWidth,
                maximumRows: min(rows, 576),
                readings: [tower.patchEmbedding.reading]
            )
            cosines = try AlignedBuffer(count: rows * configuration.headWidth / 2)
            sines = try AlignedBuffer(count: rows * configuration.headWidth / 2)
            merging = try VisionMerger.Workspace(
                columns: configuration.hiddenSize * configuration.mergedPatches,
                tokens: rows / configuration.mergedPatches,
                readings: ([tower.merger] + tower.deepstackMergers).flatMap(\.readings)
            )
        }
    }

    private func workspace(rows: Int, segments: Int) throws -> Workspace {
        if let workspace, workspace.rows >= rows, workspace.segments >= segments { return workspace }
        let (oldRows, oldSegments) = (workspace?.rows ?? 0, workspace?.segments ?? 0)
        // The old one goes before the new one comes.
        workspace = nil
        let made = try Workspace(rows: max(rows, oldRows), segments: max(segments, oldSegments), tower: self)
        workspace = made
        return made
    }
}

import Tensor

/// Makes one token of each block of merged patches: a norm, and an MLP over the patches side by side.
struct VisionMerger {
    private let norm: LayerNorm
    /// The norm is over the patches side by side (the deepstack mergers) rather than over each.
    private let normalizesMerged: Bool
    private let fc1: Linear
    private let fc2: Linear
    private let patches: Int

    var readings: [RowReading] { [fc1.reading, fc2.reading] }

    init(
        _ weights: EncoderWeights,
        _ name: String,
        _ configuration: VisionConfiguration,
        normalizesMerged: Bool
    ) throws {
        let width = configuration.hiddenSize * configuration.mergedPatches
        norm = try weights.norm(
            name + ".norm",
            normalizesMerged ? width : configuration.hiddenSize,
            epsilon: VisionConfiguration.normEpsilon
        )
        fc1 = try weights.linear(name + ".fc1", width, width)
        fc2 = try weights.linear(name + ".fc2", configuration.outputSize, width)
        patches = configuration.mergedPatches
        self.normalizesMerged = normalizesMerged
    }

    /// Rows of a tile of tokens.
    final class Workspace {
        let merged: EncoderRows
        let hidden: EncoderRows

        init(columns: Int, tokens: Int, readings: [RowReading]) throws(AllocationError) {
            let rows = max(1, min(tokens, 288))
            merged = try EncoderRows(columns: columns, maximumRows: rows, readings: readings)
            hidden = try EncoderRows(columns: columns, maximumRows: rows, readings: readings)
        }
    }

    /// output[token] = mlp(norm(patches of the token)), for all tokens of `rows` patches.
    func run(
        _ x: EncoderRows,
        rows: Int,
        _ work: Workspace,
        into output: UnsafeMutablePointer<Float>,
        pool: ThreadPool
    ) {
        let tokens = rows / patches
        let width = fc2.matrix.rows
        for first in stride(from: 0, to: tokens, by: work.merged.maximumRows) {
            let count = min(work.merged.maximumRows, tokens - first)
            let gathering = GatherWork(merger: self, x: x, first: first, merged: work.merged)
            pool.run(tasks: count, gathering)
            let middle = ProductTarget.rows(work.hidden, for: fc2.reading, from: fc1.reading)
            pool.apply(fc1, work.merged, rows: count, pointwise: .gelu, into: middle)
            if !middle.isFixed { pool.fill(work.hidden, fc2.reading, count: count) }
            pool.apply(fc2, work.hidden, rows: count, into: .floats(output + first * width, stride: width))
        }
    }

    /// The normed patches of one token, side by side.
    private struct GatherWork: ParallelWork {
        let merger: VisionMerger
        let x: EncoderRows
        let first: Int
        let merged: EncoderRows

        func perform(task: Int, worker: Int) {
            let target = merged.row(task)
            let patch = (first + task) * merger.patches
            if merger.normalizesMerged {
                for index in 0..<merger.patches {
                    (target + index * x.columns).update(from: x.row(patch + index), count: x.columns)
                }
                merger.norm.apply(target, stride: merged.stride, rows: 1, into: target, outputStride: merged.stride)
            } else {
                merger.norm.apply(
                    x.row(patch),
                    stride: x.stride,
                    rows: merger.patches,
                    into: target,
                    outputStride: x.columns
                )
            }
            merged.fill(merger.fc1.reading, first: task, count: 1)
        }
    }
}

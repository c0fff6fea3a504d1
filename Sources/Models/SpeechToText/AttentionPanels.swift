import CKernels
import Tensor

/// Keys and values of one attention, laid out as weight matrices, so that the matrix kernels score and mix them.
///
/// Per head the keys are a matrix [positions x width] in panels of 16 positions, the transposed values one of
/// [width x positions] in panels of 16 columns; both can grow by a position at a time.
final class AttentionPanels {
    let heads: Int
    let width: Int
    let capacity: Int
    private let keys: AlignedBuffer<Float>
    private let values: AlignedBuffer<Float>
    private let keyPanels: Int
    private let valuePanels: Int
    private static let lanes = Int(SK_PANEL_ROWS)

    init(heads: Int, width: Int, capacity: Int) throws(AllocationError) {
        self.heads = heads
        self.width = width
        self.capacity = capacity
        keyPanels = (capacity + Self.lanes - 1) / Self.lanes
        valuePanels = (width + Self.lanes - 1) / Self.lanes
        keys = try AlignedBuffer(count: heads * keyPanels * width * Self.lanes)
        values = try AlignedBuffer(count: heads * valuePanels * capacity * Self.lanes)
    }

    /// Stores rows `0 ..< count` of k and v (all heads side by side) as positions `first ..< first + count`.
    func store(_ k: Activations, _ v: Activations, first: Int, count: Int, pool: ThreadPool) {
        precondition(first >= 0 && count >= 0 && first + count <= capacity)
        pool.run(tasks: heads, StoreWork(panels: self, k: k, v: v, first: first, count: count))
    }

    fileprivate func store(head: Int, _ k: Activations, _ v: Activations, first: Int, count: Int) {
        let lanes = Self.lanes
        let keyHead = keys.pointer + head * keyPanels * width * lanes
        let valueHead = values.pointer + head * valuePanels * capacity * lanes
        for row in 0..<count {
            let position = first + row
            let key = k.row(row) + head * width
            let value = v.row(row) + head * width
            let panel = keyHead + position / lanes * width * lanes + position % lanes
            for column in 0..<width {
                panel[column * lanes] = key[column]
                valueHead[(column / lanes * capacity + position) * lanes + column % lanes] = value[column]
            }
        }
    }

    fileprivate func keyMatrix(head: Int, length: Int) -> sk_matrix {
        sk_matrix(
            data: keys.pointer + head * keyPanels * width * Self.lanes,
            type: Int32(SK_F32.rawValue),
            rows: Int32(length),
            columns: Int32(width)
        )
    }

    /// Panel `panel` of the transposed values: up to 16 of the head's columns.
    fileprivate func valueMatrix(head: Int, panel: Int, length: Int) -> sk_matrix {
        sk_matrix(
            data: values.pointer + (head * valuePanels + panel) * capacity * Self.lanes,
            type: Int32(SK_F32.rawValue),
            rows: Int32(min(Self.lanes, width - panel * Self.lanes)),
            columns: Int32(length)
        )
    }

    /// output[row] = softmax(q[row] k / sqrt(width)) v for `rows` rows, all heads side by side.
    ///
    /// - Parameters:
    ///   - length: positions that the first row sees.
    ///   - isCausal: every later row sees one more.
    ///   - scores: per worker ``scoreRows`` rows for up to `capacity` positions.
    func attend(
        _ q: Activations,
        into output: Activations,
        rows: Int,
        length: Int,
        isCausal: Bool,
        scores: AttentionScores,
        pool: ThreadPool
    ) {
        precondition(length >= 1 && length + (isCausal ? rows - 1 : 0) <= capacity && scores.columns >= capacity)
        let rowsPerTask = isCausal ? 1 : AttentionScores.rows
        let blocks = (rows + rowsPerTask - 1) / rowsPerTask
        let work = AttendWork(
            panels: self,
            valuePanels: valuePanels,
            q: q,
            output: output,
            rows: rows,
            rowsPerTask: rowsPerTask,
            blocks: blocks,
            length: length,
            isCausal: isCausal,
            scores: scores,
            scale: 1 / Float(width).squareRoot()
        )
        pool.run(tasks: heads * blocks, work)
    }
}

/// Scratch for scores, per worker.
final class AttentionScores {
    static let rows = 32
    let columns: Int
    private let buffer: AlignedBuffer<Float>
    private let stride: Int

    init(columns: Int, workers: Int) throws(AllocationError) {
        self.columns = columns
        stride = (columns + 31) & ~31
        buffer = try AlignedBuffer(count: stride * Self.rows * workers)
    }

    fileprivate func rows(worker: Int) -> (pointer: UnsafeMutablePointer<Float>, stride: Int) {
        (buffer.pointer + worker * stride * Self.rows, stride)
    }
}

private struct StoreWork: ParallelWork {
    let panels: AttentionPanels
    let k: Activations
    let v: Activations
    let first: Int
    let count: Int

    func perform(task: Int, worker: Int) { panels.store(head: task, k, v, first: first, count: count) }
}

private struct AttendWork: ParallelWork {
    let panels: AttentionPanels
    let valuePanels: Int
    let q: Activations
    let output: Activations
    let rows: Int
    let rowsPerTask: Int
    let blocks: Int
    let length: Int
    let isCausal: Bool
    let scores: AttentionScores
    let scale: Float

    func perform(task: Int, worker: Int) {
        let (head, block) = (task / blocks, task % blocks)
        let first = block * rowsPerTask
        let count = min(rowsPerTask, rows - first)
        let length = isCausal ? length + first : length
        let column = head * panels.width
        let scratch = scores.rows(worker: worker)
        multiply(
            panels.keyMatrix(head: head, length: length),
            q.row(first) + column,
            q.stride,
            count,
            scratch.pointer,
            scratch.stride
        )
        for row in 0..<count {
            let line = scratch.pointer + row * scratch.stride
            sk_scale(line, scale, Int64(length))
            sk_softmax(line, Int32(length))
        }
        for panel in 0..<valuePanels {
            multiply(
                panels.valueMatrix(head: head, panel: panel, length: length),
                scratch.pointer,
                scratch.stride,
                count,
                output.row(first) + column + panel * Int(SK_PANEL_ROWS),
                output.stride
            )
        }
    }

    private func multiply(
        _ matrix: sk_matrix,
        _ x: UnsafePointer<Float>,
        _ stride: Int,
        _ count: Int,
        _ target: UnsafeMutablePointer<Float>,
        _ targetStride: Int
    ) {
        var projection = sk_projection(matrix: matrix, bias: nil, out: target, out_stride: Int64(targetStride))
        withUnsafePointer(to: &projection) { projection in
            var job = sk_matmul_job(
                projections: projection,
                projection_count: 1,
                x: sk_activations(
                    f32: x,
                    f32_stride: Int64(stride),
                    q8: nil,
                    q8_stride: 0,
                    scale: nil,
                    offset: nil,
                    sum: nil,
                    block_stride: 0
                ),
                token_index: nil,
                tokens: Int32(count)
            )
            let panels = sk_matmul_panels(&job)
            sk_matmul(&job, 0, panels)
        }
    }
}

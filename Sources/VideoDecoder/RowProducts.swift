import CKernels
import Tensor

/// RMS norms have this epsilon throughout.
let normEpsilon: Float = 1e-6

extension ThreadPool {
    /// output[r] = layer(x[first + r]) for `rows` rows; row r of the output begins at `output + r * outputStride`.
    func multiply(
        _ matrix: WeightMatrix,
        bias: WeightVector? = nil,
        _ x: Activations,
        first: Int = 0,
        rows: Int,
        into output: UnsafeMutablePointer<Float>,
        outputStride: Int
    ) {
        guard rows > 0 else { return }
        var projection = sk_projection(
            matrix: matrix.kernelMatrix,
            bias: bias?.pointer,
            out: output,
            out_stride: Int64(outputStride)
        )
        withUnsafePointer(to: &projection) {
            multiply(UnsafeBufferPointer(start: $0, count: 1), x.kernelView(from: first), tokens: rows)
        }
    }

    /// output = silu(gate x) * (up x) for interleaved gate and up.
    func gated(_ matrix: WeightMatrix, _ x: Activations, rows: Int, into output: Activations) {
        guard rows > 0 else { return }
        var job = sk_gated_job()
        job.gate_up = matrix.kernelMatrix
        job.activation = Int32(SK_SILU.rawValue)
        job.x = x.kernelView()
        job.tokens = Int32(rows)
        job.out = output.pointer
        job.out_stride = Int64(output.stride)
        let panels = (matrix.rows + Int(SK_PANEL_ROWS) - 1) / Int(SK_PANEL_ROWS)
        let panelsPerTask = max(1, (panels + piecesPerProduct - 1) / piecesPerProduct)
        run(
            tasks: (panels + panelsPerTask - 1) / panelsPerTask,
            GatedWork(job: job, panels: panels, panelsPerTask: panelsPerTask)
        )
    }

    /// Calls `body` for runs of at most `rowsPerTask` rows. A row's result must not depend on the run that it is in.
    func forRows(_ rows: Int, perTask rowsPerTask: Int, _ body: (Range<Int>) -> Void) {
        withoutActuallyEscaping(body) { body in
            let work = RowWork(rows: rows, rowsPerTask: rowsPerTask, body: body)
            run(tasks: (rows + rowsPerTask - 1) / rowsPerTask, work)
        }
    }
}

private struct GatedWork: ParallelWork {
    let job: sk_gated_job
    let panels: Int
    let panelsPerTask: Int

    func perform(task: Int, worker: Int) {
        var job = job
        let begin = task * panelsPerTask
        sk_gated(&job, Int32(begin), Int32(min(panels, begin + panelsPerTask)))
    }
}

private struct RowWork: ParallelWork {
    let rows: Int
    let rowsPerTask: Int
    let body: (Range<Int>) -> Void

    func perform(task: Int, worker: Int) {
        let first = task * rowsPerTask
        body(first..<min(rows, first + rowsPerTask))
    }
}

import CKernels
import Tensor

/// target[row] = norm(source[row]).
private struct SpeechNormWork: ParallelWork {
    let norm: LayerNorm
    let source: Activations
    let target: Activations
    let rows: Int

    static let rowsPerTask = 16
    var taskCount: Int { (rows + Self.rowsPerTask - 1) / Self.rowsPerTask }

    func perform(task: Int, worker: Int) {
        let first = task * Self.rowsPerTask
        norm.apply(
            source.row(first),
            stride: source.stride,
            rows: min(Self.rowsPerTask, rows - first),
            into: target.row(first),
            outputStride: target.stride
        )
    }
}

/// A product with what follows it.
private struct SpeechProductWork: ParallelWork {
    let job: sk_matmul_job
    let epilogue: sk_epilogue
    let panels: Int
    let panelsPerTask: Int

    func perform(task: Int, worker: Int) {
        var job = job
        var epilogue = epilogue
        let begin = task * panelsPerTask
        sk_matmul_then(&job, &epilogue, Int32(begin), Int32(min(panels, begin + panelsPerTask)))
    }
}

extension ThreadPool {
    func normalize(_ norm: LayerNorm, _ source: Activations, into target: Activations, rows: Int) {
        let work = SpeechNormWork(norm: norm, source: source, target: target, rows: rows)
        run(tasks: work.taskCount, work)
    }

    /// target[row] = f(layer(source[row + first])) for `rows` rows; with `adds` target[row] += it.
    ///
    /// Fills the source's 8-bit twin where the layer reads it.
    func apply(
        _ layer: Linear,
        _ source: Activations,
        into target: UnsafeMutablePointer<Float>,
        stride: Int,
        first: Int = 0,
        rows: Int,
        pointwise: sk_pointwise = SK_IDENTITY,
        adds: Bool = false
    ) {
        guard rows > 0 else { return }
        if layer.matrix.readsQuantized { quantize(source, rows: first + rows) }
        var projection = sk_projection(
            matrix: layer.matrix.kernelMatrix,
            bias: layer.bias?.pointer,
            out: target,
            out_stride: Int64(stride)
        )
        withUnsafePointer(to: &projection) { projection in
            var job = sk_matmul_job(
                projections: projection,
                projection_count: 1,
                x: source.kernelView(from: first),
                token_index: nil,
                tokens: Int32(rows)
            )
            let panels = Int(sk_matmul_panels(&job))
            let panelsPerTask = max(1, (panels + piecesPerProduct - 1) / piecesPerProduct)
            let work = SpeechProductWork(
                job: job,
                epilogue: sk_epilogue(pointwise: Int32(pointwise.rawValue), adds: adds ? 1 : 0),
                panels: panels,
                panelsPerTask: panelsPerTask
            )
            run(tasks: (panels + panelsPerTask - 1) / panelsPerTask, work)
        }
    }

    func apply(
        _ layer: Linear,
        _ source: Activations,
        into target: Activations,
        rows: Int,
        pointwise: sk_pointwise = SK_IDENTITY,
        adds: Bool = false
    ) {
        apply(
            layer,
            source,
            into: target.pointer,
            stride: target.stride,
            rows: rows,
            pointwise: pointwise,
            adds: adds
        )
    }
}

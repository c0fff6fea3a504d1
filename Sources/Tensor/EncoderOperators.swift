import CKernels

/// A linear layer: a matrix and its bias.
package struct Linear: Sendable {
    package let matrix: WeightMatrix
    package let bias: WeightVector?

    package init(matrix: WeightMatrix, bias: WeightVector?) {
        self.matrix = matrix
        self.bias = bias
    }

    package var reading: RowReading { matrix.manyRowsReading }
}

/// What happens to a product before it is stored.
package enum Pointwise: Sendable, Equatable {
    case identity
    /// Exact.
    case gelu
    /// The tanh approximation.
    case geluTanh

    fileprivate var code: Int32 {
        switch self {
        case .identity: Int32(SK_IDENTITY.rawValue)
        case .gelu: Int32(SK_GELU.rawValue)
        case .geluTanh: Int32(SK_GELU_TANH.rawValue)
        }
    }
}

/// Weights of a layer norm.
package struct LayerNorm: Sendable {
    package let weight: WeightVector
    package let bias: WeightVector
    package let epsilon: Float

    package init(weight: WeightVector, bias: WeightVector, epsilon: Float) {
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    /// Normalises `rows` rows of as many columns as the weights have.
    package func apply(
        _ x: UnsafePointer<Float>,
        stride: Int,
        rows: Int,
        into output: UnsafeMutablePointer<Float>,
        outputStride: Int
    ) {
        sk_layer_norm(
            x,
            Int64(stride),
            weight.pointer,
            bias.pointer,
            epsilon,
            Int32(rows),
            Int32(weight.count),
            output,
            Int64(outputStride)
        )
    }
}

/// Where a product's results go.
package struct ProductTarget {
    fileprivate var pointer: UnsafeMutablePointer<Float>?
    fileprivate var stride = 0
    fileprivate var fixed: sk_fixed_rows?

    /// Floats: row r at `pointer + r * stride`.
    package static func floats(_ pointer: UnsafeMutablePointer<Float>, stride: Int) -> ProductTarget {
        ProductTarget(pointer: pointer, stride: stride)
    }

    /// Rows of `rows` from `first` on, in the form that the product reading them wants: no second pass where the
    /// product can write that form itself. Complete with ``EncoderRows/fill(_:first:count:)`` unless ``isComplete``.
    package static func rows(
        _ rows: EncoderRows,
        first: Int = 0,
        for reading: RowReading,
        from source: RowReading
    ) -> ProductTarget {
        if reading == .fixedPoint, source == .fixedPoint { return ProductTarget(fixed: rows.fixedView(from: first)) }
        return ProductTarget(pointer: rows.row(first), stride: rows.stride)
    }

    package var isFixed: Bool { fixed != nil }
}

private struct FloatProductWork: ParallelWork {
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

private struct FixedProductWork: ParallelWork {
    let job: sk_fixed_job
    let panels: Int
    let panelsPerTask: Int

    func perform(task: Int, worker: Int) {
        var job = job
        let begin = task * panelsPerTask
        sk_fixed_matmul(&job, Int32(begin), Int32(min(panels, begin + panelsPerTask)))
    }
}

extension ThreadPool {
    /// target[r] = f(layer(x[r])) for `rows` rows of x from `first` on, or target[r] += with `adds`.
    ///
    /// The twin of x that the layer reads must be filled. Cost: 2 * rows * matrix size operations; nothing is allocated.
    package func apply(
        _ layer: Linear,
        _ x: EncoderRows,
        first: Int = 0,
        rows: Int,
        pointwise: Pointwise = .identity,
        adds: Bool = false,
        into target: ProductTarget
    ) {
        guard rows > 0 else { return }
        let epilogue = sk_epilogue(pointwise: pointwise.code, adds: adds ? 1 : 0)
        var projection = sk_projection(
            matrix: layer.matrix.kernelMatrix,
            bias: layer.bias?.pointer,
            out: target.pointer,
            out_stride: Int64(target.stride)
        )
        let panels = (layer.matrix.rows + Int(SK_PANEL_ROWS) - 1) / Int(SK_PANEL_ROWS)
        // Pairs of panels: results in fixed point come in blocks of two.
        let panelsPerTask = max(2, ((panels + piecesPerProduct - 1) / piecesPerProduct + 1) / 2 * 2)
        let tasks = (panels + panelsPerTask - 1) / panelsPerTask
        withUnsafePointer(to: &projection) { projection in
            if layer.reading != .fixedPoint {
                let job = sk_matmul_job(
                    projections: projection,
                    projection_count: 1,
                    x: x.floats.kernelView(from: first),
                    token_index: nil,
                    tokens: Int32(rows)
                )
                let work = FloatProductWork(job: job, epilogue: epilogue, panels: panels, panelsPerTask: panelsPerTask)
                run(tasks: tasks, work)
                return
            }
            var job = sk_fixed_job(
                projections: projection,
                projection_count: 1,
                x: x.fixedView(from: first),
                tokens: Int32(rows),
                epilogue: epilogue,
                results: nil
            )
            guard var fixed = target.fixed else {
                run(tasks: tasks, FixedProductWork(job: job, panels: panels, panelsPerTask: panelsPerTask))
                return
            }
            withUnsafePointer(to: &fixed) {
                job.results = $0
                run(tasks: tasks, FixedProductWork(job: job, panels: panels, panelsPerTask: panelsPerTask))
            }
        }
    }

    /// Fills twins of rows in parallel.
    package func fill(_ rows: EncoderRows, _ reading: RowReading, count: Int) {
        guard reading != .floats else { return }
        run(tasks: (count + FillWork.rowsPerTask - 1) / FillWork.rowsPerTask, FillWork(rows, reading, count))
    }

    /// output[r] = norm(x[r]), and the twin that `reading` names.
    package func normalize(
        _ x: EncoderRows,
        _ norm: LayerNorm,
        rows: Int,
        into output: EncoderRows,
        for reading: RowReading
    ) {
        let work = LayerNormWork(x: x, norm: norm, rows: rows, output: output, reading: reading)
        run(tasks: (rows + LayerNormWork.rowsPerTask - 1) / LayerNormWork.rowsPerTask, work)
    }
}

private struct FillWork: ParallelWork {
    let rows: EncoderRows
    let reading: RowReading
    let count: Int
    static let rowsPerTask = 32

    init(_ rows: EncoderRows, _ reading: RowReading, _ count: Int) {
        self.rows = rows
        self.reading = reading
        self.count = count
    }

    func perform(task: Int, worker: Int) {
        let first = task * Self.rowsPerTask
        rows.fill(reading, first: first, count: min(Self.rowsPerTask, count - first))
    }
}

private struct LayerNormWork: ParallelWork {
    let x: EncoderRows
    let norm: LayerNorm
    let rows: Int
    let output: EncoderRows
    let reading: RowReading
    static let rowsPerTask = 16

    func perform(task: Int, worker: Int) {
        let first = task * Self.rowsPerTask
        let count = min(Self.rowsPerTask, rows - first)
        norm.apply(x.row(first), stride: x.stride, rows: count, into: output.row(first), outputStride: output.stride)
        output.fill(reading, first: first, count: count)
    }
}

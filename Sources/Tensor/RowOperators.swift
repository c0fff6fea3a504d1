import CKernels

/// Residual add, RMS norm and quantization of a chunk's rows in one pass over memory.
package struct NormalizeWork: ParallelWork {
    /// `[rows][stride]`; the sum is written back.
    let residual: UnsafeMutablePointer<Float>
    let residualStride: Int
    /// Added to the residual first; nil for nothing.
    let addend: UnsafePointer<Float>?
    let addendStride: Int
    let weight: UnsafePointer<Float>
    let epsilon: Float
    let columns: Int
    let rows: Int
    let output: Activations
    let quantizes: Bool

    static let rowsPerTask = 8
    var taskCount: Int { (rows + Self.rowsPerTask - 1) / Self.rowsPerTask }

    package func perform(task: Int, worker: Int) {
        let first = task * Self.rowsPerTask
        let count = min(Self.rowsPerTask, rows - first)
        for row in first..<first + count {
            let target = residual + row * residualStride
            if let addend { sk_add(target, addend + row * addendStride, Int64(columns)) }
        }
        sk_rms_norm(
            residual + first * residualStride,
            Int64(residualStride),
            weight,
            epsilon,
            Int32(count),
            Int32(columns),
            output.row(first),
            Int64(output.stride)
        )
        if quantizes { output.quantize(first: first, count: count) }
    }
}

/// Fills the 8-bit twin of rows.
package struct QuantizeWork: ParallelWork {
    let activations: Activations
    let rows: Int
    static let rowsPerTask = 16
    var taskCount: Int { (rows + Self.rowsPerTask - 1) / Self.rowsPerTask }

    package func perform(task: Int, worker: Int) {
        let first = task * Self.rowsPerTask
        activations.quantize(first: first, count: min(Self.rowsPerTask, rows - first))
    }
}

extension ThreadPool {
    /// residual += addend; output = rmsNorm(residual) * weight, and its 8-bit twin if `quantizes`.
    package func addNormalize(
        residual: Activations,
        addend: Activations?,
        weight: UnsafePointer<Float>,
        epsilon: Float,
        rows: Int,
        output: Activations,
        quantizes: Bool
    ) {
        let work = NormalizeWork(
            residual: residual.pointer,
            residualStride: residual.stride,
            addend: addend.map { UnsafePointer($0.pointer) },
            addendStride: addend?.stride ?? 0,
            weight: weight,
            epsilon: epsilon,
            columns: residual.columns,
            rows: rows,
            output: output,
            quantizes: quantizes
        )
        runInline(work, tasks: work.taskCount)
    }

    package func quantize(_ activations: Activations, rows: Int) {
        let work = QuantizeWork(activations: activations, rows: rows)
        runInline(work, tasks: work.taskCount)
    }

    /// A single short task is done by the caller: waking a thread costs more.
    private func runInline(_ work: some ParallelWork, tasks: Int) {
        if tasks <= 1 {
            for task in 0..<tasks { work.perform(task: task, worker: 0) }
        } else {
            run(tasks: tasks, work)
        }
    }
}

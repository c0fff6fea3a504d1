import CKernels

/// A packed weight matrix: a view into a mapped file, which `owner` keeps mapped.
package struct WeightMatrix: @unchecked Sendable {
    package let kernelMatrix: sk_matrix
    private let owner: AnyObject?

    package init(_ matrix: sk_matrix, owner: AnyObject?) {
        kernelMatrix = matrix
        self.owner = owner
    }

    package var rows: Int { Int(kernelMatrix.rows) }
    package var columns: Int { Int(kernelMatrix.columns) }
    /// Whether products read the activations' 8-bit twin.
    package var readsQuantized: Bool { kernelMatrix.type >= Int32(SK_Q8.rawValue) }
}

/// Matrices of the same shape, one per head, side by side for a task per head.
package struct HeadMatrices: @unchecked Sendable {
    package let kernelMatrices: [sk_matrix]
    private let matrices: [WeightMatrix]

    package init(_ matrices: [WeightMatrix]) {
        self.matrices = matrices
        kernelMatrices = matrices.map(\.kernelMatrix)
    }
}

/// A vector of floats in a mapped file, which `owner` keeps mapped.
package struct WeightVector: @unchecked Sendable {
    package let pointer: UnsafePointer<Float>
    package let count: Int
    private let owner: AnyObject?

    package init(_ pointer: UnsafePointer<Float>, count: Int, owner: AnyObject?) {
        self.pointer = pointer
        self.count = count
        self.owner = owner
    }
}

/// A list of (job, first panel, end panel): how several products are cut into tasks.
package final class TaskList {
    fileprivate struct Entry: BitwiseCopyable {
        var job: Int32
        var begin: Int32
        var end: Int32
    }
    fileprivate let entries: AlignedBuffer<Entry>
    package private(set) var count = 0

    package init(capacity: Int) throws(AllocationError) { entries = try AlignedBuffer(count: capacity) }

    package func clear() { count = 0 }

    /// Cuts `panels` panels of one job into at most `pieces` tasks; what does not fit the list stays one task.
    package func append(job: Int, panels: Int, pieces: Int) {
        guard count < entries.count, panels > 0 else { return }
        let room = max(1, min(pieces, entries.count - count))
        let size = (panels + room - 1) / room
        var begin = 0
        while begin < panels {
            let end = count == entries.count - 1 ? panels : min(panels, begin + size)
            entries.pointer[count] = Entry(job: Int32(job), begin: Int32(begin), end: Int32(end))
            count += 1
            begin = end
        }
    }
}

private struct MatmulWork: ParallelWork {
    let job: sk_matmul_job
    let panels: Int
    let panelsPerTask: Int

    func perform(task: Int, worker: Int) {
        var job = job
        let begin = task * panelsPerTask
        sk_matmul(&job, Int32(begin), Int32(min(panels, begin + panelsPerTask)))
    }
}

private struct MatmulListWork: ParallelWork {
    let jobs: UnsafePointer<sk_matmul_job>
    let tasks: UnsafePointer<TaskList.Entry>

    func perform(task: Int, worker: Int) {
        let entry = tasks[task]
        sk_matmul(jobs + Int(entry.job), entry.begin, entry.end)
    }
}

private struct GatedListWork: ParallelWork {
    let jobs: UnsafePointer<sk_gated_job>
    let tasks: UnsafePointer<TaskList.Entry>

    func perform(task: Int, worker: Int) {
        let entry = tasks[task]
        sk_gated(jobs + Int(entry.job), entry.begin, entry.end)
    }
}

extension ThreadPool {
    /// How many tasks a product is cut into: enough to even out, few enough to keep claims cheap.
    package var piecesPerProduct: Int { threadCount == 1 ? 1 : threadCount * 6 }

    /// Products of one or several matrices with the same rows, e.g. q, k and v.
    package func multiply(_ projections: UnsafeBufferPointer<sk_projection>, _ x: sk_activations, tokens: Int) {
        var job = sk_matmul_job(
            projections: projections.baseAddress,
            projection_count: Int32(projections.count),
            x: x,
            token_index: nil,
            tokens: Int32(tokens)
        )
        let panels = Int(sk_matmul_panels(&job))
        let panelsPerTask = max(1, (panels + piecesPerProduct - 1) / piecesPerProduct)
        let work = MatmulWork(job: job, panels: panels, panelsPerTask: panelsPerTask)
        run(tasks: (panels + panelsPerTask - 1) / panelsPerTask, work)
    }

    /// output[t] = matrix * x[t] (+ bias).
    package func multiply(
        _ matrix: WeightMatrix,
        bias: WeightVector? = nil,
        _ x: Activations,
        into output: Activations,
        tokens: Int
    ) {
        var projection = sk_projection(
            matrix: matrix.kernelMatrix,
            bias: bias?.pointer,
            out: output.pointer,
            out_stride: Int64(output.stride)
        )
        withUnsafePointer(to: &projection) {
            multiply(UnsafeBufferPointer(start: $0, count: 1), x.kernelView(), tokens: tokens)
        }
    }

    package func run(_ jobs: UnsafePointer<sk_matmul_job>, _ tasks: TaskList) {
        run(tasks: tasks.count, MatmulListWork(jobs: jobs, tasks: tasks.entries.pointer))
    }

    package func run(_ jobs: UnsafePointer<sk_gated_job>, _ tasks: TaskList) {
        run(tasks: tasks.count, GatedListWork(jobs: jobs, tasks: tasks.entries.pointer))
    }
}

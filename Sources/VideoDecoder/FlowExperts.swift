import CKernels
import Experts
import Tensor

/// Routed experts of one block for a chunk's rows: router, dispatch, one product per expert, combination.
final class FlowExperts {
    private let pool: ThreadPool
    private let router: Router
    private let logits: Activations
    private let ranking: AlignedBuffer<Float>
    private let hidden: Activations
    private let outputs: Activations
    private let gatedJobs: AlignedBuffer<sk_gated_job>
    private let downJobs: AlignedBuffer<sk_matmul_job>
    private let projections: AlignedBuffer<sk_projection>
    private let gatedTasks: TaskList
    private let downTasks: TaskList
    let dispatch: Dispatch

    init(_ decoder: FlowDecoder, maximumRows: Int, pool: ThreadPool) throws {
        let flow = decoder.settings.flow
        let experts = flow.expertCount
        self.pool = pool
        router = Router(decoder.routing, selectionBias: nil)
        logits = try Activations(columns: experts, maximumRows: maximumRows)
        ranking = try AlignedBuffer(count: experts * maximumRows)
        dispatch = try Dispatch(
            expertCount: experts,
            expertsPerToken: flow.expertsPerToken,
            maximumTokens: maximumRows
        )
        hidden = try Activations(columns: flow.expertWidth, maximumRows: maximumRows * flow.expertsPerToken)
        outputs = try Activations(columns: flow.width, maximumRows: maximumRows * flow.expertsPerToken)
        gatedJobs = try AlignedBuffer(count: experts)
        downJobs = try AlignedBuffer(count: experts)
        projections = try AlignedBuffer(count: experts)
        gatedTasks = try TaskList(capacity: experts * max(1, pool.piecesPerProduct))
        downTasks = try TaskList(capacity: experts * max(1, pool.piecesPerProduct))
    }

    /// output[r] = sum over the chosen experts of weight * expert(x[r]). A row's result depends on that row alone.
    func run(_ block: FlowDecoder.Block, _ x: Activations, rows: Int, into output: Activations) {
        pool.multiply(block.router, x, into: logits, tokens: rows)
        let count = dispatch.expertCount
        let perRow = dispatch.expertsPerToken
        pool.forRows(rows, perTask: 32) { range in
            for row in range {
                router.choose(
                    logits: logits.row(row),
                    ranking: ranking.pointer + row * count,
                    experts: dispatch.experts.pointer + row * perRow,
                    weights: dispatch.weights.pointer + row * perRow
                )
            }
        }
        dispatch.group(tokens: rows)
        gatedTasks.clear()
        downTasks.clear()
        var jobs = 0
        for expert in 0..<count {
            let range = dispatch.rowRange(of: expert)
            guard !range.isEmpty else { continue }
            setJobs(jobs, block, expert, x, range)
            gatedTasks.append(
                job: jobs,
                panels: (block.gateUp[expert].rows + Int(SK_PANEL_ROWS) - 1) / Int(SK_PANEL_ROWS),
                pieces: pool.piecesPerProduct
            )
            downTasks.append(
                job: jobs,
                panels: Int(sk_matmul_panels(downJobs.pointer + jobs)),
                pieces: pool.piecesPerProduct
            )
            jobs += 1
        }
        pool.run(UnsafePointer(gatedJobs.pointer), gatedTasks)
        pool.run(UnsafePointer(downJobs.pointer), downTasks)
        pool.forRows(rows, perTask: 16) { range in
            for row in range {
                let target = output.row(row)
                target.update(repeating: 0, count: output.columns)
                for choice in row * perRow..<(row + 1) * perRow {
                    sk_add_scaled(
                        target,
                        outputs.row(Int(dispatch.rowOfChoice.pointer[choice])),
                        dispatch.weights.pointer[choice],
                        Int64(output.columns)
                    )
                }
            }
        }
    }

    private func setJobs(_ index: Int, _ block: FlowDecoder.Block, _ expert: Int, _ x: Activations, _ rows: Range<Int>)
    {
        var job = sk_gated_job()
        job.gate_up = block.gateUp[expert].kernelMatrix
        job.activation = Int32(SK_SILU.rawValue)
        job.x = x.kernelView()
        job.token_index = UnsafePointer(dispatch.tokenOfRow.pointer + rows.lowerBound)
        job.tokens = Int32(rows.count)
        job.out = hidden.row(rows.lowerBound)
        job.out_stride = Int64(hidden.stride)
        gatedJobs.pointer[index] = job
        projections.pointer[index] = sk_projection(
            matrix: block.down[expert].kernelMatrix,
            bias: nil,
            out: outputs.row(rows.lowerBound),
            out_stride: Int64(outputs.stride)
        )
        downJobs.pointer[index] = sk_matmul_job(
            projections: projections.pointer + index,
            projection_count: 1,
            x: hidden.kernelView(from: rows.lowerBound),
            token_index: nil,
            tokens: Int32(rows.count)
        )
    }
}

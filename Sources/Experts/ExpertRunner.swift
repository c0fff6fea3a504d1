import CKernels
import Tensor

/// Runs the gated MLPs of one layer for a chunk: router, dispatch, one product per expert, combination.
///
/// All buffers are allocated at start. A token's result does not depend on the tokens around it.
package final class ExpertRunner {
    /// One layer's router.
    package struct LayerRouter {
        package let router: Router
        /// Rows of all experts in order: one matrix, or one for each pool.
        package let matrices: [WeightMatrix]
        package let bias: WeightVector?

        package init(router: Router, matrices: [WeightMatrix], bias: WeightVector?) {
            self.router = router
            self.matrices = matrices
            self.bias = bias
        }
    }

    package struct Sizes {
        package var hiddenSize: Int
        package var expertWidth: Int
        package var sharedWidth: Int
        package var router: RouterConfiguration?
        package var maximumTokens: Int

        package init(
            hiddenSize: Int,
            expertWidth: Int,
            sharedWidth: Int,
            router: RouterConfiguration?,
            maximumTokens: Int
        ) {
            self.hiddenSize = hiddenSize
            self.expertWidth = expertWidth
            self.sharedWidth = sharedWidth
            self.router = router
            self.maximumTokens = maximumTokens
        }
    }

    private let sizes: Sizes
    private let store: ExpertStore
    private let activation: GatedActivation
    private let pool: ThreadPool
    private let logits: Activations
    private let ranking: AlignedBuffer<Float>
    package let dispatch: Dispatch
    private let routedHidden: Activations
    private let routedOutput: Activations
    private let sharedHidden: Activations
    /// Experts that the chunk uses, and whether they were in memory.
    private let used: AlignedBuffer<Int32>
    private let usedIsResident: AlignedBuffer<Bool>
    private let gatedJobs: AlignedBuffer<sk_gated_job>
    private let downJobs: AlignedBuffer<sk_matmul_job>
    private let projections: AlignedBuffer<sk_projection>
    private let routerProjections: AlignedBuffer<sk_projection>
    private let gatedTasks: TaskList
    private let downTasks: TaskList

    package init(sizes: Sizes, store: ExpertStore, activation: GatedActivation, pool: ThreadPool) throws {
        self.sizes = sizes
        self.store = store
        self.activation = activation
        self.pool = pool
        let experts = sizes.router?.expertCount ?? 1
        let perToken = sizes.router?.expertsPerToken ?? 1
        let routedRows = sizes.router == nil ? 1 : sizes.maximumTokens * perToken
        logits = try Activations(columns: experts, maximumRows: sizes.maximumTokens)
        ranking = try AlignedBuffer(count: experts * pool.threadCount)
        dispatch = try Dispatch(
            expertCount: experts,
            expertsPerToken: perToken,
            maximumTokens: sizes.maximumTokens
        )
        routedHidden = try Activations(columns: max(1, sizes.expertWidth), maximumRows: routedRows)
        routedOutput = try Activations(columns: sizes.hiddenSize, maximumRows: routedRows)
        sharedHidden = try Activations(columns: max(1, sizes.sharedWidth), maximumRows: sizes.maximumTokens)
        used = try AlignedBuffer(count: experts)
        usedIsResident = try AlignedBuffer(count: experts)
        gatedJobs = try AlignedBuffer(count: experts + 1)
        downJobs = try AlignedBuffer(count: experts + 1)
        projections = try AlignedBuffer(count: experts + 1)
        routerProjections = try AlignedBuffer(count: max(1, sizes.router?.pools?.count ?? 1))
        gatedTasks = try TaskList(capacity: (experts + 1) * max(1, pool.piecesPerProduct))
        downTasks = try TaskList(capacity: (experts + 1) * max(1, pool.piecesPerProduct))
    }

    /// output[t] = shared(x[t]) + sum over chosen experts of weight * expert(x[t]).
    ///
    /// Where experts belong to modalities, a token of another one has shared(x[t]), to the bit, and is not routed.
    ///
    /// - Parameters:
    ///   - x: normalised rows with their 8-bit twin.
    ///   - router: nil for a layer without routed experts.
    ///   - modalities: what each token came from.
    /// - Throws: when a shard cannot be mapped.
    package func run(
        layer: Int,
        x: Activations,
        tokens: Int,
        router: LayerRouter?,
        hasShared: Bool,
        modalities: UnsafeBufferPointer<Modality>,
        statistics: inout ExpertStatistics,
        into output: Activations
    ) throws {
        var jobCount = 0
        if let router {
            route(router, x, tokens, modalities)
            dispatch.group(tokens: tokens)
            statistics.record(
                layer: layer,
                modalities: modalities,
                experts: UnsafeBufferPointer(start: dispatch.experts.pointer, count: tokens * dispatch.expertsPerToken)
            )
        }
        if hasShared {
            try addJob(
                jobCount,
                store.weights(layer: layer, expert: nil),
                x: x.kernelView(),
                tokenIndex: nil,
                tokens: tokens,
                hidden: sharedHidden,
                firstHidden: 0,
                output: output,
                firstOutput: 0
            )
            jobCount += 1
        }
        if router != nil {
            let usedCount = try announceExperts(layer: layer)
            // Those in memory go first: while they run, the others are read.
            for pass in [true, false] {
                for index in 0..<usedCount where usedIsResident.pointer[index] == pass {
                    let expert = Int(used.pointer[index])
                    let rows = dispatch.rowRange(of: expert)
                    try addJob(
                        jobCount,
                        store.weights(layer: layer, expert: expert),
                        x: x.kernelView(),
                        tokenIndex: dispatch.tokenOfRow.pointer + rows.lowerBound,
                        tokens: rows.count,
                        hidden: routedHidden,
                        firstHidden: rows.lowerBound,
                        output: routedOutput,
                        firstOutput: rows.lowerBound
                    )
                    jobCount += 1
                }
            }
        }
        let isRouted = router != nil && dispatch.rowCount > 0
        runJobs(jobCount, tokens: tokens, hasShared: hasShared, isRouted: isRouted)
        if isRouted || !hasShared { combine(tokens: tokens, addsToOutput: hasShared, output) }
    }

    /// Lists the experts that have rows, and says so to the store.
    private func announceExperts(layer: Int) throws -> Int {
        var count = 0
        for expert in 0..<dispatch.expertCount where !dispatch.rowRange(of: expert).isEmpty {
            used.pointer[count] = Int32(expert)
            count += 1
        }
        try store.announce(
            layer: layer,
            experts: UnsafeBufferPointer(start: used.pointer, count: count),
            isResident: usedIsResident.pointer
        )
        return count
    }

    private func route(
        _ router: LayerRouter,
        _ x: Activations,
        _ tokens: Int,
        _ modalities: UnsafeBufferPointer<Modality>
    ) {
        // A chunk of text in a model whose experts are for media needs no scores.
        if modalities.contains(where: { router.router.configuration.experts(for: $0) != nil }) {
            var first = 0
            for (index, matrix) in router.matrices.enumerated() {
                routerProjections.pointer[index] = sk_projection(
                    matrix: matrix.kernelMatrix,
                    bias: router.bias.map { $0.pointer + first },
                    out: logits.pointer + first,
                    out_stride: Int64(logits.stride)
                )
                first += matrix.rows
            }
            pool.multiply(
                UnsafeBufferPointer(start: routerProjections.pointer, count: router.matrices.count),
                x.kernelView(),
                tokens: tokens
            )
        }
        let work = RouteWork(
            router: router.router,
            modalities: modalities,
            logits: logits,
            ranking: ranking.pointer,
            experts: dispatch.experts.pointer,
            weights: dispatch.weights.pointer,
            tokens: tokens
        )
        if tokens <= RouteWork.tokensPerTask {
            work.perform(task: 0, worker: 0)
        } else {
            pool.run(tasks: (tokens + RouteWork.tokensPerTask - 1) / RouteWork.tokensPerTask, work)
        }
    }

    private func addJob(
        _ index: Int,
        _ weights: ExpertWeights,
        x: sk_activations,
        tokenIndex: UnsafePointer<Int32>?,
        tokens: Int,
        hidden: Activations,
        firstHidden: Int,
        output: Activations,
        firstOutput: Int
    ) {
        var job = sk_gated_job()
        job.gate_up = weights.gateUp.kernelMatrix
        job.gate_bias = weights.gateBias?.pointer
        job.up_bias = weights.upBias?.pointer
        switch activation {
        case .silu: job.activation = Int32(SK_SILU.rawValue)
        case .clampedSwiGLU(let alpha, let limit):
            job.activation = Int32(SK_SWIGLU_CLAMPED.rawValue)
            job.alpha = alpha
            job.limit = limit
        }
        job.x = x
        job.token_index = tokenIndex
        job.tokens = Int32(tokens)
        job.out = hidden.row(firstHidden)
        job.out_stride = Int64(hidden.stride)
        gatedJobs.pointer[index] = job
        projections.pointer[index] = sk_projection(
            matrix: weights.down.kernelMatrix,
            bias: weights.downBias?.pointer,
            out: output.row(firstOutput),
            out_stride: Int64(output.stride)
        )
        downJobs.pointer[index] = sk_matmul_job(
            projections: projections.pointer + index,
            projection_count: 1,
            x: hidden.kernelView(from: firstHidden),
            token_index: nil,
            tokens: Int32(tokens)
        )
    }

    private func runJobs(_ count: Int, tokens: Int, hasShared: Bool, isRouted: Bool) {
        gatedTasks.clear()
        downTasks.clear()
        let pieces = max(1, pool.piecesPerProduct / max(1, count))
        for index in 0..<count {
            let gatedPanels = (Int(gatedJobs.pointer[index].gate_up.rows) + 15) / 16
            gatedTasks.append(job: index, panels: gatedPanels, pieces: pieces)
            downTasks.append(
                job: index,
                panels: Int(sk_matmul_panels(downJobs.pointer + index)),
                pieces: pieces
            )
        }
        pool.run(UnsafePointer(gatedJobs.pointer), gatedTasks)
        if hasShared { pool.quantize(sharedHidden, rows: tokens) }
        if isRouted { pool.quantize(routedHidden, rows: dispatch.rowCount) }
        pool.run(UnsafePointer(downJobs.pointer), downTasks)
    }

    private func combine(tokens: Int, addsToOutput: Bool, _ output: Activations) {
        let work = CombineWork(
            dispatch: dispatch,
            routed: routedOutput,
            output: output,
            columns: sizes.hiddenSize,
            addsToOutput: addsToOutput,
            tokens: tokens
        )
        if tokens <= CombineWork.tokensPerTask {
            work.perform(task: 0, worker: 0)
        } else {
            pool.run(tasks: (tokens + CombineWork.tokensPerTask - 1) / CombineWork.tokensPerTask, work)
        }
    }
}

private struct RouteWork: ParallelWork {
    let router: Router
    let modalities: UnsafeBufferPointer<Modality>
    let logits: Activations
    let ranking: UnsafeMutablePointer<Float>
    let experts: UnsafeMutablePointer<Int32>
    let weights: UnsafeMutablePointer<Float>
    let tokens: Int
    static let tokensPerTask = 32

    func perform(task: Int, worker: Int) {
        let perToken = router.configuration.expertsPerToken
        let first = task * Self.tokensPerTask
        for token in first..<min(tokens, first + Self.tokensPerTask) {
            router.choose(
                for: modalities[token],
                logits: logits.row(token),
                ranking: ranking + worker * router.configuration.expertCount,
                experts: experts + token * perToken,
                weights: weights + token * perToken
            )
        }
    }
}

private struct CombineWork: ParallelWork {
    let dispatch: Dispatch
    let routed: Activations
    let output: Activations
    let columns: Int
    let addsToOutput: Bool
    let tokens: Int
    static let tokensPerTask = 16

    func perform(task: Int, worker: Int) {
        let perToken = dispatch.expertsPerToken
        let first = task * Self.tokensPerTask
        for token in first..<min(tokens, first + Self.tokensPerTask) {
            let target = output.row(token)
            if !addsToOutput { target.update(repeating: 0, count: columns) }
            for choice in token * perToken..<(token + 1) * perToken where dispatch.experts.pointer[choice] >= 0 {
                let row = Int(dispatch.rowOfChoice.pointer[choice])
                sk_add_scaled(target, routed.row(row), dispatch.weights.pointer[choice], Int64(columns))
            }
        }
    }
}

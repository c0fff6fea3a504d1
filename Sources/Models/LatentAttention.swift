import CKernels
import KVCache
import Tensor

/// Buffers of latent attention for a chunk.
final class LatentBuffers {
    let shape: DecoderConfiguration.LatentAttention
    /// The query's latent, if it has one.
    let queryLatent: Activations?
    let queryLatentNormed: Activations?
    /// `[tokens * heads][plain + rope]`, with a zero tail of its own: one row per head for the absorbed key projection.
    let plainQueries: Activations
    /// `[tokens][heads * (plain + rope)]`
    let queries: Activations
    /// `[tokens][heads][latent + rope]`
    let absorbedQueries: AlignedBuffer<Float>
    /// `[tokens][latent + rope]`
    let keyValues: Activations
    /// `[tokens][heads][latent]` attention over latents, and as rows for the value projection.
    let latentOutput: AlignedBuffer<Float>
    let latentRows: Activations

    init(_ shape: DecoderConfiguration.LatentAttention, tokens: Int) throws(AllocationError) {
        self.shape = shape
        let heads = shape.headCount
        let latentWidth = shape.latentRank + shape.ropeWidth
        if let rank = shape.queryRank {
            queryLatent = try Activations(columns: rank, maximumRows: tokens)
            queryLatentNormed = try Activations(columns: rank, maximumRows: tokens)
        } else {
            queryLatent = nil
            queryLatentNormed = nil
        }
        plainQueries = try Activations(columns: shape.plainWidth, maximumRows: tokens * heads)
        queries = try Activations(columns: heads * (shape.plainWidth + shape.ropeWidth), maximumRows: tokens)
        absorbedQueries = try AlignedBuffer(count: tokens * heads * latentWidth)
        keyValues = try Activations(columns: latentWidth, maximumRows: tokens)
        latentOutput = try AlignedBuffer(count: tokens * heads * shape.latentRank)
        latentRows = try Activations(columns: shape.latentRank, maximumRows: tokens * heads)
    }
}

/// One head's small product for all tokens of a chunk; a task is a head.
private struct HeadProjectionWork: ParallelWork {
    let matrices: UnsafePointer<sk_matrix>
    let rows: Activations
    let heads: Int
    let tokens: Int
    /// out + head * headStride + token * tokenStride
    let output: UnsafeMutablePointer<Float>
    let headStride: Int
    let tokenStride: Int

    func perform(task head: Int, worker: Int) {
        // Row t * heads + head of the activations: the same head of every token.
        var view = rows.kernelView(from: head)
        view.f32_stride *= Int64(heads)
        view.q8_stride *= Int64(heads)
        view.block_stride *= Int64(heads)
        var projection = sk_projection(
            matrix: matrices[head],
            bias: nil,
            out: output + head * headStride,
            out_stride: Int64(tokenStride)
        )
        withUnsafePointer(to: &projection) { pointer in
            var job = sk_matmul_job(
                projections: pointer,
                projection_count: 1,
                x: view,
                token_index: nil,
                tokens: Int32(tokens)
            )
            sk_matmul(&job, 0, sk_matmul_panels(&job))
        }
    }
}

extension DecoderRunner {
    /// attentionOutput = latent attention(normed), without the output projection.
    ///
    /// Keys and values are never expanded: the query is taken into the latent space by the key projection's transpose,
    /// attention runs over the cached latents as one shared head, and the value projection follows on the sum.
    func attendLatent(
        _ layer: Int,
        _ weights: DecoderWeights.Latent,
        firstPosition: Int,
        tokens: Int,
        table: PageTable
    ) throws(PageDamage) {
        guard let latent else { return }
        let shape = latent.shape
        let latentWidth = shape.latentRank + shape.ropeWidth
        let epsilon = decoder.configuration.normEpsilon
        if let down = weights.queryDown, let queryLatent = latent.queryLatent,
            let normedLatent = latent.queryLatentNormed
        {
            pool.multiply(down.matrix, bias: down.bias, normed, into: queryLatent, tokens: tokens)
            pool.addNormalize(
                residual: queryLatent,
                addend: nil,
                weight: down.norm.pointer,
                epsilon: epsilon,
                rows: tokens,
                output: normedLatent,
                quantizes: true
            )
            pool.multiply(weights.q, normedLatent, into: latent.queries, tokens: tokens)
        } else {
            pool.multiply(weights.q, normed, into: latent.queries, tokens: tokens)
        }
        pool.multiply(weights.kvA, bias: weights.kvABias, normed, into: latent.keyValues, tokens: tokens)
        // The latent is normalised, the rotated part of the key is not.
        sk_rms_norm(
            latent.keyValues.pointer,
            Int64(latent.keyValues.stride),
            weights.kvANorm.pointer,
            epsilon,
            Int32(tokens),
            Int32(shape.latentRank),
            latent.keyValues.pointer,
            Int64(latent.keyValues.stride)
        )
        attention.store(
            layer: layer,
            firstPosition: firstPosition,
            tokenCount: tokens,
            keys: latent.keyValues.pointer,
            keyStride: latent.keyValues.stride,
            values: latent.keyValues.pointer,
            valueStride: latent.keyValues.stride,
            into: table
        )

        splitQueries(latent, tokens)
        pool.quantize(latent.plainQueries, rows: tokens * shape.headCount)
        projectHeads(
            weights.keys,
            latent.plainQueries,
            tokens,
            into: latent.absorbedQueries.pointer,
            headStride: latentWidth,
            tokenStride: shape.headCount * latentWidth
        )
        let request = PagedAttention.Request(
            layer: layer,
            firstPosition: firstPosition,
            tokenCount: tokens,
            queries: latent.absorbedQueries.pointer,
            output: latent.latentOutput.pointer,
            scale: decoder.configuration.attentionScale,
            window: decoder.configuration.layers[layer].window,
            sinks: nil
        )
        try attention.attend(request, table: table)
        recordProbes(request, table)
        for row in 0..<tokens * shape.headCount {
            latent.latentRows.row(row)
                .update(from: latent.latentOutput.pointer + row * shape.latentRank, count: shape.latentRank)
        }
        pool.quantize(latent.latentRows, rows: tokens * shape.headCount)
        projectHeads(
            weights.values,
            latent.latentRows,
            tokens,
            into: attentionOutput.pointer,
            headStride: shape.valueWidth,
            tokenStride: attentionOutput.stride
        )
    }

    /// Copies every head's plain part into a row of its own, and its rotated part behind the absorbed query's place.
    private func splitQueries(_ latent: LatentBuffers, _ tokens: Int) {
        let shape = latent.shape
        let width = shape.plainWidth + shape.ropeWidth
        let latentWidth = shape.latentRank + shape.ropeWidth
        for token in 0..<tokens {
            for head in 0..<shape.headCount {
                let source = latent.queries.row(token) + head * width
                let row = token * shape.headCount + head
                latent.plainQueries.row(row).update(from: source, count: shape.plainWidth)
                (latent.absorbedQueries.pointer + row * latentWidth + shape.latentRank)
                    .update(from: source + shape.plainWidth, count: shape.ropeWidth)
            }
        }
    }

    private func projectHeads(
        _ matrices: HeadMatrices,
        _ rows: Activations,
        _ tokens: Int,
        into output: UnsafeMutablePointer<Float>,
        headStride: Int,
        tokenStride: Int
    ) {
        matrices.kernelMatrices.withUnsafeBufferPointer { views in
            guard let base = views.baseAddress else { return }
            pool.run(
                tasks: views.count,
                HeadProjectionWork(
                    matrices: base,
                    rows: rows,
                    heads: views.count,
                    tokens: tokens,
                    output: output,
                    headStride: headStride,
                    tokenStride: tokenStride
                )
            )
        }
    }
}

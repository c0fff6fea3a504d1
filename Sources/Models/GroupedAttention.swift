import CKernels
import KVCache
import Tensor

/// Queries, keys and values of a chunk, rows packed without gaps as the attention kernels read them.
final class GroupedBuffers {
    let shape: DecoderConfiguration.GroupedAttention
    /// `[tokens][heads * headWidth]`, `[tokens][kvHeads * headWidth]`
    let queries: AlignedBuffer<Float>
    let keys: AlignedBuffer<Float>
    let values: AlignedBuffer<Float>
    let output: AlignedBuffer<Float>

    init(_ shape: DecoderConfiguration.GroupedAttention, tokens: Int) throws(AllocationError) {
        self.shape = shape
        queries = try AlignedBuffer(count: tokens * queryWidth(shape))
        keys = try AlignedBuffer(count: tokens * keyWidth(shape))
        values = try AlignedBuffer(count: tokens * keyWidth(shape))
        output = try AlignedBuffer(count: tokens * queryWidth(shape))
    }
}

private func queryWidth(_ shape: DecoderConfiguration.GroupedAttention) -> Int { shape.headCount * shape.headWidth }
private func keyWidth(_ shape: DecoderConfiguration.GroupedAttention) -> Int { shape.kvHeadCount * shape.headWidth }

extension DecoderRunner {
    /// attentionOutput = attention(normed), without the output projection.
    func attendGrouped(
        _ layer: Int,
        _ weights: DecoderWeights.Grouped,
        firstPosition: Int,
        tokens: Int,
        table: PageTable
    ) throws(PageDamage) {
        guard let grouped else { return }
        let shape = grouped.shape
        let queryWidth = queryWidth(shape)
        let keyWidth = keyWidth(shape)
        withUnsafeTemporaryAllocation(of: sk_projection.self, capacity: 3) { projections in
            projections[0] = sk_projection(
                matrix: weights.q.kernelMatrix,
                bias: weights.qBias?.pointer,
                out: grouped.queries.pointer,
                out_stride: Int64(queryWidth)
            )
            projections[1] = sk_projection(
                matrix: weights.k.kernelMatrix,
                bias: weights.kBias?.pointer,
                out: grouped.keys.pointer,
                out_stride: Int64(keyWidth)
            )
            projections[2] = sk_projection(
                matrix: weights.v.kernelMatrix,
                bias: weights.vBias?.pointer,
                out: grouped.values.pointer,
                out_stride: Int64(keyWidth)
            )
            pool.multiply(UnsafeBufferPointer(projections), normed.kernelView(), tokens: tokens)
        }
        if let qNorm = weights.qNorm, let kNorm = weights.kNorm {
            normalizeHeads(grouped.queries.pointer, qNorm, heads: shape.headCount, tokens: tokens, shape)
            normalizeHeads(grouped.keys.pointer, kNorm, heads: shape.kvHeadCount, tokens: tokens, shape)
        }
        if let clamp = shape.clamp {
            for (pointer, width) in [
                (grouped.queries.pointer, queryWidth), (grouped.keys.pointer, keyWidth),
                (grouped.values.pointer, keyWidth),
            ] {
                for index in 0..<tokens * width { pointer[index] = min(max(pointer[index], -clamp), clamp) }
            }
        }
        attention.store(
            layer: layer,
            firstPosition: firstPosition,
            tokenCount: tokens,
            keys: grouped.keys.pointer,
            keyStride: keyWidth,
            values: grouped.values.pointer,
            valueStride: keyWidth,
            into: table
        )
        let request = PagedAttention.Request(
            layer: layer,
            firstPosition: firstPosition,
            tokenCount: tokens,
            queries: grouped.queries.pointer,
            output: grouped.output.pointer,
            scale: decoder.configuration.attentionScale,
            window: decoder.configuration.layers[layer].window,
            sinks: weights.sinks?.pointer
        )
        try attention.attend(request, table: table)
        recordProbes(request, table)
        for token in 0..<tokens {
            attentionOutput.row(token).update(from: grouped.output.pointer + token * queryWidth, count: queryWidth)
        }
    }

    private func normalizeHeads(
        _ rows: UnsafeMutablePointer<Float>,
        _ weight: WeightVector,
        heads: Int,
        tokens: Int,
        _ shape: DecoderConfiguration.GroupedAttention
    ) {
        let perHead = shape.headNorm == .perHead
        let width = perHead ? shape.headWidth : heads * shape.headWidth
        sk_rms_norm(
            rows,
            Int64(width),
            weight.pointer,
            decoder.configuration.normEpsilon,
            Int32(perHead ? tokens * heads : tokens),
            Int32(width),
            rows,
            Int64(width)
        )
    }
}

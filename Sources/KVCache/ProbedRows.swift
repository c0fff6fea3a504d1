import CKernels
import Tensor

/// The queries of one token that share a KV head, and what of their attention falls on positions of a page: what probes look
/// at, beside the real attention.
final class ProbedRows {
    private let layout: PageLayout
    private let headCount: Int
    private let rotary: RotaryEmbedding
    /// Queries as they came, times the scale, and as they are turned.
    private let queries: AlignedBuffer<Float>
    private let angles: AlignedBuffer<Float>
    private let output: AlignedBuffer<Float>
    private let scratch: AlignedBuffer<Float>
    /// Most rows at a time.
    let limit: Int
    /// Rows at hand, and their KV head.
    private(set) var count = 0
    private(set) var kvHead = 0

    init(layout: PageLayout, headCount: Int, rotary: RotaryEmbedding) throws(AllocationError) {
        self.layout = layout
        self.headCount = headCount
        self.rotary = rotary
        limit = min(PagedAttention.tileRows, headCount / layout.kvHeadCount)
        queries = try AlignedBuffer(count: 2 * limit * layout.keyWidth)
        angles = try AlignedBuffer(count: 6 * max(1, rotary.pairCount))
        output = try AlignedBuffer(count: limit * layout.valueStride)
        // Sealed pages need the most.
        var kernelLayout = layout.with(.q8).kernelLayout
        scratch = try AlignedBuffer(count: Int(sk_attend_scratch_floats(&kernelLayout, Int32(limit))))
    }

    /// Calls `body` for all rows of a request of one token, some at a time.
    func forEach(of request: PagedAttention.Request, _ table: PageTable, _ body: () -> Void) {
        rotary.writeQueryAngles(
            position: table.position(request.firstPosition),
            cosines: angles.pointer,
            sines: angles.pointer + rotary.pairCount
        )
        let perGroup = headCount / layout.kvHeadCount
        let width = layout.keyWidth
        for head in 0..<layout.kvHeadCount {
            kvHead = head
            for first in stride(from: 0, to: perGroup, by: limit) {
                count = min(limit, perGroup - first)
                for row in 0..<count {
                    let source = request.queries + (head * perGroup + first + row) * width
                    for column in 0..<width { queries.pointer[row * width + column] = source[column] * request.scale }
                }
                body()
            }
        }
    }

    /// Turns the queries by their distance to a page's first position.
    func turn(to page: Page) {
        let pairs = rotary.pairCount
        let base = angles.pointer
        rotary.writePageAngles(anchor: page.anchor, cosines: base + 2 * pairs, sines: base + 3 * pairs)
        sk_angle_difference(
            base,
            base + pairs,
            base + 2 * pairs,
            base + 3 * pairs,
            Int32(pairs),
            base + 4 * pairs,
            base + 5 * pairs
        )
        turn(base + 4 * pairs, base + 5 * pairs)
    }

    /// Turns the queries by one angle for each pair.
    func turn(_ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>) {
        layout.turn(queries.pointer, count: count, cosines, sines, into: queries.pointer + limit * layout.keyWidth)
    }

    /// The largest score of each row at some positions of a page, and the sum of `exp(score - largest)` over them.
    ///
    /// - Parameter isTurned: whether keys are turned by their places in the page.
    func attend(
        _ layer: Int,
        _ page: Page,
        _ positions: Range<Int>,
        _ isTurned: Bool,
        _ maximum: UnsafeMutablePointer<Float>,
        _ total: UnsafeMutablePointer<Float>
    ) {
        maximum.update(repeating: -.infinity, count: count)
        total.update(repeating: 0, count: count)
        output.buffer.update(repeating: 0)
        var kernelLayout = isTurned ? page.layout.kernelLayout : page.layout.unrotatedKernelLayout
        let keyTables = rotary.keyTables(of: page)
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2 * limit) { ranges in
            guard let begins = ranges.baseAddress else { return }
            begins.update(repeating: Int32(positions.lowerBound), count: count)
            (begins + limit).update(repeating: Int32(positions.upperBound), count: count)
            var tile = sk_query_tile(
                queries: queries.pointer + limit * layout.keyWidth,
                query_stride: Int64(layout.keyWidth),
                rows: Int32(count),
                begin: begins,
                end: begins + limit,
                maximum: maximum,
                total: total,
                out: output.pointer,
                page_maximum: nil,
                page_total: nil
            )
            sk_attend_page(
                &kernelLayout,
                page.keys(layer: layer, head: kvHead),
                page.values(layer: layer, head: kvHead),
                keyTables.cosines,
                keyTables.sines,
                &tile,
                scratch.pointer
            )
        }
    }
}

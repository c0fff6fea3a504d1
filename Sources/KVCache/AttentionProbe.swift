import CKernels
import Foundation
import Tensor

/// Records what share of single tokens' attention falls on each span of 16 positions: the ground of citations.
///
/// Most heads spread their attention or look at what is near; the few that copy a fact look at one place sharply (Wu et
/// al. 2024, retrieval heads). So shares are squared before they are summed: a head that gives one span half of its
/// attention counts as much as a hundred heads that give it a twentieth each.
///
/// It runs beside the real attention and never changes it. Every second layer is looked at, and the context's first
/// four positions are left out: models park attention there that means nothing (Xiao et al. 2023, attention sinks).
package final class AttentionProbe {
    /// Positions per span.
    package static let spanPositions = 16
    private static let skippedPositions = 4
    private static let layerStep = 2

    private let layout: PageLayout
    private let headCount: Int
    private let rotary: RotaryEmbedding
    private let maximumPages: Int
    private let sums: AlignedBuffer<Float>
    /// `[spans][64]`
    private let maxima: AlignedBuffer<Float>
    private let totals: AlignedBuffer<Float>
    private let queries: AlignedBuffer<Float>
    private let angles: AlignedBuffer<Float>
    private let output: AlignedBuffer<Float>
    private let scratch: AlignedBuffer<Float>

    package init(
        layout: PageLayout,
        headCount: Int,
        rotary: RotaryEmbedding,
        maximumPositions: Int
    ) throws(AllocationError) {
        self.layout = layout
        self.headCount = headCount
        self.rotary = rotary
        maximumPages = (maximumPositions + PageLayout.positions - 1) / PageLayout.positions
        let spans = maximumPages * PageLayout.positions / Self.spanPositions
        let rows = PagedAttention.tileRows
        sums = try AlignedBuffer(count: spans)
        maxima = try AlignedBuffer(count: spans * rows)
        totals = try AlignedBuffer(count: spans * rows)
        queries = try AlignedBuffer(count: 2 * rows * layout.keyWidth)
        angles = try AlignedBuffer(count: 6 * max(1, rotary.pairCount))
        output = try AlignedBuffer(count: rows * layout.valueStride)
        var kernelLayout = layout.kernelLayout
        scratch = try AlignedBuffer(count: Int(sk_attend_scratch_floats(&kernelLayout, Int32(rows))))
    }

    package func clear() { sums.buffer.update(repeating: 0) }

    /// Squared shares since ``clear()``, per span of positions, summed over heads, layers and tokens.
    package func shares(positions: Int) -> [Float] {
        let spans = (positions + Self.spanPositions - 1) / Self.spanPositions
        return Array(sums.buffer.prefix(spans))
    }

    /// Records one token's attention in one layer; requests of several tokens are ignored.
    package func record(_ request: PagedAttention.Request, table: PageTable) {
        guard request.tokenCount == 1, request.layer % Self.layerStep == Self.layerStep - 1,
            request.firstPosition / PageLayout.positions < maximumPages
        else { return }
        rotary.writeQueryAngles(
            position: table.position(request.firstPosition),
            cosines: angles.pointer,
            sines: angles.pointer + rotary.pairCount
        )
        let perGroup = headCount / layout.kvHeadCount
        for head in 0..<layout.kvHeadCount {
            var first = 0
            while first < perGroup {
                let rows = min(PagedAttention.tileRows, perGroup - first)
                record(request, table, kvHead: head, firstHead: head * perGroup + first, rows: rows)
                first += rows
            }
        }
    }

    private func record(
        _ request: PagedAttention.Request,
        _ table: PageTable,
        kvHead: Int,
        firstHead: Int,
        rows: Int
    ) {
        let end = request.firstPosition + 1
        let begin = max(Self.skippedPositions, request.window.map { end - $0 } ?? 0)
        guard begin < end else { return }
        let firstSpan = begin / Self.spanPositions
        let lastSpan = (end - 1) / Self.spanPositions
        let spansPerPage = PageLayout.positions / Self.spanPositions
        let width = layout.keyWidth
        for row in 0..<rows {
            let source = request.queries + (firstHead + row) * width
            for column in 0..<width { queries.pointer[row * width + column] = source[column] * request.scale }
        }
        var rotatedPage = -1
        for span in firstSpan...lastSpan {
            let page = span / spansPerPage
            if page != rotatedPage {
                rotate(rows: rows, table.pages[page])
                rotatedPage = page
            }
            let start = span * Self.spanPositions
            attend(
                request.layer,
                kvHead,
                table.pages[page],
                rows,
                span,
                max(begin, start) - page * PageLayout.positions,
                min(end, start + Self.spanPositions) - page * PageLayout.positions
            )
        }
        addShares(rows, firstSpan...lastSpan)
    }

    /// Turns the queries by their distance to the page's first position.
    private func rotate(rows: Int, _ page: Page) {
        let width = layout.keyWidth
        let pairs = rotary.pairCount
        let rotated = queries.pointer + PagedAttention.tileRows * width
        guard pairs > 0 else {
            rotated.update(from: queries.pointer, count: rows * width)
            return
        }
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
        sk_rotate_rows(
            queries.pointer,
            Int64(width),
            Int32(rows),
            Int32(width),
            Int32(layout.ropeColumns.lowerBound),
            Int32(layout.ropeColumns.count),
            base + 4 * pairs,
            base + 5 * pairs,
            0,
            rotated,
            Int64(width)
        )
    }

    private func attend(_ layer: Int, _ kvHead: Int, _ page: Page, _ rows: Int, _ span: Int, _ begin: Int, _ end: Int) {
        let rowLimit = PagedAttention.tileRows
        let maximum = maxima.pointer + span * rowLimit
        let total = totals.pointer + span * rowLimit
        maximum.update(repeating: -.infinity, count: rows)
        total.update(repeating: 0, count: rows)
        output.buffer.update(repeating: 0)
        var kernelLayout = layout.kernelLayout
        let keyTables = rotary.keyTables(of: page)
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2 * rowLimit) { ranges in
            guard let begins = ranges.baseAddress else { return }
            begins.update(repeating: Int32(begin), count: rows)
            (begins + rowLimit).update(repeating: Int32(end), count: rows)
            var tile = sk_query_tile(
                queries: queries.pointer + rowLimit * layout.keyWidth,
                query_stride: Int64(layout.keyWidth),
                rows: Int32(rows),
                begin: begins,
                end: begins + rowLimit,
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

    private func addShares(_ rows: Int, _ spans: ClosedRange<Int>) {
        let rowLimit = PagedAttention.tileRows
        for row in 0..<rows {
            var maximum = -Float.infinity
            for span in spans { maximum = max(maximum, maxima.pointer[span * rowLimit + row]) }
            guard maximum.isFinite else { continue }
            var total: Float = 0
            for span in spans {
                total += totals.pointer[span * rowLimit + row] * exp(maxima.pointer[span * rowLimit + row] - maximum)
            }
            for span in spans {
                let share =
                    totals.pointer[span * rowLimit + row] * exp(maxima.pointer[span * rowLimit + row] - maximum) / total
                sums.pointer[span] += share * share
            }
        }
    }
}

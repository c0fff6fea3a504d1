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
    /// `[spans][rows]`
    private let maxima: AlignedBuffer<Float>
    private let totals: AlignedBuffer<Float>
    private let queries: AlignedBuffer<Float>
    private let angles: AlignedBuffer<Float>
    private let output: AlignedBuffer<Float>
    private let scratch: AlignedBuffer<Float>
    /// Spans that the token at hand attends to, those of far pages first.
    private let spans: AlignedBuffer<Int32>
    private var spanCount = 0
    /// Rows at a time.
    private let rowLimit: Int

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
        rowLimit = min(PagedAttention.tileRows, headCount / layout.kvHeadCount)
        let rows = rowLimit
        self.spans = try AlignedBuffer(count: spans)
        sums = try AlignedBuffer(count: spans)
        maxima = try AlignedBuffer(count: spans * rows)
        totals = try AlignedBuffer(count: spans * rows)
        queries = try AlignedBuffer(count: 2 * rows * layout.keyWidth)
        angles = try AlignedBuffer(count: 6 * max(1, rotary.pairCount))
        output = try AlignedBuffer(count: rows * layout.valueStride)
        // Sealed pages need the most.
        var kernelLayout = layout.with(.q8).kernelLayout
        scratch = try AlignedBuffer(count: Int(sk_attend_scratch_floats(&kernelLayout, Int32(rows))))
    }

    package func clear() { sums.buffer.update(repeating: 0) }

    /// Squared shares since ``clear()``, per span of positions, summed over heads, layers and tokens.
    package func shares(positions: Int) -> [Float] {
        let spans = (positions + Self.spanPositions - 1) / Self.spanPositions
        return Array(sums.buffer.prefix(spans))
    }

    /// Records one token's attention in one layer, after `attention` computed it; requests of several tokens are ignored.
    package func record(_ request: PagedAttention.Request, table: PageTable, attention: PagedAttention) {
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
                let rows = min(rowLimit, perGroup - first)
                record(request, table, attention, kvHead: head, firstHead: head * perGroup + first, rows: rows)
                first += rows
            }
        }
    }

    private func record(
        _ request: PagedAttention.Request,
        _ table: PageTable,
        _ attention: PagedAttention,
        kvHead: Int,
        firstHead: Int,
        rows: Int
    ) {
        let end = request.firstPosition + 1
        let recall = attention.recall(request)
        let window = recall.map { $0.settings.firstLocalPage(position: request.firstPosition) * PageLayout.positions }
        let begin = max(Self.skippedPositions, window ?? request.window.map { end - $0 } ?? 0)
        guard begin < end else { return }
        let spansPerPage = PageLayout.positions / Self.spanPositions
        let width = layout.keyWidth
        for row in 0..<rows {
            let source = request.queries + (firstHead + row) * width
            for column in 0..<width { queries.pointer[row * width + column] = source[column] * request.scale }
        }
        spanCount = 0
        if let recall { recordListed(request, table, recall, kvHead: kvHead, rows: rows) }
        var rotatedPage = -1
        for span in begin / Self.spanPositions...(end - 1) / Self.spanPositions {
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
                min(end, start + Self.spanPositions) - page * PageLayout.positions,
                isTurned: true
            )
        }
        addShares(rows)
    }

    /// The pages beyond the window that the token attended to.
    private func recordListed(
        _ request: PagedAttention.Request,
        _ table: PageTable,
        _ recall: RecallSelection,
        kvHead: Int,
        rows: Int
    ) {
        let list = recall.pages(head: kvHead, position: request.firstPosition, chunk: request.firstPosition)
        if !recall.settings.turnsFarKeys { rotate(rows: rows, recall.cosines.pointer, recall.sines.pointer) }
        for entry in list {
            let page = table.pages[Int(entry)]
            if recall.settings.turnsFarKeys { rotate(rows: rows, page) }
            let first = Int(entry) * PageLayout.positions
            for start in stride(from: 0, to: PageLayout.positions, by: Self.spanPositions) {
                attend(
                    request.layer,
                    kvHead,
                    page,
                    rows,
                    (first + start) / Self.spanPositions,
                    max(start, Self.skippedPositions - first),
                    start + Self.spanPositions,
                    isTurned: recall.settings.turnsFarKeys
                )
            }
        }
    }

    /// Turns the queries by their distance to the page's first position.
    private func rotate(rows: Int, _ page: Page) {
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
        rotate(rows: rows, base + 4 * pairs, base + 5 * pairs)
    }

    /// Turns the queries by one angle per pair.
    private func rotate(rows: Int, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>) {
        let width = layout.keyWidth
        let rotated = queries.pointer + rowLimit * width
        guard rotary.pairCount > 0 else {
            rotated.update(from: queries.pointer, count: rows * width)
            return
        }
        sk_rotate_rows(
            queries.pointer,
            Int64(width),
            Int32(rows),
            Int32(width),
            Int32(layout.ropeColumns.lowerBound),
            Int32(layout.ropeColumns.count),
            cosines,
            sines,
            0,
            rotated,
            Int64(width)
        )
    }

    /// Attention to one span; what it adds up to is kept under the span's number.
    private func attend(
        _ layer: Int,
        _ kvHead: Int,
        _ page: Page,
        _ rows: Int,
        _ span: Int,
        _ begin: Int,
        _ end: Int,
        isTurned: Bool
    ) {
        spans.pointer[spanCount] = Int32(span)
        spanCount += 1
        let maximum = maxima.pointer + span * rowLimit
        let total = totals.pointer + span * rowLimit
        maximum.update(repeating: -.infinity, count: rows)
        total.update(repeating: 0, count: rows)
        output.buffer.update(repeating: 0)
        var kernelLayout = isTurned ? page.layout.kernelLayout : page.layout.unrotatedKernelLayout
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

    private func addShares(_ rows: Int) {
        for row in 0..<rows {
            var maximum = -Float.infinity
            for index in 0..<spanCount {
                maximum = max(maximum, maxima.pointer[Int(spans.pointer[index]) * rowLimit + row])
            }
            guard maximum.isFinite else { continue }
            var total: Float = 0
            for index in 0..<spanCount { total += mass(Int(spans.pointer[index]), row, maximum) }
            for index in 0..<spanCount {
                let span = Int(spans.pointer[index])
                let share = mass(span, row, maximum) / total
                sums.pointer[span] += share * share
            }
        }
    }

    private func mass(_ span: Int, _ row: Int, _ maximum: Float) -> Float {
        let place = span * rowLimit + row
        return totals.pointer[place] * exp(maxima.pointer[place] - maximum)
    }
}

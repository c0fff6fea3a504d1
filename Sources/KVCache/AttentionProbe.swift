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

    private let rows: ProbedRows
    private let maximumPages: Int
    private let sums: AlignedBuffer<Float>
    /// `[spans][rows]`
    private let maxima: AlignedBuffer<Float>
    private let totals: AlignedBuffer<Float>
    /// Spans that the token at hand attends to, those of far pages first.
    private let spans: AlignedBuffer<Int32>
    private var spanCount = 0

    package init(
        layout: PageLayout,
        headCount: Int,
        rotary: RotaryEmbedding,
        maximumPositions: Int
    ) throws(AllocationError) {
        maximumPages = (maximumPositions + PageLayout.positions - 1) / PageLayout.positions
        let spans = maximumPages * PageLayout.positions / Self.spanPositions
        rows = try ProbedRows(layout: layout, headCount: headCount, rotary: rotary)
        self.spans = try AlignedBuffer(count: spans)
        sums = try AlignedBuffer(count: spans)
        maxima = try AlignedBuffer(count: spans * rows.limit)
        totals = try AlignedBuffer(count: spans * rows.limit)
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
        rows.forEach(of: request, table) { record(request, table, attention) }
    }

    private func record(_ request: PagedAttention.Request, _ table: PageTable, _ attention: PagedAttention) {
        let end = request.firstPosition + 1
        let recall = attention.recall(request)
        let window = recall.map { $0.settings.firstLocalPage(position: request.firstPosition) * PageLayout.positions }
        let begin = max(Self.skippedPositions, window ?? request.window.map { end - $0 } ?? 0)
        guard begin < end else { return }
        let spansPerPage = PageLayout.positions / Self.spanPositions
        spanCount = 0
        if let recall { recordListed(request, table, recall) }
        var rotatedPage = -1
        for span in begin / Self.spanPositions...(end - 1) / Self.spanPositions {
            let page = span / spansPerPage
            if page != rotatedPage {
                rows.turn(to: table.pages[page])
                rotatedPage = page
            }
            let start = span * Self.spanPositions
            attend(
                request.layer,
                table.pages[page],
                span,
                max(begin, start) - page * PageLayout.positions,
                min(end, start + Self.spanPositions) - page * PageLayout.positions,
                isTurned: true
            )
        }
        addShares()
    }

    /// The pages beyond the window that the token attended to.
    private func recordListed(_ request: PagedAttention.Request, _ table: PageTable, _ recall: RecallSelection) {
        let list = recall.pages(head: rows.kvHead, position: request.firstPosition, chunk: request.firstPosition)
        if !recall.settings.turnsFarKeys { rows.turn(recall.cosines.pointer, recall.sines.pointer) }
        for entry in list {
            let page = table.pages[Int(entry)]
            if recall.settings.turnsFarKeys { rows.turn(to: page) }
            let first = Int(entry) * PageLayout.positions
            for start in stride(from: 0, to: PageLayout.positions, by: Self.spanPositions) {
                attend(
                    request.layer,
                    page,
                    (first + start) / Self.spanPositions,
                    max(start, Self.skippedPositions - first),
                    start + Self.spanPositions,
                    isTurned: recall.settings.turnsFarKeys
                )
            }
        }
    }

    /// Attention to one span; what it adds up to is kept under the span's number.
    private func attend(_ layer: Int, _ page: Page, _ span: Int, _ begin: Int, _ end: Int, isTurned: Bool) {
        spans.pointer[spanCount] = Int32(span)
        spanCount += 1
        let place = span * rows.limit
        rows.attend(layer, page, begin..<end, isTurned, maxima.pointer + place, totals.pointer + place)
    }

    private func addShares() {
        for row in 0..<rows.count {
            var maximum = -Float.infinity
            for index in 0..<spanCount {
                maximum = max(maximum, maxima.pointer[Int(spans.pointer[index]) * rows.limit + row])
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
        let place = span * rows.limit + row
        return totals.pointer[place] * exp(maxima.pointer[place] - maximum)
    }
}

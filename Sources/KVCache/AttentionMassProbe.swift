import Foundation
import Tensor

/// How much of what single tokens would attend to, were everything read, falls on what they do read: on the window and the
/// pages of their lists.
///
/// All pages beyond the window are read as those of lists are, unrotated and at one angle, so that the share tells what
/// ranking missed and nothing else. It runs beside the real attention and never changes it. Costs a pass over all pages
/// for each token, layer and head.
package final class AttentionMassProbe {
    /// What was found, as sums over heads, layers and tokens.
    package struct Shares: Sendable, Equatable {
        /// Heads that were looked at.
        package var rows = 0
        /// Of the attention of a head, what falls on pages beyond the window, the first page left out: models park
        /// attention there that means nothing (Xiao et al. 2023, attention sinks).
        package var far = 0.0
        /// Of that, what falls on listed pages.
        package var listed = 0.0

        package init() {}

        /// What lists hold of the attention to far pages, from 0 to 1; nil where there is none.
        package var farShare: Double? { far > 0 ? listed / far : nil }
        /// What a token reads of all that it would attend to, from 0 to 1; nil where nothing was looked at.
        package var share: Double? { rows > 0 ? 1 - (far - listed) / Double(rows) : nil }
    }

    /// Since it was made, or since the last time it was cleared.
    package var shares = Shares()

    private let rows: ProbedRows
    private let maximumPages: Int
    /// `[pages][rows]`
    private let maxima: AlignedBuffer<Float>
    private let totals: AlignedBuffer<Float>

    package init(
        layout: PageLayout,
        headCount: Int,
        rotary: RotaryEmbedding,
        maximumPositions: Int
    ) throws(AllocationError) {
        maximumPages = (maximumPositions + PageLayout.positions - 1) / PageLayout.positions
        rows = try ProbedRows(layout: layout, headCount: headCount, rotary: rotary)
        maxima = try AlignedBuffer(count: maximumPages * rows.limit)
        totals = try AlignedBuffer(count: maximumPages * rows.limit)
    }

    /// Records one token's attention in one layer, after `attention` computed it; requests of several tokens, and those that
    /// see everything, are ignored.
    package func record(_ request: PagedAttention.Request, table: PageTable, attention: PagedAttention) {
        guard request.tokenCount == 1, request.firstPosition / PageLayout.positions < maximumPages,
            let recall = attention.recall(request), !recall.settings.turnsFarKeys
        else { return }
        let window = recall.settings.firstLocalPage(position: request.firstPosition)
        rows.forEach(of: request, table) {
            let list = Set(
                recall.pages(head: rows.kvHead, position: request.firstPosition, chunk: request.firstPosition)
            )
            rows.turn(recall.cosines.pointer, recall.sines.pointer)
            for page in 0..<window { attend(request.layer, table, page, PageLayout.positions, isTurned: false) }
            let last = request.firstPosition / PageLayout.positions
            for page in window...last {
                rows.turn(to: table.pages[page])
                let end = page == last ? request.firstPosition % PageLayout.positions + 1 : PageLayout.positions
                attend(request.layer, table, page, end, isTurned: true)
            }
            add(pages: last + 1, window: window, list)
        }
    }

    private func attend(_ layer: Int, _ table: PageTable, _ page: Int, _ end: Int, isTurned: Bool) {
        let place = page * rows.limit
        rows.attend(layer, table.pages[page], 0..<end, isTurned, maxima.pointer + place, totals.pointer + place)
    }

    private func add(pages: Int, window: Int, _ list: Set<Int32>) {
        for row in 0..<rows.count {
            func place(_ page: Int) -> Int { page * rows.limit + row }
            let maximum = (0..<pages).reduce(-Float.infinity) { max($0, maxima.pointer[place($1)]) }
            guard maximum.isFinite else { continue }
            func mass(_ page: Int) -> Double {
                Double(totals.pointer[place(page)]) * exp(Double(maxima.pointer[place(page)] - maximum))
            }
            var all = 0.0
            var far = 0.0
            var listed = 0.0
            for page in 0..<pages {
                let mass = mass(page)
                all += mass
                guard page > 0, page < window else { continue }
                far += mass
                if list.contains(Int32(page)) { listed += mass }
            }
            guard all > 0 else { continue }
            shares.rows += 1
            shares.far += far / all
            shares.listed += listed / all
        }
    }
}

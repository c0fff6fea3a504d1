import CKernels
import CKernelsEmulated
import Foundation
import Testing

@Suite struct AttentionTests {
    static let layouts: [sk_page_layout] = [false, true].flatMap { half in
        [
            sk_page_layout(k: 64, v: 64, rope: 64, half: half),
            sk_page_layout(k: 12, v: 12, rope: 12, half: half),
            sk_page_layout(k: 7, v: 5, half: half),
            sk_page_layout(k: 64, v: 64, half: half),
            sk_page_layout(k: 128, v: 40, half: half),
            sk_page_layout(k: 131, v: 48, half: half),
            sk_page_layout(k: 20, v: 17, ropeBegin: 4, rope: 12, half: half),
            sk_page_layout(k: 27, v: 33, ropeBegin: 3, rope: 2, half: half),
            sk_page_layout(k: 128, v: 96, rope: 64, half: half),
            sk_page_layout(k: 576, v: 512, ropeBegin: 512, rope: 64, half: half),
        ]
    }

    static func queries(
        _ count: Int,
        _ head: PagedHead,
        _ numbers: inout SeededNumbers,
        sinks: Bool = false
    ) -> [TestQuery] {
        (0..<count).map { _ in
            let position = Int.random(in: 0..<head.positions, using: &numbers)
            let first = Bool.random(using: &numbers) ? 0 : Int.random(in: 0...position, using: &numbers)
            return TestQuery(
                vector: numbers.floats(Int(head.layout.k_width), in: -2...2),
                position: position,
                visible: first..<position + 1,
                sink: sinks ? Float.random(in: -3...3, using: &numbers) : nil
            )
        }
    }

    static func scale(_ layout: sk_page_layout) -> Float { 1 / Float(layout.k_width).squareRoot() }

    static func difference(_ result: [[Float]], _ head: PagedHead, _ queries: [TestQuery]) -> Double {
        var worst = 0.0
        for (row, query) in queries.enumerated() {
            let expected = head.reference(
                query: query.vector,
                position: query.position,
                visible: query.visible,
                scale: Double(scale(head.layout)),
                sink: query.sink.map(Double.init)
            )
            for (a, b) in zip(result[row], expected) {
                worst = a.isNaN ? .infinity : max(worst, abs(Double(a) - b))
            }
        }
        return worst
    }

    @Test(arguments: layouts) func matchesDoublePrecisionOverAbsolutePositions(_ layout: sk_page_layout) {
        var numbers = SeededNumbers(UInt64(layout.k_width) * 2 + UInt64(layout.type))
        let wide = layout.k_width > 200
        // The last page is partly written; what lies behind it is NaN.
        let head = PagedHead(layout, positions: wide ? 150 : 299, numbers: &numbers)
        for rows in wide ? [1, 5, 17] : [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 31, 64] {
            for sinks in [false, true] {
                let queries = Self.queries(rows, head, &numbers, sinks: sinks)
                let state = TileState(layout, queries)
                attend(head, queries, pages: 0..<head.keyPages.count, scale: Self.scale(layout), state: state)
                #expect(Self.difference(state.finished(), head, queries) < 2e-6)
            }
        }
    }

    @Test(arguments: layouts) func everyLevelGivesTheBytesOfTheScalarTwin(_ layout: sk_page_layout) {
        var numbers = SeededNumbers(77 + UInt64(layout.v_width))
        let head = PagedHead(layout, positions: 250, numbers: &numbers, amplitude: 4)
        for rows in layout.k_width > 200 ? [1, 3, 14] : [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 23, 64] {
            let queries = Self.queries(rows, head, &numbers, sinks: rows % 2 == 1)
            let fast = TileState(layout, queries)
            let slow = TileState(layout, queries)
            attend(head, queries, pages: 0..<2, scale: 1, state: fast)
            attend(head, queries, pages: 0..<2, scale: 1, state: slow, kernel: .scalar)
            #expect(fast.bits == slow.bits)
            guard sk_emulated_is_possible() != 0 else { continue }
            let tiles512 = TileState(layout, queries)
            attend(head, queries, pages: 0..<2, scale: 1, state: tiles512, kernel: .emulated)
            #expect(tiles512.bits == slow.bits)
        }
    }

    @Test(arguments: layouts) func aRowDoesNotDependOnItsNeighbours(_ layout: sk_page_layout) {
        var numbers = SeededNumbers(5)
        let head = PagedHead(layout, positions: 256, numbers: &numbers)
        let queries = Self.queries(layout.k_width > 200 ? 19 : 64, head, &numbers)
        let together = TileState(layout, queries)
        attend(head, queries, pages: 0..<2, scale: Self.scale(layout), state: together)
        for row in queries.indices {
            let alone = TileState(layout, [queries[row]])
            attend(head, [queries[row]], pages: 0..<2, scale: Self.scale(layout), state: alone)
            #expect(alone.bits(row: 0) == together.bits(row: row))
        }
        for split in [1, 3, 8] {
            let first = Array(queries[..<split])
            let part = TileState(layout, first)
            attend(head, first, pages: 0..<2, scale: Self.scale(layout), state: part)
            for row in 0..<split { #expect(part.bits(row: row) == together.bits(row: row)) }
        }
    }

    @Test(arguments: [false, true]) func causalTilesOfAPromptEqualDecodingItTokenByToken(_ half: Bool) {
        var numbers = SeededNumbers(6)
        let layout = sk_page_layout(k: 64, v: 64, rope: 64, half: half)
        let head = PagedHead(layout, positions: 200, numbers: &numbers)
        let queries = (100..<164).map {
            TestQuery(vector: numbers.floats(64), position: $0, visible: max(0, $0 - 90)..<$0 + 1)
        }
        let prompt = TileState(layout, queries)
        attend(head, queries, pages: 0..<2, scale: 0.125, state: prompt)
        for (row, query) in queries.enumerated() {
            let token = TileState(layout, [query])
            attend(head, [query], pages: 0..<2, scale: 0.125, state: token)
            #expect(token.bits(row: 0) == prompt.bits(row: row))
        }
        #expect(Self.difference(prompt.finished(), head, queries) < 2e-6)
    }

    @Test(arguments: layouts) func poisonThatARowMayNotSeeNeverReachesIt(_ layout: sk_page_layout) {
        var numbers = SeededNumbers(9)
        let clean = PagedHead(layout, positions: 128, numbers: &numbers)
        numbers = SeededNumbers(9)
        let poisoned = PagedHead(layout, positions: 128, numbers: &numbers)
        // Every odd row sees the poisoned positions, the even ones stop before or begin behind them.
        for (position, poison) in [(40, Float.nan), (41, Float.infinity), (42, -Float.infinity)] {
            poisoned.store(
                position,
                key: [Float](repeating: poison, count: Int(layout.k_width)),
                value: [Float](repeating: poison, count: Int(layout.v_width))
            )
        }
        let queries = (0..<13).map { row -> TestQuery in
            let visible = [0..<40, 0..<128, 43..<128, 30..<44][row % 4]
            return TestQuery(vector: numbers.floats(Int(layout.k_width)), position: 127, visible: visible)
        }
        let expected = TileState(layout, queries)
        let found = TileState(layout, queries)
        attend(clean, queries, pages: 0..<1, scale: 1, state: expected)
        attend(poisoned, queries, pages: 0..<1, scale: 1, state: found)
        for row in queries.indices {
            if row % 2 == 0 {
                #expect(found.bits(row: row) == expected.bits(row: row))
            } else {
                #expect(found.total.base[row].isNaN)
            }
        }
    }

    @Test func rowsThatSeeNothingKeepTheirState() {
        var numbers = SeededNumbers(11)
        let layout = sk_page_layout(k: 16, v: 16, rope: 16)
        let head = PagedHead(layout, positions: 128, numbers: &numbers)
        var queries = Self.queries(9, head, &numbers)
        for row in stride(from: 0, to: 9, by: 2) { queries[row].visible = 0..<0 }
        queries[4].sink = 1.5
        let state = TileState(layout, queries)
        for row in stride(from: 2, to: 9, by: 2) { state.out.base[row * 16] = Float(row) }
        attend(head, queries, pages: 0..<1, scale: 0.25, state: state)
        for row in stride(from: 0, to: 9, by: 2) {
            #expect(state.maximum.base[row] == (row == 4 ? 1.5 : -.infinity))
            #expect(state.pageMaximum.base[row] == state.maximum.base[row])
            #expect(state.total.base[row] == (row == 4 ? 1 : 0))
            #expect(state.pageTotal.base[row] == 0)
            #expect(state.out.base[row * 16] == Float(row))
        }
        let finished = state.finished()
        #expect(finished[0] == [Float](repeating: 0, count: 16))
        #expect(finished[2] == [Float](repeating: 0, count: 16))
        #expect(finished[4][0] == 4)
        #expect(finished[1].contains { $0 != 0 })
    }

    @Test func rangesOutsideThePageAreKeptInside() {
        var numbers = SeededNumbers(12)
        let layout = sk_page_layout(k: 8, v: 8)
        let head = PagedHead(layout, positions: 128, numbers: &numbers)
        let query = numbers.floats(8)
        let scratch = AlignedFloats(withUnsafePointer(to: layout) { sk_attend_scratch_floats($0, 3) })
        let queries = AlignedFloats(query + query + query)
        let maximum = AlignedFloats(3, filledWith: -.infinity)
        let total = AlignedFloats(3)
        let out = AlignedFloats(48)
        let begin: [Int32] = [-5, 0, .min]
        let end: [Int32] = [700, 128, .max]
        begin.withUnsafeBufferPointer { begin in
            end.withUnsafeBufferPointer { end in
                var tile = sk_query_tile(
                    queries: UnsafePointer(queries.base),
                    query_stride: 8,
                    rows: 3,
                    begin: begin.baseAddress,
                    end: end.baseAddress,
                    maximum: maximum.base,
                    total: total.base,
                    out: out.base,
                    page_maximum: nil,
                    page_total: nil
                )
                withUnsafePointer(to: layout) {
                    sk_attend_page($0, head.keyPages[0].raw, head.valuePages[0].raw, nil, nil, &tile, scratch.base)
                }
            }
        }
        #expect(total.base[0] > 0)
        #expect(Array(out.bits[0..<16]) == Array(out.bits[16..<32]))
        #expect(Array(out.bits[0..<16]) == Array(out.bits[32..<48]))
    }

    @Test(arguments: layouts) func mergedPageRangesEqualOnePass(_ layout: sk_page_layout) {
        var numbers = SeededNumbers(21)
        let head = PagedHead(layout, positions: 500, numbers: &numbers)
        let queries = Self.queries(10, head, &numbers, sinks: true)
        let whole = TileState(layout, queries)
        attend(head, queries, pages: 0..<4, scale: Self.scale(layout), state: whole)
        let first = TileState(layout, queries)
        attend(head, queries, pages: 0..<1, scale: Self.scale(layout), state: first)
        // The sink counts once: later ranges start from nothing.
        let later = queries.map { TestQuery(vector: $0.vector, position: $0.position, visible: $0.visible) }
        for pages in [1..<3, 3..<4] {
            let other = TileState(layout, later)
            attend(head, later, pages: pages, scale: Self.scale(layout), state: other)
            sk_attend_merge(
                10,
                layout.v_stride,
                first.maximum.base,
                first.total.base,
                first.out.base,
                other.maximum.base,
                other.total.base,
                other.out.base
            )
        }
        #expect(first.maximum.bits == whole.maximum.bits)
        for (merged, direct) in zip(first.finished(), whole.finished()) {
            for (a, b) in zip(merged, direct) { #expect(abs(a - b) <= 1e-6) }
        }
    }

    @Test func mergingNothingChangesNothing() {
        var numbers = SeededNumbers(22)
        let layout = sk_page_layout(k: 16, v: 16)
        let head = PagedHead(layout, positions: 100, numbers: &numbers)
        let queries = Self.queries(4, head, &numbers)
        let state = TileState(layout, queries)
        attend(head, queries, pages: 0..<1, scale: 0.25, state: state)
        let before = state.bits
        let empty = TileState(layout, queries)
        sk_attend_merge(
            4,
            16,
            state.maximum.base,
            state.total.base,
            state.out.base,
            empty.maximum.base,
            empty.total.base,
            empty.out.base
        )
        #expect(state.bits == before)
        sk_attend_merge(
            4,
            16,
            empty.maximum.base,
            empty.total.base,
            empty.out.base,
            state.maximum.base,
            state.total.base,
            state.out.base
        )
        #expect(empty.maximum.bits == state.maximum.bits)
        #expect(empty.total.bits == state.total.bits)
        #expect(empty.out.values == state.out.values)
    }

    @Test func pageTotalsAreTheShareOfEachPage() {
        var numbers = SeededNumbers(31)
        let layout = sk_page_layout(k: 32, v: 16, rope: 32)
        let head = PagedHead(layout, positions: 256, numbers: &numbers)
        let queries = (0..<7).map { _ in
            TestQuery(vector: numbers.floats(32), position: 255, visible: 0..<256)
        }
        let state = TileState(layout, queries)
        var shares: [[Double]] = []
        for page in 0..<2 {
            attend(head, queries, pages: page..<page + 1, scale: 1, state: state)
            shares.append((0..<7).map { Double(state.pageTotal.base[$0]) * exp(Double(state.pageMaximum.base[$0])) })
        }
        for row in 0..<7 {
            let all = Double(state.total.base[row]) * exp(Double(state.maximum.base[row]))
            #expect(abs(shares[0][row] + shares[1][row] - all) < 1e-5 * all)
        }
    }

    @Test(arguments: layouts) func hugeScoresPickTheLargestKey(_ layout: sk_page_layout) {
        var numbers = SeededNumbers(41)
        let head = PagedHead(layout, positions: 128, numbers: &numbers)
        let queries = (0..<8).map { _ in
            TestQuery(
                vector: numbers.floats(Int(layout.k_width), in: -1e15...1e15),
                position: 127,
                visible: 0..<128
            )
        }
        let state = TileState(layout, queries)
        attend(head, queries, pages: 0..<1, scale: 1e15, state: state)
        for row in state.finished() {
            // One weight is 1 and all others are exactly 0, so the result is one value row, bit for bit.
            #expect(head.values.contains(row))
        }
    }

    @Test(arguments: layouts) func storingAPositionTouchesOnlyItsPlaces(_ layout: sk_page_layout) {
        var numbers = SeededNumbers(51)
        let head = PagedHead(layout, positions: 1, numbers: &numbers)
        head.store(
            77,
            key: numbers.floats(Int(layout.k_width)),
            value: numbers.floats(Int(layout.v_width))
        )
        func written(_ page: AlignedFloats) -> [Int] {
            if layout.type == Int32(SK_F32.rawValue) { return page.bits.indices.filter { page.bits[$0] != .max } }
            let halves = page.raw.assumingMemoryBound(to: UInt16.self)
            return (0..<page.count * 2).filter { halves[$0] != .max }
        }
        let stride = Int(layout.v_stride)
        let keyPlaces: [Int] = (0..<Int(layout.k_width)).flatMap { column -> [Int] in [column * 128, column * 128 + 77]
        }
        let valuePlaces: [Int] = Array(0..<stride) + Array(77 * stride..<78 * stride)
        #expect(written(head.keyPages[0]) == keyPlaces)
        #expect(written(head.valuePages[0]) == valuePlaces)
    }

    @Test func storedHalvesAreRoundedToTheNearest() {
        var numbers = SeededNumbers(52)
        let layout = sk_page_layout(k: 37, v: 37, half: true)
        let head = PagedHead(layout, positions: 1, numbers: &numbers)
        var row = numbers.floats(37, in: -70000...70000)
        row.replaceSubrange(
            0..<12,
            with: [0, -0.0, 65504, 65519.99, 65520, -65520, .infinity, -.infinity, 6e-8, 2.98e-8, 1 + 1 / 2048, .nan]
        )
        head.store(5, key: row, value: row)
        let keys = head.keyPages[0].raw.assumingMemoryBound(to: UInt16.self)
        let values = head.valuePages[0].raw.assumingMemoryBound(to: UInt16.self)
        for (i, value) in row.enumerated() {
            let stored = [keys[i * 128 + 5], values[5 * Int(layout.v_stride) + i]]
            for half in stored.map(Float16.init(bitPattern:)) {
                if value.isNaN {
                    #expect(half.isNaN)
                } else {
                    #expect(half.bitPattern == Float16(value).bitPattern)
                }
            }
        }
    }

    @Test func layoutSizes() {
        var layout = sk_page_layout(k: 12, v: 17)
        #expect(sk_page_key_bytes(&layout) == 12 * 128 * 4)
        #expect(sk_page_value_bytes(&layout) == 32 * 128 * 4)
        layout = sk_page_layout(k: 1, v: 1, half: true)
        #expect(sk_page_key_bytes(&layout) == 256)
        #expect(sk_page_value_bytes(&layout) == 16 * 128 * 2)
    }
}

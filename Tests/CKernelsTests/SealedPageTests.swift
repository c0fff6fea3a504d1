import CKernels
import CKernelsEmulated
import Foundation
import Testing

@Suite struct SealedPageTests {
    struct Case: Sendable {
        var layout: sk_page_layout
        var type: Int32
    }

    static let cases: [Case] = [SK_PAGE_Q8, SK_PAGE_Q8V4].flatMap { type in
        AttentionTests.layouts.map { Case(layout: $0, type: type) }
    }

    private func heads(_ test: Case, seed: UInt64, amplitude: Float = 1) -> (open: PagedHead, sealed: PagedHead) {
        var numbers = SeededNumbers(seed)
        let open = PagedHead(test.layout, positions: 256, numbers: &numbers, amplitude: amplitude)
        return (open, PagedHead(sealing: open, as: test.type))
    }

    @Test(arguments: cases) func codesAreCloseToWhatTheyStandFor(_ test: Case) {
        let (open, sealed) = heads(test, seed: 3, amplitude: 4)
        // Half a step of 255 over a span of 8, and of 255 or 15 over a span of 2 with its scale rounded to a half.
        let valueError: Float = test.type == SK_PAGE_Q8 ? 0.5 / 255 * 2 * 1.3 : 0.5 / 15 * 2 * 1.05
        for position in 0..<256 {
            for (a, b) in zip(open.keys[position], sealed.keys[position]) { #expect(abs(a - b) < 0.5 / 255 * 8 * 1.01) }
            for (a, b) in zip(open.values[position], sealed.values[position]) { #expect(abs(a - b) < valueError) }
        }
    }

    @Test(arguments: cases) func matchesDoublePrecisionOverTheSealedNumbers(_ test: Case) {
        let (_, sealed) = heads(test, seed: 7)
        var numbers = SeededNumbers(8)
        for rows in test.layout.k_width > 200 ? [1, 5] : [1, 2, 3, 4, 7, 16, 64] {
            let queries = AttentionTests.queries(rows, sealed, &numbers, sinks: rows == 4)
            let state = TileState(sealed.layout, queries)
            attend(sealed, queries, pages: 0..<2, scale: AttentionTests.scale(sealed.layout), state: state)
            // Weights, and queries of keys that need no turn, have 16 bits.
            #expect(AttentionTests.difference(state.finished(), sealed, queries) < 1e-4)
        }
    }

    /// A page where one position has nearly all the weight, and the others still what is theirs.
    @Test(arguments: [SK_PAGE_Q8, SK_PAGE_Q8V4]) func smallWeightsCountBesideLargeOnes(type: Int32) {
        var numbers = SeededNumbers(31)
        let open = PagedHead(sk_page_layout(k: 64, v: 64), positions: 128, numbers: &numbers)
        let sealed = PagedHead(sealing: open, as: type)
        let queries = (0..<5).map { row -> TestQuery in
            TestQuery(vector: open.keys[row * 20].map { $0 * Float(row) / 2 }, position: 127, visible: 0..<128)
        }
        let state = TileState(sealed.layout, queries)
        attend(sealed, queries, pages: 0..<1, scale: 1, state: state)
        for (found, query) in zip(state.finished(), queries) {
            let expected = sealed.reference(query: query.vector, position: 127, visible: 0..<128, scale: 1, sink: nil)
            for (a, b) in zip(found, expected) { #expect(abs(Double(a) - b) < 1e-3) }
        }
    }

    @Test(arguments: cases) func everyLevelGivesTheBytesOfTheScalarTwin(_ test: Case) {
        let (_, sealed) = heads(test, seed: 11, amplitude: 4)
        var numbers = SeededNumbers(12)
        for rows in test.layout.k_width > 200 ? [1, 3, 14] : [1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 64] {
            let queries = AttentionTests.queries(rows, sealed, &numbers, sinks: rows % 2 == 1)
            let slow = TileState(sealed.layout, queries)
            attend(sealed, queries, pages: 0..<2, scale: 1, state: slow, kernel: .scalar)
            for kernel in [Kernel.dispatched, .emulated] where kernel == .dispatched || sk_emulated_is_possible() != 0 {
                let fast = TileState(sealed.layout, queries)
                attend(sealed, queries, pages: 0..<2, scale: 1, state: fast, kernel: kernel)
                #expect(fast.bits == slow.bits)
            }
        }
    }

    /// Queries that no product can be made with are not numbers in the result, at every level; small ones do no harm.
    @Test(arguments: [SK_PAGE_Q8, SK_PAGE_Q8V4]) func hostileQueriesGiveTheSameAtEveryLevel(type: Int32) {
        var numbers = SeededNumbers(41)
        let hostile: [Float] = [.nan, .infinity, -.infinity, 3e38, -3e38, .leastNonzeroMagnitude, -1e-33, 0, -0.0]
        for rope in [Int32(0), 64] {
            let layout = sk_page_layout(k: 64, v: 40, rope: rope)
            let open = PagedHead(layout, positions: 128, numbers: &numbers, amplitude: 3)
            let sealed = PagedHead(sealing: open, as: type)
            let queries = hostile.flatMap { poison in
                [false, true].map { isAll -> TestQuery in
                    var vector = numbers.floats(64)
                    for column in isAll ? 0..<64 : 17..<18 { vector[column] = poison }
                    return TestQuery(vector: vector, position: 127, visible: 0..<128)
                }
            }
            func results(_ kernel: Kernel) -> [[UInt32]] {
                let state = TileState(sealed.layout, queries)
                attend(sealed, queries, pages: 0..<1, scale: 1, state: state, kernel: kernel)
                return state.finished().map { $0.map { $0.isNaN ? .max : $0.bitPattern } }
            }
            let slow = results(.scalar)
            #expect(results(.dispatched) == slow)
            if sk_emulated_is_possible() != 0 { #expect(results(.emulated) == slow) }
            for (row, query) in queries.enumerated() {
                let isFinite = query.vector.allSatisfy { abs($0) < 1e37 }
                #expect(slow[row].allSatisfy { ($0 != .max) == isFinite } || !isFinite, "row \(row)")
            }
            #expect(slow[0].allSatisfy { $0 == .max } && slow[2].allSatisfy { $0 == .max })
        }
    }

    @Test(arguments: [SK_PAGE_Q8, SK_PAGE_Q8V4]) func whatIsNotFiniteStaysVisible(type: Int32) {
        for (poison, half) in [(Float.nan, false), (.infinity, false), (-.infinity, true), (3e38, false)] {
            var numbers = SeededNumbers(21)
            let open = PagedHead(sk_page_layout(k: 20, v: 40, half: half), positions: 128, numbers: &numbers)
            var key = open.keys[9]
            var value = open.values[9]
            key[3] = poison
            // Two numbers whose distance overflows, or one that a half cannot hold.
            key[4] = -1
            value[35] = poison
            open.store(9, key: key, value: value)
            open.store(10, key: key.map { $0 == poison ? -poison : $0 }, value: open.values[10])
            let sealed = PagedHead(sealing: open, as: type)
            for position in 0..<128 {
                #expect(sealed.keys[position][3].isNaN)
                #expect(sealed.keys[position][4].isFinite)
                #expect(sealed.values[position][0].isFinite)
                #expect(sealed.values[position][35].isNaN == (position == 9))
            }
        }
    }

    @Test(arguments: [SK_PAGE_Q8, SK_PAGE_Q8V4]) func constantsAreKept(type: Int32) {
        for constant in [Float(0), 1.5, -2.25, 1e-20, 100] {
            var numbers = SeededNumbers(1)
            let open = PagedHead(sk_page_layout(k: 5, v: 7), positions: 128, numbers: &numbers)
            for position in 0..<128 {
                open.store(
                    position,
                    key: [Float](repeating: constant, count: 5),
                    value: [Float](repeating: constant, count: 7)
                )
            }
            let sealed = PagedHead(sealing: open, as: type)
            #expect(sealed.keys.allSatisfy { $0.allSatisfy { $0 == constant } })
            #expect(sealed.values.allSatisfy { $0.allSatisfy { $0 == Float(Float16(constant)) } })
        }
    }

    @Test func sealedSizes() {
        var layout = sk_page_layout(k: 64, v: 64)
        layout.type = SK_PAGE_Q8
        #expect(sk_page_key_bytes(&layout) == 64 * 128 + 64 * 8)
        #expect(sk_page_value_bytes(&layout) == 64 * 128 + 2 * 2 * 128 * 2)
        layout.type = SK_PAGE_Q8V4
        #expect(sk_page_value_bytes(&layout) == 32 * 128 + 2 * 2 * 128 * 2)
        layout = sk_page_layout(k: 7, v: 33)
        layout.type = SK_PAGE_Q8V4
        #expect(sk_page_key_bytes(&layout) == 7 * 128 + 64)
        #expect(sk_page_value_bytes(&layout) == 2 * 16 * 128 + 2 * 2 * 128 * 2)
    }
}

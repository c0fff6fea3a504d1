import CKernels
import CKernelsEmulated
import Foundation
import Testing

@Suite struct RankTests {
    static let widths: [Int32] = [1, 7, 16, 20, 64, 100, 576]

    /// Queries as ranking wants them: `rows` for each list.
    private final class Queries {
        let rows: [[Float]]
        private let codes: UnsafeMutablePointer<Int32>
        private let scales: AlignedFloats
        private var kernel: sk_rank_queries

        init(_ rows: [[Float]], lists: Int = 1) {
            self.rows = rows
            let width = rows[0].count
            // Room for a row that does not count.
            let stride = rows.count + 1
            let pairs = (width + 1) / 2
            codes = .allocate(capacity: 2 * stride * pairs)
            codes.initialize(repeating: 0, count: 2 * stride * pairs)
            scales = AlignedFloats(2 * stride)
            kernel = sk_rank_queries(
                queries: codes,
                squares: codes + stride * pairs,
                scales: scales.base,
                square_scales: scales.base + stride,
                lists: Int32(lists),
                rows: Int32(rows.count / lists),
                width: Int32(width),
                stride: Int32(stride)
            )
            for (row, values) in rows.enumerated() { sk_rank_set_query(&kernel, Int32(row), values) }
        }

        deinit { codes.deallocate() }

        /// Of 16 pages for each list; all levels agree to the bit.
        func scores(_ block: AlignedFloats) -> [Float] {
            var found = [Float](repeating: 0, count: 16 * Int(kernel.lists))
            var scalar = found
            withExtendedLifetime(block) {
                sk_rank_block(&kernel, block.raw, block.raw + 64, &found)
                sk_rank_block_scalar(&kernel, block.raw, nil, &scalar)
                guard sk_emulated_is_possible() == 1 else { return }
                var tiles512 = found
                sk_rank_block_emulated(&kernel, block.raw, nil, &tiles512)
                #expect(tiles512.map(\.bitPattern) == scalar.map(\.bitPattern))
            }
            #expect(found.map(\.bitPattern) == scalar.map(\.bitPattern))
            return found
        }
    }

    /// A block of a head's pages, from page `first` of the block on.
    private func block(_ head: PagedHead, first: Int = 0) -> AlignedFloats {
        let width = head.layout.k_width
        let memory = AlignedFloats(Int(sk_rank_block_bytes(width)) / 4)
        let record = AlignedFloats(Int(sk_rank_record_bytes(width)) / 4)
        for page in head.keyPages.indices {
            withUnsafePointer(to: head.layout) { sk_rank_describe($0, head.keyPages[page].raw, record.raw) }
            sk_rank_place(width, record.raw, Int32(first + page), memory.raw)
        }
        return memory
    }

    /// The definition, in double.
    private func score(_ head: PagedHead, page: Int, _ rows: [[Float]]) -> Double {
        let scores = rows.map { row in
            (0..<4).map { run in
                let first = page * 128 + run * 32
                let keys = head.keys[first..<first + 32]
                var product = 0.0
                var square = 0.0
                for (column, value) in row.enumerated() {
                    let channel = keys.map { Double($0[column]) }
                    let mean = channel.reduce(0, +) / 32
                    product += mean * Double(value)
                    square += channel.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 32 * Double(value * value)
                }
                return product + 2.5 * square.squareRoot()
            }
        }
        return scores.joined().max() ?? 0
    }

    @Test(arguments: widths) func scoresFollowTheDefinitionAndLevelsAgree(width: Int32) {
        for half in [false, true] {
            var numbers = SeededNumbers(UInt64(width))
            let open = PagedHead(sk_page_layout(k: width, v: 4, half: half), positions: 512, numbers: &numbers)
            for head in [open, PagedHead(sealing: open, as: SK_PAGE_Q8)] {
                let memory = block(head, first: 5)
                for (lists, rows) in [(1, 1), (1, 2), (1, 3), (1, 5), (1, 9), (2, 3), (8, 3), (3, 4), (5, 1), (7, 2)] {
                    let queries = Queries(
                        (0..<lists * rows).map { _ in numbers.floats(Int(width), in: -3...3) },
                        lists: lists
                    )
                    let found = queries.scores(memory)
                    for list in 0..<lists {
                        for page in 0..<4 {
                            // Codes are rounded: means by half a step of 127, spreads up by a step of 255.
                            let own = Array(queries.rows[list * rows..<(list + 1) * rows])
                            let expected = score(head, page: page, own)
                            #expect(abs(Double(found[list * 16 + 5 + page]) - expected) < 0.02 * Double(width) + 0.05)
                        }
                        // Nothing was put there.
                        #expect(found[list * 16] == 0 && found[list * 16 + 15] == 0)
                    }
                }
            }
        }
    }

    @Test func pagesWithAFittingKeyRankFirst() {
        var numbers = SeededNumbers(5)
        let head = PagedHead(sk_page_layout(k: 64, v: 4), positions: 1024, numbers: &numbers)
        let needle = numbers.floats(64, in: -3...3)
        head.store(777, key: needle, value: [0, 0, 0, 0])
        let scores = Queries([numbers.floats(64, in: -0.5...0.5), needle]).scores(block(head))
        #expect(scores.max() == scores[6])
    }

    @Test func pagesThatAreNotFiniteComeFirst() {
        for poison in [Float.nan, .infinity, -.infinity, 3e38] {
            var numbers = SeededNumbers(6)
            let head = PagedHead(sk_page_layout(k: 16, v: 4), positions: 256, numbers: &numbers)
            head.store(3, key: [Float](repeating: poison, count: 16), value: [0, 0, 0, 0])
            let scores = Queries([numbers.floats(16)]).scores(block(head))
            #expect(scores[0] > 1e20 && scores[1] < 1e20)
        }
    }

    /// The largest codes everywhere: sums stay within 31 bits, and what is rounded is a small part.
    @Test(arguments: widths) func largestCodes(width: Int32) {
        var numbers = SeededNumbers(8)
        let head = PagedHead(sk_page_layout(k: width, v: 4), positions: 128, numbers: &numbers)
        for position in 0..<128 {
            let sign: Float = position % 2 == 0 ? 1 : -1
            head.store(position, key: [Float](repeating: 4 + sign, count: Int(width)), value: [0, 0, 0, 0])
        }
        let memory = block(head)
        for query in [Float(1e-20), 1, 1e15] {
            let scores = Queries([[Float](repeating: query, count: Int(width))]).scores(memory)
            let expected = (4 * Float(width) + 2.5 * Float(width).squareRoot()) * query
            #expect(abs(scores[0] / expected - 1) < 0.02)
        }
    }

    @Test func tinyKeysAndQueriesThatAreNotNumbers() {
        var numbers = SeededNumbers(7)
        for amplitude in [Float(0), Float(bitPattern: 7), 1e-37] {
            let head = PagedHead(sk_page_layout(k: 16, v: 4), positions: 128, numbers: &numbers, amplitude: amplitude)
            let memory = block(head)
            #expect(abs(Queries([numbers.floats(16)]).scores(memory)[0]) < 1e-6)
            let nothing = Queries([[Float](repeating: .nan, count: 16)]).scores(memory)
            #expect(nothing.allSatisfy { $0 == -.infinity })
        }
    }
}

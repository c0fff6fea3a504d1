import CKernels
import Foundation
import Testing

@Suite struct RankTests {
    static let widths: [Int32] = [1, 7, 16, 20, 64, 100]

    /// Queries as ranking wants them.
    private final class Query {
        let rows: [[Float]]
        private let memory: AlignedFloats
        var kernel: sk_rank_query

        init(_ rows: [[Float]]) {
            self.rows = rows
            let stride = Int(sk_rank_stride(Int32(rows[0].count)))
            memory = AlignedFloats(4 * rows.count * stride)
            let part = rows.count * stride
            for (row, values) in rows.enumerated() {
                for (column, value) in values.enumerated() {
                    let place = row * stride + column
                    memory.base[place] = value
                    memory.base[part + place] = value * value
                    memory.base[2 * part + place] = max(value, 0)
                    memory.base[3 * part + place] = min(value, 0)
                }
            }
            kernel = sk_rank_query(
                queries: memory.base,
                squares: memory.base + part,
                positive: memory.base + 2 * part,
                negative: memory.base + 3 * part,
                rows: Int32(rows.count),
                stride: Int32(stride)
            )
        }
    }

    private func records(_ head: PagedHead) -> AlignedFloats {
        let bytes = sk_rank_record_bytes(head.layout.k_width)
        let memory = AlignedFloats(bytes * head.keyPages.count / 4)
        for page in head.keyPages.indices {
            withUnsafePointer(to: head.layout) {
                sk_rank_describe($0, head.keyPages[page].raw, memory.raw + page * bytes)
            }
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
        let best = scores.max { ($0.max() ?? 0) < ($1.max() ?? 0) } ?? []
        return log(best.reduce(0) { $0 + exp($1) })
    }

    @Test(arguments: widths) func scoresFollowTheDefinitionAndLevelsAgree(width: Int32) {
        for half in [false, true] {
            var numbers = SeededNumbers(UInt64(width))
            let open = PagedHead(sk_page_layout(k: width, v: 4, half: half), positions: 512, numbers: &numbers)
            for head in [open, PagedHead(sealing: open, as: SK_PAGE_Q8)] {
                let memory = records(head)
                let bytes = sk_rank_record_bytes(width)
                let cover = AlignedFloats(Int(sk_rank_cover_bytes(width)) / 4)
                sk_rank_cover(width, memory.raw, 4, cover.raw)
                for rows in [1, 2, 3, 4, 5, 9] {
                    let query = Query((0..<rows).map { _ in numbers.floats(Int(width), in: -3...3) })
                    let bound = sk_rank_bound(&query.kernel, cover.raw)
                    #expect(bound.bitPattern == sk_rank_bound_scalar(&query.kernel, cover.raw).bitPattern)
                    for page in 0..<4 {
                        let record = memory.raw + page * bytes
                        let found = sk_rank_page(&query.kernel, record)
                        #expect(found.bitPattern == sk_rank_page_scalar(&query.kernel, record).bitPattern)
                        #expect(found <= bound)
                        // Codes are rounded: means by half a step of 127, spreads up by a step of 255.
                        let expected = score(head, page: page, query.rows)
                        #expect(abs(Double(found) - expected) < 0.02 * Double(width) + 0.05)
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
        let query = Query([numbers.floats(64, in: -0.5...0.5), needle])
        let memory = records(head)
        let scores = (0..<8).map {
            sk_rank_page(&query.kernel, memory.raw + $0 * sk_rank_record_bytes(64))
        }
        #expect(scores.max() == scores[6])
    }

    @Test func pagesThatAreNotFiniteComeFirst() {
        for poison in [Float.nan, .infinity, -.infinity, 3e38] {
            var numbers = SeededNumbers(6)
            let head = PagedHead(sk_page_layout(k: 16, v: 4), positions: 256, numbers: &numbers)
            head.store(3, key: [Float](repeating: poison, count: 16), value: [0, 0, 0, 0])
            let memory = records(head)
            let query = Query([numbers.floats(16)])
            #expect(sk_rank_page(&query.kernel, memory.raw) > 1e20)
            let cover = AlignedFloats(Int(sk_rank_cover_bytes(16)) / 4)
            sk_rank_cover(16, memory.raw, 2, cover.raw)
            #expect(sk_rank_bound(&query.kernel, cover.raw) > 1e20)
        }
    }

    @Test func tinyKeysAndQueriesThatAreNotNumbers() {
        var numbers = SeededNumbers(7)
        for amplitude in [Float(0), Float(bitPattern: 7), 1e-37] {
            let head = PagedHead(sk_page_layout(k: 16, v: 4), positions: 128, numbers: &numbers, amplitude: amplitude)
            let memory = records(head)
            let query = Query([numbers.floats(16)])
            #expect(abs(sk_rank_page(&query.kernel, memory.raw) - log(4)) < 1e-6)
            let nothing = Query([[Float](repeating: .nan, count: 16)])
            #expect(sk_rank_page(&nothing.kernel, memory.raw) == -.infinity)
        }
    }
}

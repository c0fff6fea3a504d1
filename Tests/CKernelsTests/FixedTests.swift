import CKernels
import CKernelsEmulated
import Foundation
import Testing

/// Products in fixed point, and the epilogues of both kinds of products.
@Suite struct FixedTests {
    /// Rows in fixed point with a guard's worth of room.
    final class Rows {
        let tokens: Int
        let columns: Int
        let stride: Int
        let values: AlignedBytes
        let scales: AlignedBytes

        init(tokens: Int, columns: Int) {
            self.tokens = tokens
            self.columns = columns
            stride = (columns + 31) / 32 * 32
            values = AlignedBytes(tokens * stride * 2)
            scales = AlignedBytes(tokens * stride / 32 * 4)
        }

        var view: sk_fixed_rows {
            sk_fixed_rows(
                values: values.base.assumingMemoryBound(to: Int16.self),
                stride: Int64(stride),
                scale: scales.base.assumingMemoryBound(to: Float.self),
                block_stride: Int64(stride / 32)
            )
        }

        func fill(_ x: [Float], _ level: sk_level) {
            var view = view
            sk_fixed_rows_from_at(level, x, Int64(columns), Int32(columns), Int32(tokens), &view)
        }

        func value(_ token: Int, _ column: Int) -> Double {
            let quant = values.base.load(fromByteOffset: (token * stride + column) * 2, as: Int16.self)
            let scale = scales.base.load(fromByteOffset: (token * stride + column) / 32 * 4, as: Float.self)
            return Double(quant) * Double(scale)
        }
    }

    static let best = sk_best_level()

    @Test(arguments: [1, 31, 32, 33, 100, 4304])
    func rowsKeepThirteenBits(_ columns: Int) {
        var generator = SeededGenerator(UInt64(columns) + 80)
        var x = generator.floats(4 * columns, -3...3)
        for i in 0..<columns { x[columns + i] = 0 }
        x[2 * columns] = .nan
        x[3 * columns] = .infinity
        let fast = Rows(tokens: 4, columns: columns)
        let slow = Rows(tokens: 4, columns: columns)
        fast.fill(x, Self.best)
        slow.fill(x, SK_LEVEL_SCALAR)
        #expect(fast.values.bytes == slow.values.bytes && fast.scales.bytes == slow.scales.bytes)
        #expect(fast.values.isGuardIntact && fast.scales.isGuardIntact)
        for column in 0..<columns {
            let block = column / 32 * 32..<min(columns, column / 32 * 32 + 32)
            let largest = block.map { abs(x[$0]) }.max() ?? 0
            #expect(abs(fast.value(0, column) - Double(x[column])) <= Double(largest) / 8191 * 0.50001)
            #expect(fast.value(1, column) == 0)
        }
        #expect(fast.value(2, 0) == 0)
        #expect(fast.value(3, 0) > 3e38)
    }

    struct Product {
        var columns: Int
        var rows: Int
        var tokens: Int
        var pointwise = SK_IDENTITY
        var adds = false
    }

    /// Runs a product; `results` gives rows in fixed point instead.
    private func run(
        _ matrix: PackedMatrix,
        _ x: Rows,
        bias: [Float]?,
        _ product: Product,
        parts: [Range<Int>],
        results: Rows? = nil,
        _ kernel: (UnsafePointer<sk_fixed_job>, Int32, Int32) -> Void
    ) -> [Float] {
        var out = (0..<product.tokens * (product.rows + 3)).map { Float($0 % 7) }
        out.withUnsafeMutableBufferPointer { out in
            (bias ?? []).withUnsafeBufferPointer { biases in
                var projection = sk_projection(
                    matrix: matrix.matrix,
                    bias: bias == nil ? nil : biases.baseAddress,
                    out: out.baseAddress,
                    out_stride: Int64(product.rows + 3)
                )
                var view = results?.view ?? x.view
                withUnsafePointer(to: &view) { view in
                    withUnsafePointer(to: &projection) { projection in
                        var job = sk_fixed_job(
                            projections: projection,
                            projection_count: 1,
                            x: x.view,
                            tokens: Int32(product.tokens),
                            epilogue: sk_epilogue(
                                pointwise: Int32(product.pointwise.rawValue),
                                adds: product.adds ? 1 : 0
                            ),
                            results: results == nil ? nil : view
                        )
                        for part in parts { kernel(&job, Int32(part.lowerBound), Int32(part.upperBound)) }
                    }
                }
            }
        }
        return out
    }

    static let products = [
        Product(columns: 1, rows: 1, tokens: 1), Product(columns: 33, rows: 17, tokens: 5),
        Product(columns: 70, rows: 48, tokens: 13), Product(columns: 576, rows: 33, tokens: 30),
        Product(columns: 300, rows: 64, tokens: 483), Product(columns: 33, rows: 40, tokens: 7, pointwise: SK_GELU),
        Product(columns: 257, rows: 35, tokens: 12, pointwise: SK_GELU_TANH, adds: true),
        Product(columns: 64, rows: 20, tokens: 9, adds: true),
    ]

    @Test(arguments: products.indices) func levelsAndSplitsAgree(_ index: Int) {
        let product = Self.products[index]
        var generator = SeededGenerator(UInt64(index) + 90)
        var weights = generator.floats(product.rows * product.columns, -0.1...0.1)
        // Small ones, zeros, and sizes that scales cannot follow.
        for i in stride(from: 0, to: weights.count, by: 5) { weights[i] *= 1e-3 }
        if product.rows > 16 { for i in 0..<product.columns { weights[16 * product.columns + i] = 1e-37 } }
        let matrix = PackedMatrix(SK_BF16, [weights], rows: product.rows, columns: product.columns)
        let values = generator.floats(product.tokens * product.columns, -3...3)
        let x = Rows(tokens: product.tokens, columns: product.columns)
        x.fill(values, SK_LEVEL_SCALAR)
        let bias = index % 2 == 0 ? nil : generator.floats(product.rows)
        let panels = (product.rows + 15) / 16
        let slow = run(matrix, x, bias: bias, product, parts: [0..<panels]) {
            sk_fixed_matmul_at(SK_LEVEL_SCALAR, $0, $1, $2)
        }
        let middle = panels / 2 / 2 * 2
        let parts = [middle..<panels, 0..<middle]
        var kernels: [(UnsafePointer<sk_fixed_job>, Int32, Int32) -> Void] = [{ sk_fixed_matmul($0, $1, $2) }]
        if sk_emulated_is_possible() == 1 { kernels.append { sk_fixed_matmul_emulated($0, $1, $2) } }
        for kernel in kernels {
            let fast = run(matrix, x, bias: bias, product, parts: parts, kernel)
            #expect(fast.map(\.bitPattern) == slow.map(\.bitPattern))
        }
        // Against the product in double precision: 13 bits of both sides.
        guard product.pointwise == SK_IDENTITY else { return }
        var (error, size) = (0.0, 0.0)
        for token in 0..<product.tokens {
            for row in 0..<product.rows {
                let unpacked = matrix.row(row)
                var expected: Double = 0
                for column in 0..<product.columns {
                    expected += Double(unpacked[column]) * Double(values[token * product.columns + column])
                }
                size += expected * expected
                expected += Double(bias?[row] ?? 0)
                let at = token * (product.rows + 3) + row
                if product.adds { expected += Double(at % 7) }
                error += pow(Double(slow[at]) - expected, 2)
            }
        }
        #expect((error / size).squareRoot() < 3e-4)
        for token in 0..<product.tokens {
            let padding = token * (product.rows + 3) + product.rows..<(token + 1) * (product.rows + 3)
            #expect(padding.allSatisfy { slow[$0] == Float($0 % 7) })
        }
    }

    /// Results in fixed point are those that a second pass would make.
    @Test(arguments: [(33, 48, 5), (64, 33, 40), (100, 16, 3), (32, 4, 300)])
    func resultsInFixedPoint(_ columns: Int, _ rows: Int, _ tokens: Int) {
        var generator = SeededGenerator(UInt64(columns) + 95)
        let weights = generator.floats(rows * columns, -0.1...0.1)
        let matrix = PackedMatrix(SK_BF16, [weights], rows: rows, columns: columns)
        let x = Rows(tokens: tokens, columns: columns)
        x.fill(generator.floats(tokens * columns), Self.best)
        let bias = generator.floats(rows)
        let product = Product(columns: columns, rows: rows, tokens: tokens, pointwise: SK_GELU)
        let panels = (rows + 15) / 16
        let floats = run(matrix, x, bias: bias, product, parts: [0..<panels]) { sk_fixed_matmul($0, $1, $2) }
        let expected = Rows(tokens: tokens, columns: rows)
        expected.fill((0..<tokens * rows).map { floats[$0 / rows * (rows + 3) + $0 % rows] }, Self.best)
        var kernels: [(UnsafePointer<sk_fixed_job>, Int32, Int32) -> Void] = [
            { sk_fixed_matmul($0, $1, $2) }, { sk_fixed_matmul_at(SK_LEVEL_SCALAR, $0, $1, $2) },
        ]
        if sk_emulated_is_possible() == 1 { kernels.append { sk_fixed_matmul_emulated($0, $1, $2) } }
        for kernel in kernels {
            let results = Rows(tokens: tokens, columns: rows)
            let untouched = run(matrix, x, bias: bias, product, parts: [0..<panels], results: results, kernel)
            #expect(results.values.bytes == expected.values.bytes && results.scales.bytes == expected.scales.bytes)
            #expect(results.values.isGuardIntact && results.scales.isGuardIntact)
            #expect(untouched == (0..<untouched.count).map { Float($0 % 7) })
        }
    }

    /// Epilogues of the other products: what the functions of their own give, at every level.
    @Test(arguments: [SK_F32, SK_BF16, SK_Q8], [SK_IDENTITY, SK_GELU, SK_GELU_TANH])
    func epilogues(_ type: sk_type, _ pointwise: sk_pointwise) {
        var generator = SeededGenerator(UInt64(type.rawValue) + 99)
        let (rows, columns, tokens) = (37, 70, 9)
        let matrix = PackedMatrix(type, [generator.floats(rows * columns)], rows: rows, columns: columns)
        let x = Activations(generator.floats(tokens * columns), tokens: tokens, columns: columns)
        let bias = generator.floats(rows)
        let plain = multiply([matrix], biases: [bias], by: x, index: nil, tokens: tokens, kernel: sk_matmul_scalar)[0]
        for adds: Int32 in [0, 1] {
            let epilogue = sk_epilogue(pointwise: Int32(pointwise.rawValue), adds: adds)
            var expected = plain
            for token in 0..<tokens {
                for row in 0..<rows {
                    var value = [plain[token * (rows + 5) + row]]
                    if pointwise == SK_GELU { sk_gelu(&value, 1) }
                    if pointwise == SK_GELU_TANH { sk_gelu_tanh(&value, 1) }
                    // `multiply` fills its output with the same number everywhere first.
                    expected[token * (rows + 5) + row] = adds == 1 ? untouched + value[0] : value[0]
                }
            }
            typealias Then =
                @Sendable (
                    UnsafePointer<sk_matmul_job>, UnsafePointer<sk_epilogue>, Int32, Int32
                ) -> Void
            var kernels: [Then] = [
                { sk_matmul_then_scalar($0, $1, $2, $3) }, { sk_matmul_then($0, $1, $2, $3) },
            ]
            if sk_emulated_is_possible() == 1 { kernels.append { sk_matmul_then_emulated($0, $1, $2, $3) } }
            for kernel in kernels {
                let out = multiply([matrix], biases: [bias], by: x, index: nil, tokens: tokens) { job, begin, end in
                    withUnsafePointer(to: epilogue) { kernel(job, $0, begin, end) }
                }[0]
                #expect(out.map(\.bitPattern) == expected.map(\.bitPattern))
            }
        }
    }
}

import CKernels
import CKernelsEmulated
import Testing

@Suite struct MatmulTests {
    static let rows = [1, 15, 16, 17, 33]
    static let columns = [1, 20, 31, 32, 33, 48, 63, 100, 576]
    static let tokens = [1, 2, 3, 5, 7, 8, 13, 16, 17, 33]

    /// sk_matmul_scalar against sums in double over the unpacked weights and the activations that the kernel reads.
    @Test(arguments: allTypes)
    func scalarIsTheProduct(_ type: sk_type) {
        var generator = SeededGenerator(UInt64(type.rawValue) + 40)
        for (rows, columns, tokens) in [(1, 1, 1), (17, 33, 3), (33, 100, 2), (16, 576, 2), (15, 31, 4)] {
            let matrix = PackedMatrix(type, [generator.floats(rows * columns)], rows: rows, columns: columns)
            let x = Activations(generator.floats(tokens * columns), tokens: tokens, columns: columns)
            let bias = generator.floats(rows)
            let out = multiply([matrix], biases: [bias], by: x, index: nil, tokens: tokens, kernel: sk_matmul_scalar)[0]
            for t in 0..<tokens {
                let values = x.values(t, quantized: blockTypes.contains(type))
                for row in 0..<rows {
                    let products = zip(matrix.row(row), values).map { Double($0) * $1 }
                    let expected = products.reduce(Double(bias[row]), +)
                    let size = products.map(abs).reduce(1, +)
                    #expect(abs(Double(out[t * (rows + 5) + row]) - expected) <= 2e-6 * size)
                }
                for pad in rows..<rows + 5 { #expect(out[t * (rows + 5) + pad] == untouched) }
            }
        }
    }

    /// Every level gives the bytes of the scalar twin, for ragged sizes, with and without an index of tokens.
    @Test(arguments: allTypes, levels)
    func levelsAgree(_ type: sk_type, _ level: sk_level) {
        compare(type, seed: 50) { sk_matmul_at(level, $0, $1, $2) }
    }

    /// The AVX-512 kernels, their special instructions spelled out, where the processor lacks them.
    @Test(.enabled(if: sk_emulated_is_possible() == 1), arguments: allTypes)
    func emulatedLanesAgree(_ type: sk_type) {
        compare(type, seed: 55, columns: [1, 31, 33, 100, 576]) { sk_matmul_emulated($0, $1, $2) }
    }

    @Test(arguments: allTypes)
    func theEntryPointAgrees(_ type: sk_type) {
        compare(type, seed: 60, columns: [33, 100]) { sk_matmul($0, $1, $2) }
    }

    func compare(_ type: sk_type, seed: UInt64, columns: [Int] = Self.columns, _ kernel: MatmulKernel) {
        var generator = SeededGenerator(seed + UInt64(type.rawValue))
        for columns in columns {
            for rows in Self.rows {
                let matrix = PackedMatrix(type, [generator.floats(rows * columns)], rows: rows, columns: columns)
                let bias = rows % 2 == 0 ? nil : generator.floats(rows)
                let x = Activations(generator.floats(33 * columns), tokens: 33, columns: columns)
                let index = (0..<33).map { _ in Int32.random(in: 0..<33, using: &generator) }
                for index in [nil, index] {
                    let all = multiply(
                        [matrix],
                        biases: [bias],
                        by: x,
                        index: index,
                        tokens: 33,
                        kernel: sk_matmul_scalar
                    )[0]
                    for tokens in Self.tokens {
                        let fast = multiply(
                            [matrix],
                            biases: [bias],
                            by: x,
                            index: index,
                            tokens: tokens,
                            kernel: kernel
                        )[0]
                        // Fewer tokens are a prefix of the same results: grouping does not matter.
                        let same = canonicalBits(fast) == canonicalBits(Array(all.prefix(fast.count)))
                        #expect(same, "\(type) rows \(rows) columns \(columns) tokens \(tokens)")
                    }
                }
            }
        }
    }

    /// More panels, columns and tokens than fast kernels take at a time: they work in groups and chunks.
    @Test(arguments: allTypes, [(150, 1344, 76), (5, 22_500, 2)])
    func largeMatricesAgree(_ type: sk_type, _ size: (rows: Int, columns: Int, tokens: Int)) {
        var generator = SeededGenerator(65 + UInt64(type.rawValue))
        let (rows, columns, tokens) = size
        // One panel's weights, repeated under changing signs: quantizing is not what is tested.
        let strip = generator.floats(16 * columns)
        let weights = (0..<rows * columns).map { i in
            i / columns / 16 % 2 == 0 ? strip[i % (16 * columns)] : -strip[i % (16 * columns)]
        }
        let matrix = PackedMatrix(type, [weights], rows: rows, columns: columns)
        let x = Activations(generator.floats(tokens * columns), tokens: tokens, columns: columns)
        let expected = multiply([matrix], biases: [nil], by: x, index: nil, tokens: tokens, kernel: sk_matmul_scalar)[0]
        for kernel in everyKernel {
            let out = multiply([matrix], biases: [nil], by: x, index: nil, tokens: tokens, kernel: kernel)[0]
            let same = canonicalBits(out) == canonicalBits(expected)
            #expect(same)
        }
    }

    /// Three projections in one job, cut into ranges of panels at every place.
    @Test(arguments: allTypes)
    func rangesAndProjectionsDoNotMatter(_ type: sk_type) {
        var generator = SeededGenerator(70 + UInt64(type.rawValue))
        let columns = 96
        let matrices = [33, 16, 5].map {
            PackedMatrix(type, [generator.floats($0 * columns)], rows: $0, columns: columns)
        }
        let biases: [[Float]?] = [generator.floats(33), nil, generator.floats(5)]
        let x = Activations(generator.floats(9 * columns), tokens: 9, columns: columns)
        let whole = multiply(matrices, biases: biases, by: x, index: nil, tokens: 9, kernel: sk_matmul_scalar)
        for cut in 0...5 {
            let ranges = [0..<cut, cut..<5]
            for kernel in everyKernel {
                let parts = multiply(
                    matrices,
                    biases: biases,
                    by: x,
                    index: nil,
                    tokens: 9,
                    ranges: ranges,
                    kernel: kernel
                )
                #expect(parts.map(canonicalBits) == whole.map(canonicalBits))
            }
        }
    }

    /// Poisoned tokens leave their neighbours alone, and all levels agree on them.
    @Test(arguments: allTypes)
    func hostileActivations(_ type: sk_type) {
        for columns in [33, 96] {
            var generator = SeededGenerator(80 + UInt64(type.rawValue))
            let matrix = PackedMatrix(type, [generator.floats(20 * columns)], rows: 20, columns: columns)
            let rows = QuantizeTests.hostileRows
            let x = Activations(QuantizeTests.hostile(columns: columns, &generator), tokens: rows, columns: columns)
            let expected = multiply([matrix], biases: [nil], by: x, index: nil, tokens: rows, kernel: sk_matmul_scalar)[
                0
            ]
            let fast = multiply([matrix], biases: [nil], by: x, index: nil, tokens: rows, kernel: sk_matmul)[0]
            #expect(canonicalBits(fast) == canonicalBits(expected))
            for kernel in everyKernel {
                let other = multiply([matrix], biases: [nil], by: x, index: nil, tokens: rows, kernel: kernel)[0]
                #expect(canonicalBits(other) == canonicalBits(expected))
            }
            #expect(expected.prefix(20).allSatisfy { $0.isFinite })
            #expect(expected[25..<45].allSatisfy { $0 == 0 })
            #expect(expected.suffix(25).allSatisfy { $0.isFinite })
        }
    }

    /// Bytes of any kind as weights, NaN and infinite scales among them: no level traps, all agree.
    @Test(arguments: allTypes)
    func hostileWeights(_ type: sk_type) {
        var generator = SeededGenerator(90 + UInt64(type.rawValue))
        for columns in [31, 96, 320] {
            let matrix = PackedMatrix(type, [generator.floats(48 * columns)], rows: 48, columns: columns)
            for i in 0..<matrix.storage.count {
                matrix.storage.base.storeBytes(
                    of: UInt8.random(in: 0...255, using: &generator),
                    toByteOffset: i,
                    as: UInt8.self
                )
            }
            let x = Activations(generator.floats(17 * columns), tokens: 17, columns: columns)
            let expected = multiply([matrix], biases: [nil], by: x, index: nil, tokens: 17, kernel: sk_matmul_scalar)[0]
            for tokens in [1, 3, 17] {
                for kernel in everyKernel {
                    let fast = multiply([matrix], biases: [nil], by: x, index: nil, tokens: tokens, kernel: kernel)[0]
                    #expect(canonicalBits(fast) == canonicalBits(Array(expected.prefix(fast.count))))
                }
            }
        }
    }

    /// The largest sums that quants can make: no lane may saturate.
    @Test(arguments: blockTypes)
    func extremeQuantsAreExact(_ type: sk_type) {
        let columns = 64
        for weight in [Float(1), -1] {
            var weights = [Float](repeating: weight, count: 16 * columns)
            // q4 needs a range: one weight on the other side puts all others at nibble 15 (or 0).
            if type != SK_Q8 {
                for row in 0..<16 { weights[row * columns] = -weight; weights[row * columns + 32] = -weight }
            }
            let matrix = PackedMatrix(type, [weights], rows: 16, columns: columns)
            for sign in [Float(1), -1] {
                let x = Activations([Float](repeating: sign * 3, count: 7 * columns), tokens: 7, columns: columns)
                let slow = multiply([matrix], biases: [nil], by: x, index: nil, tokens: 7, kernel: sk_matmul_scalar)[0]
                for tokens in [1, 7] {
                    let fast = multiply([matrix], biases: [nil], by: x, index: nil, tokens: tokens, kernel: sk_matmul)[
                        0
                    ]
                    #expect(canonicalBits(fast) == canonicalBits(Array(slow.prefix(fast.count))))
                }
                let expected = zip(matrix.row(0), x.values(0, quantized: true)).map { Double($0) * $1 }.reduce(0, +)
                #expect(abs(Double(slow[0]) - expected) < 1e-3)
            }
        }
    }
}

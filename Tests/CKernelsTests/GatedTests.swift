import CKernels
import CKernelsEmulated
import Foundation
import Testing

@Suite struct GatedTests {
    static func reference(_ activation: sk_activation, _ gate: Double, _ up: Double) -> Double {
        if activation == SK_SILU { return gate / (1 + exp(-gate)) * up }
        let g = min(gate, 7)
        let u = max(-7, min(7, up))
        return (u + 1) * g / (1 + exp(-1.702 * g))
    }

    @Test(arguments: allTypes, [SK_SILU, SK_SWIGLU_CLAMPED])
    func scalarIsTheGatedProduct(_ type: sk_type, _ activation: sk_activation) {
        var generator = SeededGenerator(UInt64(type.rawValue) + 140)
        for (rows, columns, tokens) in [(1, 32, 1), (17, 33, 3), (33, 100, 2)] {
            let weights = [generator.floats(rows * columns), generator.floats(rows * columns)]
            let matrix = PackedMatrix(type, weights, rows: rows, columns: columns)
            let x = Activations(generator.floats(tokens * columns), tokens: tokens, columns: columns)
            let biases = [generator.floats(rows), generator.floats(rows)]
            let out = CKernelsTests.gate(
                matrix,
                gateBias: biases[0],
                upBias: biases[1],
                activation: activation,
                by: x,
                index: nil,
                tokens: tokens,
                kernel: sk_gated_scalar
            )
            for t in 0..<tokens {
                let values = x.values(t, quantized: blockTypes.contains(type))
                for row in 0..<rows {
                    let sums = (0..<2).map { part in
                        zip(matrix.row(row, part: part, parts: 2), values).map { Double($0) * $1 }
                            .reduce(Double(biases[part][row]), +)
                    }
                    let expected = Self.reference(activation, sums[0], sums[1])
                    let size = (1 + abs(sums[0])) * (1 + abs(sums[1]))
                    #expect(abs(Double(out[t * (rows + 5) + row]) - expected) <= 2e-5 * size)
                }
                for pad in rows..<rows + 5 { #expect(out[t * (rows + 5) + pad] == untouched) }
            }
        }
    }

    /// One column, weight 1, no bias: the gate function itself, to a few units in the last place. Results below 1e-34 may
    /// be zero, since exp of the negated gate has become infinite there.
    @Test(arguments: [SK_SILU, SK_SWIGLU_CLAMPED])
    func theGateIsAccurateEverywhere(_ activation: sk_activation) {
        let matrix = PackedMatrix(SK_F32, [[1], [1]], rows: 1, columns: 1)
        var inputs = stride(from: Float(-110), through: 110, by: 0.037).map { $0 }
        inputs += [0, -0.0, 1e-30, -1e-30, 0x1p-133, 3e38, -3e38, 88.7, 88.8, -87.3, -103.9]
        let x = Activations(inputs, tokens: inputs.count, columns: 1)
        let out = CKernelsTests.gate(
            matrix,
            gateBias: nil,
            upBias: nil,
            activation: activation,
            by: x,
            index: nil,
            tokens: inputs.count,
            kernel: sk_gated
        )
        for (t, input) in inputs.enumerated() {
            let expected = Self.reference(activation, Double(input), Double(input))
            let value = Double(out[t * 6])
            if abs(expected) > 3.4e38 {
                #expect(value == .infinity * (expected < 0 ? -1 : 1))
            } else {
                // alpha * gate is rounded before exp, which costs in proportion to its size.
                let relative = 6e-7 + (activation == SK_SILU ? 0 : 1.2e-7 * Double(abs(input)))
                #expect(abs(value - expected) <= relative * abs(expected) + 1e-34, "gate(\(input))")
            }
        }
    }

    @Test(arguments: allTypes, [SK_SILU, SK_SWIGLU_CLAMPED])
    func levelsAgree(_ type: sk_type, _ activation: sk_activation) {
        for level in levels {
            compare(type, activation) { sk_gated_at(level, $0, $1, $2) }
        }
        if sk_emulated_is_possible() == 1 { compare(type, activation) { sk_gated_emulated($0, $1, $2) } }
    }

    func compare(_ type: sk_type, _ activation: sk_activation, _ kernel: GatedKernel) {
        var generator = SeededGenerator(UInt64(type.rawValue) + 150)
        for columns in [20, 32, 63, 96, 576] {
            for rows in MatmulTests.rows {
                let weights = [generator.floats(rows * columns), generator.floats(rows * columns)]
                let matrix = PackedMatrix(type, weights, rows: rows, columns: columns)
                let x = Activations(generator.floats(33 * columns, -4...4), tokens: 33, columns: columns)
                let index = (0..<33).map { _ in Int32.random(in: 0..<33, using: &generator) }
                let biases = rows % 2 == 0 ? [nil, nil] : [generator.floats(rows), generator.floats(rows)]
                for index in [nil, index] {
                    func run(_ tokens: Int, _ ranges: [Range<Int>]?, _ kernel: GatedKernel) -> [UInt32] {
                        canonicalBits(
                            CKernelsTests.gate(
                                matrix,
                                gateBias: biases[0],
                                upBias: biases[1],
                                activation: activation,
                                by: x,
                                index: index,
                                tokens: tokens,
                                ranges: ranges,
                                kernel: kernel
                            )
                        )
                    }
                    let all = run(33, nil, sk_gated_scalar)
                    for tokens in MatmulTests.tokens {
                        let fast = run(tokens, [0..<1, 1..<3], kernel)
                        let same = fast == Array(all.prefix(fast.count))
                        #expect(same, "rows \(rows) columns \(columns) tokens \(tokens)")
                    }
                }
            }
        }
    }

    @Test(arguments: [SK_SILU, SK_SWIGLU_CLAMPED])
    func hostileValuesAgree(_ activation: sk_activation) {
        for type in allTypes {
            var generator = SeededGenerator(UInt64(type.rawValue) + 160)
            let columns = 33
            let weights = [generator.floats(20 * columns), generator.floats(20 * columns)]
            let matrix = PackedMatrix(type, weights, rows: 20, columns: columns)
            let rows = QuantizeTests.hostileRows
            let x = Activations(QuantizeTests.hostile(columns: columns, &generator), tokens: rows, columns: columns)
            func run(_ kernel: GatedKernel) -> [UInt32] {
                canonicalBits(
                    CKernelsTests.gate(
                        matrix,
                        gateBias: nil,
                        upBias: nil,
                        activation: activation,
                        by: x,
                        index: nil,
                        tokens: rows,
                        kernel: kernel
                    )
                )
            }
            #expect(run(sk_gated) == run(sk_gated_scalar))
        }
    }
}

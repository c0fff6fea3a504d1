import CKernels
import Testing

@Suite struct QuantizeTests {
    /// Rows that try every branch: ordinary, zero, subnormal, huge, NaN and infinities.
    static func hostile(columns: Int, _ generator: inout SeededGenerator) -> [Float] {
        var rows: [Float] = []
        rows += generator.floats(columns)
        rows += [Float](repeating: 0, count: columns)
        rows += generator.floats(columns).map { $0 * 0x1p-139 }
        rows += (0..<columns).map { Float(bitPattern: UInt32($0 % 300)) }
        rows += generator.floats(columns).map { $0 * 3e38 }
        rows += generator.floats(columns).enumerated().map { $0.offset % 3 == 0 ? .nan : $0.element }
        rows += generator.floats(columns).enumerated().map { $0.offset % 5 == 0 ? .infinity : $0.element }
        rows += generator.floats(columns).enumerated().map { $0.offset % 5 == 1 ? -.infinity : $0.element * 3e38 }
        rows += [Float](repeating: .nan, count: columns)
        rows += (0..<columns).map { Float($0 % 32) - 15.5 }
        return rows
    }

    static let hostileRows = 10

    @Test(arguments: [1, 20, 31, 32, 33, 48, 63, 100, 576])
    func followsTheDefinition(_ columns: Int) {
        var generator = SeededGenerator(UInt64(columns))
        let x = Self.hostile(columns: columns, &generator)
        let activations = Activations(x, tokens: Self.hostileRows, columns: columns)
        let view = activations.view
        defer { withExtendedLifetime(activations) {} }
        for t in 0..<Self.hostileRows {
            for block in 0..<(columns + 31) / 32 {
                let values = (0..<32).map { i -> Float in
                    let c = block * 32 + i
                    guard c < columns, !x[t * columns + c].isNaN else { return 0 }
                    return max(-Float.greatestFiniteMagnitude, min(.greatestFiniteMagnitude, x[t * columns + c]))
                }
                let scale = (values.map(abs).max() ?? 0) / 127
                let quants = values.map {
                    scale == 0 ? 0 : Int32(max(-127, min(127, $0 / scale)).rounded(.toNearestOrEven))
                }
                let at = t * Int(view.block_stride) + block
                #expect(view.scale[at] == scale)
                for i in 0..<32 { #expect(Int32(view.q8[t * Int(view.q8_stride) + block * 32 + i]) == quants[i]) }
                #expect(view.offset[at] == -128 * quants.reduce(0, +))
                #expect(view.sum[at] == scale * Float(quants.reduce(0, +)))
            }
        }
    }

    @Test(arguments: [1, 20, 31, 32, 33, 48, 63, 100, 576])
    func levelsAgree(_ columns: Int) {
        var generator = SeededGenerator(UInt64(columns) + 99)
        let x = Self.hostile(columns: columns, &generator)
        let expected = Activations(x, tokens: Self.hostileRows, columns: columns)
        for level in levels {
            let fast = Activations(x, tokens: Self.hostileRows, columns: columns, level: level)
            for (a, b) in zip(
                [fast.q8, fast.scale, fast.offset, fast.sum],
                [expected.q8, expected.scale, expected.offset, expected.sum]
            ) {
                #expect(a.bytes == b.bytes)
                #expect(a.isGuardIntact)
            }
        }
    }

    @Test func theEntryPointIsTheCurrentLevel() {
        #expect(sk_current_level().rawValue <= sk_best_level().rawValue)
        #expect(["scalar", "avx2", "avx512"].contains(String(cString: sk_level_name(sk_current_level()))))
        var generator = SeededGenerator(3)
        let x = generator.floats(100)
        let direct = Activations(x, tokens: 1, columns: 100)
        let dispatched = Activations(x, tokens: 1, columns: 100)
        var view = dispatched.view
        for i in 0..<dispatched.q8.count { dispatched.q8.base.storeBytes(of: 77, toByteOffset: i, as: UInt8.self) }
        sk_quantize_rows(view.f32, view.f32_stride, 100, 1, &view)
        #expect(direct.q8.bytes.prefix(128) == dispatched.q8.bytes.prefix(128))
    }
}

import CKernels
import Testing

@Suite struct PackTests {
    @Test func sizesRefuseNonsense() {
        for type in allTypes.map({ Int32($0.rawValue) }) {
            #expect(sk_packed_bytes(type, -1, 32) == 0)
            #expect(sk_packed_bytes(type, 32, -1) == 0)
            #expect(sk_packed_bytes(type, 0, 32) == 0)
            #expect(sk_packed_bytes(type, 16, 0) == 0)
            #expect(sk_packed_bytes(type, .max, .max) == 0)
            #expect(sk_packed_bytes(type, Int64(Int32.max) + 1, 32) == 0)
            #expect(sk_panel_bytes(type, .min) == 0)
            for columns in [1, 20, 31, 32, 33, 576] as [Int64] {
                #expect(sk_panel_bytes(type, columns) % 64 == 0 && sk_panel_bytes(type, columns) > 0)
                #expect(sk_packed_bytes(type, 17, columns) == 2 * sk_panel_bytes(type, columns))
            }
        }
        #expect(sk_panel_bytes(6, 32) == 0 && sk_panel_bytes(-1, 32) == 0)
        // The largest sizes: f32 passes 63 bits, q4 does not.
        let most = Int64(Int32.max)
        #expect(sk_packed_bytes(Int32(SK_F32.rawValue), most, most) == 0)
        #expect(sk_packed_bytes(Int32(SK_Q4.rawValue), most, most) == (1 << 27) * (1 << 26) * 320)
    }

    @Test(arguments: [1, 15, 16, 17, 33], [1, 20, 31, 32, 33, 63, 100])
    func floatsComeBack(_ rows: Int, _ columns: Int) {
        var generator = SeededGenerator(UInt64(rows * 1000 + columns))
        let weights = generator.floats(rows * columns, -2...2)
        let exact = PackedMatrix(SK_F32, [weights], rows: rows, columns: columns)
        let half = PackedMatrix(SK_F16, [weights], rows: rows, columns: columns)
        let brain = PackedMatrix(SK_BF16, [weights], rows: rows, columns: columns)
        for row in 0..<rows {
            let source = Array(weights[row * columns..<(row + 1) * columns])
            #expect(exact.row(row) == source)
            #expect(half.row(row) == source.map { Float(Float16($0)) })
            #expect(brain.row(row) == source.map { sk_bfloat16_to_float(sk_float_to_bfloat16($0)) })
        }
        #expect(exact.storage.isGuardIntact && half.storage.isGuardIntact && brain.storage.isGuardIntact)
    }

    @Test(arguments: [1, 15, 16, 17, 33], [1, 20, 31, 32, 33, 63, 100])
    func quantizationErrorsAreBounded(_ rows: Int, _ columns: Int) {
        var generator = SeededGenerator(UInt64(rows * 777 + columns))
        var weights = generator.floats(rows * columns, -2...2)
        for i in weights.indices where i % 7 == 0 { weights[i] *= 0.01 }
        for type in blockTypes {
            let packed = PackedMatrix(type, [weights], rows: rows, columns: columns)
            #expect(packed.storage.isGuardIntact)
            for row in 0..<rows {
                let back = packed.row(row)
                for begin in stride(from: 0, to: columns, by: 32) {
                    let block = Array(weights[row * columns + begin..<row * columns + min(begin + 32, columns)])
                    let largest = block.map(abs).max() ?? 0
                    let span = (block.max() ?? 0) - (block.min() ?? 0)
                    for (i, x) in block.enumerated() {
                        let error = abs(back[begin + i] - x)
                        switch type {
                        case SK_Q8: #expect(error <= 0.51 * (largest / 127 + 0x1p-24))
                        // Clipping may cost single weights more than half a step, never more than two.
                        case SK_Q4: #expect(error <= 2.1 * span / 15 + 2e-3)
                        // The largest values lie 2 / 6 apart; clipping from 8 to 6 is the worst.
                        default: #expect(error <= largest * 0.26 + 1e-6)
                        }
                    }
                }
            }
        }
    }

    @Test func q4IsAtLeastAsGoodAsMinimumMaximumRounding() {
        var generator = SeededGenerator(5)
        var better = 0
        for _ in 0..<300 {
            var x = generator.floats(32)
            x[3] *= Float.random(in: 0...4, using: &generator)
            let low = x.min() ?? 0
            let high = x.max() ?? 0
            let scale = Float(Float16((high - low) / 15))
            let minimum = Float(Float16(low))
            let plain = x.map { value -> Double in
                let q = max(0, min(15, ((value - minimum) / scale).rounded(.toNearestOrEven)))
                return Double((scale * q + minimum - value) * (scale * q + minimum - value))
            }.reduce(0, +)
            let packed = PackedMatrix(SK_Q4, [x], rows: 1, columns: 32).row(0)
            let error = zip(packed, x).map { Double(($0 - $1) * ($0 - $1)) }.reduce(0, +)
            #expect(error <= plain * 1.00001)
            if error < plain * 0.97 { better += 1 }
        }
        #expect(better > 200)
    }

    @Test func mxfp4KeepsWhatItCanHold() {
        var generator = SeededGenerator(6)
        let values: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -1.5, -2, -3, -4, -6]
        for exponent in -10...10 {
            let scale = Float(sign: .plus, exponent: exponent, significand: 1)
            let x = (0..<40).map { _ in (values.randomElement(using: &generator) ?? 0) * scale }
            #expect(PackedMatrix(SK_MXFP4, [x], rows: 1, columns: 40).row(0) == x)
        }
    }

    @Test(arguments: allTypes)
    func refusesWhatIsNotFinite(_ type: sk_type) {
        let raw = Int32(type.rawValue)
        let columns = 40
        let panel = AlignedBytes(sk_panel_bytes(raw, Int64(columns)))
        for poison in [Float.nan, .infinity, -.infinity] {
            var x = [Float](repeating: 1, count: 3 * columns)
            x[2 * columns + 35] = poison
            #expect(sk_pack_panel_f32(raw, x, 3, Int64(columns), panel.base) == -1)
            var matrix = sk_matrix(data: panel.base, type: raw, rows: 16, columns: Int32(columns))
            for row in 0..<16 {
                var out = [Float](repeating: 9, count: columns)
                sk_unpack_row(&matrix, Int32(row), &out)
                #expect(out.allSatisfy { $0 == 0 })
            }
        }
        // Beyond the range of half scales and half weights.
        let large = [Float](repeating: 3e37, count: columns)
        #expect(
            sk_pack_panel_f32(raw, large, 1, Int64(columns), panel.base) == (type == SK_F32 || type == SK_BF16 ? 0 : -1)
        )
        #expect(sk_pack_panel_f32(raw, large, 17, Int64(columns), panel.base) == -1)
        #expect(sk_pack_panel_f32(raw, large, 1, -1, panel.base) == -1)
        #expect(sk_pack_panel_f32(9, large, 1, Int64(columns), panel.base) == -1)
    }

    static let exactPairs: [(sk_ggml_type, sk_type)] = [
        (SK_GGML_Q4_0, SK_Q4), (SK_GGML_Q4_1, SK_Q4), (SK_GGML_Q4_K, SK_Q4), (SK_GGML_Q5_0, SK_Q8),
        (SK_GGML_Q8_0, SK_Q8), (SK_GGML_MXFP4, SK_MXFP4),
    ]

    @Test(arguments: exactPairs, [1, 15, 16])
    func blocksArePackedAsTheyAre(_ pair: (sk_ggml_type, sk_type), _ rows: Int) {
        var generator = SeededGenerator(UInt64(pair.0.rawValue) * 31 + UInt64(rows))
        let (ggml, type) = (Int32(pair.0.rawValue), Int32(pair.1.rawValue))
        let columns = 512
        let blocks = columns / Int(sk_ggml_block_weights(ggml))
        let rowBytes = blocks * Int(sk_ggml_block_bytes(ggml))
        let bytes = GGUFBlocks.random(pair.0, blocks: blocks * rows, &generator)
        let panel = AlignedBytes(sk_panel_bytes(type, Int64(columns)))
        let status = bytes.withUnsafeBytes { raw in
            let sources = (0..<rows).map { row in raw.baseAddress.map { $0 + row * rowBytes } }
            return sk_pack_panel_blocks(ggml, type, sources, Int32(rows), Int64(columns), panel.base)
        }
        #expect(status == 0)
        #expect(panel.isGuardIntact)
        var matrix = sk_matrix(data: panel.base, type: type, rows: 16, columns: Int32(columns))
        for row in 0..<16 {
            var out = [Float](repeating: 9, count: columns)
            sk_unpack_row(&matrix, Int32(row), &out)
            guard row < rows else {
                #expect(out.allSatisfy { $0 == 0 })
                continue
            }
            var expected = [Float](repeating: 0, count: columns)
            let slice = Array(bytes[row * rowBytes..<(row + 1) * rowBytes])
            #expect(sk_ggml_dequantize(ggml, slice, Int64(columns), &expected) == 0)
            for c in 0..<columns {
                // Q4_K: the product of two scales is rounded to half; everything else is exact.
                var slack: Float = 0
                if pair.0 == SK_GGML_Q4_K {
                    let block = Array(slice[c / 256 * 144..<(c / 256 + 1) * 144])
                    slack = Float(GGUFBlocks.magnitude(pair.0, block, c % 256)) * 0x1.02p-11
                }
                #expect(abs(out[c] - expected[c]) <= slack, "row \(row) column \(c)")
            }
        }
    }

    @Test func blocksThatHalfCannotHoldAreRefused() {
        let panel = AlignedBytes(sk_panel_bytes(Int32(SK_Q4.rawValue), 32))
        func pack(_ ggml: sk_ggml_type, _ type: sk_type, _ bytes: [UInt8], columns: Int64 = 32) -> Int32 {
            bytes.withUnsafeBytes { raw in
                sk_pack_panel_blocks(
                    Int32(ggml.rawValue),
                    Int32(type.rawValue),
                    [raw.baseAddress],
                    1,
                    columns,
                    panel.base
                )
            }
        }
        var block = [UInt8](repeating: 0x11, count: 18)
        #expect(pack(SK_GGML_Q4_0, SK_Q4, block) == 0)
        (block[0], block[1]) = (0xFF, 0x7B)  // 65504: the minimum would be -524032
        #expect(pack(SK_GGML_Q4_0, SK_Q4, block) == -1)
        (block[0], block[1]) = (0x00, 0x7E)  // NaN
        #expect(pack(SK_GGML_Q4_0, SK_Q4, block) == -1)
        var small = [UInt8](repeating: 0x11, count: 17)
        small[0] = 255
        #expect(pack(SK_GGML_MXFP4, SK_MXFP4, small) == -1)
        small[0] = 0  // rounds to zero
        #expect(pack(SK_GGML_MXFP4, SK_MXFP4, small) == 0)
        #expect(pack(SK_GGML_Q4_0, SK_Q8, block) == -1)
        #expect(pack(SK_GGML_Q6_K, SK_Q4, [UInt8](repeating: 0, count: 210)) == -1)
        #expect(pack(SK_GGML_Q4_0, SK_Q4, block, columns: 20) == -1)
        #expect(pack(SK_GGML_Q4_K, SK_Q4, [UInt8](repeating: 0, count: 144)) == -1)
    }
}

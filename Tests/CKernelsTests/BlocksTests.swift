import CKernels
import Testing

/// Every GGUF type against a formula that looks up one weight at a time.
@Suite struct BlocksTests {
    @Test func halfToFloatMatchesTheLanguage() {
        for bits in UInt16.min...UInt16.max {
            let expected = Float(Float16(bitPattern: bits))
            let value = sk_half_to_float(bits)
            #expect(value == expected || (value.isNaN && expected.isNaN))
            #expect((value.sign == .minus) == (bits >> 15 == 1))
        }
    }

    @Test func floatToHalfRoundsToNearestEven() {
        var generator = SeededGenerator(1)
        var values: [Float] = [
            0, -0.0, .infinity, -.infinity, .nan, 65504, 65519.99, 65520, 0x1p-24, 0x1p-25, 0x1.8p-25,
        ]
        values += (0..<200_000).map { _ in Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator)) }
        values += generator.floats(200_000, -70000...70000)
        values += generator.floats(50_000, -0x1p-13...0x1p-13)
        for value in values {
            let half = sk_float_to_half(value)
            if value.isNaN {
                #expect(Float16(bitPattern: half).isNaN)
            } else {
                #expect(half == Float16(value).bitPattern, "\(value)")
            }
        }
    }

    @Test func bfloat16RoundsToNearestEven() {
        var generator = SeededGenerator(2)
        for _ in 0..<200_000 {
            let value = Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator))
            let back = sk_bfloat16_to_float(sk_float_to_bfloat16(value))
            guard !value.isNaN else {
                #expect(back.isNaN)
                continue
            }
            // The two neighbours that hold 16 bits; on a tie the even one.
            let below = Float(bitPattern: value.bitPattern & 0xFFFF_0000)
            let above = Float(bitPattern: (value.bitPattern & 0xFFFF_0000) &+ 0x1_0000)
            let low = value.bitPattern & 0xFFFF
            let up = low > 0x8000 || (low == 0x8000 && value.bitPattern & 0x1_0000 != 0)
            #expect(back.bitPattern == (up ? above : below).bitPattern)
        }
        #expect(sk_bfloat16_to_float(sk_float_to_bfloat16(.nan)).isNaN)
        #expect(sk_bfloat16_to_float(sk_float_to_bfloat16(Float(bitPattern: 0x7F80_0001))).isNaN)
    }

    @Test(arguments: [
        SK_GGML_F32, SK_GGML_F16, SK_GGML_BF16, SK_GGML_Q4_0, SK_GGML_Q4_1, SK_GGML_Q5_0, SK_GGML_Q5_1, SK_GGML_Q8_0,
        SK_GGML_Q4_K, SK_GGML_Q5_K, SK_GGML_Q6_K, SK_GGML_MXFP4,
    ])
    func dequantizesEveryType(_ type: sk_ggml_type) {
        var generator = SeededGenerator(UInt64(type.rawValue) + 10)
        let size = Int(sk_ggml_block_bytes(Int32(type.rawValue)))
        let weights = Int(sk_ggml_block_weights(Int32(type.rawValue)))
        #expect(size > 0 && weights > 0)
        let blocks = 64
        let bytes = GGUFBlocks.random(type, blocks: blocks, &generator)
        var out = [Float](repeating: .nan, count: blocks * weights)
        #expect(sk_ggml_dequantize(Int32(type.rawValue), bytes, Int64(out.count), &out) == 0)
        for block in 0..<blocks {
            let slice = Array(bytes[block * size..<(block + 1) * size])
            for i in 0..<weights {
                let expected = GGUFBlocks.weight(type, slice, i)
                let value = Double(out[block * weights + i])
                #expect(abs(value - expected) <= 4e-7 * GGUFBlocks.magnitude(type, slice, i), "weight \(i)")
            }
        }
    }

    @Test func refusesUnknownTypesAndRaggedCounts() {
        var out = [Float](repeating: 0, count: 64)
        let bytes = [UInt8](repeating: 0, count: 64)
        #expect(sk_ggml_block_bytes(99) == 0 && sk_ggml_block_weights(-1) == 0)
        #expect(sk_ggml_dequantize(99, bytes, 32, &out) == -1)
        #expect(sk_ggml_dequantize(Int32(SK_GGML_Q8_0.rawValue), bytes, 31, &out) == -1)
        #expect(sk_ggml_dequantize(Int32(SK_GGML_Q4_K.rawValue), bytes, 32, &out) == -1)
        #expect(sk_ggml_dequantize(Int32(SK_GGML_Q8_0.rawValue), bytes, -32, &out) == -1)
    }
}

import CKernels

/// GGUF blocks at random, and one weight of a block by the definition of its format.
enum GGUFBlocks {
    /// Random quants under finite scales of moderate size.
    static func random(_ type: sk_ggml_type, blocks: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        let size = Int(sk_ggml_block_bytes(Int32(type.rawValue)))
        var all: [UInt8] = []
        for _ in 0..<blocks {
            var block = generator.bytes(size)
            func putHalf(_ value: Float, at offset: Int) {
                let bits = Float16(value).bitPattern
                block[offset] = UInt8(bits & 255)
                block[offset + 1] = UInt8(bits >> 8)
            }
            let scale = Float.random(in: -0.1...0.1, using: &generator)
            let minimum = Float.random(in: -0.1...0.1, using: &generator)
            switch type {
            case SK_GGML_F32:
                let bits = scale.bitPattern
                for i in 0..<4 { block[i] = UInt8(bits >> (8 * UInt32(i)) & 255) }
            case SK_GGML_BF16:
                block[0] = UInt8(scale.bitPattern >> 16 & 255)
                block[1] = UInt8(scale.bitPattern >> 24)
            case SK_GGML_F16, SK_GGML_Q4_0, SK_GGML_Q5_0, SK_GGML_Q8_0: putHalf(scale, at: 0)
            case SK_GGML_Q4_1, SK_GGML_Q5_1, SK_GGML_Q4_K, SK_GGML_Q5_K:
                putHalf(scale, at: 0)
                putHalf(minimum, at: 2)
            case SK_GGML_Q6_K: putHalf(scale, at: 208)
            default: block[0] = UInt8.random(in: 110...130, using: &generator)
            }
            all += block
        }
        return all
    }

    private static func half(_ block: [UInt8], _ offset: Int) -> Double {
        Double(Float16(bitPattern: UInt16(block[offset]) | UInt16(block[offset + 1]) << 8))
    }

    private static func bit(_ block: [UInt8], _ base: Int, _ index: Int) -> Int {
        Int(block[base + index / 8] >> UInt8(index % 8)) & 1
    }

    /// Nibble of weight i where bytes hold weight k low and weight k + 16 high.
    private static func nibble(_ block: [UInt8], _ base: Int, _ i: Int) -> Int {
        i < 16 ? Int(block[base + i]) % 16 : Int(block[base + i - 16]) / 16
    }

    /// Scale and minimum of sub-block j, as bit fields of the 96-bit packed table.
    private static func kScale(_ block: [UInt8], _ j: Int) -> (Int, Int) {
        let s = block[4..<16].map { Int($0) }
        if j < 4 { return (s[j] % 64, s[j + 4] % 64) }
        return (s[j + 4] % 16 + s[j - 4] / 64 * 16, s[j + 4] / 16 + s[j] / 64 * 16)
    }

    private static let e2m1: [Double] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]

    /// The two terms (product, offset) whose sum is weight i.
    private static func terms(_ type: sk_ggml_type, _ block: [UInt8], _ i: Int) -> (Double, Double) {
        switch type {
        case SK_GGML_F32:
            let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(block[$1]) << (8 * UInt32($1)) }
            return (Double(Float(bitPattern: bits)), 0)
        case SK_GGML_F16: return (half(block, 0), 0)
        case SK_GGML_BF16:
            return (Double(Float(bitPattern: UInt32(block[0]) << 16 | UInt32(block[1]) << 24)), 0)
        case SK_GGML_Q4_0: return (half(block, 0) * Double(nibble(block, 2, i) - 8), 0)
        case SK_GGML_Q4_1: return (half(block, 0) * Double(nibble(block, 4, i)), half(block, 2))
        case SK_GGML_Q5_0: return (half(block, 0) * Double(nibble(block, 6, i) + 16 * bit(block, 2, i) - 16), 0)
        case SK_GGML_Q5_1: return (half(block, 0) * Double(nibble(block, 8, i) + 16 * bit(block, 4, i)), half(block, 2))
        case SK_GGML_Q8_0: return (half(block, 0) * Double(Int8(bitPattern: block[2 + i])), 0)
        case SK_GGML_Q4_K, SK_GGML_Q5_K:
            let part = i / 32
            let (scale, minimum) = kScale(block, part)
            let base = (type == SK_GGML_Q4_K ? 16 : 48) + part / 2 * 32 + i % 32
            var q = part % 2 == 0 ? Int(block[base]) % 16 : Int(block[base]) / 16
            if type == SK_GGML_Q5_K { q += 16 * bit(block, 16 + i % 32, part) }
            return (half(block, 0) * Double(scale * q), -half(block, 2) * Double(minimum))
        case SK_GGML_Q6_K:
            let (side, quarter, l) = (i / 128, i % 128 / 32, i % 32)
            let low = Int(block[64 * side + quarter % 2 * 32 + l])
            let four = quarter < 2 ? low % 16 : low / 16
            let two = Int(block[128 + 32 * side + l]) >> (2 * quarter) & 3
            let scale = Int(Int8(bitPattern: block[192 + i / 16]))
            return (half(block, 208) * Double(scale * (four + 16 * two - 32)), 0)
        default:
            let code = nibble(block, 1, i)
            let value = e2m1[code % 8] * (code < 8 ? 1 : -1)
            return (value * Double(sign: .plus, exponent: Int(block[0]) - 127, significand: 1), 0)
        }
    }

    static func weight(_ type: sk_ggml_type, _ block: [UInt8], _ i: Int) -> Double {
        let (product, offset) = terms(type, block, i)
        return product + offset
    }

    /// Size of the terms: what a relative error is relative to.
    static func magnitude(_ type: sk_ggml_type, _ block: [UInt8], _ i: Int) -> Double {
        let (product, offset) = terms(type, block, i)
        return abs(product) + abs(offset)
    }
}

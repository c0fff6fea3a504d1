import CKernels

/// Random GGUF blocks with scales that are finite and of ordinary size.
enum Blocks {
    static let types: [Int32] = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 30, 39]

    static func random(_ type: Int32, weights: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        let count = weights / Int(sk_ggml_block_weights(type))
        return (0..<count).flatMap { _ in block(type, &generator) }
    }

    private static func block(_ type: Int32, _ generator: inout SeededGenerator) -> [UInt8] {
        func half(_ value: Float) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.append(number: sk_float_to_half(value))
            return bytes
        }
        let scale = Float.random(in: 0.001...0.02, using: &generator)
        let size = Int(sk_ggml_block_bytes(type))
        switch type {
        case 0: return Array(floats: [scale * 7 - 0.1])
        case 1: return half(scale * 7 - 0.1)
        case 30:
            var bytes: [UInt8] = []
            bytes.append(number: sk_float_to_bfloat16(scale * 7 - 0.1))
            return bytes
        case 2, 6, 8: return half(scale) + generator.bytes(size - 2)
        case 3, 7: return half(scale) + half(-8 * scale) + generator.bytes(size - 4)
        case 12, 13: return half(scale / 30) + half(scale / 25) + generator.bytes(size - 4)
        case 14: return generator.bytes(size - 2) + half(scale / 60)
        default: return [UInt8.random(in: 115...125, using: &generator)] + generator.bytes(16)
        }
    }

    static func values(_ type: Int32, _ bytes: [UInt8], weights: Int) -> [Float] {
        var values = [Float](repeating: 0, count: weights)
        _ = sk_ggml_dequantize(type, bytes, Int64(weights), &values)
        return values
    }
}

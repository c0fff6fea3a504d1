import CKernels
import CKernelsEmulated

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
}

/// Bytes aligned to 64, with a guard of known bytes behind them.
final class AlignedBytes {
    static let guardBytes = 64
    let base: UnsafeMutableRawPointer
    let count: Int

    init(_ count: Int) {
        self.count = count
        base = .allocate(byteCount: count + Self.guardBytes, alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0xA5, count: count + Self.guardBytes)
    }

    deinit { base.deallocate() }

    var isGuardIntact: Bool {
        (count..<count + Self.guardBytes).allSatisfy { base.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 }
    }
    var bytes: [UInt8] { (0..<count).map { base.load(fromByteOffset: $0, as: UInt8.self) } }
}

let allTypes: [sk_type] = [SK_F32, SK_F16, SK_BF16, SK_Q8, SK_Q4, SK_MXFP4]
let blockTypes: [sk_type] = [SK_Q8, SK_Q4, SK_MXFP4]
let levels: [sk_level] = [SK_LEVEL_AVX2, SK_LEVEL_AVX512].filter { $0.rawValue <= sk_best_level().rawValue }

/// A packed matrix of given or random weights; `interleaved` makes it gate and up in turn.
final class PackedMatrix {
    let storage: AlignedBytes
    let matrix: sk_matrix
    let rows: Int
    let columns: Int

    /// weights: one matrix [rows][columns], or two whose panels are interleaved.
    init(_ type: sk_type, _ weights: [[Float]], rows: Int, columns: Int) {
        let panelBytes = sk_panel_bytes(Int32(type.rawValue), Int64(columns))
        let panels = (rows + 15) / 16
        storage = AlignedBytes(panelBytes * panels * weights.count)
        self.rows = rows
        self.columns = columns
        for panel in 0..<panels {
            for (part, values) in weights.enumerated() {
                let count = min(16, rows - 16 * panel)
                let source = Array(values[16 * panel * columns..<(16 * panel + count) * columns])
                let status = sk_pack_panel_f32(
                    Int32(type.rawValue),
                    source,
                    Int32(count),
                    Int64(columns),
                    storage.base + (panel * weights.count + part) * panelBytes
                )
                precondition(status == 0)
            }
        }
        matrix = sk_matrix(data: storage.base, type: Int32(type.rawValue), rows: Int32(rows), columns: Int32(columns))
    }

    /// Row `row` of part `part` (of one or two), as the kernels see it.
    func row(_ row: Int, part: Int = 0, parts: Int = 1) -> [Float] {
        var whole = matrix
        whole.rows = Int32((rows + 15) / 16 * 16 * parts)
        var out = [Float](repeating: 0, count: columns)
        sk_unpack_row(&whole, Int32((row / 16 * parts + part) * 16 + row % 16), &out)
        return withExtendedLifetime(storage) { out }
    }
}

/// Rows of activations with their quantized twins, quantized at a given level.
final class Activations {
    let tokens: Int
    let columns: Int
    let stride: Int
    let blocks: Int
    let f32: AlignedBytes
    let q8: AlignedBytes
    let scale: AlignedBytes
    let offset: AlignedBytes
    let sum: AlignedBytes

    init(_ x: [Float], tokens: Int, columns: Int, level: sk_level = SK_LEVEL_SCALAR) {
        self.tokens = tokens
        self.columns = columns
        stride = columns + 3
        blocks = (columns + 31) / 32
        f32 = AlignedBytes(tokens * stride * 4)
        q8 = AlignedBytes(tokens * (blocks + 1) * 32)
        scale = AlignedBytes(tokens * (blocks + 1) * 4)
        offset = AlignedBytes(tokens * (blocks + 1) * 4)
        sum = AlignedBytes(tokens * (blocks + 1) * 4)
        for t in 0..<tokens {
            for c in 0..<columns {
                f32.base.storeBytes(of: x[t * columns + c], toByteOffset: (t * stride + c) * 4, as: Float.self)
            }
        }
        var view = self.view
        sk_quantize_rows_at(
            level,
            f32.base.assumingMemoryBound(to: Float.self),
            Int64(stride),
            Int32(columns),
            Int32(tokens),
            &view
        )
    }

    var view: sk_activations {
        sk_activations(
            f32: f32.base.assumingMemoryBound(to: Float.self),
            f32_stride: Int64(stride),
            q8: q8.base.assumingMemoryBound(to: Int8.self),
            q8_stride: Int64((blocks + 1) * 32),
            scale: scale.base.assumingMemoryBound(to: Float.self),
            offset: offset.base.assumingMemoryBound(to: Int32.self),
            sum: sum.base.assumingMemoryBound(to: Float.self),
            block_stride: Int64(blocks + 1)
        )
    }

    /// What the kernels multiply with: the floats themselves, or scale * quant.
    func values(_ token: Int, quantized: Bool) -> [Double] {
        (0..<columns).map { c in
            guard quantized else {
                return Double(f32.base.load(fromByteOffset: (token * stride + c) * 4, as: Float.self))
            }
            let q = q8.base.load(fromByteOffset: token * (blocks + 1) * 32 + c, as: Int8.self)
            let s = scale.base.load(fromByteOffset: (token * (blocks + 1) + c / 32) * 4, as: Float.self)
            return Double(q) * Double(s)
        }
    }
}

/// Bits of floats, every NaN alike: which NaN comes out of a sum is no promise.
func canonicalBits(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern } }

/// Untouched output keeps this value: kernels must not write outside their rows.
let untouched: Float = -7777.25

typealias MatmulKernel = @Sendable (UnsafePointer<sk_matmul_job>, Int32, Int32) -> Void

/// The dispatched kernel, its portable twin, every level by name and the emulated AVX-512 kernels.
let everyKernel: [MatmulKernel] = {
    var all: [MatmulKernel] = [{ sk_matmul($0, $1, $2) }, { sk_matmul_scalar($0, $1, $2) }]
    for level in levels { all.append { sk_matmul_at(level, $0, $1, $2) } }
    if sk_emulated_is_possible() == 1 { all.append { sk_matmul_emulated($0, $1, $2) } }
    return all
}()

typealias GatedKernel = @Sendable (UnsafePointer<sk_gated_job>, Int32, Int32) -> Void

/// Runs projections of the same activations over panel ranges; out[p] is [tokens][rows + 5], the rest `untouched`.
func multiply(
    _ matrices: [PackedMatrix],
    biases: [[Float]?],
    by x: Activations,
    index: [Int32]?,
    tokens: Int,
    ranges: [Range<Int>]? = nil,
    kernel: MatmulKernel
) -> [[Float]] {
    let outs = matrices.map { AlignedBytes(tokens * ($0.rows + 5) * 4) }
    let biasCopies = biases.map { bias -> AlignedBytes? in
        guard let bias else { return nil }
        let copy = AlignedBytes(bias.count * 4)
        for (i, value) in bias.enumerated() { copy.base.storeBytes(of: value, toByteOffset: 4 * i, as: Float.self) }
        return copy
    }
    for (matrix, out) in zip(matrices, outs) {
        for i in 0..<tokens * (matrix.rows + 5) {
            out.base.storeBytes(of: untouched, toByteOffset: 4 * i, as: Float.self)
        }
    }
    let projections = zip(matrices, zip(biasCopies, outs)).map { matrix, rest in
        sk_projection(
            matrix: matrix.matrix,
            bias: rest.0.map { UnsafePointer($0.base.assumingMemoryBound(to: Float.self)) },
            out: rest.1.base.assumingMemoryBound(to: Float.self),
            out_stride: Int64(matrix.rows + 5)
        )
    }
    projections.withUnsafeBufferPointer { list in
        func run(_ index: UnsafePointer<Int32>?) {
            var job = sk_matmul_job(
                projections: list.baseAddress,
                projection_count: Int32(list.count),
                x: x.view,
                token_index: index,
                tokens: Int32(tokens)
            )
            let all = Int(sk_matmul_panels(&job))
            for range in ranges ?? [0..<all] {
                withExtendedLifetime((matrices, x, biasCopies, outs)) {
                    kernel(&job, Int32(range.lowerBound), Int32(min(range.upperBound, all)))
                }
            }
        }
        if let index { index.withUnsafeBufferPointer { run($0.baseAddress) } } else { run(nil) }
    }
    precondition(outs.allSatisfy(\.isGuardIntact), "a kernel wrote behind its output")
    return zip(matrices, outs).map { matrix, out in
        (0..<tokens * (matrix.rows + 5)).map { out.base.load(fromByteOffset: 4 * $0, as: Float.self) }
    }
}

/// Runs a gated job; the result is [tokens][rows + 5], the rest `untouched`.
func gate(
    _ matrix: PackedMatrix,
    gateBias: [Float]?,
    upBias: [Float]?,
    activation: sk_activation,
    by x: Activations,
    index: [Int32]?,
    tokens: Int,
    ranges: [Range<Int>]? = nil,
    kernel: GatedKernel
) -> [Float] {
    let stride = matrix.rows + 5
    var out = [Float](repeating: untouched, count: tokens * stride)
    let panels = (matrix.rows + 15) / 16
    func withOptional(_ values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
        if let values { values.withUnsafeBufferPointer { body($0.baseAddress) } } else { body(nil) }
    }
    withOptional(gateBias) { gateBias in
        withOptional(upBias) { upBias in
            out.withUnsafeMutableBufferPointer { out in
                func run(_ index: UnsafePointer<Int32>?) {
                    var job = sk_gated_job(
                        gate_up: matrix.matrix,
                        gate_bias: gateBias,
                        up_bias: upBias,
                        activation: Int32(activation.rawValue),
                        alpha: 1.702,
                        limit: 7,
                        x: x.view,
                        token_index: index,
                        tokens: Int32(tokens),
                        out: out.baseAddress,
                        out_stride: Int64(stride)
                    )
                    for range in ranges ?? [0..<panels] {
                        withExtendedLifetime((matrix, x)) {
                            kernel(&job, Int32(range.lowerBound), Int32(min(range.upperBound, panels)))
                        }
                    }
                }
                if let index { index.withUnsafeBufferPointer { run($0.baseAddress) } } else { run(nil) }
            }
        }
    }
    return out
}

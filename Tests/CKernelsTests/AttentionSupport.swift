import CKernels
import CKernelsEmulated
import Foundation

/// A seeded generator (SplitMix64), so that every run sees the same numbers.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}

/// Zeroed floats on a 64-byte boundary.
final class AlignedFloats {
    let count: Int
    let raw: UnsafeMutableRawPointer
    var base: UnsafeMutablePointer<Float> { raw.assumingMemoryBound(to: Float.self) }

    init(_ count: Int, filledWith value: Float = 0) {
        self.count = count
        raw = .allocate(byteCount: max(count, 1) * 4, alignment: 64)
        raw.bindMemory(to: Float.self, capacity: max(count, 1)).initialize(repeating: value, count: max(count, 1))
    }

    convenience init(_ values: [Float]) {
        self.init(values.count)
        for (i, value) in values.enumerated() { base[i] = value }
    }

    deinit { raw.deallocate() }

    var values: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }
    var bits: [UInt32] { values.map(\.bitPattern) }
}

extension sk_page_layout {
    init(k: Int32, v: Int32, ropeBegin: Int32 = 0, rope: Int32 = 0, half: Bool = false) {
        self.init(
            k_width: k,
            v_width: v,
            v_stride: (v + 15) / 16 * 16,
            rope_begin: ropeBegin,
            rope_width: rope,
            type: Int32((half ? SK_F16 : SK_F32).rawValue)
        )
    }
}

/// Keys and values of consecutive positions of one head, in pages, and in plain arrays for the reference.
final class PagedHead {
    let layout: sk_page_layout
    let positions: Int
    var keys: [[Float]] = []
    var values: [[Float]] = []
    /// The keys turned by their positions, in double precision.
    private lazy var turnedKeys = keys.enumerated().map { rotated($1.map(Double.init), by: $0) }
    var keyPages: [AlignedFloats] = []
    var valuePages: [AlignedFloats] = []
    let cosines: AlignedFloats
    let sines: AlignedFloats

    /// What was never written is NaN, as memory of a recycled page may be.
    init(_ layout: sk_page_layout, positions: Int, numbers: inout SeededNumbers, amplitude: Float = 1) {
        self.layout = layout
        self.positions = positions
        let pairs = Int(layout.rope_width) / 2
        cosines = AlignedFloats(pairs * 128)
        sines = AlignedFloats(pairs * 128)
        for pair in 0..<pairs {
            for offset in 0..<128 {
                let angle = Double(offset) * Self.frequency(pair, layout)
                cosines.base[pair * 128 + offset] = Float(cos(angle))
                sines.base[pair * 128 + offset] = Float(sin(angle))
            }
        }
        for _ in 0..<(positions + 127) / 128 {
            keyPages.append(Self.filled(bytes: withUnsafePointer(to: layout) { sk_page_key_bytes($0) }))
            valuePages.append(Self.filled(bytes: withUnsafePointer(to: layout) { sk_page_value_bytes($0) }))
        }
        for position in 0..<positions {
            let key = numbers.floats(Int(layout.k_width), in: -amplitude...amplitude)
            let value = numbers.floats(Int(layout.v_width))
            store(position, key: key, value: value)
            keys.append(rounded(key))
            values.append(rounded(value))
        }
    }

    /// The sealed form of full pages; its rows are what the codes say.
    init(sealing head: PagedHead, as type: Int32) {
        var sealed = head.layout
        sealed.type = type
        layout = sealed
        positions = head.positions
        cosines = head.cosines
        sines = head.sines
        var open = head.layout
        for page in head.keyPages.indices {
            keyPages.append(Self.filled(bytes: sk_page_key_bytes(&sealed)))
            valuePages.append(Self.filled(bytes: sk_page_value_bytes(&sealed)))
            sk_page_seal(
                &open,
                head.keyPages[page].raw,
                head.valuePages[page].raw,
                &sealed,
                keyPages[page].raw,
                valuePages[page].raw
            )
        }
        for position in 0..<positions {
            var key = [Float](repeating: 0, count: Int(layout.k_width))
            var value = [Float](repeating: 0, count: Int(layout.v_width))
            let page = position / 128
            sk_page_load(&sealed, keyPages[page].raw, valuePages[page].raw, Int32(position % 128), &key, &value)
            keys.append(key)
            values.append(value)
        }
    }

    private static func filled(bytes: Int) -> AlignedFloats {
        // All bits set is a NaN as a float and as two halves.
        AlignedFloats(bytes / 4, filledWith: Float(bitPattern: .max))
    }

    static func frequency(_ pair: Int, _ layout: sk_page_layout) -> Double {
        pow(10000, -2 * Double(pair) / Double(layout.rope_width))
    }

    func rounded(_ row: [Float]) -> [Float] {
        layout.type == Int32(SK_F16.rawValue) ? row.map { Float(Float16($0)) } : row
    }

    func store(_ position: Int, key: [Float], value: [Float]) {
        withUnsafePointer(to: layout) {
            sk_page_store(
                $0,
                keyPages[position / 128].raw,
                valuePages[position / 128].raw,
                Int32(position % 128),
                key,
                value
            )
        }
    }

    /// Turns the pairs of a row by a distance, in double precision.
    func rotated(_ row: [Double], by distance: Int) -> [Double] {
        var result = row
        let begin = Int(layout.rope_begin)
        let half = Int(layout.rope_width) / 2
        for pair in 0..<half {
            let angle = Double(distance) * Self.frequency(pair, layout)
            let (a, b) = (row[begin + pair], row[begin + half + pair])
            result[begin + pair] = a * cos(angle) - b * sin(angle)
            result[begin + half + pair] = b * cos(angle) + a * sin(angle)
        }
        return result
    }

    /// Softmax attention in double precision over absolute positions: query and keys are turned by their positions.
    func reference(
        query: [Float],
        position: Int,
        visible: Range<Int>,
        scale: Double,
        sink: Double? = nil
    ) -> [Double] {
        let turned = rotated(query.map(Double.init), by: position)
        var scores: [Double] = []
        for key in visible {
            scores.append(scale * zip(turned, turnedKeys[key]).reduce(0) { $0 + $1.0 * $1.1 })
        }
        var out = [Double](repeating: 0, count: Int(layout.v_width))
        let top = max(scores.max() ?? -.infinity, sink ?? -.infinity)
        guard top > -.infinity else { return out }
        var total = sink.map { exp($0 - top) } ?? 0
        for (score, key) in zip(scores, visible) {
            let weight = exp(score - top)
            total += weight
            for i in out.indices { out[i] += weight * Double(values[key][i]) }
        }
        for i in out.indices { out[i] /= total }
        return out
    }
}

/// A query of the tests: unrotated, with its position and the keys that it may see.
struct TestQuery {
    var vector: [Float]
    var position: Int
    var visible: Range<Int>
    var sink: Float? = nil
}

/// The running state of a tile of queries.
final class TileState {
    let layout: sk_page_layout
    let rows: Int
    let maximum: AlignedFloats
    let total: AlignedFloats
    let out: AlignedFloats
    let pageMaximum: AlignedFloats
    let pageTotal: AlignedFloats

    init(_ layout: sk_page_layout, _ queries: [TestQuery]) {
        self.layout = layout
        rows = queries.count
        maximum = AlignedFloats(queries.map { $0.sink ?? -.infinity })
        total = AlignedFloats(queries.map { $0.sink == nil ? 0 : 1 })
        out = AlignedFloats(queries.count * Int(layout.v_stride))
        pageMaximum = AlignedFloats(queries.count)
        pageTotal = AlignedFloats(queries.count)
    }

    var bits: [[UInt32]] { [maximum.bits, total.bits, out.bits, pageMaximum.bits, pageTotal.bits] }

    /// The state of one row of the tile.
    func bits(row: Int) -> [[UInt32]] {
        let stride = Int(layout.v_stride)
        return [
            [maximum.bits[row]], [total.bits[row]], Array(out.bits[row * stride..<(row + 1) * stride]),
            [pageMaximum.bits[row]], [pageTotal.bits[row]],
        ]
    }

    func finished() -> [[Float]] {
        sk_attend_finish(Int32(rows), layout.v_width, layout.v_stride, total.base, out.base)
        let all = out.values
        let stride = Int(layout.v_stride)
        return (0..<rows).map { Array(all[$0 * stride..<$0 * stride + Int(layout.v_width)]) }
    }
}

/// Which attention kernel runs: the level in use, the portable twin, or the tiles of AVX-512 on AVX2.
enum Kernel {
    case dispatched
    case scalar
    case emulated
}

/// Runs the tile over some pages, in order.
func attend(
    _ head: PagedHead,
    _ queries: [TestQuery],
    pages: Range<Int>,
    scale: Float,
    state: TileState,
    kernel: Kernel = .dispatched
) {
    let layout = head.layout
    let width = Int(layout.k_width)
    let stride = width + 3
    let rotated = AlignedFloats(queries.count * stride, filledWith: .nan)
    let floats = withUnsafePointer(to: layout) { sk_attend_scratch_floats($0, Int32(queries.count)) }
    let scratch = AlignedFloats(floats + 16, filledWith: .nan)
    for page in pages {
        var begin: [Int32] = []
        var end: [Int32] = []
        for (row, query) in queries.enumerated() {
            let turned = head.rotated(query.vector.map(Double.init), by: query.position - page * 128)
            for i in 0..<width { rotated.base[row * stride + i] = Float(turned[i]) * scale }
            let visible = query.visible.clamped(to: page * 128..<(page + 1) * 128)
            begin.append(visible.isEmpty ? 0 : Int32(visible.lowerBound - page * 128))
            end.append(visible.isEmpty ? 0 : Int32(visible.upperBound - page * 128))
        }
        begin.withUnsafeBufferPointer { begin in
            end.withUnsafeBufferPointer { end in
                var tile = sk_query_tile(
                    queries: UnsafePointer(rotated.base),
                    query_stride: Int64(stride),
                    rows: Int32(queries.count),
                    begin: begin.baseAddress,
                    end: end.baseAddress,
                    maximum: state.maximum.base,
                    total: state.total.base,
                    out: state.out.base,
                    page_maximum: state.pageMaximum.base,
                    page_total: state.pageTotal.base
                )
                withUnsafePointer(to: layout) { layout in
                    let run =
                        switch kernel {
                        case .dispatched: sk_attend_page
                        case .scalar: sk_attend_page_scalar
                        case .emulated: sk_attend_page_emulated
                        }
                    run(
                        layout,
                        head.keyPages[page].raw,
                        head.valuePages[page].raw,
                        head.cosines.base,
                        head.sines.base,
                        &tile,
                        scratch.base
                    )
                }
            }
        }
    }
    // Nothing behind the promised scratch was touched.
    for i in floats..<floats + 16 where !scratch.base[i].isNaN { state.total.base[0] = .nan }
}

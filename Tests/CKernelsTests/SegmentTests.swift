import CKernels
import CKernelsEmulated
import Foundation
import Testing

/// Attention inside segments: against double precision, and the same bytes from every level and any split.
@Suite struct SegmentTests {
    typealias Attend =
        (UnsafePointer<sk_segment>, UnsafePointer<Float>, Int32, Int32, UnsafeMutablePointer<Float>) -> Void

    /// Queries, keys and values of one head, side by side in rows of a stride that is no multiple of anything.
    struct Head {
        let width: Int
        let rows: Int
        let stride: Int
        var values: [Float]
        let cosines: [Float]
        let sines: [Float]
        let isRotated: Bool

        init(width: Int, rows: Int, isRotated: Bool, amplitude: Float = 2) {
            var numbers = SeededNumbers(UInt64(width * 1000 + rows))
            self.width = width
            self.rows = rows
            self.isRotated = isRotated
            stride = 3 * width + 5
            values = numbers.floats(rows * stride, in: -amplitude...amplitude)
            let angles = numbers.floats(rows * (width / 2 + 1), in: -3...3)
            cosines = angles.map { cos($0) }
            sines = angles.map { sin($0) }
        }

        func attend(
            _ parts: [Range<Int>],
            packing: (UnsafePointer<sk_segment>, UnsafeMutablePointer<Float>) -> Void,
            _ kernel: Attend
        ) -> [Float] {
            let packed = AlignedFloats(sk_segment_packed_floats(Int32(width), Int32(rows)), filledWith: .nan)
            let scratch = AlignedFloats(sk_segment_scratch_floats(Int32(width)), filledWith: .nan)
            var out = [Float](repeating: 7, count: rows * (width + 3))
            values.withUnsafeBufferPointer { values in
                cosines.withUnsafeBufferPointer { cosines in
                    sines.withUnsafeBufferPointer { sines in
                        out.withUnsafeMutableBufferPointer { out in
                            guard let base = values.baseAddress else { return }
                            var segment = sk_segment(
                                width: Int32(width),
                                rows: Int32(rows),
                                scale: Float(1 / Double(width).squareRoot()),
                                queries: base,
                                keys: base + width,
                                values: base + 2 * width,
                                stride: Int64(stride),
                                cosines: isRotated ? cosines.baseAddress : nil,
                                sines: isRotated ? sines.baseAddress : nil,
                                table_stride: Int64(width / 2 + 1),
                                out: out.baseAddress,
                                out_stride: Int64(width + 3)
                            )
                            packing(&segment, packed.base)
                            for part in parts {
                                kernel(
                                    &segment,
                                    packed.base,
                                    Int32(part.lowerBound),
                                    Int32(part.upperBound),
                                    scratch.base
                                )
                            }
                        }
                    }
                }
            }
            return out
        }

        /// Row `row` in double precision.
        func reference(_ row: Int) -> [Double] {
            func turned(_ index: Int, from column: Int) -> [Double] {
                var result = (0..<width).map { Double(values[index * stride + column + $0]) }
                guard isRotated else { return result }
                for i in 0..<width / 2 {
                    let (c, s) = (
                        Double(cosines[index * (width / 2 + 1) + i]), Double(sines[index * (width / 2 + 1) + i])
                    )
                    let (a, b) = (result[i], result[width / 2 + i])
                    (result[i], result[width / 2 + i]) = (a * c - b * s, b * c + a * s)
                }
                return result
            }
            let query = turned(row, from: 0)
            let scores = (0..<rows).map { key in
                zip(query, turned(key, from: width)).reduce(0) { $0 + $1.0 * $1.1 } / Double(width).squareRoot()
            }
            let top = scores.max() ?? 0
            let weights = scores.map { exp($0 - top) }
            let total = weights.reduce(0, +)
            return (0..<width).map { column in
                (0..<rows).reduce(0) { $0 + weights[$1] * Double(values[$1 * stride + 2 * width + column]) } / total
            }
        }
    }

    static let shapes = [
        (1, 1), (1, 30), (7, 19), (8, 1), (16, 257), (64, 96), (64, 300), (72, 49), (72, 271), (80, 113), (256, 20),
    ]

    @Test(arguments: shapes) func againstDoublePrecision(_ width: Int, _ rows: Int) {
        for isRotated in [false, true] where !isRotated || width % 2 == 0 {
            let head = Head(width: width, rows: rows, isRotated: isRotated)
            let out = head.attend([0..<rows], packing: { sk_segment_pack($0, $1) }) {
                sk_segment_attend($0, $1, $2, $3, $4)
            }
            for row in stride(from: 0, to: rows, by: 7) {
                let expected = head.reference(row)
                for column in 0..<width {
                    #expect(abs(Double(out[row * (width + 3) + column]) - expected[column]) < 5e-6)
                }
                #expect(out[row * (width + 3) + width..<(row + 1) * (width + 3)].allSatisfy { $0 == 7 })
            }
        }
    }

    @Test(arguments: shapes) func levelsAndSplitsAgree(_ width: Int, _ rows: Int) {
        let head = Head(width: width, rows: rows, isRotated: width % 2 == 0)
        let slow = head.attend([0..<rows], packing: { sk_segment_pack_scalar($0, $1) }) {
            sk_segment_attend_scalar($0, $1, $2, $3, $4)
        }
        let parts = [0..<rows / 3, rows / 3..<rows / 3, rows / 3..<rows]
        let fast = head.attend(parts, packing: { sk_segment_pack($0, $1) }) { sk_segment_attend($0, $1, $2, $3, $4) }
        #expect(fast.map(\.bitPattern) == slow.map(\.bitPattern))
        guard sk_emulated_is_possible() == 1 else { return }
        let emulated = head.attend(parts, packing: { sk_segment_pack($0, $1) }) {
            sk_segment_attend_emulated($0, $1, $2, $3, $4)
        }
        #expect(emulated.map(\.bitPattern) == slow.map(\.bitPattern))
    }

    /// Very sharp attention stays finite; a hostile query spoils its own row alone.
    @Test func hostileRows() {
        let sharp = Head(width: 72, rows: 300, isRotated: true, amplitude: 300)
        let out = sharp.attend([0..<300], packing: { sk_segment_pack($0, $1) }) {
            sk_segment_attend($0, $1, $2, $3, $4)
        }
        #expect(out.allSatisfy { $0.isFinite })
        for value in [Float.nan, .infinity] {
            var head = Head(width: 72, rows: 300, isRotated: false)
            let clean = head.attend([0..<300], packing: { sk_segment_pack($0, $1) }) {
                sk_segment_attend($0, $1, $2, $3, $4)
            }
            head.values[5 * head.stride + 3] = value
            let spoilt = head.attend([0..<300], packing: { sk_segment_pack($0, $1) }) {
                sk_segment_attend($0, $1, $2, $3, $4)
            }
            for row in 0..<300 {
                let range = row * 75..<row * 75 + 72
                if row == 5 {
                    #expect(spoilt[range].contains { $0.isNaN })
                } else {
                    #expect(spoilt[range] == clean[range])
                }
            }
        }
    }

    @Test func sizesThatMakeNoSense() {
        #expect(sk_segment_packed_floats(0, 4) == 0)
        #expect(sk_segment_packed_floats(257, 4) == 0)
        #expect(sk_segment_packed_floats(64, 0) == 0)
        #expect(sk_segment_packed_floats(64, .max) == 0)
        #expect(sk_segment_packed_floats(72, 17) == 32 * 152)
    }
}

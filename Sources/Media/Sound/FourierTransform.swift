import Foundation

/// The power spectrum of a real frame of even length, by a complex transform of half the length.
///
/// Mixed radix, decimation in time, any factors (400 = 2 * 2*2*2*5*5); in double, since the quietest bins that the log
/// keeps are ten thousand times smaller than the loudest. O(n * sum of factors).
package struct FourierTransform: Sendable {
    package let length: Int
    private let half: Int
    private let factors: [Int]
    /// exp(-2 pi i k / half), interleaved.
    private let twiddles: [Double]
    /// exp(-2 pi i k / length) for k in 0 ... half, interleaved.
    private let untangling: [Double]
    /// Where input k of the complex transform stands after the digits are reversed.
    private let order: [Int]

    /// - Parameter length: even, 2 ... 65,536.
    package init?(length: Int) {
        guard length % 2 == 0, 2...65_536 ~= length else { return nil }
        self.length = length
        half = length / 2
        var rest = length / 2
        var factors: [Int] = []
        var divisor = 4
        while rest > 1 {
            if rest % divisor == 0 {
                factors.append(divisor)
                rest /= divisor
            } else {
                divisor = divisor == 4 ? 2 : divisor == 2 ? 3 : divisor + 2
            }
        }
        self.factors = factors
        func circle(_ count: Int, _ period: Int) -> [Double] {
            (0..<count).flatMap { index -> [Double] in
                let angle = -2 * Double.pi * Double(index) / Double(period)
                return [cos(angle), sin(angle)]
            }
        }
        twiddles = circle(half, half)
        untangling = circle(half + 1, length)
        let half = half
        order = (0..<half).map { index in
            // Position of sample `index` when the input is split by the last factor first.
            var (rest, position, size) = (index, 0, half)
            for factor in factors.reversed() {
                size /= factor
                position += rest % factor * size
                rest /= factor
            }
            return position
        }
    }

    /// Doubles of scratch that ``power(_:into:scratch:)`` needs.
    package var scratchCount: Int { length + 2 * (factors.max() ?? 1) + 2 }

    /// |X_k|^2 for k in 0 ... length / 2.
    ///
    /// - Parameters:
    ///   - frame: `length` samples.
    ///   - output: `length / 2 + 1` values.
    ///   - scratch: ``scratchCount`` values, not aliasing the others.
    package func power(
        _ frame: UnsafePointer<Double>,
        into output: UnsafeMutablePointer<Double>,
        scratch: UnsafeMutablePointer<Double>
    ) {
        for index in 0..<half {
            scratch[2 * order[index]] = frame[2 * index]
            scratch[2 * order[index] + 1] = frame[2 * index + 1]
        }
        transform(scratch, legs: scratch + length)
        // Even samples are the real parts and odd ones the imaginary parts of the half-length transform.
        for k in 0...half {
            let (a, b) = (k == half ? 0 : k, k == 0 ? 0 : half - k)
            let (ar, ai, br, bi) = (scratch[2 * a], scratch[2 * a + 1], scratch[2 * b], -scratch[2 * b + 1])
            let (er, ei) = ((ar + br) / 2, (ai + bi) / 2)
            let (or, oi) = ((ai - bi) / 2, (br - ar) / 2)
            let (c, s) = (untangling[2 * k], untangling[2 * k + 1])
            let (re, im) = (er + c * or - s * oi, ei + c * oi + s * or)
            output[k] = re * re + im * im
        }
    }

    /// The complex transform of `half` points in digit-reversed order, in place.
    private func transform(_ data: UnsafeMutablePointer<Double>, legs: UnsafeMutablePointer<Double>) {
        var size = 1
        twiddles.withUnsafeBufferPointer { table in
            guard let table = table.baseAddress else { return }
            for factor in factors {
                let span = size * factor
                let stride = half / span
                for start in Swift.stride(from: 0, to: half, by: span) {
                    for offset in 0..<size {
                        let base = data + 2 * (start + offset)
                        switch factor {
                        case 2: Self.two(base, 2 * size, table, offset * stride)
                        case 4: Self.four(base, 2 * size, table, offset * stride)
                        default: any(factor, base, size, offset, stride, table, legs)
                        }
                    }
                }
                size = span
            }
        }
    }

    @inline(__always)
    private static func turned(_ x: UnsafeMutablePointer<Double>, _ table: UnsafePointer<Double>, _ turn: Int)
        -> SIMD2<Double>
    {
        let (c, s) = (table[2 * turn], table[2 * turn + 1])
        return SIMD2(x[0] * c - x[1] * s, x[0] * s + x[1] * c)
    }

    @inline(__always)
    private static func two(_ x: UnsafeMutablePointer<Double>, _ step: Int, _ table: UnsafePointer<Double>, _ turn: Int)
    {
        let a = SIMD2(x[0], x[1])
        let b = turned(x + step, table, turn)
        (x[0], x[1]) = (a.x + b.x, a.y + b.y)
        (x[step], x[step + 1]) = (a.x - b.x, a.y - b.y)
    }

    @inline(__always)
    private static func four(
        _ x: UnsafeMutablePointer<Double>,
        _ step: Int,
        _ table: UnsafePointer<Double>,
        _ turn: Int
    ) {
        let a = SIMD2(x[0], x[1])
        let b = turned(x + step, table, turn)
        let c = turned(x + 2 * step, table, 2 * turn)
        let d = turned(x + 3 * step, table, 3 * turn)
        let (even, odd) = (a + c, a - c)
        let (sum, difference) = (b + d, b - d)
        (x[0], x[1]) = (even.x + sum.x, even.y + sum.y)
        (x[step], x[step + 1]) = (odd.x + difference.y, odd.y - difference.x)
        (x[2 * step], x[2 * step + 1]) = (even.x - sum.x, even.y - sum.y)
        (x[3 * step], x[3 * step + 1]) = (odd.x - difference.y, odd.y + difference.x)
    }

    /// A butterfly of any odd size, by the definition.
    @inline(__always)
    private func any(
        _ factor: Int,
        _ x: UnsafeMutablePointer<Double>,
        _ size: Int,
        _ offset: Int,
        _ stride: Int,
        _ table: UnsafePointer<Double>,
        _ legs: UnsafeMutablePointer<Double>
    ) {
        for leg in 0..<factor {
            let value = Self.turned(x + 2 * leg * size, table, leg * offset * stride)
            (legs[2 * leg], legs[2 * leg + 1]) = (value.x, value.y)
        }
        let step = half / factor
        for output in 0..<factor {
            var (re, im) = (legs[0], legs[1])
            var turn = 0
            for leg in 1..<factor {
                turn += output * step
                if turn >= half { turn %= half }
                let (c, s) = (table[2 * turn], table[2 * turn + 1])
                re += legs[2 * leg] * c - legs[2 * leg + 1] * s
                im += legs[2 * leg] * s + legs[2 * leg + 1] * c
            }
            (x[2 * output * size], x[2 * output * size + 1]) = (re, im)
        }
    }
}

import CKernels
import Foundation
import Testing

/// Layer norm and GELU: against double precision, and the same bytes from every level.
@Suite struct LayersTests {
    @Test(arguments: RowsTests.lengths.filter { $0 > 0 } + [1152, 1280])
    func layerNorm(_ columns: Int) {
        var numbers = SeededNumbers(UInt64(columns) + 70)
        let stride = columns + 5
        let x = numbers.floats(3 * stride, in: -4...6)
        let weight = numbers.floats(columns, in: 0...2)
        let bias = numbers.floats(columns)
        var fast = [Float](repeating: 9, count: 3 * stride)
        var slow = fast
        let (wide, count) = (Int64(stride), Int32(columns))
        sk_layer_norm(x, wide, weight, bias, 1e-6, 3, count, &fast, wide)
        sk_layer_norm_scalar(x, wide, weight, bias, 1e-6, 3, count, &slow, wide)
        #expect(fast.map(\.bitPattern) == slow.map(\.bitPattern))
        for row in 0..<3 {
            let values = x[row * stride..<row * stride + columns].map(Double.init)
            let mean = values.reduce(0, +) / Double(columns)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            for i in 0..<columns {
                let normed = (values[i] - mean) / (variance + 1e-6).squareRoot()
                let expected = normed * Double(weight[i]) + Double(bias[i])
                #expect(abs(Double(fast[row * stride + i]) - expected) <= 4e-6 * max(1, abs(normed)))
            }
            #expect(fast[row * stride + columns..<(row + 1) * stride].allSatisfy { $0 == 9 })
        }
        var inPlace = x
        inPlace.withUnsafeMutableBufferPointer {
            sk_layer_norm($0.baseAddress, wide, weight, bias, 1e-6, 3, count, $0.baseAddress, wide)
        }
        for row in 0..<3 {
            let range = row * stride..<row * stride + columns
            #expect(inPlace[range].map(\.bitPattern) == fast[range].map(\.bitPattern))
        }
    }

    /// A hostile row spoils only itself.
    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func layerNormOfHostileRows(_ value: Float) {
        var x = [Float](repeating: 0, count: 3 * 37)
        for i in 0..<37 { x[i] = Float(i) }
        x[37 + 5] = value
        let ones = [Float](repeating: 1, count: 37)
        var out = [Float](repeating: 0, count: 3 * 37)
        sk_layer_norm(x, 37, ones, ones, 1e-6, 3, 37, &out, 37)
        #expect(out[0..<37].allSatisfy { $0.isFinite })
        #expect(out[37..<74].allSatisfy { $0.isNaN })
        #expect(out[74...].allSatisfy { $0 == 1 })
    }

    @Test func geluOverTheWholeRange() {
        var x: [Float] = (0..<200_001).map { Float($0 - 100_000) / 6000 }
        let arguments = x
        x += [.infinity, -.infinity, .nan, 3e38, -3e38, 0, -0.0]
        var slow = x
        sk_gelu(&x, Int64(x.count))
        sk_gelu_scalar(&slow, Int64(slow.count))
        #expect(canonicalBits(x) == canonicalBits(slow))
        var worst = 0.0
        for (argument, result) in zip(arguments, x) where argument > -12.9 && argument != 0 {
            let a = Double(argument)
            let expected = a * 0.5 * erfc(-a / 2.0.squareRoot())
            worst = max(worst, abs(Double(result) - expected) / abs(expected))
        }
        #expect(worst < 5e-7)
        let special = x.suffix(7).map { $0 }
        #expect(special[0] == .infinity && special[1] == 0 && special[2].isNaN && special[3] == Float(3e38))
        #expect(special[4...].allSatisfy { $0 == 0 })
    }

    @Test func geluTanhOverTheWholeRange() {
        var x: [Float] = (0..<200_001).map { Float($0 - 100_000) / 10_000 }
        let arguments = x
        x += [.infinity, .nan, 3e38, -3e38, 0]
        var slow = x
        sk_gelu_tanh(&x, Int64(x.count))
        sk_gelu_tanh_scalar(&slow, Int64(slow.count))
        #expect(canonicalBits(x) == canonicalBits(slow))
        var worst = 0.0
        for (argument, result) in zip(arguments, x) where argument != 0 {
            let a = Double(argument)
            let u = (2 / Double.pi).squareRoot() * (a + 0.044715 * a * a * a)
            let expected = a / (1 + exp(-2 * u))
            guard abs(expected) > 1e-6 else { continue }
            worst = max(worst, abs(Double(result) - expected) / abs(expected))
        }
        #expect(worst < 3e-6)
        let special = x.suffix(5).map { $0 }
        #expect(special[0] == .infinity && special[1].isNaN && special[2] == Float(3e38) && special[3] == 0)
    }

    /// Ragged ends touch nothing behind them.
    @Test(arguments: RowsTests.lengths) func raggedGELU(_ count: Int) {
        var numbers = SeededNumbers(UInt64(count) + 71)
        let start = numbers.floats(count + 3, in: -5...5)
        for kernel in [sk_gelu, sk_gelu_tanh] {
            var x = start
            kernel(&x, Int64(count))
            #expect(Array(x[count...]) == Array(start[count...]))
        }
        for (kernel, scalar) in [(sk_gelu, sk_gelu_scalar), (sk_gelu_tanh, sk_gelu_tanh_scalar)] {
            var (x, y) = (start, start)
            kernel(&x, Int64(count))
            scalar(&y, Int64(count))
            #expect(x.map(\.bitPattern) == y.map(\.bitPattern))
        }
    }
}

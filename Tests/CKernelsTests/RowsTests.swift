import CKernels
import Foundation
import Testing

@Suite struct RowsTests {
    static let lengths = [0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 100, 576, 1000]

    @Test(arguments: lengths) func rmsNorm(_ columns: Int) {
        var numbers = SeededNumbers(UInt64(columns))
        let stride = columns + 5
        let x = numbers.floats(3 * stride, in: -4...4)
        let weight = numbers.floats(columns, in: 0...2)
        var fast = [Float](repeating: 9, count: 3 * stride)
        var slow = fast
        sk_rms_norm(x, Int64(stride), weight, 1e-5, 3, Int32(columns), &fast, Int64(stride))
        sk_rms_norm_scalar(x, Int64(stride), weight, 1e-5, 3, Int32(columns), &slow, Int64(stride))
        #expect(fast.map(\.bitPattern) == slow.map(\.bitPattern))
        for row in 0..<3 {
            let squares = (0..<columns).reduce(0.0) { $0 + pow(Double(x[row * stride + $1]), 2) }
            let factor = 1 / (squares / Double(max(columns, 1)) + 1e-5).squareRoot()
            for i in 0..<columns {
                let expected = Double(x[row * stride + i]) * factor * Double(weight[i])
                #expect(abs(Double(fast[row * stride + i]) - expected) <= 1e-6 * max(1, abs(expected)))
            }
            #expect(fast[row * stride + columns..<(row + 1) * stride].allSatisfy { $0 == 9 })
        }
        var inPlace = x
        inPlace.withUnsafeMutableBufferPointer {
            sk_rms_norm($0.baseAddress, Int64(stride), weight, 1e-5, 3, Int32(columns), $0.baseAddress, Int64(stride))
        }
        for row in 0..<3 {
            let range = row * stride..<row * stride + columns
            #expect(inPlace[range].map(\.bitPattern) == fast[range].map(\.bitPattern))
        }
    }

    @Test(arguments: lengths) func sums(_ count: Int) {
        var numbers = SeededNumbers(UInt64(count) + 1)
        let x = numbers.floats(count + 1)
        let start = numbers.floats(count + 1)
        var y = start
        sk_add(&y, x, Int64(count))
        for i in 0..<count { #expect(y[i] == start[i] + x[i]) }
        #expect(y[count] == start[count])
        y = start
        sk_add_scaled(&y, x, 0.3, Int64(count))
        for i in 0..<count { #expect(y[i] == start[i].addingProduct(0.3, x[i])) }
        #expect(y[count] == start[count])
        y = start
        sk_scale(&y, -1.7, Int64(count))
        for i in 0..<count { #expect(y[i] == start[i] * -1.7) }
        #expect(y[count] == start[count])
    }

    @Test(arguments: lengths) func softmax(_ count: Int) {
        var numbers = SeededNumbers(UInt64(count) + 2)
        var x = numbers.floats(count, in: -20...20)
        if count > 3 { x[count / 2] = -.infinity }
        var fast = x
        var slow = x
        sk_softmax(&fast, Int32(count))
        sk_softmax_scalar(&slow, Int32(count))
        #expect(fast.map(\.bitPattern) == slow.map(\.bitPattern))
        let top = Double(x.max() ?? 0)
        let total = x.reduce(0.0) { $0 + exp(Double($1) - top) }
        for i in 0..<count { #expect(abs(Double(fast[i]) - exp(Double(x[i]) - top) / total) <= 5e-7) }
        if count > 3 { #expect(fast[count / 2] == 0) }
    }

    @Test func softmaxOfHostileRows() {
        var row = [Float](repeating: -.infinity, count: 37)
        sk_softmax(&row, 37)
        #expect(row.allSatisfy { $0 == 0 })
        row[20] = 3e38
        row[3] = -3e38
        sk_softmax(&row, 37)
        #expect(row[20] == 1 && row[3] == 0)
        row = [Float](repeating: 1, count: 37)
        row[36] = .nan
        sk_softmax(&row, 37)
        #expect(row.allSatisfy { $0.isNaN })
    }

    /// exp is inside: sigmoid(x) of large negative x is exp(x) to within an ulp.
    @Test func sigmoidOverTheWholeRange() {
        var x: [Float] = (0..<200_001).map { Float($0 - 100_000) / 1000 }
        let arguments = x
        x += [-.infinity, .infinity, .nan, -1e30, 1e30]
        sk_sigmoid(&x, Int32(x.count))
        var worst = 0.0
        for (argument, result) in zip(arguments, x) where argument > -86 {
            let expected = 1 / (1 + exp(-Double(argument)))
            worst = max(worst, abs(Double(result) - expected) / Double(Float(expected).ulp))
        }
        #expect(worst < 3)
        #expect(Array(x.suffix(5).prefix(2)) == [0, 1])
        #expect(x[x.count - 3].isNaN)
        #expect(Array(x.suffix(2)) == [0, 1])
    }

    @Test(arguments: lengths) func argmax(_ count: Int) {
        var numbers = SeededNumbers(UInt64(count) + 3)
        for _ in 0..<8 {
            var x = (0..<count).map { _ in Float(Int.random(in: -6...6, using: &numbers)) }
            var expected = -1
            for i in 0..<count where expected < 0 || x[i] > x[expected] { expected = i }
            #expect(sk_argmax(x, Int64(count)) == Int32(expected))
            guard count > 0 else { continue }
            x[Int.random(in: 0..<count, using: &numbers)] = .nan
            expected = -1
            for i in 0..<count where !x[i].isNaN && (expected < 0 || x[i] > x[expected]) { expected = i }
            #expect(sk_argmax(x, Int64(count)) == Int32(expected))
        }
    }

    @Test func argmaxOfHostileRows() {
        #expect(sk_argmax([Float](repeating: .nan, count: 40), 40) == -1)
        #expect(sk_argmax([Float](repeating: -.infinity, count: 40), 40) == 0)
        #expect(sk_argmax([.nan, -.infinity, .nan], 3) == 1)
        #expect(sk_argmax([.nan, 1, .infinity, .infinity], 4) == 2)
        #expect(sk_argmax([-0.0, 0.0], 2) == 0)
    }

    @Test(arguments: lengths + [49152]) func logSumExp(_ count: Int) {
        var numbers = SeededNumbers(UInt64(count) + 4)
        let x = numbers.floats(count, in: -30...30)
        let fast = sk_log_sum_exp(x, Int64(count))
        #expect(fast == sk_log_sum_exp_scalar(x, Int64(count)))
        guard let top = x.max() else {
            #expect(fast == -.infinity)
            return
        }
        let expected = Double(top) + log(x.reduce(0.0) { $0 + exp(Double($1) - Double(top)) })
        #expect(abs(fast - expected) < 2e-7)
    }

    @Test func logSumExpOfHostileRows() {
        #expect(sk_log_sum_exp([Float](repeating: -.infinity, count: 40), 40) == -.infinity)
        #expect(sk_log_sum_exp([1, .infinity, 2], 3) == .infinity)
        #expect(sk_log_sum_exp([1, .nan, 2], 3).isNaN)
        #expect(sk_log_sum_exp([.nan, .nan], 2).isNaN)
        #expect(sk_log_sum_exp([3e38, -3e38], 2) == Double(Float(3e38)))
    }

    @Test(arguments: [(64, 0, 64), (64, 16, 32), (80, 3, 66), (12, 0, 12), (7, 1, 6), (5, 2, 2), (9, 0, 0)])
    func rotation(_ columns: Int, _ begin: Int, _ width: Int) {
        var numbers = SeededNumbers(UInt64(columns * 100 + width))
        let stride = columns + 2
        let half = width / 2
        let x = numbers.floats(3 * stride)
        let angles = numbers.floats(3 * (half + 1), in: -3...3)
        let cosines = angles.map { cos($0) }
        let sines = angles.map { sin($0) }
        var out = [Float](repeating: 9, count: 3 * stride)
        func rotate(_ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>) {
            sk_rotate_rows(
                from,
                Int64(stride),
                3,
                Int32(columns),
                Int32(begin),
                Int32(width),
                cosines,
                sines,
                Int64(half + 1),
                to,
                Int64(stride)
            )
        }
        rotate(x, &out)
        for row in 0..<3 {
            for i in 0..<columns {
                let pair = i < begin || i >= begin + 2 * half ? nil : (i - begin) % half
                var expected = x[row * stride + i]
                if let pair {
                    let (a, b) = (x[row * stride + begin + pair], x[row * stride + begin + half + pair])
                    let (c, s) = (cosines[row * (half + 1) + pair], sines[row * (half + 1) + pair])
                    expected = i - begin < half ? (-(b * s)).addingProduct(a, c) : (a * s).addingProduct(b, c)
                }
                #expect(out[row * stride + i] == expected)
            }
            #expect(out[row * stride + columns] == 9)
        }
        var inPlace = x
        inPlace.withUnsafeMutableBufferPointer {
            if let base = $0.baseAddress { rotate(UnsafePointer(base), base) }
        }
        for row in 0..<3 {
            #expect(inPlace[row * stride..<row * stride + columns] == out[row * stride..<row * stride + columns])
        }
    }
}

import CKernels
import Foundation

/// The taps of one axis of a resize: for every output, where it reads and with which weights.
///
/// Antialiased cubic convolution (Keys 1981, a = -0.5): when shrinking, the kernel widens by the scale. Weights are made
/// in double and rounded to 16-bit fixed point with as many fractional bits as the largest of them leaves room for, as
/// the reference's 8-bit path does, so that results are equal to the bit.
package struct ResampleFilter: Sendable {
    package let inputs: Int
    package let outputs: Int
    /// Fractional bits of the weights.
    package let shift: Int
    /// Weights between two outputs, a multiple of 16.
    package let stride: Int
    package private(set) var starts: [Int32] = []
    package private(set) var counts: [Int32] = []
    /// `[outputs][stride]`, zero behind each output's own taps.
    package private(set) var weights: [Int16] = []

    /// - Parameters:
    ///   - inputs: pixels of the axis before, 1 ... 65,536.
    ///   - outputs: and after.
    package init(inputs: Int, outputs: Int) throws(PixelError) {
        guard 1...PixelImage.maximumSide ~= inputs, 1...PixelImage.maximumSide ~= outputs else {
            throw .badSize(width: inputs, height: outputs, bytes: 0)
        }
        let scale = Double(inputs) / Double(outputs)
        let widening = max(scale, 1)
        let support = 2 * widening
        let largestCount = Int(support.rounded(.up)) * 2 + 1
        let unit = Int(SK_RESAMPLE_TAPS)
        self.inputs = inputs
        self.outputs = outputs
        stride = (largestCount + unit - 1) / unit * unit
        var exact = [Double](repeating: 0, count: outputs * stride)
        var largest = 0.0
        for output in 0..<outputs {
            let center = scale * (Double(output) + 0.5)
            let start = max(Int(center - support + 0.5), 0)
            let count = min(max(min(Int(center + support + 0.5), inputs) - start, 1), largestCount, inputs - start)
            var total = 0.0
            for tap in 0..<count {
                let weight = Self.cubic((Double(tap + start) - center + 0.5) / widening)
                exact[output * stride + tap] = weight
                total += weight
            }
            for tap in 0..<count where total != 0 {
                exact[output * stride + tap] /= total
                largest = max(largest, exact[output * stride + tap])
            }
            starts.append(Int32(start))
            counts.append(Int32(count))
        }
        var bits = 0
        while bits < 22, Int(0.5 + largest * Double(1 << (bits + 1))) < 1 << 15 { bits += 1 }
        let precision = max(1, bits)
        shift = precision
        weights = exact.map { weight in
            let scaled = weight * Double(1 << precision)
            return Int16(clamping: Int(scaled < 0 ? scaled - 0.5 : scaled + 0.5))
        }
    }

    /// Keys' kernel with a = -0.5: zero from 2 on.
    static func cubic(_ x: Double) -> Double {
        let x = abs(x)
        if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
        if x < 2 { return (((x - 5) * x + 8) * x - 4) * -0.5 }
        return 0
    }

    /// Calls `body` with what the kernels take.
    package func withTaps<Result>(_ body: (UnsafePointer<sk_resample_taps>) -> Result) -> Result {
        starts.withUnsafeBufferPointer { starts in
            counts.withUnsafeBufferPointer { counts in
                weights.withUnsafeBufferPointer { weights in
                    var taps = sk_resample_taps(
                        starts: starts.baseAddress,
                        counts: counts.baseAddress,
                        weights: weights.baseAddress,
                        stride: Int32(stride),
                        outputs: Int32(outputs),
                        shift: Int32(shift)
                    )
                    return body(&taps)
                }
            }
        }
    }
}

import Foundation

/// Triangles on the mel scale of Slaney's Auditory Toolbox (linear below 1 kHz, logarithmic above), each of area one.
package struct MelFilters: Sendable {
    package let bins: Int
    /// Bins of the power spectrum: transform length / 2 + 1.
    package let spectrumBins: Int
    /// First spectrum bin of each triangle, and where its weights begin in ``weights``; `bins + 1` offsets.
    private let firsts: [Int]
    private let offsets: [Int]
    private let weights: [Double]

    /// - Parameters:
    ///   - bins: 80 or 128 in the released models; 1 ... 512.
    ///   - highest: Hz, of the last triangle's foot.
    package init(bins: Int, spectrumBins: Int = 201, sampleRate: Double = 16_000, highest: Double = 8000) {
        self.bins = bins
        self.spectrumBins = spectrumBins
        let top = Self.mel(highest)
        let feet = (0..<bins + 2).map { Self.hertz(top * Double($0) / Double(bins + 1)) }
        let step = sampleRate / 2 / Double(spectrumBins - 1)
        var firsts: [Int] = []
        var offsets = [0]
        var weights: [Double] = []
        for bin in 0..<bins {
            let (low, center, high) = (feet[bin], feet[bin + 1], feet[bin + 2])
            var first: Int?
            for index in 0..<spectrumBins {
                let frequency = Double(index) * step
                let height = min((frequency - low) / (center - low), (high - frequency) / (high - center))
                guard height > 0 else { continue }
                if first == nil { first = index }
                weights.append(height * 2 / (high - low))
            }
            firsts.append(first ?? 0)
            offsets.append(weights.count)
        }
        self.firsts = firsts
        self.offsets = offsets
        self.weights = weights
    }

    private static func mel(_ hertz: Double) -> Double {
        hertz < 1000 ? 3 * hertz / 200 : 15 + log(hertz / 1000) * 27 / log(6.4)
    }

    private static func hertz(_ mel: Double) -> Double {
        mel < 15 ? 200 * mel / 3 : 1000 * exp(log(6.4) / 27 * (mel - 15))
    }

    /// log10 of each triangle's power, not below 1e-10.
    ///
    /// - Parameters:
    ///   - power: ``spectrumBins`` values.
    ///   - output: ``bins`` values.
    package func apply(_ power: UnsafePointer<Double>, into output: UnsafeMutablePointer<Float>) {
        for bin in 0..<bins {
            var sum = 0.0
            let begin = offsets[bin]
            for index in begin..<offsets[bin + 1] { sum += weights[index] * power[firsts[bin] + index - begin] }
            output[bin] = Float(log10(max(sum, 1e-10)))
        }
    }
}

import Foundation

/// Pictures of sound that the default model's ear reads and its decoder films: log amplitudes of triangular mel bands, -1 for
/// silence, 1 about a full-scale tone.
///
/// Column k is centred on sample hop * k + hop / 2 under a periodic Hann window; amplitudes are relative to a full-scale sine's, and
/// what is below the floor is silence. Not for two threads at once. Cost: about 10 us a column at a window of 1024.
package final class BandPicture {
    package struct Settings: Sendable, Equatable {
        /// Samples, even.
        package var window: Int
        package var hop: Int
        package var bands: Int
        package var lowHertz: Double
        package var highHertz: Double
        /// Amplitude of silence, below 1.
        package var floor: Double

        package init(window: Int, hop: Int, bands: Int, lowHertz: Double, highHertz: Double, floor: Double) {
            self.window = window
            self.hop = hop
            self.bands = bands
            self.lowHertz = lowHertz
            self.highHertz = highHertz
            self.floor = floor
        }
    }

    package let settings: Settings
    private let transform: FourierTransform
    private let taper: [Double]
    /// What a full-scale sine's spectrum reaches.
    private let full: Double
    /// Of each band, its first bin and the weights from there on.
    private let filters: [(first: Int, weights: [Double])]
    private var frame: [Double]
    private var power: [Double]
    private var scratch: [Double]

    /// - Throws: ``SoundError`` for settings that no picture can have.
    package init(_ settings: Settings, sampleRate: Int) throws(SoundError) {
        let nyquist = Double(sampleRate) / 2
        guard let transform = FourierTransform(length: settings.window), settings.hop > 0, 1...512 ~= settings.bands,
            settings.lowHertz >= 0, settings.lowHertz < settings.highHertz, settings.highHertz <= nyquist,
            settings.floor > 0, settings.floor < 1
        else { throw .badSetting("pictures of sound of \(settings) at \(sampleRate) samples per second") }
        self.settings = settings
        self.transform = transform
        let count = settings.window
        taper = (0..<count).map { 0.5 - 0.5 * cos(2 * Double.pi * Double($0) / Double(count)) }
        full = taper.reduce(0, +) / 2
        filters = Self.filters(settings, binWidth: Double(sampleRate) / Double(count), bins: count / 2 + 1)
        frame = Array(repeating: 0, count: count)
        power = Array(repeating: 0, count: count / 2 + 1)
        scratch = Array(repeating: 0, count: transform.scratchCount)
    }

    private static func filters(_ settings: Settings, binWidth: Double, bins: Int) -> [(first: Int, weights: [Double])]
    {
        func mel(_ hertz: Double) -> Double { 2595 * log10(1 + hertz / 700) }
        let (low, high) = (mel(settings.lowHertz), mel(settings.highHertz))
        let edges = (0..<settings.bands + 2).map { index in
            700 * (pow(10, (low + (high - low) * Double(index) / Double(settings.bands + 1)) / 2595) - 1)
        }
        return (0..<settings.bands).map { band in
            let (left, centre, right) = (edges[band], edges[band + 1], edges[band + 2])
            let weights = (0..<bins).map { bin -> Double in
                let hertz = Double(bin) * binWidth
                return max(0, min((hertz - left) / (centre - left), (right - hertz) / (right - centre)))
            }
            if weights.reduce(0, +) < 0.5 {
                // Narrower than a bin: the band keeps at least the bin nearest to its centre.
                let nearest = (0..<bins).min {
                    abs(Double($0) * binWidth - centre) < abs(Double($1) * binWidth - centre)
                }
                var kept = weights
                kept[nearest ?? 0] = 1
                return trimmed(kept)
            }
            return trimmed(weights)
        }
    }

    private static func trimmed(_ weights: [Double]) -> (first: Int, weights: [Double]) {
        let first = weights.firstIndex { $0 > 0 } ?? 0
        let last = weights.lastIndex { $0 > 0 } ?? first
        return (first, Array(weights[first...last]))
    }

    /// `[samples.count / hop][bands]`. What is not finite counts as silence, and so does what lies beyond either end.
    package func columns(of samples: ArraySlice<Float>) -> [Float] {
        let count = samples.count / settings.hop
        let silence = log(settings.floor)
        var picture: [Float] = []
        picture.reserveCapacity(count * settings.bands)
        for column in 0..<count {
            let begin = column * settings.hop + settings.hop / 2 - settings.window / 2
            for index in 0..<settings.window {
                let place = begin + index
                let sample =
                    samples.indices.contains(samples.startIndex + place) ? samples[samples.startIndex + place] : 0
                frame[index] = sample.isFinite ? Double(sample) * taper[index] : 0
            }
            frame.withUnsafeBufferPointer { frame in
                power.withUnsafeMutableBufferPointer { power in
                    scratch.withUnsafeMutableBufferPointer { scratch in
                        guard let frame = frame.baseAddress, let power = power.baseAddress,
                            let scratch = scratch.baseAddress
                        else { return }
                        transform.power(frame, into: power, scratch: scratch)
                    }
                }
            }
            for (first, weights) in filters {
                var sum = 0.0
                for (offset, weight) in weights.enumerated() { sum += weight * power[first + offset] }
                let amplitude = min(1, max(settings.floor, sum.squareRoot() / full))
                picture.append(Float(1 - 2 * log(amplitude) / silence))
            }
        }
        return picture
    }
}

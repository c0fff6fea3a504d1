import Foundation

/// A picture of sound back to a waveform, column by column: an oscillator a band at spectral peaks, its pitch from the
/// centre of gravity of three bands, amplitudes and pitches interpolated, phases running on.
///
/// Nothing is learned, and memory does not grow with the length. Samples come half a column late, since they lie between
/// the centres of two columns; ``finish()`` gives the rest.
package struct SoundSynthesis {
    package let settings: FilmSettings.Mel
    package let sampleRate: Int
    private let centres: [Double]
    private let step: Double
    private var amplitude: [Double]
    private var hertz: [Double]
    /// Mel of the band's tone; a silent band keeps it, so that fading out does not glide.
    private var pitch: [Double]
    /// Cycles so far, modulo 1.
    private var cycles: [Double]
    private var columns = 0
    /// Samples made so far.
    private var produced = 0

    package init(_ settings: FilmSettings.Mel, sampleRate: Int) {
        self.settings = settings
        self.sampleRate = sampleRate
        let low = MelScale.mel(settings.lowestHertz)
        let high = MelScale.mel(settings.highestHertz)
        let bands = settings.bands
        let edges = (0..<bands + 2).map {
            MelScale.hertz($0 == bands + 1 ? high : low + Double($0) * ((high - low) / Double(bands + 1)))
        }
        centres = edges[1...bands].map(MelScale.mel)
        step = centres[1] - centres[0]
        amplitude = Array(repeating: 0, count: bands)
        hertz = Array(repeating: 0, count: bands)
        pitch = centres
        cycles = Array(repeating: 0, count: bands)
    }

    /// Adds the next column.
    ///
    /// - Parameter column: `bands` numbers, -1 (silence) ... 1 (a full-scale tone).
    /// - Returns: the samples up to the column's centre.
    package mutating func push(_ column: some RandomAccessCollection<Float>) -> [Float] {
        let bands = settings.bands
        precondition(column.count == bands)
        let loud = column.map { value -> Double in
            let clipped = value.isNaN ? -1 : min(1, max(-1, value))
            let amplitude = exp(Double((1 - clipped) / 2) * log(settings.floor))
            return amplitude <= settings.floor * 1.5 ? 0 : amplitude
        }
        var nextAmplitude = Array(repeating: 0.0, count: bands)
        for band in 0..<bands {
            let left = band > 0 ? loud[band - 1] : 0
            let right = band < bands - 1 ? loud[band + 1] : 0
            guard loud[band] > left, loud[band] >= right else { continue }
            nextAmplitude[band] = (left * left + loud[band] * loud[band] + right * right).squareRoot()
            // A tone between two bands is seen by both: the centre of gravity gives its pitch.
            pitch[band] = centres[band] + step * (right - left) / max(left + loud[band] + right, 1e-12)
        }
        // The first column counts for the samples before its centre too.
        let isFirst = columns == 0
        if isFirst {
            amplitude = nextAmplitude
            hertz = pitch.map(MelScale.hertz)
        }
        let nextHertz = pitch.map(MelScale.hertz)
        // Sample i lies in the interval when i < centre of this column.
        let hop = Double(settings.hop)
        let centre = Double(columns) * hop + hop / 2
        let end = Int(centre.rounded(.up))
        let samples = make(upTo: end, from: centre - hop, to: (nextAmplitude, nextHertz))
        amplitude = nextAmplitude
        hertz = nextHertz
        columns += 1
        return samples
    }

    /// The samples after the last column's centre.
    package mutating func finish() -> [Float] {
        make(upTo: columns * settings.hop, from: Double(produced), to: (amplitude, hertz))
    }

    /// Samples up to `end`, between the last column, at sample `start`, and the next, a hop later.
    private mutating func make(upTo end: Int, from start: Double, to next: (amplitude: [Double], hertz: [Double]))
        -> [Float]
    {
        let count = end - produced
        guard count > 0 else { return [] }
        var sums = [Double](repeating: 0, count: count)
        let hop = Double(settings.hop)
        let rate = Double(sampleRate)
        for band in 0..<settings.bands {
            let amplitudeSlope = (next.amplitude[band] - amplitude[band]) / hop
            let hertzSlope = (next.hertz[band] - hertz[band]) / hop
            let isSilent = amplitude[band] == 0 && next.amplitude[band] == 0
            var phase = cycles[band]
            for index in 0..<count {
                let after = Double(produced + index) - start
                phase += (hertz[band] + hertzSlope * after) / rate
                guard !isSilent else { continue }
                let level = amplitude[band] + amplitudeSlope * after
                sums[index] += level * sin(2 * Double.pi * phase + Double(band))
            }
            cycles[band] = phase - phase.rounded(.down)
        }
        produced = end
        return sums.map { Float(min(1, max(-1, $0))) }
    }
}

/// The mel scale, as O'Shaughnessy (1987) wrote it.
enum MelScale {
    static func mel(_ hertz: Double) -> Double { 2595 * log10(1 + hertz / 700) }
    static func hertz(_ mel: Double) -> Double { 700 * (pow(10, mel / 2595) - 1) }
}

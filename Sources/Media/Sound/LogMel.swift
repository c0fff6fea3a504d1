import Foundation

/// A log-mel spectrogram: what audio towers and Whisper read.
package struct LogMel: Sendable {
    package let bins: Int
    /// Of 10 ms each.
    package let frames: Int
    /// `[frames][bins]`; the reference's `input_features` are the transpose.
    package var values: [Float]

    package init(bins: Int, frames: Int, values: [Float]) {
        self.bins = bins
        self.frames = frames
        self.values = values
    }

    package static let sampleRate = 16_000
    package static let hop = 160
    package static let window = 400

    /// `[bins][frames]`, as the reference lays features out.
    package var transposed: [Float] {
        [Float](unsafeUninitializedCapacity: values.count) { buffer, initialized in
            for frame in 0..<frames {
                for bin in 0..<bins { buffer[bin * frames + frame] = values[frame * bins + bin] }
            }
            initialized = values.count
        }
    }

    /// Of whole sound as it is (Qwen3-Omni): frames = samples / 160.
    package static func of(_ samples: [Float], bins: Int = 128) throws(SoundError) -> LogMel {
        let stream = try LogMelStream(bins: bins)
        samples.withUnsafeBufferPointer { stream.append($0) }
        return stream.finish()
    }

    /// Of a window of fixed length (Whisper: 30 s): longer sound is cut, shorter filled with silence.
    package static func ofWindow(_ samples: ArraySlice<Float>, seconds: Int = 30, bins: Int = 80) throws(SoundError)
        -> LogMel
    {
        guard 1...3600 ~= seconds else { throw .badSetting("a window of \(seconds) s is not supported") }
        let stream = try LogMelStream(bins: bins)
        let length = seconds * sampleRate
        samples.prefix(length).withUnsafeBufferPointer { stream.append($0) }
        stream.appendSilence(length - min(samples.count, length))
        return stream.finish()
    }
}

package enum SoundError: Error, Equatable, CustomStringConvertible {
    case badSetting(String)

    package var description: String {
        switch self {
        case .badSetting(let reason): reason
        }
    }
}

/// Log-mel frames of sound that arrives in pieces. Keeps the frames and less than a window of sound.
///
/// As the reference: the sound is mirrored by 200 samples at both ends, cut into frames of 400 samples every 160 under a
/// periodic Hann window; the last frame is dropped; values are floored at 8 (80 dB) below the loudest of the whole sound
/// and moved to (x + 4) / 4. The floor needs the loudest value, so values are final only after ``finish()``.
/// Cost: about 5 us per frame; an hour of sound is 360,000 frames, 184 MB at 128 bins.
package final class LogMelStream {
    package let bins: Int
    private let filters: MelFilters
    private let transform: FourierTransform
    private let window: [Double]
    /// Sound from the beginning of the next frame on; before the first 201 samples have come, from the first sample on.
    private var pending: [Float] = []
    private var hasBegun = false
    private var sampleCount = 0
    private var values: [Float] = []
    private var takenFrames = 0
    private var frame = [Double](repeating: 0, count: LogMel.window)
    private var power = [Double](repeating: 0, count: LogMel.window / 2 + 1)
    private var scratch: [Double]

    /// - Parameter bins: 1 ... 512; 80 and 128 are what released models use.
    package init(bins: Int) throws(SoundError) {
        guard 1...512 ~= bins, let transform = FourierTransform(length: LogMel.window) else {
            throw .badSetting("\(bins) mel bins are not supported (1...512)")
        }
        self.bins = bins
        self.transform = transform
        filters = MelFilters(bins: bins)
        scratch = .init(repeating: 0, count: transform.scratchCount)
        // In single precision, step by step as the reference makes it: its rounding leaks into the quietest bins, where an
        // exact window would differ by more than everything else together.
        let turn = Float(2 * Double.pi / Double(LogMel.window))
        window = (0..<LogMel.window).map { index in
            Double(Float(cos(Double(Float(index) * turn))) * -0.5 + 0.5)
        }
    }

    /// Adds samples at 16 kHz. What is not finite counts as silence, so that it cannot spoil the other frames.
    package func append(_ samples: UnsafeBufferPointer<Float>) {
        var begin = 0
        // In pieces, so that what is pending stays small.
        while begin < samples.count {
            let end = min(samples.count, begin + 16_384)
            for index in begin..<end { pending.append(samples[index].isFinite ? samples[index] : 0) }
            sampleCount += end - begin
            begin = end
            drain()
        }
    }

    package func appendSilence(_ count: Int) {
        var left = count
        while left > 0 {
            let piece = min(left, 16_384)
            pending.append(contentsOf: repeatElement(0, count: piece))
            sampleCount += piece
            left -= piece
            drain()
        }
    }

    /// All frames; the stream begins anew.
    ///
    /// Sound shorter than the mirrored edge (201 samples) is filled with silence up to it; none at all gives no frames.
    package func finish() -> LogMel {
        var values = finishRaw()
        Self.level(&values, loudest: values.max() ?? 0)
        return LogMel(bins: bins, frames: values.count / bins, values: values)
    }

    /// The frames that are complete and were not taken yet, `[frames][bins]`, before the floor: log10 of the power. Lets
    /// sound of any length through without its frames being held; ``level(_:loudest:)`` makes them final once the loudest
    /// value of the whole sound is known.
    package func takeRaw() -> [Float] {
        // The newest frame may turn out to be the one that is dropped.
        let count = max(0, values.count - bins)
        let taken = Array(values[..<count])
        values.removeFirst(count)
        takenFrames += count / bins
        return taken
    }

    /// What ``takeRaw()`` has left; the stream begins anew.
    package func finishRaw() -> [Float] {
        if sampleCount > 0 {
            if sampleCount <= Self.edge { appendSilence(Self.edge + 1 - sampleCount) }
            let last = pending.count - 1
            for index in 1...Self.edge { pending.append(pending[last - index]) }
            drain()
        }
        // The frame centred at the end is the one that the reference drops.
        let frames = sampleCount / LogMel.hop - takenFrames
        values.removeLast(max(0, values.count - frames * bins))
        defer {
            pending = []
            values = []
            sampleCount = 0
            takenFrames = 0
            hasBegun = false
        }
        return values
    }

    /// Raw values := floored at 8 below the loudest of the whole sound, moved to (x + 4) / 4.
    package static func level(_ values: inout [Float], loudest: Float) {
        let floor = loudest - 8
        for index in values.indices { values[index] = (max(values[index], floor) + 4) / 4 }
    }

    private static let edge = LogMel.window / 2

    /// Turns whole frames into values and lets go of what no later frame reads (200 samples stay for the mirror).
    private func drain() {
        if !hasBegun {
            guard pending.count > Self.edge else { return }
            let mirrored = (1...Self.edge).reversed().map { pending[$0] }
            pending.insert(contentsOf: mirrored, at: 0)
            hasBegun = true
        }
        var begin = 0
        while begin + LogMel.window <= pending.count {
            for index in 0..<LogMel.window { frame[index] = Double(pending[begin + index]) * window[index] }
            compute()
            begin += LogMel.hop
        }
        pending.removeFirst(begin)
    }

    private func compute() {
        let first = values.count
        values.append(contentsOf: repeatElement(0, count: bins))
        frame.withUnsafeBufferPointer { frame in
            power.withUnsafeMutableBufferPointer { power in
                scratch.withUnsafeMutableBufferPointer { scratch in
                    values.withUnsafeMutableBufferPointer { values in
                        guard let frame = frame.baseAddress, let power = power.baseAddress,
                            let scratch = scratch.baseAddress, let values = values.baseAddress
                        else { return }
                        transform.power(frame, into: power, scratch: scratch)
                        filters.apply(power, into: values + first)
                    }
                }
            }
        }
    }
}

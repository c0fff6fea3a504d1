import CFFmpeg
import Glibc

/// Sound as one channel of samples at a fixed rate.
package struct Sound: Sendable, Equatable {
    /// Samples per second.
    package let sampleRate: Int
    /// -1...1; louder passages of damaged or float recordings may exceed it.
    package var samples: [Float]

    package init(sampleRate: Int, samples: [Float]) {
        self.sampleRate = sampleRate
        self.samples = samples
    }

    package var seconds: Double { sampleRate > 0 ? Double(samples.count) / Double(sampleRate) : 0 }
}

/// Reads a recording, or the sound of a clip, in pieces.
///
/// Channels are averaged, then resampled. Sample n belongs to the time n / rate from the beginning of the file, the same
/// zero as the frames have: sound that begins later is preceded by silence, the samples by which an encoder runs ahead are
/// dropped where the file tells them, gaps of more than 50 ms in the time stamps become silence, and what overlaps by more
/// is dropped. Smaller slips are the rounding of containers and change nothing. Memory does not grow with the length.
///
/// Not for use by several threads at once.
package final class SoundReader {
    package static let standardRate = 16_000
    private static let slip = 0.05

    package let sampleRate: Int
    private let file: MediaFile
    private let streamIndex: Int
    private let demuxer: Demuxer
    private let decoder: Decoder
    private let packet: Packet
    private let frame: Frame
    private let unit: Double
    private let origin: Double
    /// When the container says that the sound begins.
    private let declaredStart: Double

    private var resampler: Resampler?
    /// Samples ready to be handed out, at the output rate.
    private var ready: [Float] = []
    /// Silence to be handed out after ``ready``.
    private var silence = 0
    /// All silence that was put in, in samples.
    private var silentSamples = 0
    /// Where the next input sample belongs by what was read so far, in seconds.
    private var expected = 0.0
    private var shift = 0.0
    /// Samples handed out or about to be.
    private var produced = 0
    private var decodedFrames = 0
    private var hasEnded = false

    init(_ file: MediaFile, stream: Int, sampleRate: Int) throws(MediaError) {
        guard (1000...384_000).contains(sampleRate) else {
            throw MediaError(.misuse, file.name, "\(sampleRate) samples per second", hint: "Ask for 1000 to 384000.")
        }
        self.file = file
        self.sampleRate = sampleRate
        streamIndex = stream
        demuxer = try Demuxer(file.origin, limits: file.limits, cancellation: file.cancellation)
        decoder = try Decoder(demuxer: demuxer, stream: stream, threads: 1)
        packet = try Packet(file.name)
        frame = try Frame(file.name)
        unit = demuxer.stream(stream).map { Rational($0.pointee.time_base).value } ?? 0
        origin = demuxer.originSeconds
        declaredStart = max(0, file.description.streams.first { $0.index == stream }?.startSeconds ?? 0)
        demuxer.select(stream)
    }

    /// Packets that did not decode, so far.
    package var damagedPackets: Int { decoder.damagedPackets }

    /// The next piece, never empty; nil at the end.
    ///
    /// - Throws: `.malformed` when nothing at all decodes, `.limit`, `.cancelled`, `.unreadable`.
    package func next() throws(MediaError) -> [Float]? {
        try demuxer.source.check()
        while ready.isEmpty, silence == 0, !hasEnded { try decodeMore() }
        if !ready.isEmpty {
            defer { ready.removeAll(keepingCapacity: true) }
            return ready
        }
        if silence > 0 {
            let count = min(silence, sampleRate)
            silence -= count
            if silence == 0 { try feedHeldFrame() }
            return [Float](repeating: 0, count: count)
        }
        if decodedFrames == 0 { throw decoder.nothingDecoded() }
        return nil
    }

    /// Everything that is left.
    ///
    /// - Parameter maximumSeconds: longer sound is an error, before it fills the memory.
    package func readAll(maximumSeconds: Double = 24 * 3600) throws(MediaError) -> Sound {
        var samples: [Float] = []
        while let piece = try next() {
            samples += piece
            guard Double(samples.count) <= maximumSeconds * Double(sampleRate) else {
                throw MediaError(.limit, file.name, "its sound is longer than \(Int(maximumSeconds)) seconds")
            }
        }
        return Sound(sampleRate: sampleRate, samples: samples)
    }

    // MARK: - Decoding

    private func decodeMore() throws(MediaError) {
        var fruitless = 0
        while true {
            switch try decoder.receive(frame.pointer) {
            case .frame:
                decodedFrames += 1
                try place()
                return
            case .finished:
                hasEnded = true
                try drainResampler()
                return
            case .hungry:
                fruitless += 1
                guard fruitless <= file.limits.maximumFruitlessPackets else {
                    hasEnded = true
                    try drainResampler()
                    return
                }
                if try demuxer.read(into: packet.pointer, of: streamIndex) {
                    try decoder.send(packet.pointer)
                    av_packet_unref(packet.pointer)
                } else {
                    try decoder.send(nil)
                }
            }
        }
    }

    /// Puts the decoded frame where it belongs in time: after silence, or with its beginning cut off.
    private func place() throws(MediaError) {
        let rate = Int(frame.pointer.pointee.sample_rate)
        let count = Int(frame.pointer.pointee.nb_samples)
        let channels = Int(frame.pointer.pointee.ch_layout.nb_channels)
        guard rate > 0, rate <= 10_000_000, count > 0, channels > 0 else { return }
        guard channels <= file.limits.maximumChannels else {
            throw MediaError(
                .limit,
                file.name,
                "\(channels) channels, more than the \(file.limits.maximumChannels) allowed"
            )
        }
        let stamp = frame.pointer.pointee.best_effort_timestamp
        var begin = expected
        if stamp != sk_av_no_timestamp(), unit > 0 {
            begin = Double(stamp) * unit - origin + shift
            // Some codecs' first packet gives no samples, and the first samples then bear the second packet's time.
            if decodedFrames == 1, abs(begin - declaredStart) < Self.slip { begin = declaredStart }
            let believable = max(file.description.seconds ?? 0, expected) + 60
            if begin > believable || begin < expected - 1, decodedFrames > 1 {
                // The times start again, as in recordings that were glued together.
                shift += expected - begin
                begin = expected
            }
        }
        let gap = begin - expected
        if gap > (produced == 0 && resampler == nil ? 0 : Self.slip) {
            try drainResampler()
            resampler = nil
            let due = (begin * Double(sampleRate)).rounded()
            silence = due < 1e15 ? max(0, Int(due) - produced) : 0
            silentSamples += silence
            guard Double(silentSamples) <= file.limits.maximumSilentSeconds * Double(sampleRate) else {
                let gap = Int(Double(silence) / Double(sampleRate))
                silence = 0
                hasEnded = true
                throw MediaError(
                    .limit,
                    file.name,
                    "its times jump over \(gap) seconds in which there is no sound",
                    hint: "The file is damaged, or was glued together; cut it at the gap."
                )
            }
            produced += silence
            expected = begin
            if silence > 0 {
                holdsFrame = true
                return
            }
        }
        try feed(skipping: gap < -Self.slip ? min(count, Int((-gap * Double(rate)).rounded())) : 0)
    }

    /// Whether the decoded frame waits for the silence before it.
    private var holdsFrame = false

    private func feedHeldFrame() throws(MediaError) {
        guard holdsFrame else { return }
        holdsFrame = false
        try feed(skipping: 0)
    }

    private func feed(skipping skipped: Int) throws(MediaError) {
        let rate = Int(frame.pointer.pointee.sample_rate)
        let count = Int(frame.pointer.pointee.nb_samples)
        guard skipped < count else { return }
        guard let mono = SampleMixer.mono(frame.pointer, skipping: skipped) else {
            let format = av_get_sample_fmt_name(AVSampleFormat(rawValue: frame.pointer.pointee.format))
            throw MediaError(
                .unsupported,
                file.name,
                "samples of format \(format.map { String(cString: $0) } ?? "unknown")"
            )
        }
        if let resampler, resampler.inputRate != rate {
            try drainResampler()
            self.resampler = nil
        }
        let resampler: Resampler
        if let existing = self.resampler {
            resampler = existing
        } else {
            resampler = try Resampler(inputRate: rate, outputRate: sampleRate, name: file.name)
            self.resampler = resampler
        }
        let before = ready.count
        try resampler.feed(mono, into: &ready)
        produced += ready.count - before
        expected += Double(count - skipped) / Double(rate)
    }

    private func drainResampler() throws(MediaError) {
        let before = ready.count
        try resampler?.drain(into: &ready)
        produced += ready.count - before
    }
}

import CFFmpeg

/// Interleaved float samples to the packets of a sound codec.
final class SoundEncoder {
    let encoder: Encoder
    private let path: String
    private let settings: ClipSettings.Sound
    private var resampler: OpaquePointer?
    private var queue: OpaquePointer?
    private let frame: Frame
    private var encodedSamples: Int64 = 0

    init(path: String, settings: ClipSettings.Sound, wantsGlobalHeader: Bool) throws(MediaError) {
        self.path = path
        self.settings = settings
        let names: [String]
        var bitRate: Int64 = 0
        switch settings.codec {
        case .aac:
            names = ["aac"]
            bitRate = 96_000 * Int64(settings.channels)
        case .flac: names = ["flac"]
        case .pcm: names = ["pcm_s16le"]
        case .opus:
            names = ["libopus"]
            bitRate = 64_000 * Int64(settings.channels)
        }
        encoder = try Encoder(names: names, path: path, options: []) { context, codec in
            // The settings' rate where the codec has it, else the next above, else 48 kHz (Opus).
            let rates = [settings.sampleRate, 16_000, 24_000, 32_000, 44_100, 48_000].filter {
                $0 >= settings.sampleRate && sk_av_takes_sample_rate(codec, Int32($0))
            }
            context.pointee.sample_rate = Int32(rates.min() ?? 48_000)
            let formats = [AV_SAMPLE_FMT_FLTP, AV_SAMPLE_FMT_FLT, AV_SAMPLE_FMT_S16, AV_SAMPLE_FMT_S16P]
            context.pointee.sample_fmt = formats.first { sk_av_takes_sample_format(codec, $0) } ?? AV_SAMPLE_FMT_S16
            av_channel_layout_default(&context.pointee.ch_layout, Int32(settings.channels))
            context.pointee.bit_rate = bitRate
            context.pointee.time_base = AVRational(num: 1, den: context.pointee.sample_rate)
            if wantsGlobalHeader { context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER }
        }
        frame = try Frame(path)
        let context = encoder.context
        var layout = context.pointee.ch_layout
        var inputLayout = AVChannelLayout()
        av_channel_layout_default(&inputLayout, Int32(settings.channels))
        let made = swr_alloc_set_opts2(
            &resampler,
            &layout,
            context.pointee.sample_fmt,
            context.pointee.sample_rate,
            &inputLayout,
            AV_SAMPLE_FMT_FLT,
            Int32(settings.sampleRate),
            0,
            nil
        )
        guard made == 0, swr_init(resampler) >= 0 else {
            swr_free(&resampler)
            throw MediaError(.unsupported, path, "cannot resample from \(settings.sampleRate) per second")
        }
        queue = av_audio_fifo_alloc(context.pointee.sample_fmt, Int32(settings.channels), 8192)
        guard queue != nil else { throw outOfMemory }
    }

    deinit {
        swr_free(&resampler)
        av_audio_fifo_free(queue)
    }

    private var outOfMemory: MediaError { MediaError(.limit, path, "out of memory for sound") }

    /// Samples of one packet.
    private var frameSize: Int {
        max(1, encoder.context.pointee.frame_size > 0 ? Int(encoder.context.pointee.frame_size) : 1024)
    }

    /// Encodes interleaved samples.
    func encode(
        _ samples: [Float],
        _ body: (UnsafeMutablePointer<AVPacket>) throws(MediaError) -> Void
    ) throws(MediaError) {
        guard samples.count % settings.channels == 0 else {
            throw MediaError(
                .misuse,
                path,
                "\(samples.count) samples are not whole frames of \(settings.channels) channels"
            )
        }
        // Pieces of a bounded size, whatever is handed over at once.
        let step = 1 << 16
        var begin = 0
        while begin < samples.count {
            let end = min(samples.count, begin + step * settings.channels)
            try resample(Array(samples[begin..<end]))
            begin = end
            try drain(all: false, body)
        }
    }

    /// Encodes what is left.
    func finish(_ body: (UnsafeMutablePointer<AVPacket>) throws(MediaError) -> Void) throws(MediaError) {
        try resample(nil)
        try drain(all: true, body)
        try encoder.encode(nil, body)
    }

    private func resample(_ samples: [Float]?) throws(MediaError) {
        let count = (samples?.count ?? 0) / settings.channels
        let room = swr_get_out_samples(resampler, Int32(clamping: count))
        guard room > 0 else { return }
        let converted = try makeFrame(Int(room))
        let resampler = resampler
        let data = converted.pointer.pointee.extended_data
        let given: Int32
        if let samples {
            given = samples.withUnsafeBytes { bytes -> Int32 in
                var source: [UnsafePointer<UInt8>?] = [bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)]
                return swr_convert(resampler, data, room, &source, Int32(clamping: count))
            }
        } else {
            given = swr_convert(resampler, data, room, nil, 0)
        }
        guard given >= 0 else { throw .library(.unwritable, path, "cannot resample", code: given) }
        guard given > 0 else { return }
        let written = data?.withMemoryRebound(to: UnsafeMutableRawPointer?.self, capacity: settings.channels) {
            av_audio_fifo_write(queue, $0, given)
        }
        guard written == given else { throw outOfMemory }
    }

    private func drain(
        all: Bool,
        _ body: (UnsafeMutablePointer<AVPacket>) throws(MediaError) -> Void
    ) throws(MediaError) {
        while true {
            let waiting = Int(av_audio_fifo_size(queue))
            guard waiting >= frameSize || (all && waiting > 0) else { return }
            let count = min(waiting, frameSize)
            let frame = try makeFrame(count)
            let read = frame.pointer.pointee.extended_data?.withMemoryRebound(
                to: UnsafeMutableRawPointer?.self,
                capacity: settings.channels
            ) { av_audio_fifo_read(queue, $0, Int32(count)) }
            guard read == Int32(count) else { throw outOfMemory }
            frame.pointer.pointee.pts = encodedSamples
            encodedSamples += Int64(count)
            try encoder.encode(frame.pointer, body)
        }
    }

    private func makeFrame(_ count: Int) throws(MediaError) -> Frame {
        let frame = try Frame(path)
        let context = encoder.context
        frame.pointer.pointee.nb_samples = Int32(clamping: count)
        frame.pointer.pointee.format = context.pointee.sample_fmt.rawValue
        frame.pointer.pointee.sample_rate = context.pointee.sample_rate
        guard av_channel_layout_copy(&frame.pointer.pointee.ch_layout, &context.pointee.ch_layout) >= 0,
            av_frame_get_buffer(frame.pointer, 0) >= 0
        else { throw outOfMemory }
        return frame
    }
}

import CFFmpeg

/// Decoded sound of any sample format to one channel of floats.
enum SampleMixer {
    /// The mean of all channels, full scale = 1; nil for formats that are not known.
    ///
    /// - Parameter skipped: samples at the beginning to leave out.
    static func mono(_ frame: UnsafeMutablePointer<AVFrame>, skipping skipped: Int) -> [Float]? {
        let channels = Int(frame.pointee.ch_layout.nb_channels)
        let count = Int(frame.pointee.nb_samples)
        guard channels > 0, skipped >= 0, skipped <= count else { return nil }
        switch AVSampleFormat(rawValue: frame.pointee.format) {
        case AV_SAMPLE_FMT_U8, AV_SAMPLE_FMT_U8P:
            return mix(frame, channels, skipped..<count) { (value: UInt8) in (Float(value) - 128) / 128 }
        case AV_SAMPLE_FMT_S16, AV_SAMPLE_FMT_S16P:
            return mix(frame, channels, skipped..<count) { (value: Int16) in Float(value) / 32_768 }
        case AV_SAMPLE_FMT_S32, AV_SAMPLE_FMT_S32P:
            return mix(frame, channels, skipped..<count) { (value: Int32) in Float(value) / 2_147_483_648 }
        case AV_SAMPLE_FMT_S64, AV_SAMPLE_FMT_S64P:
            return mix(frame, channels, skipped..<count) { (value: Int64) in
                Float(Double(value) / 9_223_372_036_854_775_808)
            }
        case AV_SAMPLE_FMT_FLT, AV_SAMPLE_FMT_FLTP:
            return mix(frame, channels, skipped..<count) { (value: Float) in value.isFinite ? value : 0 }
        case AV_SAMPLE_FMT_DBL, AV_SAMPLE_FMT_DBLP:
            return mix(frame, channels, skipped..<count) { (value: Double) in
                let value = Float(value)
                return value.isFinite ? value : 0
            }
        default: return nil
        }
    }

    private static func mix<Sample>(
        _ frame: UnsafeMutablePointer<AVFrame>,
        _ channels: Int,
        _ range: Range<Int>,
        _ value: (Sample) -> Float
    ) -> [Float]? {
        let isPlanar = sk_av_is_planar(AVSampleFormat(rawValue: frame.pointee.format))
        var mixed = [Float](repeating: 0, count: range.count)
        for channel in 0..<channels {
            guard let plane = sk_av_plane(frame, isPlanar ? Int32(channel) : 0) else { return nil }
            let step = isPlanar ? 1 : channels
            let first = isPlanar ? 0 : channel
            plane.withMemoryRebound(to: Sample.self, capacity: range.upperBound * step) { samples in
                for (slot, index) in range.enumerated() { mixed[slot] += value(samples[first + index * step]) }
            }
        }
        if channels > 1 {
            let share = 1 / Float(channels)
            for index in mixed.indices { mixed[index] *= share }
        }
        return mixed
    }
}

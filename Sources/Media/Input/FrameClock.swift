import CFFmpeg

/// The times of one stream's frames: from the stream's own units to seconds since the beginning of the file.
struct FrameClock {
    private let stream: Int
    /// Seconds of one of the stream's units.
    private let unit: Double
    private let timeBase: Rational
    private let origin: Double
    /// How long a frame is usually shown, in seconds.
    let usualDuration: Double
    /// How much later than asked a frame may begin and still count: half a unit, for times that were rounded to units.
    let tolerance: Double
    private let hasCompleteIndex: Bool

    private var last: Double?
    /// Added where the stream's times started again from an earlier one.
    private var shift = 0.0

    init(demuxer: Demuxer, stream index: Int) {
        stream = index
        origin = demuxer.originSeconds
        let stream = demuxer.stream(index)?.pointee
        timeBase = stream.map { Rational($0.time_base) } ?? Rational(AVRational(num: 0, den: 1))
        unit = timeBase.value
        let average = stream.map { Rational($0.avg_frame_rate) }
        let base = stream.map { Rational($0.r_frame_rate) }
        let rate = [average, base].compactMap { $0 }.first { $0.isPositive && (0.001...1000).contains($0.value) }
        usualDuration = rate.map { 1 / $0.value } ?? 0.04
        tolerance = min(0.5 * unit, 0.0005) + 1e-9
        let format = demuxer.context.pointee.iformat.map { String(cString: $0.pointee.name) } ?? ""
        hasCompleteIndex = format.hasPrefix("mov,") || format == "avi"
    }

    /// Whether the times run on from the beginning without starting again.
    var isContinuous: Bool { shift == 0 }

    /// Forgets the frame before, after a jump.
    mutating func forget() { last = nil }

    /// When a decoded frame is shown. Frames without a time follow the one before; times never run backwards.
    mutating func seconds(of frame: UnsafeMutablePointer<AVFrame>) -> Double {
        let stamp = frame.pointee.best_effort_timestamp
        let following = last.map { $0 + usualDuration } ?? 0
        var seconds = following
        if stamp != sk_av_no_timestamp(), unit > 0 {
            seconds = timeBase.seconds(stamp) - origin + shift
            if let last, seconds < last {
                // More than a slip: the times start again, as in clips that were glued together.
                if last - seconds > 1 { shift += following - seconds }
                seconds = last - seconds > 1 ? following : last
            }
        }
        last = seconds
        return seconds
    }

    /// When a packet's frame begins to be shown; nil where the packet does not tell.
    func seconds(of packet: UnsafeMutablePointer<AVPacket>) -> Double? {
        let stamp = packet.pointee.pts
        return stamp != sk_av_no_timestamp() && unit > 0 ? timeBase.seconds(stamp) - origin : nil
    }

    /// How long a frame is shown.
    func duration(of frame: UnsafeMutablePointer<AVFrame>) -> Double {
        let duration = Double(sk_av_frame_duration(frame)) * unit
        return duration > 0 && duration < 1e6 ? duration : usualDuration
    }

    // MARK: - Seeking

    static func canSeek(_ demuxer: Demuxer) -> Bool {
        guard let format = demuxer.context.pointee.iformat?.pointee else { return false }
        // Raw streams have no times to seek by.
        return format.flags & (AVFMT_NOTIMESTAMPS | AVFMT_NOBINSEARCH | AVFMT_NOGENSEARCH) == 0
            && !String(cString: format.name).hasSuffix("_pipe")
    }

    /// The time of the last key frame at or before `seconds`, where the container lists all of them.
    func indexedKeySeconds(_ demuxer: Demuxer, before seconds: Double) -> Double? {
        guard hasCompleteIndex, let stream = demuxer.stream(stream), let stamp = stamp(of: seconds),
            let entry = avformat_index_get_entry_from_timestamp(stream, stamp, AVSEEK_FLAG_BACKWARD)
        else { return nil }
        return timeBase.seconds(entry.pointee.timestamp) - origin
    }

    func seek(_ demuxer: Demuxer, to seconds: Double) -> Bool {
        guard let stamp = stamp(of: seconds) else { return false }
        return av_seek_frame(demuxer.context, Int32(stream), stamp, AVSEEK_FLAG_BACKWARD) >= 0
    }

    private func stamp(of seconds: Double) -> Int64? {
        guard unit > 0 else { return nil }
        let value = (seconds + origin) / unit
        guard value.magnitude < 4e18 else { return nil }
        return Int64(value.rounded(.down))
    }
}

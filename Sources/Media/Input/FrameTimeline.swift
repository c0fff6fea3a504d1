import CFFmpeg

/// What is known of a stream's frames without decoding them.
enum FrameTimeline {
    /// When the last frame begins to be shown: by what the container says, else by reading all packets.
    static func lastFrameSeconds(_ file: MediaFile, stream: Int, clock: FrameClock) throws(MediaError) -> Double {
        guard let found = file.description.streams.first(where: { $0.index == stream }) else { return 0 }
        if found.isStill || found.isCover { return 0 }
        if let seconds = found.seconds ?? file.description.seconds, seconds > 0 {
            return max(0, found.startSeconds + seconds - clock.usualDuration)
        }
        return try scan(file, stream: stream)
    }

    /// Reads all packets of a stream. Cost: one pass over the file.
    private static func scan(_ file: MediaFile, stream: Int) throws(MediaError) -> Double {
        let demuxer = try Demuxer(file.origin, limits: file.limits, cancellation: file.cancellation)
        demuxer.select(stream)
        let unit = demuxer.stream(stream).map { Rational($0.pointee.time_base).value } ?? 0
        let packet = try Packet(file.name)
        var latest = 0.0
        while try demuxer.read(into: packet.pointer, of: stream) {
            let stamp = packet.pointer.pointee.pts
            if stamp != sk_av_no_timestamp() { latest = max(latest, Double(stamp) * unit - demuxer.originSeconds) }
        }
        return latest
    }
}

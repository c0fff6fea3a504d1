import CFFmpeg
import Glibc

/// Reads the frames of a schedule one after the other.
///
/// Holds two decoded frames, whatever the length of the clip. Frames that lie close together are decoded through; over a
/// wide gap it jumps to the last key frame before the wanted one, and the result is the same. Frames that do not decode
/// are passed over, the one before stays on the screen, and ``damagedPackets`` counts them.
///
/// Not for use by several threads at once.
package final class FrameReader {
    package struct Options: Sendable {
        /// Leaves the frames as they are stored: not turned upright, pixels not made square.
        package var isAsCoded = false
        /// Whether it may jump to key frames, and leave out frames that neither are wanted nor help others; without, every
        /// frame is decoded.
        package var mayJump = true

        package init() {}
    }

    /// A decoded frame and its place in time.
    private struct Shown {
        var frame: Frame
        var seconds: Double
        /// In the order of showing; meaningless after a jump, when no schedule asks for it.
        var index: Int
    }

    private let file: MediaFile
    private let streamIndex: Int
    private let options: Options
    private let converter: PixelConverter
    private var cursor: FrameCursor

    private var demuxer: Demuxer
    private var decoder: Decoder
    private let packet: Packet
    private var spares: [Frame] = []
    private var current: Shown?
    private var upcoming: Shown?
    private var hasEnded = false
    private var decodedFrames = 0
    /// The image of ``current``, once it was asked for.
    private var currentImage: PixelImage?

    private var clock: FrameClock
    private var orientation: Orientation = .upright
    private var damageBefore = 0
    private(set) var canJump: Bool
    /// Whether frames before the wanted one that no other leans on are left out.
    private var maySkip: Bool
    /// The latest time of a packet that was left out.
    private var latestSkipped = -Double.infinity
    /// The latest time of any packet since the last jump.
    private var latestPacket = -Double.infinity
    /// The wanted time while walking to it.
    private var walkGoal = -Double.infinity
    /// Seconds that must lie between two wanted frames before a jump is tried without an index.
    private var widestWalk = 4.0

    init(
        _ file: MediaFile,
        stream: Int,
        schedule: FrameSchedule,
        options: Options
    ) throws(MediaError) {
        self.file = file
        self.options = options
        streamIndex = stream
        if case .rate(let rate) = schedule, !(rate > 0 && rate <= 1000) {
            throw MediaError(
                .misuse,
                file.name,
                "\(rate) frames per second",
                hint: "Ask for more than 0, at most 1000."
            )
        }
        demuxer = try Demuxer(file.origin, limits: file.limits, cancellation: file.cancellation)
        decoder = try Self.makeDecoder(demuxer, stream)
        packet = try Packet(file.name)
        clock = FrameClock(demuxer: demuxer, stream: stream)
        converter = PixelConverter(
            name: file.name,
            maximumPixels: file.limits.maximumPixels,
            isAsCoded: options.isAsCoded
        )
        var matrix = [Int32](repeating: 0, count: 9)
        if let stream = demuxer.stream(stream), sk_av_stream_matrix(stream, &matrix) {
            orientation = Orientation(displayMatrix: matrix)
        }
        var countTimes: [Double] = []
        if case .count(let count) = schedule, count > 0 {
            let last = try FrameTimeline.lastFrameSeconds(file, stream: stream, clock: clock)
            countTimes = (0..<count).map { count == 1 ? 0 : last * Double($0) / Double(count - 1) }
        }
        cursor = FrameCursor(schedule, countTimes: countTimes)
        canJump = options.mayJump && FrameClock.canSeek(demuxer)
        maySkip = canJump
        demuxer.select(stream)
    }

    private static func makeDecoder(_ demuxer: Demuxer, _ stream: Int) throws(MediaError) -> Decoder {
        let processors = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        return try Decoder(
            demuxer: demuxer,
            stream: stream,
            threads: demuxer.limits.threads ?? max(1, min(8, processors))
        )
    }

    /// Packets that did not decode, so far.
    package var damagedPackets: Int { damageBefore + decoder.damagedPackets }

    /// Bytes read from the file, so far.
    package var bytesRead: Int { demuxer.source.bytesRead }

    /// The next frame of the schedule; nil at its end, or at the end of the clip where that comes first.
    ///
    /// - Throws: `.malformed` when no frame at all decodes, `.limit`, `.cancelled`, `.unreadable`.
    package func next() throws(MediaError) -> TimedFrame? {
        try demuxer.source.check()
        guard let target = cursor.target else { return nil }
        let requested: Double?
        switch target {
        case .following:
            guard try step() else { return try ended() }
            requested = nil
        case .index(let index):
            while current.map({ $0.index < index }) ?? true {
                guard try step() else { return try ended() }
            }
            requested = nil
        case .time(let seconds):
            guard try walk(to: seconds) else { return try ended() }
            requested = seconds
        }
        guard let current else { return try ended() }
        if let requested, cursor.endsWithClip, upcoming == nil, hasEnded,
            requested >= current.seconds + clock.duration(of: current.frame.pointer) - clock.tolerance, requested > 0
        {
            return nil
        }
        cursor.advance()
        if currentImage == nil {
            let aspect = demuxer.stream(streamIndex).map {
                Rational(av_guess_sample_aspect_ratio(demuxer.context, $0, current.frame.pointer))
            }
            currentImage = try converter.convert(
                current.frame.pointer,
                aspect: aspect ?? Rational(AVRational(num: 1, den: 1)),
                orientation: orientation
            )
        }
        guard let image = currentImage else { return nil }
        let end = current.seconds + clock.duration(of: current.frame.pointer)
        return TimedFrame(
            seconds: current.seconds,
            requestedSeconds: requested,
            secondsAfterEnd: upcoming == nil && hasEnded ? max(0, (requested ?? 0) - end) : 0,
            image: image
        )
    }

    /// The end, which is an error when nothing came before it.
    private func ended() throws(MediaError) -> TimedFrame? {
        if decodedFrames == 0 { throw decoder.nothingDecoded() }
        return nil
    }

    // MARK: - Moving

    /// Makes the frame at a time the current one; false when there is no frame at all.
    private func walk(to seconds: Double) throws(MediaError) -> Bool {
        if canJump { try jump(near: seconds) }
        walkGoal = seconds
        defer { walkGoal = -.infinity }
        try stepOn(to: seconds)
        if maySkip, latestSkipped > (current?.seconds ?? -.infinity) {
            // Frames come at uneven times, and the one on the screen was left out: from here on all are decoded.
            maySkip = false
            try restart()
            if canJump { try jump(near: seconds) }
            try stepOn(to: seconds)
        }
        return current != nil
    }

    private func stepOn(to seconds: Double) throws(MediaError) {
        if current == nil {
            guard try step() else { return }
        }
        while try lookAhead(), let upcoming, upcoming.seconds <= seconds + clock.tolerance {
            guard try step() else { break }
        }
    }

    /// Whether a packet's frame is over before the wanted time, as far as the usual length of a frame tells.
    private func isOver(_ packet: UnsafeMutablePointer<AVPacket>) -> Bool {
        guard maySkip, walkGoal.isFinite, clock.isContinuous, let begin = clock.seconds(of: packet) else {
            return false
        }
        // More than frames out of order: the times start again, and say nothing any more.
        if begin < latestPacket - 1 { maySkip = false }
        latestPacket = max(latestPacket, begin)
        guard maySkip, begin + 1.5 * clock.usualDuration < walkGoal else { return false }
        latestSkipped = max(latestSkipped, begin)
        return true
    }

    /// Makes the next frame the current one; false at the end, with the current one unchanged.
    private func step() throws(MediaError) -> Bool {
        guard try lookAhead(), let next = upcoming else { return false }
        if let current { spares.append(current.frame) }
        current = next
        upcoming = nil
        currentImage = nil
        return true
    }

    /// Decodes the frame after the current one, unless it is there already; false at the end.
    private func lookAhead() throws(MediaError) -> Bool {
        if upcoming != nil { return true }
        guard !hasEnded else { return false }
        let frame: Frame
        if let spare = spares.popLast() {
            frame = spare
        } else {
            frame = try Frame(file.name)
        }
        guard try decode(into: frame) else {
            hasEnded = true
            spares.append(frame)
            return false
        }
        upcoming = Shown(frame: frame, seconds: clock.seconds(of: frame.pointer), index: decodedFrames)
        decodedFrames += 1
        return true
    }

    private func decode(into frame: Frame) throws(MediaError) -> Bool {
        var fruitless = 0
        while true {
            switch try decoder.receive(frame.pointer) {
            case .frame: return true
            case .finished: return false
            case .hungry:
                fruitless += 1
                guard fruitless <= file.limits.maximumFruitlessPackets else { return false }
                if try demuxer.read(into: packet.pointer, of: streamIndex) {
                    decoder.skipsUnreferenced = isOver(packet.pointer)
                    try decoder.send(packet.pointer)
                    av_packet_unref(packet.pointer)
                } else {
                    try decoder.send(nil)
                }
            }
        }
    }

    // MARK: - Jumping

    /// Goes to the last key frame at or before a time, where that is cheaper than decoding all that lies between.
    private func jump(near seconds: Double) throws(MediaError) {
        let position = upcoming?.seconds ?? current?.seconds ?? 0
        guard seconds - position > max(0.5, 8 * clock.usualDuration), clock.isContinuous else { return }
        if let key = clock.indexedKeySeconds(demuxer, before: seconds) {
            guard key > position + 0.25 else { return }
        } else {
            guard seconds - position > widestWalk else { return }
        }
        var back = 0.0
        while true {
            let goal = seconds - back
            let isStart = goal <= 0
            guard clock.seek(demuxer, to: max(0, goal)) else {
                canJump = false
                // The place is lost after the first try.
                if back > 0 { try restart() }
                return
            }
            decoder.flush()
            forgetFrames()
            while try lookAhead(), let frame = upcoming?.frame, sk_av_frame_is_corrupt(frame.pointer), !isStart {
                // What follows a key frame in the file but leans on frames before it.
                if let dropped = upcoming { spares.append(dropped.frame) }
                upcoming = nil
            }
            if isStart { break }
            if let landed = upcoming, landed.seconds <= seconds + clock.tolerance {
                // Key frames lie farther apart than the wanted frames do: walking is cheaper.
                if landed.seconds <= position { widestWalk *= 2 }
                break
            }
            back = back == 0 ? 1 : back * 4
            if back > 100_000 { back = seconds + 1 }
        }
        if upcoming == nil {
            canJump = false
            try restart()
        }
    }

    private func forgetFrames() {
        if let current { spares.append(current.frame) }
        if let upcoming { spares.append(upcoming.frame) }
        current = nil
        upcoming = nil
        currentImage = nil
        hasEnded = false
        latestSkipped = -.infinity
        latestPacket = -.infinity
        clock.forget()
    }

    /// Begins again at the beginning.
    private func restart() throws(MediaError) {
        forgetFrames()
        damageBefore += decoder.damagedPackets
        demuxer = try Demuxer(file.origin, limits: file.limits, cancellation: file.cancellation)
        decoder = try Self.makeDecoder(demuxer, streamIndex)
        demuxer.select(streamIndex)
    }
}

import CFFmpeg
import Glibc

/// A decoder of one stream: packets in, frames out.
///
/// Packets that do not decode are passed over and counted, as players do.
final class Decoder {
    private var context: UnsafeMutablePointer<AVCodecContext>?
    private let name: String
    private let what: String
    private var isDraining = false
    /// Packets that did not decode.
    private(set) var damagedPackets = 0

    /// - Parameter threads: of the decoder; 1 for sound.
    init(demuxer: Demuxer, stream index: Int, threads: Int) throws(MediaError) {
        name = demuxer.name
        guard let stream = demuxer.stream(index), let parameters = stream.pointee.codecpar else {
            throw MediaError(.noSuchStream, demuxer.name, "there is no stream \(index)")
        }
        let codecName =
            parameters.pointee.codec_id == AV_CODEC_ID_NONE
            ? "an unknown codec" : String(cString: avcodec_get_name(parameters.pointee.codec_id))
        what = "stream \(index) (\(codecName))"
        guard let codec = avcodec_find_decoder(parameters.pointee.codec_id) else {
            throw MediaError(.unsupported, demuxer.name, "there is no decoder for \(what)")
        }
        guard let context = avcodec_alloc_context3(codec) else {
            throw MediaError(.limit, demuxer.name, "out of memory")
        }
        self.context = context
        let copied = avcodec_parameters_to_context(context, parameters)
        guard copied >= 0 else { throw .library(.malformed, name, "cannot set up \(what)", code: copied) }
        context.pointee.pkt_timebase = stream.pointee.time_base
        context.pointee.thread_count = Int32(clamping: max(1, threads))
        context.pointee.max_pixels = Int64(demuxer.limits.maximumPixels)
        // One damaged frame must not end a clip that plays everywhere else.
        context.pointee.err_recognition = 0
        LibraryMessages.forget()
        let opened = avcodec_open2(context, codec, nil)
        guard opened >= 0 else { throw .library(.malformed, name, "cannot decode \(what)", code: opened) }
    }

    deinit { avcodec_free_context(&context) }

    enum Step {
        case frame
        /// Another packet is needed.
        case hungry
        case finished
    }

    /// Takes the next frame that is ready into `frame`.
    func receive(_ frame: UnsafeMutablePointer<AVFrame>) throws(MediaError) -> Step {
        // While draining, a decoder may fail for some of the frames that it still holds.
        for _ in 0..<1024 {
            let result = avcodec_receive_frame(context, frame)
            if result == 0 { return .frame }
            if result == sk_av_error_again() { return .hungry }
            if result == sk_av_error_eof() { return .finished }
            if result == sk_av_error(ENOMEM) { throw outOfMemory() }
            damagedPackets += 1
            if !isDraining { return .hungry }
        }
        return .finished
    }

    /// Hands over a packet; nil for the end of the stream. Call when ``receive(_:)`` says `.hungry`.
    func send(_ packet: UnsafeMutablePointer<AVPacket>?) throws(MediaError) {
        if packet == nil {
            isDraining = true
        }
        let result = avcodec_send_packet(context, packet)
        if result == 0 || result == sk_av_error_eof() { return }
        if result == sk_av_error(ENOMEM) { throw outOfMemory() }
        damagedPackets += 1
    }

    /// Whether packets from here on are decoded only where other frames lean on them.
    ///
    /// What is left out is shown nowhere else, so the frames that come out are the same as without.
    var skipsUnreferenced: Bool {
        get { context?.pointee.skip_frame == AVDISCARD_NONREF }
        set { context?.pointee.skip_frame = newValue ? AVDISCARD_NONREF : AVDISCARD_DEFAULT }
    }

    /// Forgets everything before a jump.
    func flush() {
        avcodec_flush_buffers(context)
        isDraining = false
    }

    /// The error for a stream of which nothing decoded.
    func nothingDecoded() -> MediaError {
        let logged = LibraryMessages.take().map { ": \($0)" } ?? ""
        return MediaError(
            .malformed,
            name,
            "nothing of \(what) could be decoded\(logged)",
            hint: "The file is damaged."
        )
    }

    private func outOfMemory() -> MediaError { MediaError(.limit, name, "out of memory while decoding \(what)") }
}

/// An owned packet.
final class Packet {
    let pointer: UnsafeMutablePointer<AVPacket>

    init(_ name: String) throws(MediaError) {
        guard let made = av_packet_alloc() else { throw MediaError(.limit, name, "out of memory") }
        pointer = made
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVPacket>? = pointer
        av_packet_free(&pointer)
    }
}

/// An owned frame.
final class Frame {
    let pointer: UnsafeMutablePointer<AVFrame>

    init(_ name: String) throws(MediaError) {
        guard let made = av_frame_alloc() else { throw MediaError(.limit, name, "out of memory") }
        pointer = made
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVFrame>? = pointer
        av_frame_free(&pointer)
    }
}

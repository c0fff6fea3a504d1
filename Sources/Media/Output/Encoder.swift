import CFFmpeg

/// An encoder of one stream: frames in, packets out.
///
/// The same frames give the same bytes on every machine: the number of threads is fixed, and nothing of the moment or of
/// the library's version goes in.
final class Encoder {
    /// Valid while this object lives.
    let context: UnsafeMutablePointer<AVCodecContext>
    private let name: String
    private let packet: Packet
    /// Some encoders divide the picture among their threads, and so the bytes depend on their number.
    private static let threads: Int32 = 4

    /// - Parameters:
    ///   - names: encoders by their library names, the best first.
    ///   - configure: sets sizes, rates and formats before the encoder is opened.
    init(
        names: [String],
        path: String,
        options: [(String, String)],
        configure: (UnsafeMutablePointer<AVCodecContext>, UnsafePointer<AVCodec>) -> Void
    ) throws(MediaError) {
        name = path
        try LibraryMessages.prepare(for: path)
        packet = try Packet(path)
        guard let codec = names.lazy.compactMap({ avcodec_find_encoder_by_name($0) }).first else {
            throw MediaError(
                .unsupported,
                path,
                "the installed libavcodec has no encoder \(names.joined(separator: " or "))",
                hint: "Install a libavcodec that has it, or choose another format."
            )
        }
        guard let context = avcodec_alloc_context3(codec) else { throw MediaError(.limit, path, "out of memory") }
        self.context = context
        context.pointee.flags |= AV_CODEC_FLAG_BITEXACT
        context.pointee.thread_count = Self.threads
        context.pointee.strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL
        configure(context, codec)
        var dictionary: OpaquePointer?
        for (key, value) in options { av_dict_set(&dictionary, key, value, 0) }
        LibraryMessages.forget()
        let opened = avcodec_open2(context, codec, &dictionary)
        av_dict_free(&dictionary)
        guard opened >= 0 else {
            throw .library(
                .unsupported,
                path,
                "cannot encode with \(String(cString: codec.pointee.name))",
                code: opened
            )
        }
    }

    deinit {
        var context: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&context)
    }

    /// Encodes a frame, or what is left with nil; `body` takes the packets that are ready and must consume or copy them.
    func encode(
        _ frame: UnsafeMutablePointer<AVFrame>?,
        _ body: (UnsafeMutablePointer<AVPacket>) throws(MediaError) -> Void
    ) throws(MediaError) {
        LibraryMessages.forget()
        let sent = avcodec_send_frame(context, frame)
        guard sent >= 0 || (frame == nil && sent == sk_av_error_eof()) else {
            throw .library(.unwritable, name, "cannot encode a frame", code: sent)
        }
        while true {
            let received = avcodec_receive_packet(context, packet.pointer)
            if received == sk_av_error_again() || received == sk_av_error_eof() { return }
            guard received >= 0 else { throw .library(.unwritable, name, "cannot encode", code: received) }
            try body(packet.pointer)
            av_packet_unref(packet.pointer)
        }
    }
}

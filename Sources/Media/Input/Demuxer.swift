import CFFmpeg
import Glibc

/// An opened container: its streams, and their packets in the order of the file.
///
/// A class, because the libraries keep its address. Not for use by several threads at once.
final class Demuxer {
    let source: ByteSource
    /// Valid while this object lives.
    let context: UnsafeMutablePointer<AVFormatContext>
    private var io: UnsafeMutablePointer<AVIOContext>?
    let limits: MediaLimits

    /// Opens a file and finds out what it holds. Reads at most `limits.probeBytes`, plus the container's own index.
    init(
        _ origin: MediaFile.Origin,
        limits: MediaLimits,
        cancellation: MediaCancellation?
    ) throws(MediaError) {
        let source = try ByteSource(origin, limits: limits, cancellation: cancellation)
        try LibraryMessages.prepare(for: source.name)
        let outOfMemory = MediaError(.limit, source.name, "out of memory")
        guard let io = ByteSourceCallbacks.makeIO(source) else { throw outOfMemory }
        var created = avformat_alloc_context()
        guard let context = created else {
            var io: UnsafeMutablePointer<AVIOContext>? = io
            sk_av_io_free(&io)
            throw outOfMemory
        }
        context.pointee.pb = io
        context.pointee.flags |= AVFMT_FLAG_CUSTOM_IO
        context.pointee.interrupt_callback = ByteSourceCallbacks.interrupt(source)
        context.pointee.probesize = Int64(max(1 << 16, limits.probeBytes))
        context.pointee.max_analyze_duration = 10_000_000
        context.pointee.max_streams = Int32(clamping: max(1, limits.maximumStreams))
        context.pointee.format_probesize = 1 << 20
        sk_av_forbid_other_files(context)

        var options: OpaquePointer?
        av_dict_set(&options, "format_whitelist", Self.demuxers, 0)
        av_dict_set(&options, "protocol_whitelist", "none", 0)
        av_dict_set(&options, "codec_whitelist", nil, 0)
        // On failure this frees the context itself, but not our bytes.
        let opened = avformat_open_input(&created, nil, nil, &options)
        av_dict_free(&options)
        guard opened == 0, let context = created else {
            var io: UnsafeMutablePointer<AVIOContext>? = io
            sk_av_io_free(&io)
            try source.check()
            throw Self.openingError(opened, source.name)
        }
        self.source = source
        self.context = context
        self.io = io
        self.limits = limits
        try analyze()
    }

    deinit {
        var context: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&context)
        sk_av_io_free(&io)
    }

    /// Formats that hold streams themselves. Left out are playlists and scripts, which name other files, and devices.
    private static let demuxers =
        "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,asf,wmv,ogg,wav,w64,aiff,au,caf,flac,mp3,"
        + "aac,ac3,eac3,dts,amr,ape,wv,tta,mpc,mpc8,h264,hevc,av1,obu,ivf,vc1,mjpeg,y4m,yuv4mpegpipe,nut,mxf,dv,rm,gif,apng,"
        + "image2pipe,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,gif_pipe,psd_pipe,jpegxl_pipe,jpegls_pipe,j2k_pipe,"
        + "pam_pipe,pbm_pipe,pgm_pipe,ppm_pipe,qoi_pipe,sgi_pipe,dds_pipe,exr_pipe,hdr_pipe,xbm_pipe,xpm_pipe,avif,"
        + "loas,latm,mlp,truehd,shn,aptx,dsf,iff,wtv,gxf,nsv,swf,smjpeg,film_cpk,bink,roq,4xm,tak,opus,voc,sox"

    private static func openingError(_ code: Int32, _ name: String) -> MediaError {
        if code == sk_av_error_invalid_data() {
            let logged = LibraryMessages.take()
            return MediaError(
                .malformed,
                name,
                "not a clip, recording or picture of a known format" + (logged.map { " (\($0))" } ?? ""),
                hint: "Check that the file is whole; `file \(name)` tells what it looks like."
            )
        }
        return .library(.malformed, name, "cannot open", code: code)
    }

    private func analyze() throws(MediaError) {
        let name = source.name
        guard streamCount <= limits.maximumStreams else {
            throw MediaError(.limit, name, "\(streamCount) streams, more than the \(limits.maximumStreams) allowed")
        }
        // The probing decoders must keep to the limits too.
        let count = streamCount
        let options = UnsafeMutablePointer<OpaquePointer?>.allocate(capacity: max(1, count))
        options.initialize(repeating: nil, count: max(1, count))
        for index in 0..<count {
            av_dict_set(&options[index], "max_pixels", String(limits.maximumPixels), 0)
            av_dict_set(&options[index], "threads", "1", 0)
        }
        let found = avformat_find_stream_info(context, options)
        for index in 0..<count { av_dict_free(&options[index]) }
        options.deallocate()
        try source.check()
        guard found >= 0 else { throw .library(.malformed, name, "cannot tell what it holds", code: found) }
        guard streamCount > 0 else { throw MediaError(.malformed, name, "it holds no streams") }
        LibraryMessages.forget()
    }

    var name: String { source.name }

    var streamCount: Int { Int(context.pointee.nb_streams) }

    /// A stream that is there; valid while this object lives.
    func stream(_ index: Int) -> UnsafeMutablePointer<AVStream>? {
        guard index >= 0, index < streamCount else { return nil }
        return sk_av_stream(context, UInt32(index))
    }

    /// Makes ``read(into:)`` pass over the packets of every stream but one.
    func select(_ index: Int) {
        for other in 0..<streamCount {
            stream(other)?.pointee.discard = other == index ? AVDISCARD_DEFAULT : AVDISCARD_ALL
        }
    }

    /// The zero of all times, in seconds: the earliest first moment of the sound and the picture.
    var originSeconds: Double {
        var earliest = Double.infinity
        for index in 0..<streamCount {
            guard let stream = stream(index)?.pointee, let parameters = stream.codecpar,
                parameters.pointee.codec_type == AVMEDIA_TYPE_VIDEO
                    || parameters.pointee.codec_type == AVMEDIA_TYPE_AUDIO,
                stream.disposition & AV_DISPOSITION_ATTACHED_PIC == 0, stream.start_time != sk_av_no_timestamp()
            else { continue }
            earliest = min(earliest, Rational(stream.time_base).seconds(stream.start_time))
        }
        guard earliest.isFinite else { return 0 }
        // A little before zero lie the samples by which a codec runs ahead: they are dropped, and zero is zero.
        return earliest < 0 && earliest > -0.5 ? 0 : earliest
    }

    /// The next packet of the selected stream; false at the end.
    ///
    /// Damage ends the stream at the place where the demuxer gives up, as players do.
    func read(into packet: UnsafeMutablePointer<AVPacket>, of index: Int) throws(MediaError) -> Bool {
        var others = 0
        while true {
            if source.isCancelled { throw MediaError(.cancelled, name, "cancelled") }
            av_packet_unref(packet)
            let result = av_read_frame(context, packet)
            if result == 0 {
                if Int(packet.pointee.stream_index) == index { return true }
                others += 1
                guard others <= limits.maximumFruitlessPackets else { return false }
                continue
            }
            if result == sk_av_error_again() {
                others += 1
                guard others <= limits.maximumFruitlessPackets else { return false }
                continue
            }
            try source.check()
            if result == sk_av_error(ENOMEM) { throw MediaError(.limit, name, "out of memory") }
            return false
        }
    }
}

/// A fraction as the libraries write it.
struct Rational: Equatable {
    var numerator: Int
    var denominator: Int

    init(_ value: AVRational) {
        numerator = Int(value.num)
        denominator = Int(value.den)
    }

    var isPositive: Bool { numerator > 0 && denominator > 0 }

    /// 0 when the denominator is.
    var value: Double { denominator == 0 ? 0 : Double(numerator) / Double(denominator) }

    /// A number of units in seconds, rounded once: 6 tenths are 0.6.
    func seconds(_ stamp: Int64) -> Double {
        denominator == 0 ? 0 : Double(stamp) * Double(numerator) / Double(denominator)
    }
}

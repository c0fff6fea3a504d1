import CFFmpeg

extension MediaDescription {
    /// Reads what an opened container says about itself.
    init(_ demuxer: Demuxer) {
        let context = demuxer.context.pointee
        let origin = demuxer.originSeconds
        format = context.iformat.map { String(cString: $0.pointee.name) } ?? "unknown"
        byteCount = demuxer.source.count
        let declared = context.duration
        let streams = (0..<demuxer.streamCount).compactMap { index in
            demuxer.stream(index).map { Stream(demuxer: demuxer, stream: $0, index: index, origin: origin) }
        }
        self.streams = streams
        if declared > 0, declared != sk_av_no_timestamp() {
            seconds = Double(declared) / Double(AV_TIME_BASE)
        } else {
            seconds = streams.compactMap { stream in stream.seconds.map { stream.startSeconds + $0 } }.max()
        }
        if streams.allSatisfy({ $0.isStill || $0.isCover }) { seconds = nil }
        bitRate = context.bit_rate > 0 ? Int(context.bit_rate) : nil
        tags = Self.tags(context.metadata)
    }

    fileprivate static func tags(_ dictionary: OpaquePointer?) -> [Tag] {
        var tags: [Tag] = []
        var entry: UnsafeMutablePointer<AVDictionaryEntry>?
        // More than this many is damage.
        while tags.count < 64 {
            entry = av_dict_get(dictionary, "", entry, AV_DICT_IGNORE_SUFFIX)
            guard let found = entry?.pointee, let key = found.key, let value = found.value else { break }
            tags.append(Tag(key: printable(String(cString: key)), value: printable(String(cString: value))))
        }
        return tags.sorted { ($0.key, $0.value) < ($1.key, $1.value) }
    }

    /// Text of a file without its control characters, which a terminal would obey.
    private static func printable(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(1024).map { scalar -> Unicode.Scalar in
            scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) ? " " : scalar
        }
        return String(String.UnicodeScalarView(scalars))
    }
}

extension MediaDescription.Stream {
    package var isStill: Bool {
        if case .video(let video) = kind { return video.isStill }
        return false
    }

    package var isCover: Bool {
        if case .cover = kind { return true }
        return false
    }

    fileprivate init(demuxer: Demuxer, stream pointer: UnsafeMutablePointer<AVStream>, index: Int, origin: Double) {
        let stream = pointer.pointee
        self.index = index
        let tags = MediaDescription.tags(stream.metadata)
        func tag(_ key: String) -> String? { tags.first { $0.key == key && !$0.value.isEmpty }?.value }
        language = tag("language").flatMap { $0 == "und" ? nil : $0 }
        title = tag("title")
        isDefault = stream.disposition & AV_DISPOSITION_DEFAULT != 0
        let timeBase = Rational(stream.time_base).value
        let none = sk_av_no_timestamp()
        startSeconds = stream.start_time == none ? 0 : Double(stream.start_time) * timeBase - origin
        seconds = stream.duration > 0 && stream.duration != none ? Double(stream.duration) * timeBase : nil
        guard let parameters = stream.codecpar?.pointee else {
            codec = "unknown"
            isDecodable = false
            bitRate = nil
            kind = .other("unknown")
            return
        }
        codec =
            parameters.codec_id == AV_CODEC_ID_NONE ? "unknown" : String(cString: avcodec_get_name(parameters.codec_id))
        isDecodable = avcodec_find_decoder(parameters.codec_id) != nil
        bitRate = parameters.bit_rate > 0 ? Int(parameters.bit_rate) : nil
        switch parameters.codec_type {
        case AVMEDIA_TYPE_VIDEO:
            let video = MediaDescription.Video(
                demuxer: demuxer,
                stream: pointer,
                parameters: parameters,
                hasDuration: seconds != nil
            )
            kind = stream.disposition & AV_DISPOSITION_ATTACHED_PIC != 0 ? .cover(video) : .video(video)
        case AVMEDIA_TYPE_AUDIO:
            var layout = parameters.ch_layout
            var text = [CChar](repeating: 0, count: 64)
            let length = av_channel_layout_describe(&layout, &text, text.count)
            let name = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            kind = .sound(
                MediaDescription.Sound(
                    sampleRate: Int(parameters.sample_rate),
                    channels: Int(parameters.ch_layout.nb_channels),
                    layout: length > 0 ? name : "unknown"
                )
            )
        case AVMEDIA_TYPE_SUBTITLE: kind = .subtitles
        case AVMEDIA_TYPE_DATA: kind = .other("data")
        case AVMEDIA_TYPE_ATTACHMENT: kind = .other("attachment")
        default: kind = .other("unknown")
        }
    }
}

extension MediaDescription.Video {
    fileprivate init(
        demuxer: Demuxer,
        stream: UnsafeMutablePointer<AVStream>,
        parameters: AVCodecParameters,
        hasDuration: Bool
    ) {
        width = Int(max(0, parameters.width))
        height = Int(max(0, parameters.height))
        let aspect = PixelGeometry.sane(Rational(av_guess_sample_aspect_ratio(demuxer.context, stream, nil)))
        sampleAspectRatio = aspect
        var matrix = [Int32](repeating: 0, count: 9)
        orientation = sk_av_stream_matrix(stream, &matrix) ? Orientation(displayMatrix: matrix) : .upright
        let shown = PixelGeometry.displaySize(width: width, height: height, aspect: aspect, orientation: orientation)
        displayWidth = shown.width
        displayHeight = shown.height

        let format = demuxer.context.pointee.iformat.map { String(cString: $0.pointee.name) } ?? ""
        let frames = Int(stream.pointee.nb_frames)
        isStill = format.hasSuffix("_pipe") && !hasDuration || frames == 1 && !hasDuration
        let average = Rational(stream.pointee.avg_frame_rate)
        let base = Rational(stream.pointee.r_frame_rate)
        let rate = average.isPositive ? average.value : base.value
        averageRate = rate > 0 && !isStill ? rate : nil
        // The base rate is that of the finest regular grid on which all frames lie; gaps on it make the average lower.
        isVariableRate =
            average.isPositive && base.isPositive && abs(average.value - base.value) > 0.005 * base.value && !isStill
        frameCount = frames > 0 ? frames : nil

        let pixels = AVPixelFormat(rawValue: parameters.format)
        pixelFormat = av_get_pix_fmt_name(pixels).map { String(cString: $0) }
        bitsPerComponent = av_pix_fmt_desc_get(pixels).map { Int($0.pointee.comp.0.depth) }
        isFullRange = PixelGeometry.isFullRange(parameters.color_range, pixels)
        colorMatrix =
            parameters.color_space == AVCOL_SPC_UNSPECIFIED
            ? nil : av_color_space_name(parameters.color_space).map { String(cString: $0) }
    }
}

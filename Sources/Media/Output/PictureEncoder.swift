import CFFmpeg

/// RGB pictures to the packets of a video codec.
final class PictureEncoder {
    let encoder: Encoder
    private let path: String
    private let settings: ClipSettings
    /// As coded: codecs that halve the colours want even sides.
    private let width: Int
    private let height: Int
    private let rgb: Frame
    private let coded: Frame
    private var scaler: OpaquePointer?
    private var palette: PaletteMaker?
    private var frameCount: Int64 = 0

    init(path: String, settings: ClipSettings, wantsGlobalHeader: Bool) throws(MediaError) {
        self.path = path
        self.settings = settings
        try LibraryMessages.prepare(for: path)
        let names: [String]
        let format: AVPixelFormat
        var options: [(String, String)] = []
        switch settings.container {
        case .mp4:
            names = ["libx264"]
            format = AV_PIX_FMT_YUV420P
            // Films are made of tokens as large as macroblocks, whose borders show without the strongest filter. It costs
            // 0.03 dB of clips of emoji, and no bytes.
            options = [("crf", String(settings.quality ?? 18)), ("preset", "medium"), ("deblock", "3:3")]
            // Of pictures less than 128 wide, x264's look ahead with AVX-512 uses memory that nothing was written to
            // (seen in version 164, with `mbtree`): the same frames then give other bytes each time.
            if av_get_cpu_flags() & AV_CPU_FLAG_AVX512 != 0 { options.append(("x264-params", "asm=avx2")) }
        case .webm:
            names = ["libvpx-vp9"]
            format = AV_PIX_FMT_YUV420P
            // "good" and not "realtime", which looks at the clock.
            options = [
                ("crf", String(settings.quality ?? 30)), ("b", "0"), ("deadline", "good"), ("cpu-used", "4"),
                ("row-mt", "0"),
            ]
        case .gif:
            names = ["gif"]
            format = AV_PIX_FMT_PAL8
        case .pngFolder:
            names = ["png"]
            format = AV_PIX_FMT_RGB24
        case .m4a, .flac, .ogg, .wav: throw MediaError(.misuse, path, "this kind of file has no pictures")
        }
        let isHalved = format == AV_PIX_FMT_YUV420P
        let width = isHalved ? settings.width + settings.width % 2 : settings.width
        let height = isHalved ? settings.height + settings.height % 2 : settings.height
        self.width = width
        self.height = height
        encoder = try Encoder(names: names, path: path, options: options) { context, _ in
            context.pointee.width = Int32(width)
            context.pointee.height = Int32(height)
            context.pointee.pix_fmt = format
            context.pointee.time_base = AVRational(
                num: Int32(settings.rateDenominator),
                den: Int32(settings.rateNumerator)
            )
            context.pointee.framerate = AVRational(
                num: Int32(settings.rateNumerator),
                den: Int32(settings.rateDenominator)
            )
            context.pointee.sample_aspect_ratio = AVRational(num: 1, den: 1)
            if isHalved {
                // A key frame every two seconds: players and readers jump to them.
                context.pointee.gop_size = Int32(max(1, 2 * settings.rateNumerator / settings.rateDenominator))
                context.pointee.colorspace = AVCOL_SPC_BT709
                context.pointee.color_primaries = AVCOL_PRI_BT709
                context.pointee.color_trc = AVCOL_TRC_BT709
                context.pointee.color_range = AVCOL_RANGE_MPEG
                context.pointee.chroma_sample_location = AVCHROMA_LOC_LEFT
            }
            if wantsGlobalHeader { context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER }
        }
        rgb = try Self.makeFrame(path, width, height, AV_PIX_FMT_RGB24)
        coded = format == AV_PIX_FMT_RGB24 ? rgb : try Self.makeFrame(path, width, height, format)
        if isHalved {
            var from = sk_av_picture(
                width: Int32(width),
                height: Int32(height),
                format: AV_PIX_FMT_RGB24,
                colorspace: AVCOL_SPC_UNSPECIFIED,
                chroma_location: AVCHROMA_LOC_UNSPECIFIED,
                full_range: true
            )
            var to = from
            to.format = format
            to.colorspace = AVCOL_SPC_BT709
            to.chroma_location = AVCHROMA_LOC_LEFT
            to.full_range = false
            let flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_BITEXACT
            scaler = sk_av_scaler_create(&from, &to, flags)
            guard scaler != nil else { throw MediaError(.limit, path, "out of memory for frames") }
        } else if format == AV_PIX_FMT_PAL8 {
            palette = PaletteMaker()
        }
    }

    deinit { sk_av_scaler_free(scaler) }

    private static func makeFrame(
        _ path: String,
        _ width: Int,
        _ height: Int,
        _ format: AVPixelFormat
    ) throws(MediaError) -> Frame {
        let frame = try Frame(path)
        frame.pointer.pointee.width = Int32(width)
        frame.pointer.pointee.height = Int32(height)
        frame.pointer.pointee.format = format.rawValue
        guard av_frame_get_buffer(frame.pointer, 64) >= 0 else {
            throw MediaError(.limit, path, "out of memory for frames")
        }
        return frame
    }

    /// Encodes the next picture.
    func encode(
        _ image: PixelImage,
        _ body: (UnsafeMutablePointer<AVPacket>) throws(MediaError) -> Void
    ) throws(MediaError) {
        guard image.width == settings.width, image.height == settings.height else {
            throw MediaError(
                .misuse,
                path,
                "a frame of \(image.width)x\(image.height) for a clip of \(settings.width)x\(settings.height)"
            )
        }
        // The encoder may still hold the frame before: it then gets a copy of its own.
        guard av_frame_make_writable(rgb.pointer) >= 0, av_frame_make_writable(coded.pointer) >= 0 else {
            throw MediaError(.limit, path, "out of memory for frames")
        }
        try copy(image)
        if let scaler {
            let rows = sk_av_scaler_run(scaler, rgb.pointer, coded.pointer)
            guard rows == Int32(height) else { throw .library(.unwritable, path, "cannot convert a frame", code: rows) }
            coded.pointer.pointee.colorspace = AVCOL_SPC_BT709
            coded.pointer.pointee.color_range = AVCOL_RANGE_MPEG
        } else if palette != nil {
            try index(image)
        }
        coded.pointer.pointee.pts = frameCount
        frameCount += 1
        try encoder.encode(coded.pointer, body)
    }

    /// Encodes what is left.
    func finish(_ body: (UnsafeMutablePointer<AVPacket>) throws(MediaError) -> Void) throws(MediaError) {
        try encoder.encode(nil, body)
    }

    /// The picture with its last row and column repeated where the codec wants even sides.
    private func copy(_ image: PixelImage) throws(MediaError) {
        guard let target = rgb.pointer.pointee.data.0 else {
            throw MediaError(.limit, path, "out of memory for frames")
        }
        let stride = Int(rgb.pointer.pointee.linesize.0)
        let bytes = settings.width * 3
        image.pixels.withUnsafeBufferPointer { pixels in
            guard let base = pixels.baseAddress, pixels.count >= bytes * settings.height, stride >= width * 3 else {
                return
            }
            for row in 0..<height {
                let from = base + min(row, settings.height - 1) * bytes
                let to = target + row * stride
                to.update(from: from, count: bytes)
                for extra in settings.width..<max(width, settings.width) {
                    (to + extra * 3).update(from: from + bytes - 3, count: 3)
                }
            }
        }
    }

    private func index(_ image: PixelImage) throws(MediaError) {
        guard let indices = coded.pointer.pointee.data.0, let table = coded.pointer.pointee.data.1 else {
            throw MediaError(.limit, path, "out of memory for frames")
        }
        let stride = Int(coded.pointer.pointee.linesize.0)
        let colors = palette?.index(image, into: indices, stride: stride) ?? []
        table.withMemoryRebound(to: UInt32.self, capacity: 256) { table in
            for slot in 0..<256 { table[slot] = slot < colors.count ? colors[slot] : 0xFF00_0000 }
        }
    }
}

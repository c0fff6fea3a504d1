import CFFmpeg
import Glibc

/// Writes a clip: frames at a fixed rate, and sound, as they come; or sound alone.
///
/// Frames and sound may be handed over in any turn; packets wait for each other for at most ten seconds of the clip, so
/// that memory stays bounded when both keep step. Under the final name the clip appears whole, by ``finish()``, or not at
/// all. The same frames, samples and settings give the same bytes on every machine with the same libraries.
///
/// After an error the clip is lost and every further call repeats the error. Not for use by several threads at once.
package final class ClipWriter {
    package let path: String
    private let settings: ClipSettings
    private let target: OutputTarget
    /// Nil for sound alone.
    private let pictures: PictureEncoder?
    private let sound: SoundEncoder?
    private var context: UnsafeMutablePointer<AVFormatContext>?
    private var frameCount = 0
    private var sampleCount = 0
    private var pictureCount = 0
    private var failure: MediaError?
    private var isFinished = false

    /// - Throws: `.misuse` for settings that do not fit, `.unsupported` where the encoder is not installed, `.unwritable`.
    package init(path: String, settings: ClipSettings) throws(MediaError) {
        try settings.check(path)
        self.path = path
        self.settings = settings
        target = try OutputTarget(path: path, isFolder: settings.container == .pngFolder)
        guard let container = settings.container.muxer else {
            pictures = try PictureEncoder(path: path, settings: settings, wantsGlobalHeader: false)
            sound = nil
            return
        }
        try LibraryMessages.prepare(for: path)
        var made: UnsafeMutablePointer<AVFormatContext>?
        let allocated = avformat_alloc_output_context2(&made, nil, container, "file:" + target.temporaryPath)
        guard allocated >= 0, let context = made else {
            throw .library(.unsupported, path, "cannot write \(container)", code: allocated)
        }
        self.context = context
        let wantsHeader = context.pointee.oformat.pointee.flags & AVFMT_GLOBALHEADER != 0
        do {
            pictures =
                settings.container.soundCodec == nil
                ? try PictureEncoder(path: path, settings: settings, wantsGlobalHeader: wantsHeader) : nil
            if let soundSettings = settings.sound {
                sound = try SoundEncoder(path: path, settings: soundSettings, wantsGlobalHeader: wantsHeader)
            } else {
                sound = nil
            }
        } catch {
            avformat_free_context(context)
            throw error
        }
        try writeHeader(context)
    }

    deinit { closeFile() }

    private func writeHeader(_ context: UnsafeMutablePointer<AVFormatContext>) throws(MediaError) {
        context.pointee.flags |= AVFMT_FLAG_BITEXACT
        context.pointee.strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL
        for encoder in [pictures?.encoder, sound?.encoder].compactMap({ $0 }) {
            guard let stream = avformat_new_stream(context, nil) else {
                throw MediaError(.limit, path, "out of memory")
            }
            stream.pointee.time_base = encoder.context.pointee.time_base
            stream.pointee.avg_frame_rate = encoder.context.pointee.framerate
            stream.pointee.sample_aspect_ratio = encoder.context.pointee.sample_aspect_ratio
            guard avcodec_parameters_from_context(stream.pointee.codecpar, encoder.context) >= 0 else {
                throw MediaError(.limit, path, "out of memory")
            }
        }
        // The samples by which Opus runs ahead must not move the picture.
        if settings.container == .webm { context.pointee.avoid_negative_ts = 0 }
        for tag in settings.tags { av_dict_set(&context.pointee.metadata, tag.key, tag.value, 0) }
        let opened = avio_open2(&context.pointee.pb, "file:" + target.temporaryPath, AVIO_FLAG_WRITE, nil, nil)
        guard opened >= 0 else { throw .library(.unwritable, path, "cannot write", code: opened) }
        var options: OpaquePointer?
        if settings.container == .mp4 || settings.container == .m4a {
            av_dict_set(&options, "movflags", "+faststart", 0)
        }
        let written = avformat_write_header(context, &options)
        av_dict_free(&options)
        guard written >= 0 else { throw .library(.unwritable, path, "cannot write the header", code: written) }
    }

    /// Writes the next frame; it is shown at its number divided by the rate.
    package func append(_ image: PixelImage) throws(MediaError) {
        try guarded { () throws(MediaError) in
            guard let pictures else { throw MediaError(.misuse, path, "a picture for a file of sound alone") }
            try pictures.encode(image) { packet throws(MediaError) in
                try write(packet, from: pictures.encoder, stream: 0)
            }
            frameCount += 1
        }
    }

    /// Writes the next samples, interleaved where there are two channels.
    package func append(sound samples: [Float]) throws(MediaError) {
        try guarded { () throws(MediaError) in
            guard let sound else { throw MediaError(.misuse, path, "sound for a clip that was set up without") }
            try sound.encode(samples) { packet throws(MediaError) in
                try write(packet, from: sound.encoder, stream: soundIndex)
            }
            sampleCount += samples.count
        }
    }

    /// Completes the clip and gives it its name.
    ///
    /// - Throws: `.misuse` when it has no frame (no sound, where it is sound alone), `.full`, `.unwritable`.
    package func finish() throws(MediaError) {
        try guarded { () throws(MediaError) in
            if let pictures {
                guard frameCount > 0 else { throw MediaError(.misuse, path, "a clip without frames") }
                try pictures.finish { packet throws(MediaError) in
                    try write(packet, from: pictures.encoder, stream: 0)
                }
            } else {
                guard sampleCount > 0 else { throw MediaError(.misuse, path, "a recording without sound") }
            }
            if let sound {
                try sound.finish { packet throws(MediaError) in
                    try write(packet, from: sound.encoder, stream: soundIndex)
                }
            }
            if let context {
                let written = av_write_trailer(context)
                guard written >= 0 else { throw .library(.unwritable, path, "cannot complete it", code: written) }
                try checkBytes(context)
                let closed = avio_closep(&context.pointee.pb)
                guard closed >= 0 else { throw .library(.unwritable, path, "cannot write", code: closed) }
            }
            try target.commit()
            isFinished = true
        }
        closeFile()
    }

    /// The sound's stream stands behind the picture's.
    private var soundIndex: Int { pictures == nil ? 0 : 1 }

    private func guarded(_ body: () throws(MediaError) -> Void) throws(MediaError) {
        if let failure { throw failure }
        guard !isFinished else { throw MediaError(.misuse, path, "the clip is finished already") }
        do {
            try body()
        } catch {
            failure = error
            closeFile()
            throw error
        }
    }

    private func write(
        _ packet: UnsafeMutablePointer<AVPacket>,
        from encoder: Encoder,
        stream index: Int
    ) throws(MediaError) {
        guard let context else {
            try writePicture(packet)
            return
        }
        let stream = sk_av_stream(context, UInt32(index))
        packet.pointee.stream_index = Int32(index)
        if packet.pointee.duration == 0, index == 0, pictures != nil { packet.pointee.duration = 1 }
        if let stream { av_packet_rescale_ts(packet, encoder.context.pointee.time_base, stream.pointee.time_base) }
        let written = av_interleaved_write_frame(context, packet)
        guard written >= 0 else { throw .library(.unwritable, path, "cannot write", code: written) }
        try checkBytes(context)
    }

    /// Bytes are written behind the muxer's back; what went wrong there is asked for here.
    private func checkBytes(_ context: UnsafeMutablePointer<AVFormatContext>) throws(MediaError) {
        guard let io = context.pointee.pb, io.pointee.error < 0 else { return }
        throw .library(.unwritable, path, "cannot write", code: io.pointee.error)
    }

    private func writePicture(_ packet: UnsafeMutablePointer<AVPacket>) throws(MediaError) {
        pictureCount += 1
        let digits = String(pictureCount)
        let number = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
        let name = target.temporaryPath + "/frame-\(number).png"
        let descriptor = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system(.unwritable, path, "cannot create a picture") }
        defer { close(descriptor) }
        let bytes = UnsafeRawBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size))
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system(.unwritable, path, "cannot write", code: count == 0 ? ENOSPC : errno) }
            done += count
        }
    }

    private func closeFile() {
        guard let context else { return }
        if context.pointee.pb != nil { avio_closep(&context.pointee.pb) }
        avformat_free_context(context)
        self.context = nil
    }
}

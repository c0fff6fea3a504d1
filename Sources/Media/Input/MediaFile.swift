import CFFmpeg

/// A clip, a recording or a picture: what it holds, and the way to its frames and its sound.
///
/// A value: opening reads the headers and closes the file again; every reader opens it anew and has its own place in it.
/// Nothing but the file itself is ever opened, whatever it refers to.
package struct MediaFile: Sendable {
    package enum Origin: Sendable {
        case file(String)
        /// A file's bytes in memory, and a name for messages.
        case memory([UInt8], name: String)
    }

    package let origin: Origin
    package let limits: MediaLimits
    package let description: MediaDescription
    let cancellation: MediaCancellation?

    /// Opens a file and describes it. Cost: one pass over the headers, and a few decoded frames where those say too little.
    package init(
        _ origin: Origin,
        limits: MediaLimits = MediaLimits(),
        cancellation: MediaCancellation? = nil
    ) throws(MediaError) {
        let demuxer = try Demuxer(origin, limits: limits, cancellation: cancellation)
        self.origin = origin
        self.limits = limits
        self.cancellation = cancellation
        description = MediaDescription(demuxer)
        try Self.checkPicture(description, name: demuxer.name)
    }

    /// Animated WebP has pictures only in its parts. Libraries that do not take these apart find no size, and would call
    /// the file damaged.
    private static func checkPicture(_ description: MediaDescription, name: String) throws(MediaError) {
        for stream in description.streams where stream.codec == "webp" {
            guard case .video(let video) = stream.kind, video.width == 0 else { continue }
            throw MediaError(
                .unsupported,
                name,
                "an animated WebP, which the installed libavcodec does not decode, or a damaged one",
                hint: "Convert it to GIF or mp4."
            )
        }
    }

    package init(
        path: String,
        limits: MediaLimits = MediaLimits(),
        cancellation: MediaCancellation? = nil
    ) throws(MediaError) {
        try self.init(.file(path), limits: limits, cancellation: cancellation)
    }

    package var name: String {
        switch origin {
        case .file(let path): path
        case .memory(_, let name): name
        }
    }

    /// Frames of the picture at the scheduled times.
    ///
    /// - Parameter stream: which stream, by its index; nil for ``MediaDescription/bestVideo``.
    package func frames(
        _ schedule: FrameSchedule,
        stream: Int? = nil,
        options: FrameReader.Options = FrameReader.Options()
    ) throws(MediaError) -> FrameReader {
        let index = try videoIndex(stream)
        return try FrameReader(self, stream: index, schedule: schedule, options: options)
    }

    /// The sound as 16 kHz mono.
    ///
    /// - Parameter stream: which stream, by its index; nil for ``MediaDescription/bestSound``.
    package func sound(
        stream: Int? = nil,
        sampleRate: Int = SoundReader.standardRate
    ) throws(MediaError) -> SoundReader {
        let index: Int
        if let stream {
            guard let found = description.streams.first(where: { $0.index == stream }), case .sound = found.kind else {
                throw MediaError(.noSuchStream, name, "stream \(stream) is not sound")
            }
            index = stream
        } else if let best = description.bestSound {
            index = best.index
        } else if let known = description.streams.first(where: { if case .sound = $0.kind { true } else { false } }) {
            throw MediaError(.unsupported, name, "there is no decoder for its sound (\(known.codec))")
        } else {
            throw MediaError(.noSuchStream, name, "it has no sound")
        }
        return try SoundReader(self, stream: index, sampleRate: sampleRate)
    }

    /// The file as one picture: its first frame, upright and with square pixels.
    package func picture() throws(MediaError) -> PixelImage {
        let index =
            (try? videoIndex(nil))
            ?? description.streams.first { if case .cover = $0.kind { true } else { false } }?.index
        guard let index else { throw MediaError(.noSuchStream, name, "it has no picture") }
        let reader = try FrameReader(self, stream: index, schedule: .indices([0]), options: FrameReader.Options())
        guard let frame = try reader.next() else { throw MediaError(.malformed, name, "it has no frame that decodes") }
        return frame.image
    }

    private func videoIndex(_ stream: Int?) throws(MediaError) -> Int {
        if let stream {
            guard let found = description.streams.first(where: { $0.index == stream }) else {
                throw MediaError(.noSuchStream, name, "there is no stream \(stream)")
            }
            switch found.kind {
            case .video, .cover: return stream
            default: throw MediaError(.noSuchStream, name, "stream \(stream) is not a picture")
            }
        }
        if let best = description.bestVideo { return best.index }
        if let known = description.streams.first(where: { if case .video = $0.kind { true } else { false } }) {
            throw MediaError(.unsupported, name, "there is no decoder for its picture (\(known.codec))")
        }
        throw MediaError(.noSuchStream, name, "it has no moving picture")
    }
}

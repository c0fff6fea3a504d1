/// How a clip is written.
package struct ClipSettings: Sendable, Equatable {
    package enum Container: Sendable, Equatable, CaseIterable {
        /// H.264 in mp4, its index in front (a player may start before the whole file is there).
        case mp4
        /// VP9 in WebM.
        case webm
        /// A GIF with a palette of its own for every frame; it has no sound.
        case gif
        /// A folder of `frame-000001.png` and so on; it has no sound.
        case pngFolder
        /// Sound alone: AAC in mp4, FLAC, Opus in Ogg, 16-bit PCM.
        case m4a, flac, ogg, wav

        /// By a file name's ending; a name without one is a folder of pictures. Nil for other endings.
        package init?(path: String) {
            let name = path.split(separator: "/").last.map(String.init) ?? ""
            guard let dot = name.lastIndex(of: "."), dot != name.startIndex else {
                guard !name.isEmpty else { return nil }
                self = .pngFolder
                return
            }
            switch name[name.index(after: dot)...].lowercased() {
            case "mp4", "m4v": self = .mp4
            case "webm": self = .webm
            case "gif": self = .gif
            case "m4a": self = .m4a
            case "flac": self = .flac
            case "ogg", "opus": self = .ogg
            case "wav": self = .wav
            default: return nil
            }
        }
    }

    package enum SoundCodec: String, Sendable, Equatable, CaseIterable {
        case aac, flac, opus, pcm
    }

    package struct Sound: Sendable, Equatable {
        /// Of the samples that are handed over.
        package var sampleRate: Int
        /// Of the samples that are handed over; more than one are interleaved.
        package var channels: Int
        package var codec: SoundCodec

        package init(sampleRate: Int, channels: Int = 1, codec: SoundCodec) {
            self.sampleRate = sampleRate
            self.channels = channels
            self.codec = codec
        }
    }

    package var container: Container
    package var width: Int
    package var height: Int
    /// Frames per second as a fraction: 24/1, 30000/1001.
    package var rateNumerator: Int
    package var rateDenominator: Int
    /// Constant rate factor, lower is better; nil for 18 (H.264) and 30 (VP9).
    package var quality: Int?
    package var sound: Sound?
    /// `title`, `artist`, `comment` and the like.
    package var tags: [MediaDescription.Tag] = []

    package init(
        container: Container,
        width: Int,
        height: Int,
        framesPerSecond rateNumerator: Int,
        over rateDenominator: Int = 1,
        sound: Sound? = nil
    ) {
        self.container = container
        self.width = width
        self.height = height
        self.rateNumerator = rateNumerator
        self.rateDenominator = rateDenominator
        self.sound = sound
    }

    /// Sound alone, in the container's own codec; nil for containers that have pictures.
    package init?(container: Container, sampleRate: Int, channels: Int = 1) {
        guard let codec = container.soundCodec else { return nil }
        self.init(
            container: container,
            width: 1,
            height: 1,
            framesPerSecond: 1,
            sound: Sound(sampleRate: sampleRate, channels: channels, codec: codec)
        )
    }

    /// Throws `.misuse` unless a clip can be written so.
    func check(_ path: String) throws(MediaError) {
        guard PixelImage.byteCount(width: width, height: height) != nil, width <= 16_384, height <= 16_384 else {
            throw MediaError(
                .misuse,
                path,
                "frames of \(width)x\(height) pixels",
                hint: "Each side must be 1 to 16384."
            )
        }
        guard 1...240_000 ~= rateNumerator, 1...1001 ~= rateDenominator, rateNumerator <= 240 * rateDenominator else {
            throw MediaError(
                .misuse,
                path,
                "\(rateNumerator)/\(rateDenominator) frames per second",
                hint: "Choose more than 0 and at most 240."
            )
        }
        if let quality, !(0...63).contains(quality) {
            throw MediaError(.misuse, path, "a quality of \(quality)", hint: "Choose 0 to 63.")
        }
        guard let sound else {
            guard container.soundCodec == nil else {
                throw MediaError(.misuse, path, "this kind of file is sound, and none was set up")
            }
            return
        }
        guard 8000...192_000 ~= sound.sampleRate, 1...2 ~= sound.channels else {
            throw MediaError(
                .misuse,
                path,
                "sound of \(sound.channels) channels at \(sound.sampleRate) per second",
                hint: "Hand over 1 or 2 channels at 8000 to 192000."
            )
        }
        switch (container, sound.codec) {
        case (.mp4, .aac), (.mp4, .flac), (.mp4, .opus), (.webm, .opus): return
        case (.m4a, _), (.flac, _), (.ogg, _), (.wav, _):
            guard let own = container.soundCodec, own == sound.codec else {
                throw MediaError(
                    .misuse,
                    path,
                    "this kind of file does not hold \(sound.codec.rawValue)",
                    hint: container.soundCodec.map { "Choose \($0.rawValue)." }
                )
            }
        case (.mp4, .pcm):
            throw MediaError(.misuse, path, "mp4 does not hold \(sound.codec.rawValue)", hint: "Choose aac.")
        case (.webm, _):
            throw MediaError(.misuse, path, "WebM does not hold \(sound.codec.rawValue)", hint: "Choose opus.")
        case (.gif, _), (.pngFolder, _):
            throw MediaError(.misuse, path, "this kind of file has no sound", hint: "Choose mp4 or webm.")
        }
    }
}

extension ClipSettings.Container {
    /// What the container holds where it is for sound alone; nil where it has pictures.
    package var soundCodec: ClipSettings.SoundCodec? {
        switch self {
        case .m4a: .aac
        case .flac: .flac
        case .ogg: .opus
        case .wav: .pcm
        case .mp4, .webm, .gif, .pngFolder: nil
        }
    }

    /// The library's name for it; nil for a folder.
    var muxer: String? {
        switch self {
        case .mp4: "mp4"
        case .webm: "webm"
        case .gif: "gif"
        case .pngFolder: nil
        case .m4a: "ipod"
        case .flac: "flac"
        case .ogg: "ogg"
        case .wav: "wav"
        }
    }
}

extension MediaDescription.Tag {
    package init(_ key: String, _ value: String) {
        self.key = key
        self.value = value
    }
}

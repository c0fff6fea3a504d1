import Media

/// Writes a film as it comes: a clip by its name's ending, a folder of frames, or a single picture.
///
/// Nothing appears under its final name before it is whole.
public final class FilmWriter {
    /// What kind of file a name asks for.
    public enum Kind: Sendable, Equatable {
        case clip, picture, frames

        /// By the name's ending: mp4, webm and gif are clips, png a picture, none a folder of frames; nil for others.
        public init?(path: String) {
            if path.lowercased().hasSuffix(".png") {
                self = .picture
                return
            }
            switch ClipSettings.Container(path: path) {
            case .pngFolder: self = .frames
            case .some: self = .clip
            case nil: return nil
            }
        }
    }

    private var writers: [ClipWriter] = []
    private var picturePath: String?
    private var picture: FilmFrame?
    private var hasSound: [Bool] = []

    /// What there is to say about a film in its file.
    public struct Label: Sendable {
        public var title: String
        public var comment: String

        public init(title: String, comment: String) {
            self.title = title
            self.comment = comment
        }
    }

    /// - Parameters:
    ///   - output: nil for none.
    ///   - framesFolder: nil for none.
    /// - Throws: an error that names the file where one cannot be written, before anything is filmed.
    public init(
        output: String?,
        framesFolder: String?,
        size: FilmRequest.Size,
        framesPerSecond: Int,
        soundRate: Int?,
        label: Label
    ) throws {
        if let output {
            if Kind(path: output) == .picture {
                // Found out now rather than after the work.
                _ = try AtomicFile(path: output)
                picturePath = output
            } else {
                try add(output, ClipSettings.Container(path: output), size, framesPerSecond, soundRate, label)
            }
        }
        if let framesFolder { try add(framesFolder, .pngFolder, size, framesPerSecond, nil, label) }
    }

    private func add(
        _ path: String,
        _ container: ClipSettings.Container?,
        _ size: FilmRequest.Size,
        _ framesPerSecond: Int,
        _ soundRate: Int?,
        _ label: Label
    ) throws {
        guard let container, ![.m4a, .flac, .ogg, .wav].contains(container) else {
            throw MediaError(.misuse, path, "this ending is not one of a clip", hint: "Use .mp4, .webm, .gif or .png.")
        }
        var settings = ClipSettings(
            container: container,
            width: size.width,
            height: size.height,
            framesPerSecond: framesPerSecond
        )
        if let soundRate {
            switch container {
            case .mp4: settings.sound = ClipSettings.Sound(sampleRate: soundRate, codec: .aac)
            case .webm: settings.sound = ClipSettings.Sound(sampleRate: soundRate, codec: .opus)
            case .gif, .pngFolder, .m4a, .flac, .ogg, .wav: break
            }
        }
        settings.tags = [MediaDescription.Tag("title", label.title), MediaDescription.Tag("comment", label.comment)]
        writers.append(try ClipWriter(path: path, settings: settings))
        hasSound.append(settings.sound != nil)
    }

    public func append(_ piece: FilmPiece) throws {
        if picture == nil { picture = piece.frames.first }
        for (writer, hasSound) in zip(writers, hasSound) {
            for frame in piece.frames {
                try writer.append(PixelImage(width: frame.width, height: frame.height, pixels: frame.pixels))
            }
            if hasSound, !piece.sound.isEmpty { try writer.append(sound: piece.sound) }
        }
    }

    /// Completes everything and gives it its name.
    public func finish() throws {
        for writer in writers { try writer.finish() }
        if let picturePath, let picture { try AtomicFile.write(picture.png(), to: picturePath) }
    }

    /// Writes any bytes under a name at once, whole or not at all.
    public static func write(_ bytes: [UInt8], to path: String) throws { try AtomicFile.write(bytes, to: path) }

    /// Whether a file can be written.
    ///
    /// - Throws: an error that names it.
    public static func checkWritable(_ path: String) throws { _ = try AtomicFile(path: path) }
}

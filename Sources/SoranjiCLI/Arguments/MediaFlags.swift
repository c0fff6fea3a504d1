import ArgumentParser
import Soranji

/// Pictures, recordings and clips, and how they become tokens.
struct MediaFlags: ParsableArguments {
    /// A file, and when the parser came to it: flags of one kind keep their order by themselves, this keeps it across kinds.
    struct File {
        var path: String
        var place: ContinuousClock.Instant

        static func parse(_ path: String) throws -> File {
            if path.isEmpty { throw ValidationError("a file name is empty") }
            return File(path: path, place: .now)
        }
    }

    @Option(
        help: ArgumentHelp("A clip to look at, with its sound. Can be repeated; the order is kept.", valueName: "file"),
        completion: .file(),
        transform: File.parse
    )
    var video: [File] = []

    @Option(
        help: ArgumentHelp("A recording to listen to. Can be repeated.", valueName: "file"),
        completion: .file(),
        transform: File.parse
    )
    var audio: [File] = []

    @Option(
        help: ArgumentHelp("A picture to look at. Can be repeated.", valueName: "file"),
        completion: .file(),
        transform: File.parse
    )
    var image: [File] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Frames of a clip to look at per second. (default: what the model was trained with)",
            valueName: "rate"
        )
    )
    var fps: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How many frames of a clip to look at, evenly spread.", valueName: "count")
    )
    var frames: Int?

    @Option(parsing: .unconditional, help: ArgumentHelp("Most pixels of a picture or a frame.", valueName: "count"))
    var maxPixels: Int?

    @Flag(help: "Do not listen to the sound of clips.")
    var noSound = false

    func validate() throws {
        if let fps, !(fps.isFinite && 0.001...1000 ~= fps) {
            throw ValidationError("--fps must be from 0.001 to 1000, not \(fps).")
        }
        if let frames, !(1...1_000_000 ~= frames) {
            throw ValidationError("--frames must be from 1 to 1000000, not \(frames).")
        }
        if fps != nil, frames != nil { throw ValidationError("Give either --fps or --frames.") }
        if let maxPixels, !(1...1 << 40 ~= maxPixels) {
            throw ValidationError("--max-pixels must be a positive number, not \(maxPixels).")
        }
    }

    /// All files in the order of the command line.
    var inputs: [MediaInput] {
        let all =
            video.map { (MediaInput(.video, path: $0.path), $0.place) }
            + audio.map { (MediaInput(.audio, path: $0.path), $0.place) }
            + image.map { (MediaInput(.image, path: $0.path), $0.place) }
        return all.sorted { $0.1 < $1.1 }.map(\.0)
    }

    var options: MediaOptions {
        var options = MediaOptions()
        options.framesPerSecond = fps
        options.frameCount = frames
        options.maximumPixels = maxPixels
        options.usesSound = !noSound
        return options
    }
}

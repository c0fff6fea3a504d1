import ArgumentParser
import JSONText
import Media
import Soranji

struct MediaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "media",
        abstract: "Show the streams of a clip, a recording or a picture, and what a question about it would take.",
        discussion: """
            Container, length, and for every stream its codec, size or sample rate, frame rate and rotation. The streams \
            that would be seen and heard are marked with a star. No model is needed. With --read everything that a \
            question would look at is decoded too, and damage shows. With --model the frames, sizes and tokens that 'ask' \
            would take are counted, without running the model.

            Examples:
              soranji media clip.mp4
              soranji media recording.flac --json
              soranji media clip.mp4 --read --fps 2
              soranji media clip.mp4 --model omni --fps 1 --max-pixels 200000
            """
    )

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Decode frames and sound, and tell what came.")
    var read = false

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Count what 'ask' would take with this model.", valueName: "path"),
        completion: .file()
    )
    var model: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Frames per second. (default: the model's; 1 for --read)", valueName: "rate")
    )
    var fps: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("With --model: how many frames, evenly spread.", valueName: "count")
    )
    var frames: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("With --model: most pixels of a picture or a frame.", valueName: "count")
    )
    var maxPixels: Int?

    @Flag(help: "With --model: without the sound of a clip.")
    var noSound = false

    @Argument(help: "A clip, a recording or a picture.", completion: .file())
    var path: String

    func validate() throws {
        if let frames, !(1...1_000_000 ~= frames) {
            throw ValidationError("--frames must be from 1 to 1000000, not \(frames).")
        }
        if let maxPixels, !(1...1 << 40 ~= maxPixels) {
            throw ValidationError("--max-pixels must be a positive number, not \(maxPixels).")
        }
        if let fps, !(0.001...1000 ~= fps) { throw ValidationError("--fps must be from 0.001 to 1000, not \(fps).") }
    }

    func run() throws {
        let file = try MediaFile(path: path)
        let reading = read ? try MediaReading(file, framesPerSecond: fps ?? 1) : nil
        let receipt = try model.map { try askReceipt(file.description, model: $0) }
        let text: String
        if json {
            var object = file.description.json.objectValue ?? JSON.Object()
            object["read"] = reading?.json
            object["ask"] = receipt?.json
            text = JSON.object(object).text(indented: true)
        } else {
            let plan = receipt.map { MediaReceiptText($0, style: Terminal.standardOutput.style).lines } ?? []
            text =
                ([MediaReport(file.description).text] + (reading.map { [$0.text] } ?? [])
                + (plan.isEmpty ? [] : [plan.dropFirst().joined(separator: "\n")])).joined(separator: "\n\n")
        }
        try Terminal.standardOutput.outputLine(text.trimmingWhitespace)
    }

    /// What `ask` would take of the file.
    private func askReceipt(_ description: MediaDescription, model: String) throws -> MediaReceipt {
        var options = MediaOptions()
        options.framesPerSecond = fps
        options.frameCount = frames
        options.maximumPixels = maxPixels
        options.usesSound = !noSound
        var kind = MediaInput.Kind.audio
        if let picture = description.bestVideo, case .video(let video) = picture.kind {
            kind = video.isStill ? .image : .video
        } else if description.bestSound == nil {
            kind = .image
        }
        return try Runtime.mediaReceipt(
            [MediaInput(kind, path: path)],
            bundleFolder: ModelFolder.find(model, progress: ProgressBar()),
            options: options
        )
    }
}

/// What decoding a file's frames and sound gave; nothing of it is kept.
struct MediaReading {
    private var frames: Int?
    private var lastFrameSeconds = 0.0
    private var soundSeconds: Double?
    private var damagedPackets = 0

    init(_ file: MediaFile, framesPerSecond: Double) throws {
        if let video = file.description.bestVideo {
            let reader = try file.frames(.rate(framesPerSecond), stream: video.index)
            var count = 0
            while let frame = try reader.next() {
                count += 1
                lastFrameSeconds = frame.seconds
            }
            frames = count
            damagedPackets += reader.damagedPackets
        }
        if let sound = file.description.bestSound {
            let reader = try file.sound(stream: sound.index)
            var samples = 0
            while let piece = try reader.next() { samples += piece.count }
            soundSeconds = Double(samples) / Double(reader.sampleRate)
            damagedPackets += reader.damagedPackets
        }
    }

    var json: JSON {
        [
            "frames": frames.map { .integer(Int64($0)) } ?? .null,
            "last_frame_seconds": frames == nil ? .null : .number(lastFrameSeconds),
            "sound_seconds": soundSeconds.map { .number($0) } ?? .null,
            "damaged_packets": .integer(Int64(damagedPackets)),
        ]
    }

    var text: String {
        var parts: [String] = []
        if let frames {
            parts.append("\(FixedPoint.grouped(frames)) frames, the last at \(FixedPoint.duration(lastFrameSeconds))")
        }
        if let soundSeconds { parts.append("\(FixedPoint.duration(soundSeconds)) of sound") }
        if damagedPackets > 0 { parts.append("\(FixedPoint.grouped(damagedPackets)) damaged packets passed over") }
        return "read: " + (parts.isEmpty ? "nothing that can be decoded" : parts.joined(separator: "; "))
    }
}

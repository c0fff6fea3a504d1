import ArgumentParser
import JSONText
import Media
import Soranji

struct MediaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "media",
        abstract: "Show the streams of a clip, a recording or a picture.",
        discussion: """
            Container, length, and for every stream its codec, size or sample rate, frame rate and rotation. The streams \
            that would be seen and heard are marked with a star. No model is needed. With --read everything that a \
            question would look at is decoded too, and damage shows.

            Examples:
              soranji media clip.mp4
              soranji media recording.flac --json
              soranji media clip.mp4 --read --fps 2
            """
    )

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Decode frames and sound, and tell what came.")
    var read = false

    @Option(help: ArgumentHelp("Frames per second to decode with --read.", valueName: "rate"))
    var fps: Double = 1

    @Argument(help: "A clip, a recording or a picture.", completion: .file())
    var path: String

    func validate() throws {
        if !(fps > 0 && fps <= 1000) { throw ValidationError("--fps must be above 0 and at most 1000, not \(fps).") }
    }

    func run() throws {
        let file = try MediaFile(path: path)
        let reading = read ? try MediaReading(file, framesPerSecond: fps) : nil
        let text: String
        if json {
            var object = file.description.json.objectValue ?? JSON.Object()
            object["read"] = reading?.json
            text = JSON.object(object).text(indented: true)
        } else {
            text = ([MediaReport(file.description).text] + (reading.map { [$0.text] } ?? [])).joined(separator: "\n\n")
        }
        Terminal.standardOutput.writeLine(text.trimmingWhitespace)
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

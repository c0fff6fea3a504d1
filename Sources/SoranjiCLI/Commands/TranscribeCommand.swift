import ArgumentParser
import Soranji

struct TranscribeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transcribe",
        abstract: "Write down what is said in a recording or a clip, with a Whisper model.",
        discussion: """
            Examples:
              soranji transcribe talk.mp3 --model whisper-base
              soranji transcribe film.mp4 --model whisper-base --task translate --format srt > film.srt
              soranji transcribe talk.mp3 --model whisper-base --language de --timestamps
            """
    )

    /// What is written down.
    enum Task: String, CaseIterable, ExpressibleByArgument {
        case transcribe, translate
    }

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "The Whisper model: a Hugging Face folder, or a bundle made from one.",
            discussion: "Folders are imported into the cache folder once, by themselves.",
            valueName: "path"
        ),
        completion: .file()
    )
    var model: String

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Threads to compute with. (default: one per processor)", valueName: "count")
    )
    var threads: Int?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("The language, as 'de' or 'German'. (default: what is heard)", valueName: "language")
    )
    var language: String?

    @Option(help: ArgumentHelp("In the language spoken, or translated into English.", valueName: "task"))
    var task: Task = .transcribe

    @Flag(help: "Put the times before every line of text.")
    var timestamps = false

    @Option(
        help: ArgumentHelp("Plain text, subtitles, or JSON with times. (default: txt)", valueName: "format")
    )
    var format: Transcript.Format?

    @Flag(help: "Print JSON: the same as --format json.")
    var json = false

    @Option(help: ArgumentHelp("The same seed gives the same text.", valueName: "number"))
    var seed: UInt64 = 0

    @Argument(help: ArgumentHelp("The recording or clip.", valueName: "file"), completion: .file())
    var file: String

    func validate() throws {
        if model.isEmpty { throw ValidationError("--model needs a path.") }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads must be from 1 to 1024, not \(threads).")
        }
        if json, let format, format != .json {
            throw ValidationError("--json and --format \(format.rawValue) do not go together.")
        }
        if timestamps, json || (format ?? .txt) != .txt {
            throw ValidationError("--timestamps is for plain text; the other formats always have times.")
        }
    }

    func run() throws {
        // First what can go wrong at once.
        let sound = try ClipSound(path: file)
        let progress = ProgressBar()
        defer { progress.clear() }
        let folder = try ModelFolder.find(model, progress: progress)
        let transcriber = try Transcriber(bundleFolder: folder, threadCount: threads ?? 0)
        var options = Transcriber.Options()
        options.language = language
        options.translates = task == .translate
        options.seed = seed
        let format = json ? .json : format ?? .txt
        var isCut = false
        let transcript = try Interrupt.watch {
            let result = try transcriber.transcribe(
                sound,
                options: options,
                isCancelled: { Interrupt.isRequested },
                onProgress: { segments, seconds, total in
                    progress.clear()
                    // Plain text comes as it is understood.
                    if format == .txt {
                        let part = Transcript(language: nil, duration: total, segments: segments)
                        try Terminal.standardOutput.output(part.formatted(.txt, timestamps: timestamps))
                    }
                    progress.update("listening", completed: Int(seconds), total: Int(total), unit: .steps)
                }
            )
            isCut = Interrupt.isRequested
            return result
        }
        progress.clear()
        if format != .txt { try Terminal.standardOutput.output(transcript.formatted(format)) }
        if isCut { throw Failure.interrupted("the text is complete up to the last whole window") }
    }
}

extension Transcript.Format: ExpressibleByArgument {}

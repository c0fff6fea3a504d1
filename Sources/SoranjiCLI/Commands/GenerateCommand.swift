import ArgumentParser
import JSONText
import Soranji

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Film a clip, with sound, from a prompt, a storyboard, a picture or another clip.",
        discussion: """
            The kind of file follows its name: mp4, webm, gif; png is a single picture, a name without ending a folder of \
            frames. A storyboard is text with a heading (# The garden) for each shot; a text without headings is divided into \
            its sentences, and the model says which of them go on with the scene before. Lines of their own, cut, fade or \
            smooth, say how the next shot follows, and how long it is where a length stands behind: 'fade 3s'. The same \
            seed gives the same bytes.

            The default model films a cat, frog, pig, whale, crab, rocket, car, robot, pizza, banana, apple, tree, flower, \
            ball, heart or moon, or two of them. They move left or right, rise, fall, bounce, spin, grow or shrink, at night, in \
            the sky, on the grass, in the desert, in the sea or in the snow.

            Examples:
              soranji generate "a cat rises at night" -o cat.mp4
              soranji generate --prompt-file story.md -o story.mp4 --contact-sheet story.png
              soranji generate "a pig spins in the snow" -o pig.webm --variants 4 --seconds 4
              soranji generate "the cat falls" --extend cat.mp4 -o longer.mp4
              soranji generate "a rocket rises" --edit cat.mp4 --strength 0.9 -o rocket.mp4
              soranji generate --session scene "the cat comes back" -o scene.mp4
            """
    )

    @OptionGroup(title: "Model") var model: ModelFlags
    @OptionGroup(title: "Film") var film: FilmFlags
    @OptionGroup(title: "Beginning with clips and pictures") var origin: OriginFlags

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Where the film goes.", valueName: "file"),
        completion: .file()
    )
    var output: String?

    @Option(help: ArgumentHelp("Also write every frame as a picture into this folder.", valueName: "folder"))
    var frames: String?

    @Option(help: ArgumentHelp("Also write a picture that shows the film's frames.", valueName: "file"))
    var contactSheet: String?

    @Option(
        help: ArgumentHelp("A storyboard or a text: one shot a heading, or a sentence.", valueName: "file"),
        completion: .file()
    )
    var promptFile: String?

    @Option(
        help: ArgumentHelp("Film so many, with the seeds that follow; their names get numbers.", valueName: "count")
    )
    var variants: Int = 1

    @Option(
        help: ArgumentHelp(
            "Film from what a stored session has read, followed by the prompt.",
            valueName: "name"
        )
    )
    var session: String?

    @Flag(help: "Show the film while it is made, where standard error is a terminal.")
    var preview = false

    @Flag(help: "Print what was filmed as JSON.")
    var json = false

    @Argument(help: "What is to be seen and heard; '-' is standard input.")
    var prompt: [String] = []

    func validate() throws {
        guard output != nil || frames != nil || contactSheet != nil || preview else {
            throw ValidationError("Missing where the film goes: -o, --frames, --contact-sheet or --preview.")
        }
        if let output, FilmWriter.Kind(path: output) == nil {
            throw ValidationError("'\(output)' has an ending that is not known; use .mp4, .webm, .gif or .png.")
        }
        if output == "-" { throw ValidationError("A film needs a name with an ending; -o - is not possible.") }
        if preview, !Terminal.standardError.isTerminal, output == nil, frames == nil, contactSheet == nil {
            throw ValidationError("--preview needs a terminal; say where the film goes with -o.")
        }
        if let frames, frames.isEmpty { throw ValidationError("--frames needs a folder.") }
        let names = [output, frames, contactSheet].compactMap { $0 }
        if Set(names).count < names.count {
            throw ValidationError("-o, --frames and --contact-sheet need names of their own.")
        }
        if let contactSheet, FilmWriter.Kind(path: contactSheet) != .picture {
            throw ValidationError("--contact-sheet is a picture; its name must end in .png.")
        }
        guard 1...64 ~= variants else { throw ValidationError("--variants must be from 1 to 64, not \(variants).") }
        if promptFile != nil, !prompt.isEmpty {
            throw ValidationError("A prompt and --prompt-file do not go together.")
        }
        if promptFile == nil, prompt.isEmpty { throw ValidationError("Missing the prompt, or --prompt-file.") }
    }

    func run() throws {
        let text = try promptText()
        var request = film.request(shots: [FilmRequest.Shot(prompt: text)])
        request.origin = try origin.origin
        request.isStill = output.map { FilmWriter.Kind(path: $0) == .picture } ?? false
        let progress = ProgressBar()
        defer { progress.clear() }
        let runtime = try model.open(progress: progress, session: session)
        let studio = try FilmStudio(runtime: runtime, decoderFolder: film.decoder)
        if let session { try studio.film(from: SessionConversation(runtime: runtime, name: session)) }
        var told: Set<String> = []
        func warn(_ warnings: [String]) {
            for warning in warnings where told.insert(warning).inserted {
                progress.clear()
                Terminal.standardError.writeLine("warning: \(warning)")
            }
        }
        if let promptFile {
            request.shots = try Interrupt.watch {
                try studio.shots(text, name: promptFile) {
                    if Interrupt.isRequested { throw Failure.interrupted("nothing was written") }
                }
            }
        }
        warn(try studio.check(request) + studio.promptWarnings(request))
        if let contactSheet { try FilmWriter.checkWritable(contactSheet) }
        let sheet = contactSheet.map { _ in ContactSheet() }
        var receipts: [FilmReport] = []
        for variant in 0..<variants {
            var variantRequest = request
            variantRequest.seed = request.seed &+ UInt64(variant)
            sheet?.beginClip()
            let report = try film(variantRequest, variant: variant, studio, sheet, progress)
            warn(report.receipt.warnings)
            receipts.append(report)
        }
        progress.clear()
        if let contactSheet, let png = sheet?.png() { try FilmWriter.write(png, to: contactSheet) }
        if json {
            let report = FilmReport.json(receipts, contactSheet: contactSheet)
            Terminal.standardOutput.writeLine(report.text(indented: true))
        } else {
            for receipt in receipts { Terminal.standardError.writeLine(receipt.text) }
            for line in receipts.first?.shotLines ?? [] { Terminal.standardError.writeLine(line) }
        }
    }

    private func film(
        _ request: FilmRequest,
        variant: Int,
        _ studio: FilmStudio,
        _ sheet: ContactSheet?,
        _ progress: ProgressBar
    ) throws -> FilmReport {
        let clock = ContinuousClock()
        let start = clock.now
        let name = variants > 1 ? FilmReport.numbered(output, variant + 1) : output
        let folder = variants > 1 ? FilmReport.numbered(frames, variant + 1) : frames
        var writer: FilmWriter?
        let size = try studio.size(of: request)
        if name != nil || folder != nil {
            writer = try FilmWriter(
                output: name,
                framesFolder: folder,
                size: size,
                framesPerSecond: request.framesPerSecond ?? studio.trainedFramesPerSecond,
                soundRate: request.hasSound ? studio.sampleRate : nil,
                label: FilmWriter.Label(
                    title: String((request.shots.first?.title ?? request.shots.first?.prompt ?? "").prefix(200)),
                    comment: "Filmed by Soranji \(SoranjiVersion.current) from a prompt, seed \(request.seed)."
                )
            )
        }
        var screen = preview && Terminal.standardError.isTerminal ? FilmPreview(terminal: .standardError) : nil
        defer { screen?.finish() }
        let receipt = try Interrupt.watch {
            try studio.film(
                request,
                onProgress: { step in
                    if Interrupt.isRequested {
                        throw Failure.interrupted(
                            variant > 0 ? "\(variant) of \(variants) films were written" : "nothing was written"
                        )
                    }
                    guard screen == nil else { return }
                    let shot = step.shots > 1 ? "filming shot \(step.shot) of \(step.shots)" : "filming"
                    progress.update(shot, completed: step.doneSteps, total: step.totalSteps, unit: .steps)
                },
                onPiece: { piece in
                    try writer?.append(piece)
                    sheet?.add(piece.frames)
                    if let last = piece.frames.last { screen?.show(last) }
                }
            )
        }
        try writer?.finish()
        return FilmReport(
            receipt: receipt,
            output: name,
            frames: folder,
            seconds: (clock.now - start) / .seconds(1)
        )
    }

    /// A prompt, or a story that is to be divided.
    private func promptText() throws -> String {
        if let promptFile { return try DocumentReader().read(promptFile).text }
        let text = prompt == ["-"] ? try DocumentReader().read("-").text : prompt.joined(separator: " ")
        return text.trimmingWhitespace
    }
}

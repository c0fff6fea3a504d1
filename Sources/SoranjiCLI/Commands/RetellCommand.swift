import ArgumentParser
import Foundation
import JSONText
import Soranji

struct RetellCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retell",
        abstract:
            "Describe clips, film what was said, describe that: how much of the meaning is left after each round.",
        discussion: """
            What the first description names is compared with what later ones still name: the things, what each of them \
            does, and the background. Several clips give the mean. Every round has the seed that follows the one before.

            Examples:
              soranji retell clip.mp4
              soranji retell *.mp4 --rounds 5 --plot fading.png --out rounds
            """
    )

    @OptionGroup(title: "Model") var model: ModelFlags
    @OptionGroup(title: "Film") var film: FilmFlags

    @Option(
        name: [.short, .long],
        parsing: .unconditional,
        help: ArgumentHelp("How often to film what was said.", valueName: "count")
    )
    var rounds: Int = 3

    @Option(
        help: ArgumentHelp("Draw the table: .png or .svg.", valueName: "file"),
        completion: .file(extensions: ["png", "svg"])
    )
    var plot: String?

    @Option(help: ArgumentHelp("Keep what was filmed in this folder.", valueName: "folder"), completion: .directory)
    var out: String?

    @Flag(help: "Print all descriptions and figures as JSON.")
    var json = false

    @Argument(help: ArgumentHelp("The clips to begin with.", valueName: "clip"), completion: .file())
    var clips: [String]

    func validate() throws {
        guard 1...Retelling.maximumRounds ~= rounds else {
            throw ValidationError("--rounds must be from 1 to \(Retelling.maximumRounds), not \(rounds).")
        }
        if clips.contains(where: \.isEmpty) { throw ValidationError("The name of a clip is empty.") }
        if let out, out.isEmpty { throw ValidationError("--out needs a folder.") }
        if let plot, PlotFormat(path: plot) == nil {
            throw ValidationError("--plot must end in .png or .svg, unlike '\(plot)'.")
        }
    }

    func run() throws {
        let progress = ProgressBar()
        defer { progress.clear() }
        let runtime = try model.open(progress: progress)
        let teller = try Storyteller(studio: try FilmStudio(runtime: runtime, decoderFolder: film.decoder))
        let request = film.request(shots: [FilmRequest.Shot(prompt: Storyteller.question)])
        // What can be known before anything is filmed.
        for warning in try teller.studio.check(request) { warn(warning, progress) }
        _ = try runtime.mediaReceipt(clips.map { MediaInput(.video, path: $0) })
        if let plot { try FilmWriter.checkWritable(plot) }
        let folder = try RoundsFolder(out)
        let names = try folder.names(clips, rounds: rounds)

        var told: [Retelling] = []
        var notes: [[String]] = []
        for (index, clip) in clips.enumerated() {
            let retelling = try Interrupt.watch {
                try teller.retell(
                    clip,
                    rounds: rounds,
                    request: request,
                    name: { names[index][$0 - 1] },
                    onStep: { step in
                        if Interrupt.isRequested { throw Failure.interrupted() }
                        show(step, index, progress)
                    },
                    onRound: { round in
                        progress.clear()
                        guard !json else { return }
                        if round.number == 0 { try Terminal.standardOutput.outputLine(clip) }
                        try Terminal.standardOutput.outputLine("  \(round.number)  \(round.description)")
                    }
                )
            }
            told.append(retelling)
            notes.append(teller.notes(on: retelling))
            for note in notes.last ?? [] { warn(note, progress) }
        }
        if let plot, let format = PlotFormat(path: plot) { try Retelling.plot(told).write(to: plot, as: format) }
        if json {
            try Terminal.standardOutput.outputLine(report(told, notes, seed: request.seed).text(indented: true))
            return
        }
        try Terminal.standardOutput.outputLine()
        for line in TextTable.lines(Retelling.table(told), rightAligned: [0, 1, 2, 3]) {
            try Terminal.standardOutput.outputLine(line)
        }
        for path in [plot, out].compactMap({ $0 }) { Terminal.standardError.writeLine("wrote \(path)") }
    }

    private func show(_ step: Storyteller.Step, _ index: Int, _ progress: ProgressBar) {
        let clip = clips.count > 1 ? "clip \(index + 1) of \(clips.count), " : ""
        switch step {
        case .describing(let round, let step):
            progress.update(
                "\(clip)describing round \(round)",
                completed: step.doneTokens,
                total: step.promptTokens,
                unit: .tokens
            )
        case .filming(let round, let step):
            progress.update(
                "\(clip)filming round \(round) of \(rounds)",
                completed: step.doneSteps,
                total: step.totalSteps,
                unit: .steps
            )
        }
    }

    private func warn(_ text: String, _ progress: ProgressBar) {
        progress.clear()
        Terminal.standardError.writeLine("warning: \(text)")
    }

    private func report(_ told: [Retelling], _ notes: [[String]], seed: UInt64) -> JSON {
        [
            "question": .string(Storyteller.question),
            "seed": .integer(Int64(truncatingIfNeeded: seed)),
            "clips": .array(
                zip(clips, zip(told, notes)).map { clip, entry in
                    [
                        "clip": .string(clip),
                        "notes": .array(entry.1.map { .string($0) }),
                        "rounds": entry.0.json(keepsClips: out != nil),
                    ]
                }
            ),
            "means": .array(
                Retelling.means(told).enumerated().map { round, values in
                    var object = JSON.Object([("round", .integer(Int64(round)))])
                    for (name, value) in zip(Retelling.measures, values) {
                        object[name] = value.map { .number($0) } ?? .null
                    }
                    return .object(object)
                }
            ),
            "plot": plot.map { .string($0) } ?? .null,
        ]
    }
}

/// Where the clips of all rounds lie: a folder that the user named, or one that goes with the command.
private final class RoundsFolder {
    private let path: String
    private let isTemporary: Bool

    init(_ path: String?) throws {
        isTemporary = path == nil
        self.path = path ?? FileManager.default.temporaryDirectory.path + "/soranji-retell-\(UUID().uuidString)"
        do {
            try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
        } catch {
            throw Failure("\(self.path): cannot create the folder", hint: "give --out a folder that you may write to")
        }
    }

    deinit {
        if isTemporary { try? FileManager.default.removeItem(atPath: path) }
    }

    /// `[clip][round]`: the clip's name and the round; where two clips have the same name, its number, too.
    ///
    /// - Throws: where one of them is a clip that is to be read.
    func names(_ clips: [String], rounds: Int) throws -> [[String]] {
        let stems = clips.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent }
        let inputs = Set(clips.map(Self.real))
        return try clips.indices.map { index in
            let isShared = stems.count { $0 == stems[index] } > 1
            let stem = isShared ? "\(stems[index])-\(index + 1)" : stems[index]
            return try (1...rounds).map { round in
                let name = "\(path)/\(stem)-round-\(round).mp4"
                guard !inputs.contains(Self.real(name)) else {
                    throw Failure(
                        "\(name) is one of the clips, and would be written over",
                        hint: "give --out another folder"
                    )
                }
                return name
            }
        }
    }

    private static func real(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
}

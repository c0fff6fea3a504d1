import ArgumentParser
import Glibc
import Soranji

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a bundle from a GGUF file or a Hugging Face folder.",
        discussion: """
            A bundle is a folder whose weights lie as the kernels read them, so that starting is only a map. \
            Memory stays bounded by one tensor. An import that is interrupted leaves nothing. Folders above the bundle that \
            are missing are made.

            Without --weights every matrix keeps the nearest type that loses nothing; MXFP4 is kept only so, no other \
            type is converted into it.

            Examples:
              soranji import model.gguf -o model.bundle
              soranji import ./OLMoE-1B-7B-0924 -o olmoe-q8 --weights q8
            """
    )

    @Argument(help: "A GGUF file or a Hugging Face folder.", completion: .file())
    var source: String

    @Option(
        name: [.short, .customLong("output")],
        help: ArgumentHelp("The folder to make.", valueName: "bundle"),
        completion: .directory
    )
    var output: String

    @Option(name: .long, help: ArgumentHelp("Pack all matrices as this type.", valueName: "type"))
    var weights: ModelImporter.Weights?

    @Flag(help: "Replace a bundle of that name.")
    var force = false

    func validate() throws {
        if source.isEmpty { throw ValidationError("The source needs a path.") }
        if output.isEmpty { throw ValidationError("--output needs a path.") }
    }

    func run() throws {
        let progress = ProgressBar()
        defer { progress.clear() }
        try Interrupt.watch { () throws -> Void in
            do {
                try ModelImporter.importModel(
                    source: source,
                    into: output,
                    weights: weights,
                    replacesExisting: force,
                    isCancelled: { Interrupt.isRequested },
                    onProgress: { step in
                        progress.update("importing", completed: step.doneBytes, total: step.totalBytes, unit: .bytes)
                    },
                    onNote: { Terminal.standardError.writeLine("note: \($0)") }
                )
            } catch {
                guard Interrupt.isRequested else { throw error }
                progress.clear()
                Terminal.standardError.writeLine("interrupted: nothing was made")
                throw ExitStatus.interrupted
            }
        }
        progress.clear()
        Terminal.standardError.writeLine("made \(output)")
    }
}

extension ModelImporter.Weights: ExpressibleByArgument {}

import ArgumentParser
import JSONText
import Soranji
import Tokenizers

struct ExpertsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "experts",
        abstract: "Show how often each expert of a model is chosen.",
        discussion: "The counts of all runs of a model on this machine are kept in the cache folder.",
        subcommands: [Stats.self, HeatmapCommand.self]
    )

    /// Which counts are looked at.
    struct Selection: ParsableArguments {
        @OptionGroup(title: "Model") var model: ModelFlags

        @Option(
            name: [.short, .long],
            help: ArgumentHelp(
                "Count while reading this text, instead of showing the saved counts.",
                valueName: "file"
            ),
            completion: .file()
        )
        var file: String?

        @Option(help: ArgumentHelp("Count only tokens of this modality.", valueName: "name"))
        var modality: ModalityName?

        /// The counts, and the model's name.
        func usage() throws -> (usage: ExpertUsage, model: String, pools: [ExpertPoolNames]) {
            let progress = ProgressBar()
            defer { progress.clear() }
            let runtime = try model.open(progress: progress)
            guard runtime.expertCount > 0 else {
                throw Failure("\(runtime.modelName) is a dense model: it has no experts to choose")
            }
            if let file { try read(file, runtime, progress) }
            let counted = file == nil ? runtime.savedExpertUsage() : runtime.expertUsage
            guard let usage = counted, usage.total > 0 else {
                throw Failure(
                    "no counts were saved for \(runtime.modelName) yet",
                    hint: "ask it something first, or give a text with --file"
                )
            }
            if let modality = modality?.rawValue, usage.total(modality: modality) == 0 {
                throw Failure(
                    "no choices by \(modality) tokens were counted for \(runtime.modelName)",
                    hint: "what was counted: \(usage.modalities.joined(separator: ", "))"
                )
            }
            return (usage, runtime.modelName, runtime.expertPools)
        }

        /// `model: 1,024 choices, text only`.
        func heading(_ usage: ExpertUsage, _ model: String) -> String {
            let total = Int(clamping: usage.total(modality: modality?.rawValue))
            return "\(model): \(FixedPoint.count(total, "choice"))" + (modality.map { ", \($0.rawValue) only" } ?? "")
        }

        /// Sends a text through the model in pieces that fit the context.
        private func read(_ file: String, _ runtime: Runtime, _ progress: ProgressBar) throws {
            let tokenizer = try TokenizerAccess.require(runtime)
            let text = try DocumentReader().read(file).text
            let tokens = tokenizer.encode(text, addingSpecialTokens: true, parsingSpecialTokens: false)
            let piece = min(runtime.contextTokens, 4096)
            for start in stride(from: 0, to: tokens.count, by: piece) {
                let part = Array(tokens[start..<min(start + piece, tokens.count)])
                _ = try runtime.score(tokens: part, keepsPositions: false) { done in
                    progress.update("reading", completed: start + done, total: tokens.count, unit: .tokens)
                }
            }
        }
    }

    struct Stats: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the counts as a table or as JSON.",
            discussion: """
                Evenness is 1 when all experts of a layer are chosen equally often and 0 when it is always the same one.

                Examples:
                  soranji experts stats --model olmoe.gguf
                  soranji experts stats --model olmoe.gguf --file book.txt --json
                """
        )

        @OptionGroup var selection: Selection

        @Flag(help: "Print all counts as JSON.")
        var json = false

        func run() throws {
            let (usage, model, pools) = try selection.usage()
            if json {
                try Terminal.standardOutput.outputLine(usage.json.text(indented: true))
                return
            }
            try Terminal.standardOutput.outputLine(selection.heading(usage, model))
            for pool in pools { try Terminal.standardOutput.outputLine(pool.text) }
            for line in UsageTable(usage: usage, modality: selection.modality?.rawValue).lines() {
                try Terminal.standardOutput.outputLine(line)
            }
        }
    }

    struct HeatmapCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "heatmap",
            abstract: "Draw the counts as a picture, layers by experts.",
            discussion: """
                Experts that were never chosen are grey.

                Examples:
                  soranji experts heatmap --model olmoe.gguf -o heat.png
                  soranji experts heatmap --model olmoe.gguf --file book.txt --log -o heat.svg
                """
        )

        @OptionGroup var selection: Selection

        @Option(
            name: [.short, .customLong("output")],
            help: ArgumentHelp("The picture: .png or .svg.", valueName: "file"),
            completion: .file()
        )
        var output: String

        @Flag(help: "A logarithmic colour scale, for counts that differ much.")
        var log = false

        func validate() throws {
            guard PlotFormat(path: output) != nil else {
                throw ValidationError("--output must end in .png or .svg, unlike '\(output)'.")
            }
        }

        func run() throws {
            guard let format = PlotFormat(path: output) else { return }
            let (usage, model, pools) = try selection.usage()
            let modality = selection.modality?.rawValue
            let counts = (0..<usage.layerCount).map { layer in
                (0..<usage.expertCount).map { Double(usage.count(layer: layer, expert: $0, modality: modality)) }
            }
            // Layers without routed experts have no row.
            let used = counts.indices.filter { counts[$0].contains { $0 > 0 } }
            let heatmap = Heatmap(
                title: "How often each expert was chosen",
                subtitle: selection.heading(usage, model) + pools.map { "; " + $0.text }.joined(),
                rows: used.map { counts[$0] },
                rowLabels: used.map(String.init),
                valueName: "choices",
                scale: log ? .logarithmic : .linear
            )
            try heatmap.write(to: output, as: format)
            Terminal.standardError.writeLine("wrote \(output)")
        }
    }
}

/// What tokens are made from.
enum ModalityName: String, CaseIterable, ExpressibleByArgument {
    case text, audio, video, image
}

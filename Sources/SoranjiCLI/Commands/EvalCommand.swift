import ArgumentParser
import JSONText
import Soranji

struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Measure what a model still finds and understands in long contexts.",
        discussion: """
            Texts are made from the seed, without downloads: the same seed gives the same questions. A length counts the \
            prompt and the answer together. Answers are scored by whether they have what was asked for, translations by \
            chrF. What does not fit into the context is left out and said so. Tasks:

            \(taskList)

            Examples:
              soranji eval --task passkey,needle --lengths 1K,2K,4K,8K --depths 5 --plot needle.png
              soranji eval --task language --lengths 8K --samples 20 --json > language.json
              soranji eval --task needle --lengths 8K,32K --context 32K --samples 10 --resume needle.jsonl
            """
    )

    private static var taskList: String {
        EvaluationTask.allCases.map { task in
            "  " + task.rawValue + String(repeating: " ", count: max(1, 17 - task.rawValue.count)) + task.explanation
        }.joined(separator: "\n")
    }

    @OptionGroup(title: "Model") var model: ModelFlags

    @Option(
        help: ArgumentHelp("Tasks, with commas between them, or 'all'. (default: passkey,needle)", valueName: "names"),
        transform: TaskList.parse
    )
    var task = TaskList(tasks: [.passkey, .needle])

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Lengths in tokens, e.g. 4K,8K,32K. (default: 1K,2K,4K,8K)", valueName: "lengths"),
        transform: LengthList.parse
    )
    var lengths = LengthList(tokens: [1024, 2048, 4096, 8192])

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many places, from the beginning to the end, something is hidden at.",
            valueName: "count"
        )
    )
    var depths = 5

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Contexts for each length and depth; sentences for each direction of a translation.",
            valueName: "count"
        )
    )
    var samples = 1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The same seed gives the same texts; -1 is another one in every run.", valueName: "number"),
        transform: Seed.parse
    )
    var seed: Seed = .number(42)

    @Option(
        help: ArgumentHelp(
            "raw continues the text, chat asks in the model's template; the answer's beginning is given in both.",
            valueName: "style"
        )
    )
    var style = EvaluationStyle.raw

    @Option(
        help: ArgumentHelp("Draw scores by length and depth, as PNG or SVG.", valueName: "file.png|file.svg"),
        completion: .file()
    )
    var plot: String?

    @Option(
        help: ArgumentHelp(
            "Keep every answer in this file (JSON lines), and go on with it where an earlier run ended.",
            valueName: "file.jsonl"
        ),
        completion: .file()
    )
    var resume: String?

    @Flag(
        help: """
            Measure how much of an answer's attention falls on pages that are read, in contexts of up to 64K tokens that are \
            recalled.
            """
    )
    var measureAttention = false

    @Flag(help: "Print JSON with every answer.")
    var json = false

    func validate() throws {
        if !(1...100).contains(depths) { throw ValidationError("--depths must be from 1 to 100, not \(depths).") }
        if !(1...10_000).contains(samples) {
            throw ValidationError("--samples must be from 1 to 10000, not \(samples).")
        }
        if let plot, PlotFormat(path: plot) == nil {
            throw ValidationError("--plot needs a name that ends in .png or .svg, not '\(plot)'.")
        }
        if resume != nil, seed == .random { throw ValidationError("--resume needs a --seed of its own.") }
    }

    func run() throws {
        let progress = ProgressBar()
        defer { progress.clear() }
        let runtime = try model.open(progress: progress)
        let seed = seed.value()
        let evaluation = try Evaluation(
            runtime: runtime,
            settings: EvaluationSettings(
                tasks: task.tasks,
                lengths: lengths.tokens,
                depths: EvaluationSettings.depths(depths),
                samples: samples,
                seed: seed,
                style: style,
                measuresAttention: measureAttention
            )
        )
        // Hours of work should not end in a name that cannot be written to.
        if let plot { _ = try AtomicFile(path: plot) }
        let file = try resume.map { try EvaluationFile(path: $0, header: evaluation.header, resumes: true) }
        announce(lengths.tokens.filter { $0 <= runtime.contextTokens }, progress)
        var records = file?.records ?? []
        let isStopped = try Interrupt.watch { () throws -> Bool in
            do {
                try evaluation.run(known: records) { step in
                    if Interrupt.isRequested { throw Stopped() }
                    progress.update(
                        step.task.rawValue,
                        completed: step.doneTokens,
                        total: step.totalTokens,
                        unit: .tokens
                    )
                } onRecord: { record in
                    try file?.append(record)
                    records.append(record)
                }
                return false
            } catch is Stopped {
                return true
            }
        }
        progress.clear()
        defer { runtime.keepExpertUsage() }
        let report = EvaluationReport(
            records: records.filter { task.tasks.contains($0.task) && lengths.tokens.contains($0.lengthTokens) },
            omissions: evaluation.omissions,
            lengths: lengths.tokens
        )
        if !isStopped || !report.records.isEmpty || json { try show(report, runtime, seed) }
        if isStopped {
            Terminal.standardError.writeLine("stopped" + (resume.map { "; go on with --resume \($0)" } ?? ""))
            throw ExitStatus.interrupted
        }
        guard !report.records.isEmpty else {
            throw Failure(
                "nothing could be run: " + (report.omissions.first?.reason ?? "no case"),
                hint: report.omissions.first?.isTooShort == true
                    ? "use larger --lengths" : "use smaller --lengths, or a larger --context"
            )
        }
    }

    /// Off a terminal nothing else shows that something goes on.
    private func announce(_ lengths: [Int], _ progress: ProgressBar) {
        guard !progress.isVisible, !lengths.isEmpty else { return }
        let labels = lengths.map(EvaluationReport.lengthLabel).joined(separator: ", ")
        Terminal.standardError.writeLine(
            "running \(task) with \(labels) tokens, "
                + "\(FixedPoint.count(depths, "depth")), \(FixedPoint.count(samples, "sample"))"
        )
    }

    // MARK: Output

    private func show(_ report: EvaluationReport, _ runtime: Runtime, _ seed: UInt64) throws {
        let note = "seed \(seed), \(style.rawValue), \(FixedPoint.count(samples, "sample"))"
        // The table first: a picture that cannot be written takes nothing else along.
        try showTable(report, runtime, seed, note)
        if let plot, let format = PlotFormat(path: plot), !report.records.isEmpty {
            try report.heatmap(model: runtime.modelName, note: note).write(to: plot, as: format)
        }
    }

    private func showTable(_ report: EvaluationReport, _ runtime: Runtime, _ seed: UInt64, _ note: String) throws {
        let output = Terminal.standardOutput
        if json {
            guard case .object(var object) = report.json else { return }
            object["model"] = .string(runtime.modelName)
            object["seed"] = .string("\(seed)")
            object["style"] = .string(style.rawValue)
            try output.outputLine(JSON.object(object).text(indented: true))
            return
        }
        try output.outputLine("\(runtime.modelName), \(note); scores from 0 to 100")
        let usesDepths = report.records.contains { $0.depth != nil } && depths > 1
        for line in TextTable.lines(rows(report, byDepth: usesDepths), rightAligned: Set(1...report.lengths.count)) {
            try output.outputLine(line)
        }
        for line in bounds(report) + attention(report) { try output.outputLine(line) }
        for omission in report.omissions {
            Terminal.standardError.writeLine(
                "left out: \(omission.task.rawValue) of \(EvaluationReport.lengthLabel(omission.lengthTokens)) "
                    + omission.reason
            )
        }
    }

    private func rows(_ report: EvaluationReport, byDepth: Bool) -> [[String]] {
        var rows = [[""] + report.lengths.map(EvaluationReport.lengthLabel)]
        func row(_ row: EvaluationReport.Row, _ label: String) -> [String] {
            [label]
                + report.lengths.map { length in
                    report.mean(row, length: length).map { FixedPoint.text($0.score, places: 1) } ?? "-"
                }
        }
        for total in report.rows(byDepth: false) {
            rows.append(row(total, total.label))
            guard byDepth else { continue }
            for part in report.rows(byDepth: true) where part.depth != nil {
                guard part.task == total.task, part.setting == total.setting, part.kind == total.kind else { continue }
                rows.append(row(part, "  at \(FixedPoint.text((part.depth ?? 0) * 100, places: 0))%"))
            }
        }
        return rows
    }

    /// How much of the attention was read.
    private func attention(_ report: EvaluationReport) -> [String] {
        func percent(_ share: Double) -> String { "\(FixedPoint.text(share * 100, places: 1)) %" }
        return report.rows(byDepth: false).flatMap { row in
            report.lengths.compactMap { length -> String? in
                guard let attention = report.attention(row, length: length) else {
                    guard measureAttention, report.mean(row, length: length) != nil else { return nil }
                    return "\(row.label), \(EvaluationReport.lengthLabel(length)): attention was not measured: "
                        + (length > Evaluation.mostMeasuredTokens
                            ? "the context is too long"
                            : "every token saw all of it"
                                + (model.attentionFlags.attention == .recall ? "" : " (see --attention recall)"))
                }
                let far = attention.far.map { ", \(percent($0)) of that to far pages" } ?? ""
                return
                    "\(row.label), \(EvaluationReport.lengthLabel(length)): \(percent(attention.read)) of the attention was read"
                    + far
            }
        }
    }

    /// What translations would score that know no rule or all rules.
    private func bounds(_ report: EvaluationReport) -> [String] {
        var seen: Set<String> = []
        return report.rows(byDepth: false).flatMap { row in
            report.lengths.compactMap { length -> String? in
                guard let bounds = report.bounds(row, length: length), let kind = row.kind,
                    seen.insert("\(kind) \(length)").inserted
                else { return nil }
                return "\(kind), \(EvaluationReport.lengthLabel(length)): word-by-word gloss "
                    + "\(FixedPoint.text(bounds.floor, places: 1)), all rules known "
                    + FixedPoint.text(bounds.ceiling, places: 1)
            }
        }
    }
}

extension EvaluationStyle: ExpressibleByArgument {}

/// Names of tasks with commas between them.
struct TaskList: Equatable, CustomStringConvertible {
    var tasks: [EvaluationTask]

    var description: String { tasks.map(\.rawValue).joined(separator: ",") }

    static func parse(_ text: String) throws -> TaskList {
        if text == "all" { return TaskList(tasks: EvaluationTask.allCases) }
        var tasks: [EvaluationTask] = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let task = EvaluationTask(rawValue: String(name)) else {
                let known = EvaluationTask.allCases.map(\.rawValue).joined(separator: ", ")
                throw InvalidValue("there is no task '\(name)'; the tasks are \(known)")
            }
            if !tasks.contains(task) { tasks.append(task) }
        }
        return TaskList(tasks: tasks)
    }
}

/// Lengths with commas between them, from short to long.
struct LengthList: Equatable, CustomStringConvertible {
    var tokens: [Int]

    var description: String { tokens.map(EvaluationReport.lengthLabel).joined(separator: ",") }

    static func parse(_ text: String) throws -> LengthList {
        let lengths = try text.split(separator: ",", omittingEmptySubsequences: false).map {
            try TokenCount.parse(String($0)).tokens
        }
        if lengths.count > 100 { throw InvalidValue("more than 100 lengths") }
        return LengthList(tokens: Set(lengths).sorted())
    }
}

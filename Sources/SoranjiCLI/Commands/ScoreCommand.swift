import ArgumentParser
import JSONText
import Soranji
import Tokenizers

struct ScoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Show how likely a model finds a text: log-probabilities and perplexity.",
        discussion: """
            Without --window all tokens stand in one context and every token but the first is scored. With --window N the \
            text is cut into windows of N tokens, each a context of its own, and the second half of each is scored: the \
            same count as llama.cpp's perplexity tool. Logarithms are natural.

            Examples:
              soranji score --model m.gguf --file book.txt --window 512
              soranji score --model m.gguf --tokens 1,5,9 --top 5 --json
              soranji score --model m.gguf --tokens 1,5,9 --logits out.npy
              soranji score --model omni --tokens 8,302,300,300,303 --image photo.png

            With --tokens, rows of --image, --audio and --video fill the placeholder ids in the list, in order.
            """
    )

    @OptionGroup(title: "Model") var model: ModelFlags
    @OptionGroup(title: "Media") var media: MediaFlags

    @Option(help: ArgumentHelp("Token ids to score.", valueName: "ids"), transform: TokenList.parse)
    var tokens: [Int32]?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "A UTF-8 text to score; '-' is standard input. A newline at its end is left out.",
            valueName: "file"
        ),
        completion: .file()
    )
    var file: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Score in windows of this many tokens.", valueName: "tokens"),
        transform: TokenCount.parse
    )
    var window: TokenCount?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Also show the likeliest tokens at every position.", valueName: "count")
    )
    var top: Int = 0

    @Option(
        help: ArgumentHelp("Write all logits, float32 [positions, vocabulary].", valueName: "out.npy"),
        completion: .file(extensions: ["npy"])
    )
    var logits: String?

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if (tokens == nil) == (file == nil) { throw ValidationError("Give either --tokens or --file.") }
        if !(0...1000).contains(top) { throw ValidationError("--top must be from 0 to 1000, not \(top).") }
        if !media.inputs.isEmpty, tokens == nil {
            throw ValidationError("--image, --audio and --video go with --tokens, which have places for them.")
        }
        if !media.inputs.isEmpty, window != nil { throw ValidationError("--window does not go with media.") }
        if let window {
            if window.tokens < 4 { throw ValidationError("--window must be at least 4.") }
            if top > 0 || logits != nil { throw ValidationError("--window goes with neither --top nor --logits.") }
        }
    }

    func run() throws {
        let progress = ProgressBar()
        defer { progress.clear() }
        let runtime = try model.open(progress: progress)
        let (tokens, begin) = try input(runtime)
        if tokens.isEmpty { throw Failure("there is nothing to score: the text is empty") }
        // The first token has none before it, but may be wanted for what follows it.
        if tokens.count < 2, top == 0, logits == nil { throw RuntimeError.tooFewTokens(tokens.count, needed: 2) }
        defer { runtime.keepExpertUsage() }
        if let window = window?.tokens {
            let score = try runtime.score(tokens: tokens, window: window, beginToken: begin) { done, _ in
                progress.update("scoring", completed: done, total: tokens.count, unit: .tokens)
            }
            progress.clear()
            try show(score, runtime, tokenCount: tokens.count, windows: tokens.count / window)
            return
        }
        let score = try whole(tokens, runtime, progress)
        progress.clear()
        guard score.scoredTokens > 0 || top > 0 || logits != nil else {
            throw Failure("there is nothing to score: all tokens but the first stand for media")
        }
        try show(score, runtime, tokenCount: tokens.count, windows: nil)
    }

    /// The tokens, and what begins every text for this model, if anything does.
    private func input(_ runtime: Runtime) throws -> (tokens: [Int32], begin: Int32?) {
        if let tokens { return (tokens, nil) }
        guard let tokenizer = runtime.tokenizer else {
            throw Failure(
                RuntimeError.noTokenizer(runtime.modelName).description,
                hint: "give token ids with --tokens, or import the model again with its tokenizer"
            )
        }
        var bytes = try DocumentReader().utf8(of: file ?? "-")
        if bytes.last == 0x0A { bytes.removeLast() }
        let tokens = tokenizer.encode(bytes, addingSpecialTokens: true, parsingSpecialTokens: false)
        // Models that close texts with a token are not scored on it.
        let begin = tokenizer.encode([], addingSpecialTokens: true, parsingSpecialTokens: false).first
        return (tokens, begin == tokenizer.bosToken ? begin : nil)
    }

    private func whole(_ tokens: [Int32], _ runtime: Runtime, _ progress: ProgressBar) throws -> Score {
        guard tokens.count <= runtime.contextTokens else {
            throw Failure(
                "the text has \(FixedPoint.count(tokens.count, "token")), but the context holds "
                    + FixedPoint.grouped(runtime.contextTokens),
                hint: "use --window 512, which scores a text of any length"
            )
        }
        let report = { (done: Int) in progress.update("scoring", completed: done, total: tokens.count, unit: .tokens) }
        let file = try logits.map { try LogitsFile(path: $0, columns: runtime.vocabularySize) }
        let onLogits = file.map { file in
            { (row: UnsafeMutableBufferPointer<Float>) throws in try file.append(UnsafeBufferPointer(row)) }
        }
        let score = try runtime.score(
            tokens: tokens,
            media: media.inputs,
            options: media.options,
            top: top,
            onProgress: report,
            onLogits: onLogits,
            onMedia: { progress.update($0) }
        )
        try file?.finish()
        return score
    }

    // MARK: Output

    private func show(_ score: Score, _ runtime: Runtime, tokenCount: Int, windows: Int?) throws {
        let output = Terminal.standardOutput
        if json {
            try output.outputLine(report(score, runtime, tokenCount, windows).text(indented: true))
            return
        }
        if top > 0 || tokens != nil {
            for line in TextTable.lines(rows(score, runtime), rightAligned: [0, 1, 2]) { try output.outputLine(line) }
        }
        try output.outputLine(
            "tokens       \(FixedPoint.grouped(tokenCount)), of which \(FixedPoint.grouped(score.scoredTokens)) scored"
        )
        if let windows { try output.outputLine("windows      \(FixedPoint.grouped(windows))") }
        if score.scoredTokens > 0 {
            let mean = score.totalLogProbability / Double(score.scoredTokens)
            try output.outputLine(
                "log-prob     \(FixedPoint.text(score.totalLogProbability, places: 4)), \(FixedPoint.text(mean, places: 4)) per token"
            )
            try output.outputLine("perplexity   \(FixedPoint.text(score.perplexity, places: 4))")
        }
        try output.outputLine("time         \(FixedPoint.duration(score.seconds))")
        for line in MediaReceiptText(score.media, style: output.style).lines { try output.outputLine(line) }
    }

    private func rows(_ score: Score, _ runtime: Runtime) -> [[String]] {
        func piece(_ token: Int32) -> String {
            guard let bytes = runtime.tokenizer?.tokenBytes(token) else { return "\(token)" }
            return "\(token) " + TokenText.quoted(bytes)
        }
        func likeliest(_ alternatives: [Score.Alternative]) -> String {
            alternatives.map { "\(piece($0.token)) \(FixedPoint.text($0.logProbability, places: 2))" }
                .joined(separator: ", ")
        }
        var rows = [["position", "token", "log-prob", top > 0 ? "likeliest" : ""]]
        for position in score.positions {
            rows.append([
                "\(position.position)", piece(position.token), FixedPoint.text(position.logProbability, places: 4),
                likeliest(position.alternatives),
            ])
        }
        if top > 0, !score.next.isEmpty { rows.append(["next", "", "", likeliest(score.next)]) }
        return rows
    }

    private func report(_ score: Score, _ runtime: Runtime, _ tokenCount: Int, _ windows: Int?) -> JSON {
        func alternatives(_ list: [Score.Alternative]) -> JSON {
            .array(list.map { ["token": .integer(Int64($0.token)), "log_probability": .number($0.logProbability)] })
        }
        var object = JSON.Object([
            ("model", .string(runtime.modelName)),
            ("tokens", .integer(Int64(tokenCount))),
            ("scored_tokens", .integer(Int64(score.scoredTokens))),
            ("log_probability", .number(score.totalLogProbability)),
            ("perplexity", .number(score.perplexity)),
            ("seconds", .number(score.seconds)),
        ])
        if !score.media.entries.isEmpty { object["media"] = score.media.json }
        if let windows {
            object["windows"] = .integer(Int64(windows))
            return .object(object)
        }
        object["positions"] = .array(
            score.positions.map { position in
                var entry = JSON.Object([
                    ("position", .integer(Int64(position.position))),
                    ("token", .integer(Int64(position.token))),
                    ("log_probability", .number(position.logProbability)),
                ])
                if top > 0 { entry["top"] = alternatives(position.alternatives) }
                return .object(entry)
            }
        )
        if top > 0 { object["next"] = alternatives(score.next) }
        return .object(object)
    }
}

/// An array on disk that a closure can hold on to.
private final class LogitsFile {
    private var writer: NumpyWriter?

    init(path: String, columns: Int) throws { writer = try NumpyWriter(path: path, columns: columns) }

    func append(_ row: UnsafeBufferPointer<Float>) throws { try writer?.append(row) }

    func finish() throws { try writer.take()?.finish() }
}

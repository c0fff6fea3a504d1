import ArgumentParser
import JSONText
import Soranji

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure how fast a model reads and writes on this machine.",
        discussion: """
            Reading (prefill) and writing (decode) are measured apart, on random tokens, each several times; the median is \
            shown, with the slowest and the fastest. Tokenization and sampling are not counted.

            Example:
              soranji bench --model model.gguf --prompt 512 --generate 64 --threads 2
            """
    )

    @OptionGroup(title: "Model") var model: ModelFlags

    @Option(
        name: [.short, .long],
        parsing: .unconditional,
        help: ArgumentHelp("Tokens to read, e.g. 512 or 4K; 0 skips it.", valueName: "tokens"),
        transform: TokenCount.parseAllowingNone
    )
    var prompt = TokenCount(tokens: 512)

    @Option(
        name: [.customShort("n"), .long],
        parsing: .unconditional,
        help: ArgumentHelp("Tokens to write; 0 skips it.", valueName: "tokens"),
        transform: TokenCount.parseAllowingNone
    )
    var generate = TokenCount(tokens: 64)

    @Option(
        name: [.short, .long],
        parsing: .unconditional,
        help: ArgumentHelp("Tokens in the context before each measurement.", valueName: "tokens"),
        transform: TokenCount.parseAllowingNone
    )
    var depth = TokenCount(tokens: 0)

    @Option(
        name: [.short, .long],
        parsing: .unconditional,
        help: ArgumentHelp("Measurements of each.", valueName: "count")
    )
    var repetitions: Int = 5

    @Flag(help: "Print JSON with every measurement.")
    var json = false

    func validate() throws {
        if prompt.tokens == 0, generate.tokens == 0 {
            throw ValidationError("--prompt and --generate are both 0: nothing to measure.")
        }
        if !(1...10_000).contains(repetitions) {
            throw ValidationError("--repetitions must be from 1 to 10000, not \(repetitions).")
        }
    }

    func run() throws {
        let progress = ProgressBar()
        defer { progress.clear() }
        let runtime = try model.open(progress: progress)
        let result = try runtime.benchmark(
            promptTokens: prompt.tokens,
            decodeTokens: generate.tokens,
            depthTokens: depth.tokens,
            repetitions: repetitions
        ) { progress.update("measuring", completed: $0, total: repetitions, unit: .steps) }
        progress.clear()
        if json {
            try Terminal.standardOutput.outputLine(report(result, runtime).text(indented: true))
            return
        }
        var rows = [["", "tokens", "median", "slowest", "fastest"]]
        for (name, tokens, speeds) in [("read", prompt, result.prefill), ("write", generate, result.decode)]
        where !speeds.isEmpty {
            let shown = [BenchmarkResult.median(speeds), speeds.min() ?? 0, speeds.max() ?? 0].map {
                FixedPoint.text($0, places: 1)
            }
            rows.append([name, "\(tokens)"] + shown)
        }
        try Terminal.standardOutput.outputLine(
            "\(runtime.modelName), \(FixedPoint.count(runtime.threadCount, "thread")), depth \(depth); tokens per second"
        )
        for line in TextTable.lines(rows, rightAligned: [1, 2, 3, 4]) { try Terminal.standardOutput.outputLine(line) }
    }

    private func report(_ result: BenchmarkResult, _ runtime: Runtime) -> JSON {
        [
            "model": .string(runtime.modelName), "threads": .integer(Int64(runtime.threadCount)),
            "prompt_tokens": .integer(Int64(result.promptTokens)),
            "decode_tokens": .integer(Int64(result.decodeTokens)),
            "attention": .string(runtime.attention.mode.rawValue),
            "kv": .string(runtime.cacheElement.rawValue),
            "depth_tokens": .integer(Int64(result.depthTokens)), "repetitions": .integer(Int64(repetitions)),
            "prefill_tokens_per_second": .number(BenchmarkResult.median(result.prefill)),
            "decode_tokens_per_second": .number(BenchmarkResult.median(result.decode)),
            "prefill_samples": .array(result.prefill.map(JSON.number)),
            "decode_samples": .array(result.decode.map(JSON.number)),
        ]
    }
}

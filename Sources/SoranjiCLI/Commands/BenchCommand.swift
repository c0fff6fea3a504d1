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

    @Option(name: [.short, .long], help: ArgumentHelp("Tokens to read; 0 skips it.", valueName: "tokens"))
    var prompt: Int = 512

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Tokens to write; 0 skips it.", valueName: "tokens"))
    var generate: Int = 64

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Tokens in the context before each measurement.", valueName: "tokens")
    )
    var depth: Int = 0

    @Option(name: [.short, .long], help: ArgumentHelp("Measurements of each.", valueName: "count"))
    var repetitions: Int = 5

    @Flag(help: "Print JSON with every measurement.")
    var json = false

    func validate() throws {
        for (name, value) in [("--prompt", prompt), ("--generate", generate), ("--depth", depth)]
        where !(0...TokenCount.maximum).contains(value) {
            throw ValidationError("\(name) must be 0 or a positive number, not \(value).")
        }
        if prompt == 0, generate == 0 {
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
            promptTokens: prompt,
            decodeTokens: generate,
            depthTokens: depth,
            repetitions: repetitions
        ) { progress.update("measuring", completed: $0, total: repetitions, unit: .steps) }
        progress.clear()
        if json {
            Terminal.standardOutput.writeLine(report(result, runtime).text(indented: true))
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
        Terminal.standardOutput.writeLine(
            "\(runtime.modelName), \(runtime.threadCount) threads, depth \(depth); tokens per second"
        )
        for line in TextTable.lines(rows, rightAligned: [1, 2, 3, 4]) { Terminal.standardOutput.writeLine(line) }
    }

    private func report(_ result: BenchmarkResult, _ runtime: Runtime) -> JSON {
        [
            "model": .string(runtime.modelName), "threads": .integer(Int64(runtime.threadCount)),
            "prompt_tokens": .integer(Int64(result.promptTokens)),
            "decode_tokens": .integer(Int64(result.decodeTokens)),
            "depth_tokens": .integer(Int64(result.depthTokens)), "repetitions": .integer(Int64(repetitions)),
            "prefill_tokens_per_second": .number(BenchmarkResult.median(result.prefill)),
            "decode_tokens_per_second": .number(BenchmarkResult.median(result.decode)),
            "prefill_samples": .array(result.prefill.map(JSON.number)),
            "decode_samples": .array(result.decode.map(JSON.number)),
        ]
    }
}

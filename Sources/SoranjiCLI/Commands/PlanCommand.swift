import ArgumentParser
import JSONText
import Soranji

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show before work what a context would take: memory, minutes, tokens per second.",
        discussion: """
            Sizes come from the model's shape, speeds from two seconds of the real kernels on this machine. A context that \
            does not fit is refused with the same table, and exit code 1; nothing is ever cut. Without --memory, what the \
            machine or the control group has free is what may be used, less a reserve.

            Examples:
              soranji plan --tokens 1M
              soranji plan --model model.gguf --tokens 128K --kv f32 --memory 6G
            """
    )

    @OptionGroup(title: "Model") var model: ModelName

    @Option(
        name: [.customShort("n"), .long],
        parsing: .unconditional,
        help: ArgumentHelp(
            "Tokens of the context, e.g. 32K or 1M. (default: what the model was trained for)",
            valueName: "tokens"
        ),
        transform: TokenCount.parse
    )
    var tokens: TokenCount?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Memory that may be used, e.g. 6G. (default: what is free, less a reserve)",
            valueName: "bytes"
        ),
        transform: ByteSize.parse
    )
    var memory: ByteSize?

    @Option(
        name: [.customLong("kv"), .customLong("cache-type")],
        help: ArgumentHelp("How keys and values are kept.", valueName: "type")
    )
    var kv = Runtime.CacheElement.f16

    @Option(
        name: [.short, .long],
        parsing: .unconditional,
        help: ArgumentHelp("Threads to compute with. (default: one per processor)", valueName: "count")
    )
    var threads: Int?

    @Flag(inversion: .prefixedNo, help: "Measure speeds for two seconds.")
    var probe = true

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads must be from 1 to 1024, not \(threads).")
        }
    }

    func run() throws {
        let progress = ProgressBar()
        defer { progress.clear() }
        var options = Runtime.Options()
        options.threadCount = threads ?? 0
        options.cacheElement = kv
        // The probe needs a few thousand positions, whatever the plan is for.
        options.contextTokens = 8192
        let runtime = try Runtime(bundleFolder: try ModelFolder.find(model.model, progress: progress), options: options)
        let plan = runtime.memoryPlan(
            tokens: tokens?.tokens ?? runtime.trainedContextTokens,
            memoryBytes: memory?.bytes
        )
        var speed: SpeedProbe?
        if probe {
            progress.update("measuring", completed: 0, total: nil, unit: .steps)
            speed = try runtime.probeSpeed()
            progress.clear()
        }
        if json {
            try Terminal.standardOutput.outputLine(report(plan, speed, runtime).text(indented: true))
        } else {
            try show(plan, speed, runtime)
        }
        guard plan.fits else { throw MemoryRefusal(plan: plan, isShort: true) }
    }

    // MARK: Output

    private func show(_ plan: MemoryPlan, _ speed: SpeedProbe?, _ runtime: Runtime) throws {
        let output = Terminal.standardOutput
        let count = plan.request.tokens
        try output.outputLine(
            "\(runtime.modelName), \(FixedPoint.count(count, "token")), \(FixedPoint.count(runtime.threadCount, "thread"))"
        )
        for line in TextTable.lines(plan.rows, rightAligned: [1, 2, 3]) { try output.outputLine(line) }
        if let speed {
            let seconds = speed.prefillSeconds(tokens: count)
            try output.outputLine(
                "reading     about \(FixedPoint.duration(seconds)), "
                    + "\(FixedPoint.text(Double(count) / max(seconds, 1e-9), places: 0)) tokens/s, each seeing all before it"
            )
            try output.outputLine(
                "writing     about \(FixedPoint.text(speed.decodeTokensPerSecond(depth: count), places: 1)) tokens/s at the end, "
                    + "\(FixedPoint.text(speed.decodeTokensPerSecond(depth: 0), places: 1)) at the beginning"
            )
            try output.outputLine(
                "memory      \(FixedPoint.bytes(Int(speed.memoryBytesPerSecond)))/s read by one thread"
            )
        }
        if count > plan.request.trainedTokens {
            try output.outputLine(
                "trained     for \(FixedPoint.count(plan.request.trainedTokens, "token")); beyond them answers may make no sense"
            )
        }
        for remedy in plan.remedies where plan.fits {
            try output.outputLine("with \(remedy.flag): \(remedy.effect)")
        }
    }

    private func report(_ plan: MemoryPlan, _ speed: SpeedProbe?, _ runtime: Runtime) -> JSON {
        var object = plan.json.objectValue ?? JSON.Object()
        object["model"] = .string(runtime.modelName)
        object["threads"] = .integer(Int64(runtime.threadCount))
        if let speed {
            let count = plan.request.tokens
            object["prefill_seconds"] = .number(speed.prefillSeconds(tokens: count))
            object["decode_tokens_per_second"] = .number(speed.decodeTokensPerSecond(depth: count))
            object["probe"] = speed.json
        }
        return .object(object)
    }
}

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
            machine or the control group has free is what may be used, less a reserve. Of the table, 'resident' is what stays in \
            memory, 'mapped' what lies in files and is read when it is needed.

            Examples:
              soranji plan --tokens 1M
              soranji plan --tokens 1M --kv q8v4 --memory 3G --stored
              soranji plan --model model.gguf --tokens 128K --attention exact --kv f32
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

    @OptionGroup var attention: AttentionFlags

    @Flag(help: "Plan for a stored session: its pages lie in files, and what memory has no room for is read again.")
    var stored = false

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
        options.attention = attention.options
        // The probe needs a few thousand positions, whatever the plan is for.
        options.contextTokens = 8192
        let runtime = try Runtime(bundleFolder: try ModelFolder.find(model.model, progress: progress), options: options)
        let count = tokens?.tokens ?? runtime.trainedContextTokens
        let plan = runtime.memoryPlan(
            tokens: count,
            mappedTokens: stored ? count : 0,
            memoryBytes: memory?.bytes
        ).changed { request in
            request.disk = MemoryPlan.Disk.ofSessions
        }
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
        if plan.fileBytes > 0 { try output.outputLine("disk        " + disk(plan)) }
        if let speed {
            let seconds = runtime.readingSeconds(tokens: count, speed)
            try output.outputLine(
                "reading     about \(FixedPoint.duration(seconds)), "
                    + "\(FixedPoint.text(Double(count) / max(seconds, 1e-9), places: 0)) tokens/s, "
                    + seen(runtime.recalledTokens(of: count))
            )
            try output.outputLine(
                "writing     about \(FixedPoint.text(runtime.tokensPerSecond(after: count, speed), places: 1)) tokens/s at the end, "
                    + "\(FixedPoint.text(runtime.tokensPerSecond(after: 0, speed), places: 1)) at the beginning"
            )
            try output.outputLine(
                "memory      \(FixedPoint.bytes(Int(speed.memoryBytesPerSecond)))/s read by one thread"
            )
        }
        let seenTokens = runtime.recalledTokens(of: count).map { max($0.exact, $0.attended) } ?? count
        if seenTokens > plan.request.trainedTokens {
            try output.outputLine(
                "trained     for \(FixedPoint.count(plan.request.trainedTokens, "token")); beyond them answers may make no sense"
            )
        }
        for remedy in plan.remedies where plan.fits {
            try output.outputLine("with \(remedy.flag): \(remedy.effect)")
        }
    }

    private func disk(_ plan: MemoryPlan) -> String {
        let files = "\(FixedPoint.bytes(plan.fileBytes)) of files"
        guard let disk = plan.request.disk else { return files }
        return files + ", \(FixedPoint.bytes(disk.freeBytes)) are free in \(disk.folder)"
            + (plan.fitsDisk ? "" : ": does not fit")
    }

    private func seen(_ recalled: (exact: Int, attended: Int)?) -> String {
        guard let recalled else { return "each seeing all before it" }
        let others = "\(FixedPoint.count(recalled.attended, "token")) at most"
        guard recalled.exact > 0 else { return "each seeing " + others }
        return "the first \(FixedPoint.grouped(recalled.exact)) seeing all before them, the others " + others
    }

    private func report(_ plan: MemoryPlan, _ speed: SpeedProbe?, _ runtime: Runtime) -> JSON {
        var object = plan.json.objectValue ?? JSON.Object()
        object["model"] = .string(runtime.modelName)
        object["threads"] = .integer(Int64(runtime.threadCount))
        if let speed {
            let count = plan.request.tokens
            object["prefill_seconds"] = .number(runtime.readingSeconds(tokens: count, speed))
            object["decode_tokens_per_second"] = .number(runtime.tokensPerSecond(after: count, speed))
            let recalled = runtime.recalledTokens(of: count)
            object["exact_tokens"] = .integer(Int64(recalled?.exact ?? count))
            object["attended_tokens"] = recalled.map { .integer(Int64($0.attended)) } ?? .null
            object["probe"] = speed.json
        }
        return .object(object)
    }
}

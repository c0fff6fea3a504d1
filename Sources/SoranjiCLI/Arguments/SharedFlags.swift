import ArgumentParser
import Soranji

/// Which model, and how much of the machine it may use.
struct ModelFlags: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "The model: a bundle, a GGUF file or a Hugging Face folder. (default: SmolLM2-135M-Instruct with its experts of video and sound, see 'make model')",
            discussion: "GGUF files and folders are imported into the cache folder once, by themselves.",
            valueName: "path"
        ),
        completion: .file()
    )
    var model: String?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Threads to compute with. (default: one per processor)", valueName: "count")
    )
    var threads: Int?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "Tokens that the context can hold, e.g. 8192 or 32K. (default: what the model was trained for, at most 128K)",
            valueName: "tokens"
        ),
        transform: TokenCount.parse
    )
    var context: TokenCount?

    @Option(name: .long, help: ArgumentHelp("How keys and values are cached.", valueName: "type"))
    var cacheType: Runtime.CacheElement = .f16

    func validate() throws {
        if let model, model.isEmpty { throw ValidationError("--model needs a path.") }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads must be from 1 to 1024, not \(threads).")
        }
    }
}

extension Runtime.CacheElement: ExpressibleByArgument {}

/// How the next token is chosen.
struct SamplingFlags: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("0 always takes the likeliest token; higher values take more risks.", valueName: "t")
    )
    var temperature: Double = 0

    @Option(name: .long, help: ArgumentHelp("Choose among the k likeliest tokens; 0 for no limit.", valueName: "k"))
    var topK: Int = 0

    @Option(
        name: .long,
        help: ArgumentHelp("Choose among the likeliest tokens that together have this probability.", valueName: "p")
    )
    var topP: Double = 1

    @Option(
        name: .long,
        help: ArgumentHelp("Leave out tokens less likely than this share of the likeliest one.", valueName: "p")
    )
    var minP: Double = 0

    @Option(
        name: .long,
        help: ArgumentHelp("Make tokens that came before less likely; 1 changes nothing.", valueName: "factor")
    )
    var repetitionPenalty: Double = 1

    @Option(name: .long, help: ArgumentHelp("The same seed gives the same answer.", valueName: "number"))
    var seed: UInt64 = 0

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("Stop after this many tokens.", valueName: "count")
    )
    var maxTokens: Int = 512

    func validate() throws {
        try Self.check("--temperature", temperature, in: 0...10)
        if !(topP > 0 && topP <= 1) { throw ValidationError("--top-p must be above 0 and at most 1, not \(topP).") }
        if !(minP >= 0 && minP < 1) { throw ValidationError("--min-p must be at least 0 and below 1, not \(minP).") }
        try Self.check("--repetition-penalty", repetitionPenalty, in: 0.1...10)
        if !(0...10_000_000).contains(topK) {
            throw ValidationError("--top-k must be 0 (no limit) or a positive number, not \(topK).")
        }
        if !(1...100_000_000).contains(maxTokens) {
            throw ValidationError("--max-tokens must be a positive number, not \(maxTokens).")
        }
    }

    /// The same, as the library takes them.
    var options: SamplingOptions {
        var options = SamplingOptions()
        options.temperature = temperature
        options.topK = topK
        options.topP = topP
        options.minP = minP
        options.repetitionPenalty = repetitionPenalty
        options.seed = seed
        return options
    }

    private static func check(_ name: String, _ value: Double, in range: ClosedRange<Double>) throws {
        guard range.contains(value) else {
            throw ValidationError(
                "\(name) must be from \(text(range.lowerBound)) to \(text(range.upperBound)), not \(value)."
            )
        }
    }

    private static func text(_ bound: Double) -> String {
        Int(exactly: bound).map(String.init) ?? "\(bound)"
    }
}

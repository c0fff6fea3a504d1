import ArgumentParser
import Soranji

/// Which model, for what needs only its files.
struct ModelName: ParsableArguments {
    static let help = ArgumentHelp(
        "The model: a bundle, a GGUF file or a Hugging Face folder. (default: SmolLM2-135M-Instruct with its experts of video and sound, see 'make model')",
        discussion: "GGUF files and folders are imported into the cache folder once, by themselves.",
        valueName: "path"
    )

    @Option(name: [.short, .long], help: Self.help, completion: .file())
    var model: String?

    func validate() throws {
        if let model, model.isEmpty { throw ValidationError("--model needs a path.") }
    }
}

/// Which model, and how much of the machine it may use.
struct ModelFlags: ParsableArguments {
    @Option(name: [.short, .long], help: ModelName.help, completion: .file())
    var model: String?

    @Option(
        name: [.short, .long],
        parsing: .unconditional,
        help: ArgumentHelp("Threads to compute with. (default: one per processor)", valueName: "count")
    )
    var threads: Int?

    @Option(
        name: [.short, .long],
        parsing: .unconditional,
        help: ArgumentHelp(
            "Most tokens of prompt and answer, e.g. 8192 or 32K; memory is taken for those that come. (default: 1M; with --attention exact what the model was trained for, at most 128K)",
            valueName: "tokens"
        ),
        transform: TokenCount.parse
    )
    var context: TokenCount?

    @Option(
        name: [.customLong("kv"), .customLong("cache-type")],
        help: ArgumentHelp(
            "How keys and values are kept: q8 takes about half of the memory of f16, q8v4 (values of 4 bits) 40%. (default: what a --session has, else f16)",
            valueName: "type"
        )
    )
    var cacheType: Runtime.CacheElement?

    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp(
            "Memory that may be used in all, e.g. 6G; what does not fit is refused, see 'soranji plan'. (default: what is free, less a reserve)",
            valueName: "bytes"
        ),
        transform: ByteSize.parse
    )
    var memory: ByteSize?

    @OptionGroup var attentionFlags: AttentionFlags

    var attentionOptions: AttentionOptions { attentionFlags.options }

    func validate() throws {
        if let model, model.isEmpty { throw ValidationError("--model needs a path.") }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads must be from 1 to 1024, not \(threads).")
        }
    }
}

/// How contexts are attended to.
struct AttentionFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What each token sees: all before it (exact), the first page, a window and the pages that are found for it (recall), or all up to what the model was trained for and recall from there on (auto).",
            valueName: "mode"
        )
    )
    var attention: AttentionOptions.Mode = .auto

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Tokens before each token that recall always sees. (default: an eighth of what the model was trained for, so 1024 for 8192)",
            valueName: "tokens"
        ),
        transform: TokenCount.parse
    )
    var recallWindow: TokenCount?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Pages of 128 tokens that recall finds beyond the window; 0 for none. (default: what holds a quarter of what the model was trained for, so 16 for 8192)",
            valueName: "count"
        )
    )
    var recallPages: Int?

    @Option(
        help: ArgumentHelp(
            "Where the tokens of an answer find pages: among all (free), only among those that the question's tokens found (lock), or half so and half among all (hybrid).",
            valueName: "mode"
        )
    )
    var recallLock = AttentionOptions().questionLock

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Pages at most, of those that recall finds, that are there for having the question's words; 0 for none.",
            valueName: "count"
        )
    )
    var recallWords: Int = AttentionOptions().wordPages

    @Option(parsing: .unconditional, help: .hidden)
    var recallStep: Int?

    var options: AttentionOptions {
        var options = AttentionOptions()
        options.mode = attention
        options.windowTokens = recallWindow?.tokens
        options.pages = recallPages
        options.rankingStep = recallStep
        options.questionLock = recallLock
        options.wordPages = recallWords
        return options
    }

    func validate() throws {
        func check(_ flag: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
            guard let value, !range.contains(value) else { return }
            throw ValidationError("\(flag) must be from \(range.lowerBound) to \(range.upperBound), not \(value).")
        }
        try check("--recall-window", recallWindow?.tokens, AttentionOptions.windowRange)
        try check("--recall-pages", recallPages, AttentionOptions.pageRange)
        try check("--recall-words", recallWords, AttentionOptions.pageRange)
    }
}

extension Runtime.CacheElement: ExpressibleByArgument {}
extension AttentionOptions.Mode: ExpressibleByArgument {}
extension AttentionOptions.QuestionLock: ExpressibleByArgument {}

/// How the next token is chosen. What is not given comes from the model's maker, else from ``SamplingOptions``.
struct SamplingFlags: ParsableArguments {
    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp(
            "0 always takes the likeliest token; higher values take more risks. (default: the model's, else 0)",
            valueName: "t"
        )
    )
    var temperature: Double?

    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp(
            "Choose among the k likeliest tokens; 0 for no limit. (default: the model's, else 0)",
            valueName: "k"
        )
    )
    var topK: Int?

    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp(
            "Choose among the likeliest tokens that together have this probability. (default: the model's, else 1)",
            valueName: "p"
        )
    )
    var topP: Double?

    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp(
            "Leave out tokens less likely than this share of the likeliest one. (default: the model's, else 0)",
            valueName: "p"
        )
    )
    var minP: Double?

    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp(
            "Make tokens that came before less likely; 1 changes nothing. (default: the model's, else 1)",
            valueName: "factor"
        )
    )
    var repetitionPenalty: Double?

    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp("Taken off the logit of every token that the answer has already.", valueName: "amount")
    )
    var presencePenalty: Double = 0

    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp("Taken off a token's logit for each time that the answer has it.", valueName: "amount")
    )
    var frequencyPenalty: Double = 0

    @Option(
        name: .long,
        parsing: .unconditional,
        help: ArgumentHelp(
            "The same seed gives the same answer; -1 is another one in every run. (default: 0)",
            valueName: "number"
        ),
        transform: Seed.parse
    )
    var seed: Seed = .number(0)

    @Option(
        name: [.customShort("n"), .long],
        parsing: .unconditional,
        help: ArgumentHelp(
            "Stop after this many tokens; -1 for what is left of the length that the model was trained for, and 2,048 beyond it. (default: 512)",
            valueName: "count"
        ),
        transform: AnswerLimit.parse
    )
    var maxTokens = AnswerLimit(tokens: 512)

    @Option(
        name: .long,
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("End the answer before this text. Can be repeated.", valueName: "text")
    )
    var stop: [String] = []

    func validate() throws {
        try Self.check("--temperature", temperature, in: 0...10)
        if let topP, !(topP > 0 && topP <= 1) {
            throw ValidationError("--top-p must be above 0 and at most 1, not \(topP).")
        }
        if let minP, !(minP >= 0 && minP < 1) {
            throw ValidationError("--min-p must be at least 0 and below 1, not \(minP).")
        }
        try Self.check("--repetition-penalty", repetitionPenalty, in: 0.1...10)
        try Self.check("--presence-penalty", presencePenalty, in: -10...10)
        try Self.check("--frequency-penalty", frequencyPenalty, in: -10...10)
        if let topK, !(0...10_000_000).contains(topK) {
            throw ValidationError("--top-k must be 0 (no limit) or a positive number, not \(topK).")
        }
        if stop.contains(where: \.isEmpty) { throw ValidationError("--stop needs a text.") }
    }

    /// What holds for a model.
    ///
    /// - Parameter recommended: what the model's maker wants; nil where nothing is said.
    func choice(recommended: SamplingOptions?) -> SamplingChoice {
        let plain = SamplingOptions()
        let model = recommended ?? plain
        var choice = SamplingChoice(options: model)
        func choose<Value: Equatable>(_ name: String, _ path: WritableKeyPath<SamplingOptions, Value>, _ flag: Value?) {
            if let flag {
                choice.options[keyPath: path] = flag
            } else if model[keyPath: path] != plain[keyPath: path] {
                choice.fromModel.append(name)
            }
        }
        choose("temperature", \.temperature, temperature)
        choose("top_k", \.topK, topK)
        choose("top_p", \.topP, topP)
        choose("min_p", \.minP, minP)
        choose("repetition_penalty", \.repetitionPenalty, repetitionPenalty)
        choice.options.presencePenalty = presencePenalty
        choice.options.frequencyPenalty = frequencyPenalty
        choice.options.seed = seed.value()
        return choice
    }

    private static func check(_ name: String, _ value: Double?, in range: ClosedRange<Double>) throws {
        guard let value, !range.contains(value) else { return }
        throw ValidationError(
            "\(name) must be from \(text(range.lowerBound)) to \(text(range.upperBound)), not \(value)."
        )
    }

    private static func text(_ bound: Double) -> String {
        Int(exactly: bound).map(String.init) ?? "\(bound)"
    }
}

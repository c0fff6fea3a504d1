/// Why a request cannot be served.
public enum RuntimeError: HintedError, Equatable {
    case tokenizerMismatch(tokens: Int, rows: Int)
    case contextOutOfRange(Int)
    case tokenOutOfRange(Int32, index: Int, vocabularySize: Int)
    /// By the name that ``Runtime/modelName`` gives.
    case noTokenizer(String)
    case recallNeedsLongerTraining(Int)
    case recallOutOfRange(String, Int, ClosedRange<Int>)
    case promptTooLong(promptTokens: Int, answerTokens: Int, contextTokens: Int, trainedTokens: Int)
    case tooFewTokens(Int, needed: Int)
    case windowTooLong(Int, contextTokens: Int, trainedTokens: Int)
    case modelNotFound(String)
    case noDefaultModel(String)
    case notAModel(String)
    case noCacheFolder
    case noParts(String)
    case invalidTemplate(String)

    public var description: String {
        switch self {
        case .tokenizerMismatch(let tokens, let rows):
            "the tokenizer has \(tokens) tokens but the model only \(rows) embedding rows"
        case .contextOutOfRange(let tokens): "a context of \(FixedPoint.count(tokens, "token")) is not possible"
        case .tokenOutOfRange(let token, let index, let size):
            "token \(token) at position \(index) is not in the vocabulary of \(size)"
        case .recallNeedsLongerTraining(let tokens):
            "recall needs a model that was trained for more than \(FixedPoint.count(tokens, "token"))"
        case .recallOutOfRange(let what, let number, let range):
            "\(what) must be from \(range.lowerBound) to \(range.upperBound), not \(number)"
        case .noTokenizer(let name): "'\(name)' has no tokenizer, so text cannot be read"
        case .promptTooLong(let prompt, let answer, let context, _):
            answer > 0
                ? "the prompt has \(FixedPoint.plainCount(prompt, "token")) and the answer may have \(answer), "
                    + "but the context holds \(context)"
                : "the text has \(FixedPoint.plainCount(prompt, "token")), but the context holds \(context)"
        case .tooFewTokens(let count, let needed):
            "\(FixedPoint.count(count, "token")) \(count == 1 ? "is" : "are") too few to score; "
                + "\(FixedPoint.grouped(needed)) are needed"
        case .windowTooLong(let window, let context, _):
            "a window of \(FixedPoint.count(window, "token")) does not fit into the context, which holds "
                + FixedPoint.grouped(context)
        case .modelNotFound(let path): "there is no model at '\(path)'"
        case .noDefaultModel(let path): "no --model was given and the default model is not at '\(path)'"
        case .notAModel(let path):
            "'\(path)' is neither a bundle (bundle.json), nor a GGUF file, nor a folder with config.json"
        case .noParts(let folder): "SORANJI_PARTS names '\(folder)', which has no Experts/model.json"
        case .noCacheFolder: "there is no cache folder, since neither HOME nor SORANJI_CACHE is set"
        case .invalidTemplate(let why): "the model's chat template failed: \(why)"
        }
    }

    public var hint: String? {
        switch self {
        case .tokenizerMismatch: "import the model again from a checkpoint whose tokenizer belongs to it"
        case .contextOutOfRange: "use --context with 1 or more"
        case .noTokenizer:
            "import it again from a GGUF file, or from a folder that has tokenizer.json or tokenizer.model"
        case .promptTooLong(let prompt, let answer, let context, let trained):
            if context < trained {
                "use --context \(min(trained, prompt + answer))"
                    + (trained == Int(Int32.max) ? "" : "; the model was trained for \(trained)")
            } else if answer > 0, prompt < context {
                "use --max-tokens \(context - prompt) or less"
            } else {
                "the model was trained for \(trained) tokens; leave out about \(prompt + answer - context) of them, "
                    + "or use --attention auto"
            }
        case .modelNotFound: "give --model a bundle, a GGUF file or a Hugging Face folder"
        case .noDefaultModel: "run 'make model' in the project's folder, or give --model"
        case .recallNeedsLongerTraining: "use --attention exact"
        case .recallOutOfRange: "leave it out for what fits the model"
        case .noParts: "name the folder that 'python -m soranji_training.export' wrote, or unset it"
        case .noCacheFolder: "set SORANJI_CACHE to a folder that can be written"
        case .windowTooLong(let window, let context, let trained):
            "use --window \(context) or less" + (window <= trained ? ", or --context \(window)" : "")
        case .tooFewTokens(_, let needed): needed > 2 ? "use a smaller --window" : nil
        case .tokenOutOfRange, .notAModel, .invalidTemplate: nil
        }
    }
}

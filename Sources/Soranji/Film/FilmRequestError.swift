import VideoDecoder

/// Why something cannot be filmed.
public enum FilmRequestError: HintedError, Equatable {
    case noDecoder(String)
    case decoderMismatch(String)
    case emptyPrompt(shot: Int?)
    case promptTooLarge(bytes: Int, limit: Int)
    case promptTooLong(tokens: Int, limit: Int)
    case noShots(String)
    case tooManyShots(Int, limit: Int)
    case badSize(FilmRequest.Size, unit: Int, smallest: Int, largest: Int)
    case badNumber(String, value: String, range: String)
    case tooLong(seconds: Double, limit: Double)
    case clipTooLong(String, seconds: Double, limit: Double)
    case badCombination(String)
    case badTransition(String, line: Int)
    case badSeconds(String, line: Int)

    public var description: String {
        switch self {
        case .noDecoder(let folder): "'\(folder)' has no decoder, so nothing can be filmed with it"
        case .decoderMismatch(let why): "the decoder does not belong to the model: \(why)"
        case .emptyPrompt(let shot): shot.map { "the prompt of shot \($0) is empty" } ?? "the prompt is empty"
        case .promptTooLarge(let bytes, let limit):
            "the prompt has \(FixedPoint.bytes(bytes)); at most \(FixedPoint.bytes(limit)) are read"
        case .promptTooLong(let tokens, let limit): "the prompt has \(tokens) tokens, but the context holds \(limit)"
        case .noShots(let path): "'\(path)' has no shots"
        case .tooManyShots(let count, let limit): "\(count) shots; at most \(limit) are filmed at once"
        case .badSize(let size, let unit, let smallest, let largest):
            "\(size.width)x\(size.height) cannot be filmed: sides are multiples of \(unit) from \(smallest) to \(largest)"
        case .badNumber(let name, let value, let range): "\(name) is \(value); it must be \(range)"
        case .tooLong(let seconds, let limit):
            "\(seconds < 1e6 ? FixedPoint.duration(seconds) : "\(seconds) s") are too long; at most \(FixedPoint.duration(limit)) are filmed"
        case .clipTooLong(let path, let seconds, let limit):
            "'\(path)' has \(FixedPoint.duration(seconds)); clips of at most \(FixedPoint.duration(limit)) are gone on from"
        case .badCombination(let why): why
        case .badTransition(let word, let line):
            "line \(line): '\(word)' is no transition; there are cut, fade and smooth"
        case .badSeconds(let word, let line): "line \(line): '\(word)' is no length in seconds"
        }
    }

    public var hint: String? {
        switch self {
        case .noDecoder: "leave out --model for the default one, or give --decoder the folder that Training/ exported"
        case .emptyPrompt: "say what is to be seen, as \"a cat rises at night\""
        case .promptTooLarge: "film a long text in shots: --prompt-file with a heading for each"
        case .promptTooLong(let tokens, let limit): "leave out about \(tokens - limit) of them, or divide it into shots"
        case .noShots: "begin each shot with a heading, or write a paragraph for each"
        case .tooManyShots(_, let limit): "film them in parts of \(limit)"
        case .badSize(let size, let unit, let smallest, let largest):
            "use --size \(Self.near(size.width, unit, smallest, largest))x\(Self.near(size.height, unit, smallest, largest)), "
                + "or leave it out for what the model was trained with, which comes out best"
        case .badNumber: "leave it out for what is usual"
        case .tooLong: "film it in parts, and go on with --extend"
        case .clipTooLong: "go on from its last part alone, and put both together afterwards"
        default: nil
        }
    }

    private static func near(_ side: Int, _ unit: Int, _ smallest: Int, _ largest: Int) -> Int {
        let bounded = min(max(side, smallest), largest)
        return min(largest, (bounded + unit / 2) / unit * unit)
    }
}

extension FilmError: HintedError {
    public var hint: String? {
        switch self {
        case .badSettings, .badTensor: "export the decoder again; see Training/README.md"
        case .promptTooLong: nil
        }
    }
}

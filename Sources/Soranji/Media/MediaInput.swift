import Foundation

/// A picture, a recording or a clip that a prompt has.
public struct MediaInput: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case image, audio, video
    }

    public var kind: Kind
    public var path: String

    public init(_ kind: Kind, path: String) {
        self.kind = kind
        self.path = path
    }

    /// What people call it: the file's name.
    public var name: String { (path as NSString).lastPathComponent }
}

/// How media become tokens; nil leaves it to the model's own settings.
public struct MediaOptions: Sendable, Equatable {
    /// Frames of a clip that are looked at, per second of playing time.
    public var framesPerSecond: Double?
    /// The same as a number; counts before ``framesPerSecond``.
    public var frameCount: Int?
    /// Most pixels of an image or a frame.
    public var maximumPixels: Int?
    /// Whether a clip's sound is listened to, where the model hears.
    public var usesSound = true

    public init() {}
}

/// Why media cannot be used.
public enum MediaUseError: HintedError, Equatable {
    case modelReadsTextAlone
    case modelDoesNotHear(String)
    case notASize(String)
    case tooLong(promptTokens: Int, answerTokens: Int, contextTokens: Int, receipt: MediaReceipt, fit: String?)
    case placeholders(String)
    case noPlaceholder(String)
    case shortened(String)
    case windowed

    public var description: String {
        switch self {
        case .modelReadsTextAlone: "the model reads text alone"
        case .modelDoesNotHear(let name): "'\(name)' is sound, which the model does not hear"
        case .notASize(let why): why
        case .tooLong(let prompt, let answer, let context, let receipt, _):
            "the prompt has \(prompt) tokens (\(receipt.summary))"
                + (answer > 0 ? " and the answer may have \(answer)" : "") + ", but the context holds \(context)"
        case .placeholders(let why): why
        case .noPlaceholder(let kind): "the model's chat template and tokenizer have no place for \(kind)"
        case .shortened(let why): why
        case .windowed: "media go with one context, not with windows"
        }
    }

    public var hint: String? {
        switch self {
        case .modelReadsTextAlone, .modelDoesNotHear: "use --model with one that sees (and hears), such as Qwen3-Omni"
        case .tooLong(_, _, _, _, let fit): fit
        case .placeholders: "'soranji media FILE --model M' shows how many rows a file makes"
        default: nil
        }
    }
}

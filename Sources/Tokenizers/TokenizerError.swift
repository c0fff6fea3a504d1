/// Why a tokenizer cannot be loaded. Encoding and decoding never fail.
package enum TokenizerError: Error, Equatable, CustomStringConvertible {
    /// The file is missing or cannot be read; `reason` is the system's.
    case unreadable(path: String, reason: String)
    /// The folder holds none of the files that a tokenizer is read from.
    case noTokenizer(folder: String)
    /// The text of the file is not JSON.
    case invalidJSON(file: String, reason: String)
    /// A member is missing or has the wrong type or value; `path` is e.g. `model.merges[12]`.
    case invalid(file: String, path: String, reason: String)
    /// A kind of tokenizer, normalizer, pre-tokenizer… that is known not to be supported.
    case unsupported(file: String, path: String, what: String)
    /// A regular expression outside the supported syntax.
    case pattern(PatternError)
    /// The sentencepiece library refused the model.
    case sentencePiece(file: String, reason: String)

    package var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "cannot read '\(path)': \(reason)"
        case .noTokenizer(let folder):
            "no tokenizer in '\(folder)': put tokenizer.json, tokenizer.model or tokenizer.gguf.json there"
        case .invalidJSON(let file, let reason):
            "\(file) is not JSON: \(reason); copy the file again from its source"
        case .invalid(let file, let path, let reason):
            "\(file): \(path) \(reason)"
        case .unsupported(let file, let path, let what):
            "\(file): \(path) \(what) is not supported"
        case .pattern(let error):
            error.description
        case .sentencePiece(let file, let reason):
            "\(file): sentencepiece refuses the model: \(reason)"
        }
    }
}

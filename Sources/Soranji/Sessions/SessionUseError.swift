/// Why a question cannot be asked of a session.
public enum SessionUseError: HintedError, Equatable {
    case noFolder
    case otherModel(session: String, model: String, differences: [String])
    /// `stored` and `asked` are types as `--kv` names them.
    case otherCache(session: String, stored: String, asked: String)
    case otherSystemPrompt(String)
    case template(String)
    case mediaForgotten(session: String, source: String)
    case noTokens(String)

    public var description: String {
        switch self {
        case .noFolder: "there is no folder for sessions, since neither HOME nor SORANJI_SESSIONS is set"
        case .otherModel(let session, let model, let differences):
            "the session '\(session)' was made with another model (\(model)): not the same "
                + differences.joined(separator: ", ")
        case .otherCache(let session, let stored, let asked):
            "the session '\(session)' keeps keys and values as \(stored), not \(asked)"
        case .otherSystemPrompt(let session): "the session '\(session)' began with another system prompt"
        case .template(let session):
            "the model's chat template cannot continue the session '\(session)': it changes what it is given"
        case .mediaForgotten(let session, let source):
            "stored pages of '\(source)' in the session '\(session)' are lost, and its pictures or sound are not kept"
        case .noTokens(let session): "the session '\(session)' holds nothing yet"
        }
    }

    public var hint: String? {
        switch self {
        case .noFolder: "set SORANJI_SESSIONS to a folder that can be written"
        case .otherModel(let session, let model, _):
            "use the --model that '\(session)' was made with (\(model)), or another --session"
        case .otherCache(_, let stored, _): "leave --kv out, or give --kv \(stored); or use another --session"
        case .otherSystemPrompt: "leave --system out, or use another --session"
        case .template: "ask without --session"
        case .mediaForgotten(let session, _):
            "make it anew from the file: soranji session rm \(session)"
        case .noTokens(let session): "let it read something first: soranji ask --session \(session) --doc FILE QUESTION"
        }
    }
}

import Soranji

/// What a line of a chat asks for.
enum ChatInput: Equatable {
    case question(String)
    case document(String)
    /// A clip, a recording or a picture for the next question.
    case media(MediaInput)
    /// A new system prompt; nil shows the present one.
    case system(String?)
    case save(String, replacing: Bool)
    /// The last question anew.
    case again
    /// The last question and its answer taken back.
    case undo
    case clear, stats, help, quit
    /// Nothing to do.
    case blank
    /// A command that is not known, or lacks its argument, and what to say about it.
    case mistake(String)

    /// Commands whose argument is a path.
    static let fileCommands = ["/doc", "/video", "/audio", "/image", "/save", "/save!"]

    /// The commands with what stands after them and what they do.
    static let commands: [(name: String, argument: String, purpose: String)] = [
        ("/doc", "FILE", "add a document for the next questions"),
        ("/video", "FILE", "look at a clip and listen to it, with the next question"),
        ("/audio", "FILE", "listen to a recording, with the next question"),
        ("/image", "FILE", "look at a picture, with the next question"),
        ("/system", "TEXT", "tell the model about its task; without TEXT show what it was told"),
        ("/regen", "", "answer the last question anew, with another seed"),
        ("/undo", "", "take the last question and its answer back"),
        ("/save", "FILE", "write the conversation to a new Markdown file; /save! replaces one that is there"),
        ("/clear", "", "forget the conversation and its documents"),
        ("/stats", "", "show figures of the last answer and how the experts were used"),
        ("/help", "", "show this list"),
        ("/quit", "", "leave; so does Ctrl-D"),
    ]

    /// Reads a whole message; only the first line of it can be a command.
    init(_ message: String) {
        let text = message.trimmingWhitespace
        guard !text.isEmpty else {
            self = .blank
            return
        }
        guard text.first == "/", !text.contains("\n") else {
            self = .question(text)
            return
        }
        let end = text.firstIndex(where: \.isWhitespace) ?? text.endIndex
        let argument = String(text[end...]).trimmingWhitespace
        switch text[..<end] {
        case "/doc": self = argument.isEmpty ? .mistake("/doc needs a file") : .document(Self.unquoted(argument))
        case "/video", "/audio", "/image":
            guard !argument.isEmpty, let kind = MediaInput.Kind(rawValue: String(text[..<end].dropFirst())) else {
                self = .mistake("\(text[..<end]) needs a file")
                return
            }
            self = .media(MediaInput(kind, path: Self.unquoted(argument)))
        case "/system": self = .system(argument.isEmpty ? nil : argument)
        case "/save", "/save!":
            self =
                argument.isEmpty
                ? .mistake("/save needs a file")
                : .save(Self.unquoted(argument), replacing: text[..<end] == "/save!")
        case "/regen": self = .again
        case "/undo": self = .undo
        case "/clear": self = .clear
        case "/stats": self = .stats
        case "/help", "/?": self = .help
        case "/quit", "/exit", "/q": self = .quit
        default:
            // A path or a fraction at the beginning of a question is no command.
            let name = text[..<end].dropFirst()
            let isCommand = !name.isEmpty && name.allSatisfy { $0.isASCII && $0.isLetter }
            self = isCommand ? .mistake("there is no command \(text[..<end]); /help shows them") : .question(text)
        }
    }

    /// Files are often pasted or dropped with quotation marks around them.
    private static func unquoted(_ text: String) -> String {
        guard text.count >= 2, let first = text.first, first == text.last, first == "\"" || first == "'" else {
            return text
        }
        return String(text.dropFirst().dropLast())
    }
}

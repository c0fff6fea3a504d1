import ArgumentParser
import Glibc
import JSONText
import Soranji

struct AskCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ask",
        abstract: "Ask one question, about documents, clips, recordings and pictures or nothing of them.",
        discussion: """
            The answer goes to standard output as it is made; progress and the passages that it attended to most go to \
            standard error. Documents are UTF-8 text, Markdown, HTML (reduced to text) and PDF (with pdftotext). \
            A prompt that does not fit into the context is refused, never cut. Clips, recordings and pictures need a \
            model that sees and hears; --verbose tells what became of them. Ctrl-C ends the answer, with exit code 130.

            Examples:
              soranji ask --doc report.pdf "Who signed it?"
              soranji ask --doc a.md --doc b.md --json "Where do they disagree?"
              soranji ask --session book --doc book.txt "Who finds the key?"
              soranji ask --session book "What is the weather like at the end?"
              soranji ask --model omni --video clip.mp4 "What happens, and what is said?"
              echo "Why is the sky blue?" | soranji ask --temperature 0.7 --seed 3
              curl -s example.org | soranji ask --doc - "What is this page for?"
            """
    )

    @OptionGroup(title: "Model") var model: ModelFlags
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags
    @OptionGroup(title: "Media") var media: MediaFlags
    @OptionGroup(title: "Session") var stored: SessionFlags

    @Option(
        name: [.short, .customLong("doc")],
        help: ArgumentHelp("A document to answer from; '-' is standard input. Can be repeated.", valueName: "file"),
        completion: .file()
    )
    var documents: [String] = []

    @Option(help: ArgumentHelp("What the model is told about its task.", valueName: "text"))
    var system: String?

    @Flag(help: "Print the answer, its sources and all figures as JSON.")
    var json = false

    @Flag(help: "Print tokens, speeds and how the experts were used.")
    var stats = false

    @Flag(
        name: [.short, .long],
        help: "Tell how tokens were chosen, and what became of clips and pictures: frames, sizes, tokens."
    )
    var verbose = false

    @Flag(inversion: .prefixedNo, help: "Show the passages and moments that the answer attended to most.")
    var sources = true

    @Argument(help: "The question; from standard input when it is left out.")
    var question: [String] = []

    func validate() throws {
        if documents.contains("") { throw ValidationError("--doc needs a file.") }
        if documents.count(where: { $0 == "-" }) > 1 {
            throw ValidationError("Standard input can be only one of the documents.")
        }
        if question.isEmpty || question == ["-"] {
            if documents.contains("-") {
                throw ValidationError("Standard input is the document, so the question must be an argument.")
            }
            if question.isEmpty, isatty(STDIN_FILENO) == 1 { throw ValidationError("Missing the question.") }
        } else if question.allSatisfy({ $0.allSatisfy(\.isWhitespace) }) {
            throw ValidationError("The question is empty.")
        }
    }

    func run() throws {
        let text = try questionText()
        let read = try documents.map { try DocumentReader().read($0) }
        let progress = ProgressBar()
        defer { progress.clear() }
        let runtime = try model.open(progress: progress, session: stored.session)
        let asking = try Asking(self, runtime, read)
        let output = AnswerOutput(terminal: .standardOutput)
        defer { output.breakOff() }
        let choice = sampling.choice(for: runtime)
        let found = try Interrupt.watch { () throws -> Answer? in
            do {
                return try asking.ask(
                    text,
                    keeps: stored.keep,
                    maximumTokens: sampling.maxTokens.tokens,
                    sampling: choice.options,
                    stopTexts: sampling.stop,
                    onProgress: { step in
                        if Interrupt.isRequested { throw Stopped() }
                        progress.update(step)
                    },
                    onText: { piece in
                        progress.clear()
                        if !json { try output.write(piece) }
                        return !Interrupt.isRequested
                    },
                    onMedia: { entry in
                        if Interrupt.isRequested { throw Stopped() }
                        progress.update(entry)
                    }
                )
            } catch is Stopped {
                return nil
            }
        }
        progress.clear()
        defer { runtime.keepExpertUsage() }
        guard let answer = found else {
            let kept = stored.session.map { "; what was read stays in the session \($0)" } ?? ""
            Terminal.standardError.writeLine("stopped while reading\(kept)")
            throw ExitStatus.interrupted
        }
        if json {
            var report = AnswerReport(
                answer: answer,
                documents: asking.documents,
                runtime: runtime,
                question: text
            )
            report.sampling = choice
            report.session = asking.receipt
            try Terminal.standardOutput.outputLine(report.json(includingExperts: stats).text(indented: true))
        } else {
            try output.finish()
            show(answer, of: asking.documents, runtime, choice, asking.receipt)
        }
        if answer.reason == .cancelled { throw ExitStatus.interrupted }
    }

    /// What stands under an answer for people.
    private func show(
        _ answer: Answer,
        of documents: [Document],
        _ runtime: Runtime,
        _ choice: SamplingChoice,
        _ receipt: SessionReceipt?
    ) {
        let style = Terminal.standardError.style
        let notes = AnswerNotes(answer: answer, documents: documents, style: style)
        var lines: [String] = []
        if answer.reason == .tokenLimit {
            lines.append(notes.limit(sampling.maxTokens.tokens, contextTokens: runtime.contextTokens))
        }
        if answer.reason == .cancelled { lines.append(style.yellow("Stopped.")) }
        if runtime.knowsOneWorld { lines += notes.doubt(below: Runtime.leastCertainty) }
        if sources { lines += notes.sources() + notes.moments() }
        if verbose { lines += choice.lines(style: style) + MediaReceiptText(answer.media, style: style).lines }
        if stats { lines += notes.statistics(runtime) }
        if let receipt { lines += [""] + SessionNote(receipt: receipt, style: style).lines(isVerbose: verbose) }
        for line in lines { Terminal.standardError.writeLine(line) }
    }

    private func questionText() throws -> String {
        if !question.isEmpty, question != ["-"] { return question.joined(separator: " ") }
        do {
            return try DocumentReader().read("-").text.trimmingWhitespace
        } catch DocumentError.empty {
            var failure = Failure("there is no question", hint: "write it behind the options, or into standard input")
            failure.exitCode = ExitStatus.usage
            throw failure
        }
    }
}

/// A conversation that ends with the process, or one in a stored session.
private enum Asking {
    case once(Conversation)
    case stored(SessionConversation)

    init(_ command: AskCommand, _ runtime: Runtime, _ documents: [Document]) throws {
        guard let name = command.stored.session else {
            let conversation = Conversation(runtime: runtime)
            conversation.systemPrompt = command.system
            for document in documents { conversation.add(document) }
            for input in command.media.inputs { conversation.add(input) }
            conversation.mediaOptions = command.media.options
            self = .once(conversation)
            return
        }
        let conversation = try SessionConversation(runtime: runtime, name: name)
        conversation.systemPrompt = command.system
        conversation.mediaOptions = command.media.options
        for document in documents { conversation.add(document) }
        for input in command.media.inputs { try conversation.add(input) }
        self = .stored(conversation)
    }

    var documents: [Document] {
        switch self {
        case .once(let conversation): conversation.documents
        case .stored(let conversation): conversation.documents
        }
    }

    /// What the session did; nil without one.
    var receipt: SessionReceipt? {
        if case .stored(let conversation) = self { return conversation.receipt }
        return nil
    }

    func ask(
        _ question: String,
        keeps: Bool,
        maximumTokens: Int?,
        sampling: SamplingOptions,
        stopTexts: [String],
        onProgress: (PrefillProgress) throws -> Void,
        onText: (String) throws -> Bool,
        onMedia: (MediaReceipt.Entry) throws -> Void
    ) throws -> Answer {
        switch self {
        case .once(let conversation):
            try conversation.ask(
                question,
                maximumTokens: maximumTokens,
                sampling: sampling,
                stopTexts: stopTexts,
                onProgress: onProgress,
                onText: onText,
                onMedia: onMedia
            )
        case .stored(let conversation):
            try conversation.ask(
                question,
                keeps: keeps,
                maximumTokens: maximumTokens,
                sampling: sampling,
                stopTexts: stopTexts,
                onProgress: onProgress,
                onText: onText,
                onMedia: onMedia
            )
        }
    }
}

/// Shows an answer while it is made: without white space at its beginning, and with a line end at its end.
final class AnswerOutput {
    private let terminal: Terminal
    private var hasBegun = false
    private var endsLine = false

    init(terminal: Terminal) { self.terminal = terminal }

    func write(_ piece: String) throws(OutputError) {
        let text = hasBegun ? piece : String(piece.drop(while: \.isWhitespace))
        guard let last = text.last else { return }
        hasBegun = true
        endsLine = last.isNewline
        try terminal.output(text)
    }

    func finish() throws(OutputError) {
        if !endsLine { try terminal.outputLine() }
        endsLine = true
    }

    /// Ends the line of an answer that was broken off, so that an error begins a line of its own.
    func breakOff() {
        if hasBegun { try? finish() }
    }
}

extension String {
    /// Without white space at either end.
    var trimmingWhitespace: String {
        var text = drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}

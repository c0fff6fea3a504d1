import ArgumentParser
import Glibc
import Soranji

struct ChatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Talk with a model, about documents, clips, recordings and pictures or nothing of them.",
        discussion: """
            Commands in the chat: /doc FILE, /video FILE, /audio FILE, /image FILE, /system TEXT, /regen, /undo, /save FILE, /clear, /stats, /help, /quit. \
            /save never replaces a file; /save! FILE does. \
            A backslash at a line's end continues the message, and \"\"\" opens and closes one of several lines. \
            Ctrl-C stops an answer or drops the line; on an empty line it leaves, as Ctrl-D does. \
            With piped input the exit code is 1 when a question or command failed. \
            Lines are kept in $XDG_STATE_HOME/soranji/history; one that begins with a space is not.

            Examples:
              soranji chat --model model.gguf --doc handbook.md
              soranji chat --model omni --video clip.mp4
              printf 'first question\\nsecond question\\n' | soranji chat
            """
    )

    @OptionGroup(title: "Model") var model: ModelFlags
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags

    @OptionGroup(title: "Media") var media: MediaFlags

    @Option(
        name: [.short, .customLong("doc")],
        help: ArgumentHelp("A document to talk about. Can be repeated.", valueName: "file"),
        completion: .file()
    )
    var documents: [String] = []

    @Option(help: ArgumentHelp("What the model is told about its task.", valueName: "text"))
    var system: String?

    @Flag(inversion: .prefixedNo, help: "Show the passages that answers attended to most.")
    var sources = true

    func validate() throws {
        if documents.contains("-") {
            throw ValidationError("Standard input is the conversation, so it cannot be a document.")
        }
    }

    func run() throws {
        let read = try documents.map { try DocumentReader().read($0) }
        let runtime = try model.open(progress: ProgressBar())
        let conversation = Conversation(runtime: runtime)
        conversation.systemPrompt = system
        for document in read { conversation.add(document) }
        conversation.mediaOptions = media.options
        var chat = Chat(
            conversation: conversation,
            maximumTokens: sampling.maxTokens.tokens,
            sampling: sampling.choice(for: runtime),
            stopTexts: sampling.stop,
            showsSources: sources
        )
        // Before anything is asked, so that a file that cannot be used ends the command.
        try media.inputs.forEach { try chat.add($0) }
        try chat.run()
    }
}

/// A conversation at the terminal.
struct Chat {
    let conversation: Conversation
    /// Nil for answers as long as the context allows.
    let maximumTokens: Int?
    let sampling: SamplingChoice
    let stopTexts: [String]
    let showsSources: Bool
    private let output = Terminal.standardOutput
    private let notes = Terminal.standardError
    private let progress = ProgressBar()
    private var lastAnswer: Answer?
    /// How often the last question was asked anew: each time draws with a seed of its own.
    private var repetitions: UInt64 = 0
    /// Whether a question or a command failed.
    private var hasFailed = false
    /// What was asked and answered, as it is saved.
    private var transcript = ChatTranscript()

    init(
        conversation: Conversation,
        maximumTokens: Int?,
        sampling: SamplingChoice,
        stopTexts: [String],
        showsSources: Bool
    ) {
        self.conversation = conversation
        self.maximumTokens = maximumTokens
        self.sampling = sampling
        self.stopTexts = stopTexts
        self.showsSources = showsSources
        transcript.documents = conversation.documents.map(\.source)
    }

    /// - Throws: ``OutputError`` when answers cannot be shown; an exit code when nobody was there to see what failed.
    mutating func run() throws {
        let historyPath = UserFolders.state().map { $0 + "/history" }
        var editor = LineEditor(
            history: historyPath.map { History(path: $0) } ?? History(),
            completions: ChatCompletion.lines
        )
        if editor.isInteractive { notes.writeLine(greeting) }
        defer { conversation.runtime.keepExpertUsage() }
        while let message = nextMessage(&editor, historyPath: historyPath) {
            guard try handle(ChatInput(message)) else { break }
        }
        if hasFailed, !editor.isInteractive { throw ExitCode(ExitStatus.failure) }
    }

    private var greeting: String {
        let runtime = conversation.runtime
        let style = notes.style
        return style.bold(runtime.modelName)
            + style.dim(
                " · context \(FixedPoint.grouped(runtime.contextTokens)) tokens · /help for commands, Ctrl-D to leave"
            )
    }

    /// One message of one or more lines; nil when the person leaves or the input ends.
    private func nextMessage(_ editor: inout LineEditor, historyPath: String?) -> String? {
        var assembler = MessageAssembler()
        while true {
            switch editor.read(prompt: assembler.isPending ? "… " : "> ") {
            case .line(let line):
                guard let message = assembler.feed(line) else { continue }
                guard editor.isInteractive else { return message }
                editor.history.add(message)
                do {
                    if let historyPath { try editor.history.save(to: historyPath) }
                } catch {
                    notes.writeLine(notes.style.dim("the history is not kept: \(error)"))
                }
                return message
            case .interrupted:
                if !assembler.isPending { return nil }
                assembler = MessageAssembler()
            case .end: return assembler.finish()
            }
        }
    }

    /// - Returns: false to leave.
    private mutating func handle(_ input: ChatInput) throws(OutputError) -> Bool {
        do {
            switch input {
            case .blank: break
            case .question(let question):
                do {
                    try answer(question)
                } catch let error as OutputError {
                    throw error
                } catch  where !conversation.pendingMedia.isEmpty {
                    // Else the same files would stand in the way of every question that follows.
                    let names = conversation.pendingMedia.map(\.name).joined(separator: ", ")
                    conversation.removePendingMedia()
                    report(error)
                    notes.writeLine(notes.style.yellow("Taken out again: \(names)."))
                }
            case .again: try answerAgain()
            case .undo: undo()
            case .document(let path): try addDocument(path)
            case .media(let input): try add(input)
            case .system(let text?):
                conversation.systemPrompt = text
                notes.writeLine("The next questions are asked with this system prompt.")
            case .system(nil): notes.writeLine(conversation.systemPrompt ?? "No system prompt was given.")
            case .save(let path, let replacing): try save(to: path, replacing: replacing)
            case .clear:
                conversation.clear()
                transcript = ChatTranscript()
                lastAnswer = nil
                notes.writeLine("Conversation, documents and media are forgotten.")
            case .stats: showStatistics()
            case .help: for line in Self.help { notes.writeLine(line) }
            case .mistake(let text): report(Failure(text))
            case .quit: return false
            }
        } catch let error as OutputError {
            throw error
        } catch {
            report(error)
        }
        return true
    }

    // MARK: Commands

    private mutating func answer(_ question: String) throws {
        repetitions = 0
        let answer = try show { onProgress, onText, onMedia in
            try conversation.ask(
                question,
                maximumTokens: maximumTokens,
                sampling: sampling.options,
                stopTexts: stopTexts,
                onProgress: onProgress,
                onText: onText,
                onMedia: onMedia
            )
        }
        guard let answer else { return }
        transcript.turns.append((question, answer.text))
        try showNotes(answer)
    }

    private mutating func answerAgain() throws {
        guard let last = transcript.turns.last else { throw Failure("nothing was asked yet") }
        var options = sampling.options
        options.seed &+= repetitions + 1
        if options.temperature == 0, repetitions == 0 {
            notes.writeLine(
                notes.style.dim("At temperature 0 the answer stays the same, unless something was added since.")
            )
        }
        let answer = try show { onProgress, onText, onMedia in
            try conversation.askAgain(
                maximumTokens: maximumTokens,
                sampling: options,
                stopTexts: stopTexts,
                onProgress: onProgress,
                onText: onText,
                onMedia: onMedia
            )
        }
        guard let answer else { return }
        repetitions += 1
        transcript.turns[transcript.turns.count - 1] = (last.question, answer.text)
        try showNotes(answer)
    }

    private mutating func undo() {
        guard let question = conversation.undo() else {
            report(Failure("nothing was asked yet"))
            return
        }
        if !transcript.turns.isEmpty { transcript.turns.removeLast() }
        lastAnswer = nil
        repetitions = 0
        let line = question.split(separator: "\n").first ?? ""
        notes.writeLine("Taken back: \(line.prefix(60))\(line.count > 60 ? "…" : "")")
    }

    /// Runs what makes an answer, showing it as it is made.
    ///
    /// - Returns: nil when Ctrl-C ended it before its first word.
    private func show(
        _ make: (
            _ onProgress: (PrefillProgress) throws -> Void, _ onText: (String) throws -> Bool,
            _ onMedia: (MediaReceipt.Entry) throws -> Void
        ) throws -> Answer?
    ) throws -> Answer? {
        // The line editor's own prompt stands apart from the answer.
        let answerOutput = AnswerOutput(terminal: output)
        defer {
            progress.clear()
            answerOutput.breakOff()
        }
        let answer = try Interrupt.watch { () throws -> Answer? in
            do {
                return try make(
                    { step in
                        if Interrupt.isRequested { throw Stopped() }
                        progress.update(step)
                    },
                    { piece in
                        progress.clear()
                        try answerOutput.write(piece)
                        return !Interrupt.isRequested
                    },
                    { entry in
                        if Interrupt.isRequested { throw Stopped() }
                        progress.update(entry)
                    }
                )
            } catch is Stopped {
                return nil
            }
        }
        progress.clear()
        if answer == nil {
            notes.writeLine(notes.style.yellow("Stopped while reading."))
        } else {
            try answerOutput.finish()
        }
        return answer
    }

    private mutating func showNotes(_ answer: Answer) throws {
        lastAnswer = answer
        let lines = AnswerNotes(answer: answer, documents: conversation.documents, style: notes.style)
        if answer.reason == .tokenLimit {
            notes.writeLine(lines.limit(maximumTokens, contextTokens: conversation.runtime.contextTokens))
        }
        if answer.reason == .cancelled { notes.writeLine(notes.style.yellow("Stopped.")) }
        if conversation.runtime.knowsOneWorld {
            for line in lines.doubt(below: Runtime.leastCertainty) { notes.writeLine(line) }
        }
        if showsSources { for line in lines.sources() + lines.moments() { notes.writeLine(line) } }
        try output.outputLine()
    }

    private func save(to path: String, replacing: Bool) throws {
        let expanded = Self.expanded(path)
        do {
            try transcript.save(to: expanded, model: conversation.runtime.modelName, replacing: replacing)
        } catch let error as SystemError where error.code == EEXIST {
            throw Failure("\(path) exists already", hint: "/save! \(path) replaces it")
        }
        notes.writeLine("Saved to \(path).")
    }

    /// A path as a shell would read it.
    private static func expanded(_ path: String) -> String {
        guard path.hasPrefix("~/"), let home = UserFolders.variable("HOME") else { return path }
        return home + path.dropFirst()
    }

    /// Adds a clip, a recording or a picture, and tells what the next question will take of it. Only headers are read.
    mutating func add(_ given: MediaInput) throws {
        let input = MediaInput(given.kind, path: Self.expanded(given.path))
        let receipt = try conversation.runtime.mediaReceipt([input], options: conversation.mediaOptions)
        conversation.add(input)
        transcript.documents.append(input.path)
        notes.writeLine("Added \(input.name) for the next question:")
        for line in MediaReceiptText(receipt, style: notes.style).lines.dropFirst(2) { notes.writeLine(line) }
    }

    private mutating func addDocument(_ path: String) throws {
        let path = Self.expanded(path)
        if path == "-" { throw Failure("standard input is the conversation, so it cannot be a document") }
        let document = try DocumentReader().read(path)
        conversation.add(document)
        transcript.documents.append(document.source)
        notes.writeLine("Added \(document.title): \(FixedPoint.bytes(document.byteCount)) of text.")
    }

    private func showStatistics() {
        guard let lastAnswer else {
            notes.writeLine("Nothing was asked yet.")
            return
        }
        let lines = AnswerNotes(answer: lastAnswer, documents: conversation.documents, style: notes.style)
        for line in lines.statistics(conversation.runtime) { notes.writeLine(line) }
        for line in sampling.lines(style: notes.style) { notes.writeLine(line) }
        let runtime = conversation.runtime
        notes.writeLine(
            "  context \(FixedPoint.grouped(conversation.contextTokens)) of \(FixedPoint.grouped(runtime.contextTokens)) tokens, "
                + FixedPoint.bytes(conversation.contextTokens * runtime.cacheBytesPerToken) + " of keys and values"
        )
    }

    private static let help: [String] =
        TextTable.lines(
            ChatInput.commands.map { [$0.name + ($0.argument.isEmpty ? "" : " ") + $0.argument, $0.purpose] }
        )
        + ["\"\"\" opens and closes a message of several lines; a backslash at a line's end continues it."]

    private mutating func report(_ error: any Error) {
        hasFailed = true
        progress.clear()
        notes.writeLine(ErrorReport(error, root: SoranjiCommand.self, style: notes.style).text)
    }
}

/// What was said, for `/save`.
struct ChatTranscript {
    var documents: [String] = []
    var turns: [(question: String, answer: String)] = []

    func markdown(model: String) -> String {
        var lines = ["# Conversation with \(model)", ""]
        if !documents.isEmpty { lines += ["Documents:", ""] + documents.map { "- \($0)" } + [""] }
        for turn in turns {
            lines += turn.question.split(separator: "\n", omittingEmptySubsequences: false).map { "> \($0)" }
            lines += ["", turn.answer, ""]
        }
        return lines.joined(separator: "\n")
    }

    func save(to path: String, model: String, replacing: Bool) throws {
        try AtomicFile.write(Array(markdown(model: model).utf8), to: path, replacing: replacing)
    }
}

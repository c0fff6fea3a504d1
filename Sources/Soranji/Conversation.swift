import Foundation
import JSONText
import KVCache
import Models
import Tokenizers

/// A conversation with a model about documents.
///
/// Every turn renders the whole conversation with the model's own chat template and computes only what the context does
/// not hold yet: earlier turns, and prefixes that other conversations of the same runtime have read, are not read again.
public final class Conversation {
    /// One turn.
    public struct Message: Sendable, Equatable {
        public enum Role: String, Sendable {
            case system, user, assistant
        }

        public var role: Role
        public var text: String

        public init(role: Role, text: String) {
            self.role = role
            self.text = text
        }
    }

    public let runtime: Runtime
    /// What the model is told about its task; nil for the template's own default.
    public var systemPrompt: String?
    /// What is asked for after a question about documents; nil for ``Prompt``'s own wording.
    public var instruction: String?
    /// What questions are about. Put before the first question after they were added.
    public private(set) var documents: [Document] = []
    public private(set) var messages: [Message] = []
    /// Pictures, recordings and clips of the next question, in order.
    public private(set) var pendingMedia: [MediaInput] = []
    /// How they become tokens.
    public var mediaOptions = MediaOptions()
    private var pendingDocuments: [Document] = []
    /// What messages brought along, by the message's number.
    private var mediaOfMessages: [Int: [EncodedMedia]] = [:]
    private var table: PageTable
    /// What the table holds from this slot on was read for a question that chose pages; nil for nothing.
    private var firstChoosingSlot: Int?
    /// What each question brought along, so that it can be taken back.
    private var turns: [Turn] = []

    private struct Turn {
        var question: String
        var documents: [Document]
        var media: [MediaInput]
    }

    public init(runtime: Runtime) {
        self.runtime = runtime
        table = runtime.makePageTable()
    }

    /// Adds a document for the next question.
    public func add(_ document: Document) {
        documents.append(document)
        pendingDocuments.append(document)
    }

    /// Adds a picture, a recording or a clip for the next question; the order is kept.
    public func add(_ media: MediaInput) { pendingMedia.append(media) }

    /// Takes out what ``add(_:)-(MediaInput)`` added since the last question that was answered.
    public func removePendingMedia() { pendingMedia = [] }

    /// Forgets messages, documents and media; the system prompt stays.
    public func clear() {
        messages = []
        documents = []
        pendingDocuments = []
        pendingMedia = []
        mediaOfMessages = [:]
        turns = []
        table = runtime.makePageTable()
    }

    /// Takes the last question and its answer back. Documents and media that came with it belong to the next question.
    ///
    /// - Returns: the question; nil when nothing was asked.
    @discardableResult
    public func undo() -> String? {
        guard let turn = turns.popLast(), messages.count >= 2 else { return nil }
        messages.removeLast(2)
        mediaOfMessages[messages.count] = nil
        pendingDocuments = turn.documents + pendingDocuments
        pendingMedia = turn.media + pendingMedia
        return turn.question
    }

    /// Asks the last question anew, with what was added since. If that fails, the conversation is as it was.
    ///
    /// - Returns: nil when nothing was asked.
    public func askAgain(
        maximumTokens: Int? = 512,
        sampling: SamplingOptions = SamplingOptions(),
        stopTexts: [String] = [],
        onProgress: (PrefillProgress) throws -> Void = { _ in },
        onText: (String) throws -> Bool = { _ in true },
        onMedia: (MediaReceipt.Entry) throws -> Void = { _ in }
    ) throws -> Answer? {
        let former = (messages, pendingDocuments, pendingMedia, mediaOfMessages, turns)
        guard let question = undo() else { return nil }
        do {
            return try ask(
                question,
                maximumTokens: maximumTokens,
                sampling: sampling,
                stopTexts: stopTexts,
                onProgress: onProgress,
                onText: onText,
                onMedia: onMedia
            )
        } catch {
            (messages, pendingDocuments, pendingMedia, mediaOfMessages, turns) = former
            throw error
        }
    }

    /// Tokens that the context holds.
    public var contextTokens: Int { table.count }

    /// Asks and answers.
    ///
    /// - Parameters:
    ///   - maximumTokens: longest answer in tokens; nil for as many as ``Runtime/answerRoom(after:)`` says.
    ///   - stopTexts: the answer ends before the first of them.
    ///   - onMedia: called before each file is decoded and encoded.
    ///   - onText: called with each piece of the answer as it is there; return false to stop.
    /// - Throws: ``RuntimeError/promptTooLong(promptTokens:answerTokens:contextTokens:trainedTokens:)``, or
    ///   ``MediaUseError/tooLong(promptTokens:answerTokens:contextTokens:receipt:fit:)``, or ``MemoryRefusal`` where its
    ///   pages would not fit into memory, before any work when it does not fit: a prompt is never cut. The conversation is
    ///   then as it was.
    public func ask(
        _ question: String,
        maximumTokens: Int? = 512,
        sampling: SamplingOptions = SamplingOptions(),
        stopTexts: [String] = [],
        onProgress: (PrefillProgress) throws -> Void = { _ in },
        onText: (String) throws -> Bool = { _ in true },
        onMedia: (MediaReceipt.Entry) throws -> Void = { _ in }
    ) throws -> Answer {
        let userText = Prompt.userText(
            question: question,
            documents: pendingDocuments,
            instruction: instruction
        )
        let turn = Message(role: .user, text: userText)
        let all = messages + [turn]
        var media = mediaOfMessages
        if !pendingMedia.isEmpty {
            media[messages.count] = try readPendingMedia(all, answerTokens: maximumTokens ?? 1, onMedia)
        }
        let encoded = try runtime.encode(all, systemPrompt: systemPrompt, media: media)
        let prompt = encoded.stream
        try adoptPrefix(of: prompt.content)
        try runtime.checkRoom(
            promptTokens: prompt.count,
            answerTokens: maximumTokens,
            heldTokens: table.count,
            media: prompt.media
        )
        runtime.resetRecallStatistics()
        let asked = Prompt.find(
            question,
            documents: pendingDocuments.count,
            instruction: instruction,
            in: Array(encoded.text.utf8),
            ranges: encoded.ranges
        )
        let spoken = try runtime.speak(
            prompt,
            question: asked,
            table: &table,
            maximumTokens: maximumTokens,
            sampling: sampling,
            stopTexts: stopTexts,
            probing: !documents.isEmpty || !media.isEmpty,
            onProgress: onProgress,
            onText: onText
        )

        turns.append(Turn(question: question, documents: pendingDocuments, media: pendingMedia))
        messages.append(turn)
        messages.append(Message(role: .assistant, text: spoken.text))
        mediaOfMessages = media
        pendingDocuments = []
        pendingMedia = []
        share(asked)
        let citations =
            documents.isEmpty
            ? []
            : Citations(prompt: encoded.text, tokenRanges: encoded.ranges, documents: documents)
                .find(shares: spoken.evidence)
        let receipt = MediaReceipt(entries: media.sorted { $0.key < $1.key }.flatMap { $0.value.map(\.plan.entry) })
        return Answer(
            text: spoken.text.trimmingCharacters(in: .whitespacesAndNewlines),
            tokens: spoken.tokens,
            reason: spoken.reason,
            citations: citations,
            moments: Moments(stream: prompt).find(shares: spoken.evidence),
            media: receipt,
            statistics: spoken.statistics,
            context: runtime.figures(of: table)
        )
    }

    /// Decodes and encodes what was added, once it is known to fit.
    private func readPendingMedia(
        _ messages: [Message],
        answerTokens: Int,
        _ onMedia: (MediaReceipt.Entry) throws -> Void
    ) throws -> [EncodedMedia] {
        let planner = try runtime.mediaPlanner(mediaOptions)
        let plans = try pendingMedia.map { try planner.plan($0) }
        var media = mediaOfMessages
        media[messages.count - 1] = plans.map { EncodedMedia(plan: $0) }
        var least = media
        least[messages.count - 1] = plans.map { EncodedMedia(plan: $0.withOneGroup) }
        // What earlier messages brought along is there already, and takes its room.
        let earlier = mediaOfMessages.values.joined().reduce(0) { $0 + $1.plan.entry.tokens }
        try runtime.checkBudget(
            plans,
            textTokens: earlier + runtime.textTokenCount(messages, systemPrompt: systemPrompt, media: media),
            leastTextTokens: earlier + runtime.textTokenCount(messages, systemPrompt: systemPrompt, media: least),
            answerTokens: answerTokens
        )
        return try runtime.readMedia(plans, planner: planner) { try onMedia($0.entry) }
    }

    /// Lets other conversations begin with what was read, but for what only one question's tokens were let to see.
    private func share(_ asked: AskedQuestion?) {
        if let asked, runtime.questionChosePages {
            firstChoosingSlot = min(firstChoosingSlot ?? .max, asked.positions.lowerBound)
        }
        var shared = table
        if let firstChoosingSlot, shared.count > firstChoosingSlot { shared.truncate(to: firstChoosingSlot) }
        runtime.prefixes.insert(shared)
    }

    /// Keeps the longest common beginning of the context and the prompt, or takes over a longer one that was read before.
    private func adoptPrefix(of prompt: ContextContent) throws {
        // The last token is always computed anew: its logits are wanted.
        let limit = prompt.tokens.count - 1
        table.truncate(to: table.content.commonPrefix(with: prompt, limit: limit))
        if let firstChoosingSlot, table.count <= firstChoosingSlot { self.firstChoosingSlot = nil }
        let shared = runtime.prefixes.longestPrefix(of: prompt, limit: limit)
        guard shared.count * PageLayout.positions > table.count else { return }
        let other = try runtime.runner.makeTable(sharing: shared)
        guard other.count > table.count else { return }
        table = other
        firstChoosingSlot = nil
    }
}

/// What a question gave.
public struct Answer: Sendable {
    public var text: String
    public var tokens: [Int32]
    public var reason: StopReason
    /// Passages that the answer attended to most, strongest first.
    public var citations: [Citation]
    /// Moments of clips and recordings that the answer attended to most, strongest first.
    public var moments: [Moment]
    /// What became of the conversation's media.
    public var media: MediaReceipt
    public var statistics: GenerationStatistics
    /// What the context holds with it.
    public var context = ContextFigures()
}

/// How documents and a question become one user turn.
enum Prompt {
    /// A document's text as it stands in the prompt: without white space around it.
    static func body(of document: Document) -> String {
        document.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The wording that small models answer best, see `Benchmarks/facts`.
    static func userText(question: String, documents: [Document], instruction: String?) -> String {
        documents.map(text(of:)).joined()
            + self.question(question, documents: documents.count, instruction: instruction)
    }

    /// A document as it stands before the question.
    static func text(of document: Document) -> String { "Document \(document.name):\n\n\(body(of: document))\n\n" }

    /// A question and where its tokens are, up to the prompt's end.
    ///
    /// - Parameters:
    ///   - documents: how many stand before it, which decides its wording, as the instruction does.
    ///   - ranges: the bytes of `text` that each token covers.
    ///   - firstToken: what is before it is no part of the question.
    /// - Returns: nil where the template changed it.
    static func find(
        _ question: String,
        documents count: Int,
        instruction: String?,
        in text: [UInt8],
        ranges: [Range<Int>],
        from firstToken: Int = 0
    ) -> AskedQuestion? {
        guard ranges.indices.contains(firstToken) else { return nil }
        let bytes = Array(self.question(question, documents: count, instruction: instruction).utf8)
        let opening = count > 0 ? questionOpening.utf8.count : 0
        for offset in stride(from: text.count - bytes.count, through: ranges[firstToken].lowerBound, by: -1)
        where text[offset...].starts(with: bytes) {
            let first = ranges[firstToken...].firstIndex { $0.upperBound > offset + opening }
            return first.map { AskedQuestion(positions: $0..<ranges.count, text: question) }
        }
        return nil
    }

    private static let questionOpening = "Question: "

    /// A question as it stands after so many documents.
    static func question(_ question: String, documents count: Int, instruction: String?) -> String {
        guard count > 0 else { return question }
        let request = instruction ?? "Answer with one sentence from the document\(count > 1 ? "s" : "")."
        return questionOpening + question + (request.isEmpty ? "" : "\n" + request)
    }
}

extension Document {
    /// What the prompt calls it: the file's name, or the title of what came over standard input.
    var name: String { source == "-" ? title : (source as NSString).lastPathComponent }
}

extension Runtime {
    func makeProbes() throws -> AnswerProbes {
        AnswerProbes(answer: try runner.makeProbe(), baseline: try runner.makeProbe())
    }

    func requireTokenizer() throws -> Tokenizer {
        guard let tokenizer else { throw RuntimeError.noTokenizer(modelName) }
        return tokenizer
    }

    /// A conversation as a stream, with the prompt's text and the bytes of it that each token covers.
    ///
    /// - Parameter media: by the number of the message that they stand in, before its text.
    func encode(
        _ messages: [Conversation.Message],
        systemPrompt: String?,
        media: [Int: [EncodedMedia]] = [:]
    ) throws -> (text: String, stream: TokenStream, ranges: [Range<Int>]) {
        let tokenizer = try requireTokenizer()
        let rendered = try render(messages, systemPrompt: systemPrompt, media: media)
        let all = media.sorted { $0.key < $1.key }.flatMap(\.value)
        guard !all.isEmpty, let configuration = decoder.configuration.media else {
            let encoded = PromptEncoder(tokenizer).encode(
                rendered.text,
                separator: rendered.separator,
                addingSpecialTokens: template == nil
            )
            return (encoded.text, TokenStream(text: encoded.tokens), encoded.ranges)
        }
        let prompt = try MediaPrompter(tokenizer: tokenizer, configuration: configuration).prompt(
            rendered.text,
            separator: rendered.separator,
            addingSpecialTokens: template == nil,
            media: all,
            decoder: decoder.configuration
        )
        return (prompt.text, prompt.stream, prompt.ranges)
    }

    /// Tokens that are no rows of the last message's media: what a budget needs before anything is decoded.
    func textTokenCount(
        _ messages: [Conversation.Message],
        systemPrompt: String?,
        media: [Int: [EncodedMedia]]
    ) throws -> Int {
        let tokenizer = try requireTokenizer()
        guard let configuration = decoder.configuration.media else { throw MediaUseError.modelReadsTextAlone }
        let rendered = try render(messages, systemPrompt: systemPrompt, media: media)
        return try MediaPrompter(tokenizer: tokenizer, configuration: configuration).textTokenCount(
            rendered.text,
            separator: rendered.separator,
            media: media.sorted { $0.key < $1.key }.flatMap(\.value)
        )
    }

    /// A conversation through the model's chat template, and the character that breaks up spelled control tokens.
    func render(
        _ messages: [Conversation.Message],
        systemPrompt: String?,
        media: [Int: [EncodedMedia]]
    ) throws -> (text: String, separator: Character?) {
        let tokenizer = try requireTokenizer()
        let shield = PromptEncoder(tokenizer).shielded(messages.map(\.text) + (systemPrompt.map { [$0] } ?? []))
        func text(_ index: Int) -> String { shield?.texts[index] ?? messages[index].text }
        let system = systemPrompt.map { shield?.texts.last ?? $0 }
        let all = media.sorted { $0.key < $1.key }.flatMap(\.value)
        var prompter: MediaPrompter?
        if !all.isEmpty {
            guard let configuration = decoder.configuration.media else { throw MediaUseError.modelReadsTextAlone }
            prompter = try MediaPrompter(tokenizer: tokenizer, configuration: configuration)
        }
        /// The message with placeholders spelled out in its text.
        func spelled(_ index: Int) -> String {
            (media[index] ?? []).map { prompter?.placeholder($0.plan.input.kind) ?? "" }.joined() + text(index)
        }
        guard let template else {
            // A base model: the plain texts, one after the other.
            let texts = (system.map { [$0] } ?? []) + messages.indices.map(spelled)
            return (texts.joined(separator: "\n\n"), shield?.separator)
        }
        func rendered(_ message: (Int) -> ChatMessage) throws -> String {
            do throws(TemplateError) {
                return try template.render(
                    messages: (system.map { [ChatMessage(role: "system", content: $0)] } ?? [])
                        + messages.indices.map(message),
                    bosToken: tokenizer.bosText,
                    eosToken: tokenizer.eosText
                )
            } catch {
                throw RuntimeError.invalidTemplate(error.description)
            }
        }
        let plain = { (index: Int) in ChatMessage(role: messages[index].role.rawValue, content: spelled(index)) }
        guard let prompter else { return (try rendered(plain), shield?.separator) }
        // Templates of models that see take content in parts; one that does not gets the placeholders as text.
        let parts = { (index: Int) -> ChatMessage in
            guard let items = media[index], !items.isEmpty else { return plain(index) }
            let content = items.map { item -> JSON in ["type": .string(item.plan.input.kind.rawValue)] }
            var message = ChatMessage(role: messages[index].role.rawValue, content: "")
            message.extra["content"] = .array(content + [["type": "text", "text": .string(text(index))]])
            return message
        }
        if let text = try? rendered(parts), prompter.holds(text, all) { return (text, shield?.separator) }
        let text = try rendered(plain)
        guard prompter.holds(text, all) else {
            throw MediaUseError.noPlaceholder(Set(all.map(\.plan.input.kind.rawValue)).sorted().joined(separator: ", "))
        }
        return (text, shield?.separator)
    }
}

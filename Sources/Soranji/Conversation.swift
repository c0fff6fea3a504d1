import Foundation
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
    private var pendingDocuments: [Document] = []
    private var table: PageTable

    public init(runtime: Runtime) {
        self.runtime = runtime
        table = runtime.makePageTable()
    }

    /// Adds a document for the next question.
    public func add(_ document: Document) {
        documents.append(document)
        pendingDocuments.append(document)
    }

    /// Forgets messages and documents; the system prompt stays.
    public func clear() {
        messages = []
        documents = []
        pendingDocuments = []
        table = runtime.makePageTable()
    }

    /// Tokens that the context holds.
    public var contextTokens: Int { table.count }

    /// Asks and answers.
    ///
    /// - Parameters:
    ///   - maximumTokens: longest answer in tokens.
    ///   - onText: called with each piece of the answer as it is there; return false to stop.
    /// - Throws: ``RuntimeError/promptTooLong(promptTokens:answerTokens:contextTokens:trainedTokens:)`` before any work
    ///   when it does not fit: a prompt is never cut. The conversation is then as it was.
    public func ask(
        _ question: String,
        maximumTokens: Int = 512,
        sampling: SamplingOptions = SamplingOptions(),
        onProgress: (PrefillProgress) throws -> Void = { _ in },
        onText: (String) throws -> Bool = { _ in true }
    ) throws -> Answer {
        let tokenizer = try runtime.requireTokenizer()
        let userText = Prompt.userText(
            question: question,
            documents: pendingDocuments,
            instruction: instruction
        )
        let turn = Message(role: .user, text: userText)
        let encoded = try runtime.encode(messages + [turn], systemPrompt: systemPrompt)
        let prompt = encoded.tokens
        guard prompt.count + maximumTokens <= runtime.contextTokens else {
            throw RuntimeError.promptTooLong(
                promptTokens: prompt.count,
                answerTokens: maximumTokens,
                contextTokens: runtime.contextTokens,
                trainedTokens: runtime.trainedContextTokens
            )
        }
        adoptPrefix(of: prompt)

        var detokenizer = StreamingDetokenizer(tokenizer)
        var text = ""
        let probes = documents.isEmpty ? nil : try runtime.makeProbes()
        let result = try runtime.generate(
            prompt: prompt,
            table: &table,
            maximumTokens: maximumTokens,
            sampling: sampling,
            stopTokens: tokenizer.endOfGenerationTokens,
            probes: probes,
            onProgress: onProgress
        ) { token in
            let piece = detokenizer.push(token)
            text += piece
            return piece.isEmpty ? true : try onText(piece)
        }
        let tail = detokenizer.flush()
        text += tail
        if !tail.isEmpty { _ = try onText(tail) }

        messages.append(turn)
        messages.append(Message(role: .assistant, text: text))
        pendingDocuments = []
        runtime.prefixes.insert(table)
        let citations =
            probes.map { probes in
                Citations(prompt: encoded.text, tokenRanges: encoded.ranges, documents: documents)
                    .find(shares: probes.evidence(positions: prompt.count, answerTokens: result.tokens.count))
            } ?? []
        return Answer(
            text: text.trimmingCharacters(in: .whitespacesAndNewlines),
            tokens: result.tokens,
            reason: result.reason,
            citations: citations,
            statistics: result.statistics
        )
    }

    /// Keeps the longest common beginning of the context and the prompt, or takes over a longer one that was read before.
    private func adoptPrefix(of prompt: [Int32]) {
        let held = table.tokens
        var common = 0
        // The last token is always computed anew: its logits are wanted.
        while common < min(held.count, prompt.count - 1), held[common] == prompt[common] { common += 1 }
        let shared = runtime.prefixes.longestPrefix(of: Array(prompt.dropLast()))
        if shared.count * PageLayout.positions > common {
            table = runtime.runner.makeTable(sharing: shared)
        } else {
            table.truncate(to: common)
        }
    }
}

/// What a question gave.
public struct Answer: Sendable {
    public var text: String
    public var tokens: [Int32]
    public var reason: StopReason
    /// Passages that the answer attended to most, strongest first.
    public var citations: [Citation]
    public var statistics: GenerationStatistics
}

/// How documents and a question become one user turn.
enum Prompt {
    /// A document's text as it stands in the prompt: without white space around it.
    static func body(of document: Document) -> String {
        document.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The wording that small models answer best, see `Benchmarks/facts`.
    static func userText(question: String, documents: [Document], instruction: String?) -> String {
        guard !documents.isEmpty else { return question }
        let texts = documents.map { "Document \($0.name):\n\n\(body(of: $0))\n\n" }
        let plural = documents.count > 1 ? "s" : ""
        let request = instruction ?? "Answer with one sentence from the document\(plural)."
        return texts.joined() + "Question: \(question)" + (request.isEmpty ? "" : "\n" + request)
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
        guard let tokenizer else { throw RuntimeError.noTokenizer(bundleFolder) }
        return tokenizer
    }

    /// A conversation as tokens, with the prompt's text and the bytes of it that each token covers.
    func encode(_ messages: [Conversation.Message], systemPrompt: String?) throws
        -> (text: String, tokens: [Int32], ranges: [Range<Int>])
    {
        let tokenizer = try requireTokenizer()
        var all = messages
        if let systemPrompt { all.insert(.init(role: .system, text: systemPrompt), at: 0) }
        let encoder = PromptEncoder(tokenizer)
        let shielded = encoder.shielded(all.map(\.text))
        for index in all.indices { all[index].text = shielded?.texts[index] ?? all[index].text }
        guard let template else {
            // A base model: the plain texts, one after the other.
            return encoder.encode(
                all.map(\.text).joined(separator: "\n\n"),
                separator: shielded?.separator,
                addingSpecialTokens: true
            )
        }
        do throws(TemplateError) {
            let text = try template.render(
                messages: all.map { ChatMessage(role: $0.role.rawValue, content: $0.text) },
                bosToken: tokenizer.bosText,
                eosToken: tokenizer.eosText
            )
            return encoder.encode(text, separator: shielded?.separator, addingSpecialTokens: false)
        } catch {
            throw RuntimeError.invalidTemplate(error.description)
        }
    }
}

import Foundation
import KVCache
import Models
import Sessions
import Tensor
import Tokenizers

/// Questions about what a stored session has read.
///
/// Documents and media are read once and stay; so do turns that are kept. Other questions branch off: the session is the
/// same afterwards. What is read is stored chunk by chunk, so that a process that is killed loses one chunk at most.
public final class SessionConversation {
    public let runtime: Runtime
    public let name: String
    /// What the model is told about its task. Only a new session takes one.
    public var systemPrompt: String?
    /// What is asked for after a question about documents; nil for the usual wording.
    public var instruction: String?
    public var mediaOptions = MediaOptions()
    /// What became of the last question.
    public internal(set) var receipt = SessionReceipt()

    let library: SessionLibrary
    let fingerprint: SessionFingerprint
    /// Nil for a session that is not there yet.
    var session: StoredSession?
    var notes = SessionNotes()
    var newDocuments: [SessionNotes.StoredDocument] = []
    var newMedia: [(input: MediaInput, digest: String)] = []
    /// What the session was before the question added to it; nil where it did not.
    var undo: Undo?

    /// Opens the session, or gets ready to make it with the first question.
    ///
    /// - Throws: also when another model made the session.
    public convenience init(runtime: Runtime, name: String) throws {
        try self.init(runtime: runtime, name: name, library: try SessionStore.standard().library)
    }

    package init(runtime: Runtime, name: String, library: SessionLibrary) throws {
        self.runtime = runtime
        self.name = name
        self.library = library
        fingerprint = try runtime.sessionFingerprint()
        guard SessionLibrary.isName(name) else {
            // The library says what a name is.
            _ = try library.open(name, access: .reading)
            return
        }
        if library.exists(name) { try reopen(.reading) }
    }

    /// What questions are about, in order.
    public var documents: [Document] { (notes.documents + newDocuments).map(\.document) }
    /// Turns that were kept.
    public var messages: [Conversation.Message] { notes.messages }
    /// Tokens that the session has read.
    public var tokenCount: Int { session?.stream.count ?? 0 }
    /// What the session looked at and listened to.
    public var media: MediaReceipt { MediaReceipt(entries: notes.media.map(\.entry)) }

    /// Adds a document, unless the session has read the very same.
    ///
    /// - Returns: whether it is new.
    @discardableResult
    public func add(_ document: Document) -> Bool {
        let stored = SessionNotes.StoredDocument(document)
        guard !(notes.documents + newDocuments).contains(where: { $0.digest == stored.digest }) else { return false }
        newDocuments.append(stored)
        return true
    }

    /// Adds a picture, a recording or a clip, unless the session has looked at the very same in the same way.
    ///
    /// - Returns: whether it is new.
    @discardableResult
    public func add(_ input: MediaInput) throws -> Bool {
        let digest = try input.digest(mediaOptions)
        guard !notes.media.contains(where: { $0.digest == digest }), !newMedia.contains(where: { $0.digest == digest })
        else { return false }
        newMedia.append((input, digest))
        return true
    }

    /// Asks and answers. Parameters and errors are those of ``Conversation/ask(_:maximumTokens:sampling:stopTexts:onProgress:onText:onMedia:)``.
    ///
    /// - Parameter keeps: whether question and answer become part of the session.
    public func ask(
        _ question: String,
        keeps: Bool = false,
        maximumTokens: Int? = 512,
        sampling: SamplingOptions = SamplingOptions(),
        stopTexts: [String] = [],
        onProgress: (PrefillProgress) throws -> Void = { _ in },
        onText: (String) throws -> Bool = { _ in true },
        onMedia: (MediaReceipt.Entry) throws -> Void = { _ in }
    ) throws -> Answer {
        receipt = SessionReceipt(name: name)
        undo = nil
        // A question that failed may have left it closed.
        if session == nil, library.exists(name) { try reopen(.reading) }
        // Others may write between two questions.
        defer { stopWriting() }
        var work = try takingBack { try prepare(question, keeps: keeps, answerTokens: maximumTokens, onMedia) }
        if let reason = work.reasonWithoutWriter { receipt.misses.append(reason) }
        var hasSpoken = false
        // Every round heals one page, so this ends.
        while true {
            do {
                runtime.resetRecallStatistics()
                var table = try takingBack { try read(&work, onProgress) }
                let asked = Prompt.find(
                    question,
                    documents: work.askedDocuments,
                    instruction: instruction,
                    in: work.text,
                    ranges: work.ranges,
                    from: work.stableTokens
                )
                let spoken = try runtime.speak(
                    work.prompt,
                    question: asked,
                    table: &table,
                    maximumTokens: maximumTokens,
                    sampling: sampling,
                    stopTexts: stopTexts,
                    probing: !documents.isEmpty || !notes.media.isEmpty,
                    onProgress: { step in
                        var step = step
                        step.cachedTokens = work.cachedTokens
                        step.seconds += work.seconds
                        try onProgress(step)
                    },
                    onText: { piece in
                        hasSpoken = true
                        return try onText(piece)
                    }
                )
                if keeps { try takingBack { try keep(spoken, question: question, work, table) } }
                receipt.isKept = keeps
                return answer(spoken, work, table)
            } catch let damage as PageDamage {
                // What was shown already cannot be taken back.
                guard !hasSpoken else {
                    throw SessionError(
                        .damaged,
                        name,
                        "\(damage), found while answering",
                        hint: "ask again after 'soranji session verify \(name) --repair'"
                    )
                }
                try tellingForgottenMedia { try takingBack { try heal(damage, work.prompt) } }
            } catch StreamError.forgotten(let source) {
                throw SessionUseError.mediaForgotten(session: name, source: source)
            }
        }
    }

    /// What the session has read, for a film that follows from it.
    func storedPrompt() throws -> StoredPrompt {
        guard let session, session.stream.count > 0 else { throw SessionUseError.noTokens(name) }
        let pending = String(decoding: session.stream.pendingText, as: UTF8.self)
        return StoredPrompt(
            session: session,
            media: notes.media.flatMap(\.rows),
            opening: notes.place == .answer ? "<|im_end|>\n<|im_start|>user\n" : pending
        )
    }

    // MARK: Opening

    func reopen(_ access: StoredSession.Access) throws {
        let opened = try library.open(name, access: access)
        let differences = opened.manifest.fingerprint.differences(from: fingerprint)
        guard differences.isEmpty else {
            let stored = PageLayout.element(storedForm: opened.manifest.fingerprint.layout)?.rawValue
            if differences == [SessionFingerprint.layoutName], let stored, stored != runtime.cacheElement.rawValue {
                throw SessionUseError.otherCache(session: name, stored: stored, asked: runtime.cacheElement.rawValue)
            }
            throw SessionUseError.otherModel(session: name, model: opened.manifest.model, differences: differences)
        }
        try runtime.check(opened)
        notes = try SessionNotes(
            opened.stream,
            session: name,
            columns: runtime.decoder.configuration.hiddenSize
        )
        session = opened
    }

    private func stopWriting() {
        guard session?.access == .writing else { return }
        session = nil
        // What fails here fails again with the next question, which tells why.
        try? reopen(.reading)
    }

    // MARK: Preparing

    /// One question's way.
    struct Work {
        /// All tokens: the session's, and what the question brings along.
        var prompt: TokenStream
        /// The text of all of them, and the bytes that each covers.
        var text: [UInt8]
        var ranges: [Range<Int>]
        /// Tokens that are the session's when the answer begins.
        var stableTokens: Int
        /// Documents that the question is about, as its wording says.
        var askedDocuments: Int
        /// Tokens that were stored when the question came.
        var cachedTokens = 0
        /// Of reading what is stored.
        var seconds = 0.0
        /// Whether the question fails where the session cannot be written to.
        var mustStore: Bool
        /// Why nothing can be stored; nil where it can or need not.
        var reasonWithoutWriter: String?
    }

    private func prepare(
        _ question: String,
        keeps: Bool,
        answerTokens: Int?,
        _ onMedia: (MediaReceipt.Entry) throws -> Void
    ) throws -> Work {
        let brings = !newDocuments.isEmpty || !newMedia.isEmpty
        let isIncomplete = session.map { $0.storedTokens < $0.stream.count } ?? true
        let lacksIndex = session.map(runtime.lacksIndex) ?? false
        var reason: String?
        if session != nil, keeps || brings {
            session = nil
            try reopen(.writing)
        } else if let known = session, isIncomplete || lacksIndex, known.access == .reading {
            do {
                session = nil
                try reopen(.writing)
            } catch let error as SessionError where error.kind == .busy || error.isOfSystem || !isIncomplete {
                try reopen(.reading)
                // An index that cannot be stored is made each time.
                if isIncomplete { reason = Self.reasonWithoutWriter(error) }
            }
        }
        if let systemPrompt, session != nil, notes.systemPrompt != systemPrompt {
            throw SessionUseError.otherSystemPrompt(name)
        }
        let stream = session?.stream ?? SessionStream()
        let maker = SessionPromptMaker(
            runtime: runtime,
            session: name,
            systemPrompt: session == nil ? systemPrompt : notes.systemPrompt
        )
        let texts = newDocuments.map { Prompt.text(of: $0.document) }
        // After an answer the documents of earlier turns are not asked about once more.
        let askedOf = notes.place == .answer ? newDocuments.count : documents.count
        let asked = Prompt.question(question, documents: askedOf, instruction: instruction)
        let media = try readMedia(maker, stream, texts.joined(), asked, answerTokens ?? 1, onMedia)
        let added = try maker.make(
            place: notes.place,
            pending: stream.pendingText,
            keptText: texts.joined(),
            question: asked,
            media: media
        )
        let count = stream.count + added.stream.count
        // What is read for the session is stored chunk by chunk, and mapped from then on.
        let isStored = session == nil || session?.access == .writing
        let mapped =
            isStored ? stream.count + added.stableTokens - runtime.runner.chunkTokens : session?.storedTokens ?? 0
        try runtime.checkRoom(
            promptTokens: count,
            answerTokens: answerTokens,
            mappedTokens: max(0, mapped),
            media: added.stream.media
        )
        let work = Work(
            prompt: TokenStream(
                stored: stream.content,
                media: notes.media.flatMap(\.rows),
                followedBy: added.stream
            ),
            text: stream.text + added.text,
            ranges: Self.ranges(stream.byteEnds)
                + added.ranges.map { $0.lowerBound + stream.text.count..<$0.upperBound + stream.text.count },
            stableTokens: stream.count,
            askedDocuments: askedOf,
            mustStore: keeps || brings,
            reasonWithoutWriter: reason
        )
        guard session == nil || brings else { return work }
        return try append(added, media, work)
    }

    private static func ranges(_ ends: [Int]) -> [Range<Int>] {
        var start = 0
        return ends.map { end in
            defer { start = end }
            return start..<max(start, end)
        }
    }

    /// Writes down what will stay, before it is read: whatever happens then, the session knows what to go on with.
    private func append(_ added: SessionPrompt, _ media: [EncodedMedia], _ work: Work) throws -> Work {
        var work = work
        undo = Undo(self)
        let first = session?.stream.count ?? 0
        let content = work.prompt.prefix(first + added.stableTokens).content
        let stored = zip(media, newMedia).map { SessionNotes.StoredMedia($0, digest: $1.digest) }
        let text = Array(added.text[..<added.endOfStableTokens])
        let entry = StreamEntry(
            firstToken: first,
            tokens: Array(content.tokens[first...]),
            byteEnds: added.ranges[..<added.stableTokens].map { UInt32(clamping: $0.upperBound) },
            positions: content.positions.isEmpty ? [] : Array(content.positions[first...]),
            media: MediaRun.clipped(content.media, to: first..<content.tokens.count),
            text: text,
            pendingText: added.pendingText,
            notes: SessionNotes.json(
                place: .question,
                systemPrompt: session == nil ? systemPrompt : nil,
                documents: newDocuments,
                media: stored,
                text: (session?.stream.text ?? []) + text,
                from: session?.stream.text.count ?? 0
            )
        )
        if session == nil {
            let manifest = try runtime.sessionManifest()
            // It may get its name and yet fail to open.
            undo?.newIdentifier = manifest.identifier
            session = try library.create(name, manifest: manifest)
            receipt.isNew = true
        }
        try session?.append(entry)
        try adoptFromOthers()
        try checkDisk()
        work.stableTokens = first + added.stableTokens
        if let session {
            notes = try SessionNotes(
                session.stream,
                session: name,
                columns: runtime.decoder.configuration.hiddenSize
            )
        }
        newDocuments = []
        newMedia = []
        return work
    }

    /// A new session begins with the pages of another one that reads the same.
    private func adoptFromOthers() throws {
        guard let session, session.pages.isEmpty else { return }
        var search = PrefixSearch()
        try library.locked {
            let found = library.bestPrefix(
                of: session.stream.content,
                limit: session.stream.count,
                fingerprint: fingerprint,
                excluding: name,
                &search
            )
            guard let found else { return }
            let usable = runtime.usableTokens(found.session, limit: found.pages * PageLayout.positions)
            let pages = usable / PageLayout.positions
            guard pages > 0 else { return }
            try session.adopt(found.session, pages: pages)
            receipt.adoptedFrom = found.session.name
            receipt.adoptedTokens = pages * PageLayout.positions
        }
        for candidate in search.candidates.prefix(8) where candidate.name != receipt.adoptedFrom || candidate.pages == 0
        {
            let pages = candidate.pages > 0 ? "the first \(FixedPoint.count(candidate.pages, "page")) only: " : ""
            receipt.misses.append("session '\(candidate.name)': \(pages)\(candidate.reason)")
        }
    }

    /// Decodes and encodes what was added, once it is known to fit.
    private func readMedia(
        _ maker: SessionPromptMaker,
        _ stream: SessionStream,
        _ texts: String,
        _ question: String,
        _ answerTokens: Int,
        _ onMedia: (MediaReceipt.Entry) throws -> Void
    ) throws -> [EncodedMedia] {
        guard !newMedia.isEmpty else { return [] }
        let planner = try runtime.mediaPlanner(mediaOptions)
        let plans = try newMedia.map { try planner.plan($0.input) }
        func count(_ media: [EncodedMedia]) throws -> Int {
            try stream.count
                + maker.textTokenCount(
                    place: notes.place,
                    pending: stream.pendingText,
                    keptText: texts,
                    question: question,
                    media: media
                )
        }
        try runtime.checkBudget(
            plans,
            textTokens: count(plans.map { EncodedMedia(plan: $0) }),
            leastTextTokens: count(plans.map { EncodedMedia(plan: $0.withOneGroup) }),
            answerTokens: answerTokens
        )
        return try runtime.readMedia(plans, planner: planner) { try onMedia($0.entry) }
    }
}

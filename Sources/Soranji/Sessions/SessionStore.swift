import Foundation
import JSONText
import KVCache
import Models
import Sessions

/// The stored sessions of a user.
public struct SessionStore: Sendable {
    package let library: SessionLibrary

    /// - Parameter folder: where sessions lie, one folder each.
    public init(folder: String) { library = SessionLibrary(root: folder) }

    /// The user's own: see ``UserFolders/sessions(environment:)``.
    public static func standard() throws -> SessionStore {
        guard let folder = UserFolders.sessions() else { throw SessionUseError.noFolder }
        return SessionStore(folder: folder)
    }

    public var folder: String { library.root }

    /// One session, as lists show it.
    public struct Summary: Sendable, Equatable {
        public var name: String
        /// What is wrong with it; nil for a session that can be opened.
        public var problem: String?
        public var model = ""
        /// How keys and values are kept, as `--kv` names it; empty where that is not known.
        public var cacheElement = ""
        /// Tokens that were read, and how many of them are stored.
        public var tokens = 0
        public var storedTokens = 0
        public var pages = 0
        /// Bytes on the disk; pages of parents are theirs.
        public var byteCount = 0
        /// Seconds since 1970.
        public var created = 0.0
        public var lastChange = 0.0
        /// Sessions whose pages it uses.
        public var parents: [String] = []

        public var json: JSON {
            var object = JSON.Object([("name", .string(name))])
            if let problem { object["problem"] = .string(problem) }
            object["model"] = .string(model)
            object["kv"] = .string(cacheElement)
            object["tokens"] = .integer(Int64(tokens))
            object["stored_tokens"] = .integer(Int64(storedTokens))
            object["pages"] = .integer(Int64(pages))
            object["bytes"] = .integer(Int64(byteCount))
            object["created"] = .number(created)
            object["last_change"] = .number(lastChange)
            object["parents"] = .array(parents.map(JSON.string))
            return .object(object)
        }
    }

    /// What a session holds.
    public struct Contents: Sendable {
        public var summary: Summary
        public var identifier: String
        public var systemPrompt: String?
        public var documents: [Document]
        public var media: MediaReceipt
        public var messages: [Conversation.Message]
        /// Sessions that use its pages.
        public var forks: [String]
        /// Digests of what it was made with, by name.
        public var fingerprint: [(name: String, value: String)]

        public var json: JSON {
            guard case .object(var object) = summary.json else { return .null }
            object["id"] = .string(identifier)
            object["system"] = systemPrompt.map(JSON.string) ?? .null
            object["documents"] = .array(
                documents.map {
                    [
                        "title": .string($0.title), "source": .string($0.source), "kind": .string($0.kind.rawValue),
                        "bytes": .integer(Int64($0.byteCount)),
                    ]
                }
            )
            object["media"] = media.json["media"] ?? .array([])
            object["messages"] = .array(
                messages.map { ["role": .string($0.role.rawValue), "text": .string($0.text)] }
            )
            object["forks"] = .array(forks.map(JSON.string))
            object["fingerprint"] = .object(JSON.Object(fingerprint.map { ($0.name, .string($0.value)) }))
            return .object(object)
        }
    }

    /// How a session keeps keys and values; nil where there is none of that name, or none that can be read.
    public func cacheElement(of name: String) -> Runtime.CacheElement? {
        library.manifest(name).flatMap { PageLayout.element(storedForm: $0.fingerprint.layout) }
            .flatMap { Runtime.CacheElement(rawValue: $0.rawValue) }
    }

    /// All of them, the last changed first.
    ///
    /// - Throws: where their folder is there and cannot be read.
    public func list() throws -> [Summary] {
        try library.namesWithDamaged().map { name in
            do {
                return summary(try library.open(name, access: .inspecting))
            } catch {
                var summary = Summary(name: name)
                summary.problem = (error as? SessionError)?.reason ?? "\(error)"
                return summary
            }
        }.sorted { ($0.lastChange, $1.name) > ($1.lastChange, $0.name) }
    }

    public func contents(_ name: String) throws -> Contents {
        let session = try library.open(name, access: .reading)
        // Widths matter to those who compute; here nobody does.
        let notes = try SessionNotes(session.stream, session: name, columns: 1)
        let fingerprint = session.manifest.fingerprint
        return Contents(
            summary: summary(session),
            identifier: session.manifest.identifier,
            systemPrompt: notes.systemPrompt,
            documents: notes.documents.map(\.document),
            media: MediaReceipt(entries: notes.media.map(\.entry)),
            messages: notes.messages,
            forks: library.forks(of: session),
            fingerprint: [
                ("weights", fingerprint.weights), ("tokenizer", fingerprint.tokenizer),
                ("positions", fingerprint.positions), ("layout", fingerprint.layout),
            ]
        )
    }

    private func summary(_ session: StoredSession) -> Summary {
        var summary = Summary(name: session.name)
        summary.problem = session.problem
        summary.model = session.manifest.model
        summary.cacheElement = PageLayout.element(storedForm: session.manifest.fingerprint.layout)?.rawValue ?? ""
        summary.tokens = session.stream.count
        summary.storedTokens = session.storedTokens
        summary.pages = session.pages.count
        summary.byteCount = session.diskBytes
        summary.created = Double(session.manifest.created)
        summary.lastChange = session.lastChange
        summary.parents = library.parents(of: session)
        return summary
    }

    /// Makes a session that begins as another one is now, without copying its pages.
    public func fork(_ name: String, as newName: String) throws -> Summary {
        summary(try library.fork(name, as: newName))
    }

    public func export(_ name: String, to path: String, onProgress: (Int, Int) throws -> Void = { _, _ in }) throws {
        try library.export(name, to: path, onProgress: onProgress)
    }

    public func importSession(
        from path: String,
        as name: String,
        onProgress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> Summary {
        summary(try library.importSession(from: path, as: name, onProgress: onProgress))
    }

    /// What became of a session that was removed.
    public struct Removal: Sendable, Equatable {
        public var name: String
        public var freedBytes: Int
        /// Sessions that use its pages, which stay until those are removed.
        public var keptFor: [String]
    }

    /// - Throws: where this is no name for a session.
    public static func checkName(_ name: String) throws { try SessionLibrary.check(name) }

    /// - Throws: where there is no session of this name.
    public func checkExists(_ name: String) throws { try library.checkExists(name) }

    public func remove(_ name: String) throws -> Removal {
        let removal = try library.remove(name)
        return Removal(name: removal.name, freedBytes: removal.freedBytes, keptFor: removal.keptFor)
    }

    /// What reading a whole session found.
    public struct Verification: Sendable, Equatable {
        public struct Damage: Sendable, Equatable {
            public var page: Int?
            public var text: String
            /// Whether answers need what is damaged.
            public var isNeeded: Bool
        }

        public var name: String
        public var damage: [Damage]
        public var notes: [String]
        public var records: Int
        public var byteCount: Int
        public var soundTokens: Int
        public var isSound: Bool { damage.isEmpty }

        public var json: JSON {
            [
                "name": .string(name), "sound": .bool(isSound), "records": .integer(Int64(records)),
                "bytes": .integer(Int64(byteCount)), "sound_tokens": .integer(Int64(soundTokens)),
                "damage": .array(
                    damage.map {
                        [
                            "page": $0.page.map { .integer(Int64($0)) } ?? .null, "text": .string($0.text),
                            "needed": .bool($0.isNeeded),
                        ]
                    }
                ),
                "notes": .array(notes.map(JSON.string)),
            ]
        }
    }

    /// Compares every byte of a session with its checksums.
    ///
    /// - Parameter repairing: cuts off what is damaged; it is read anew when it is needed.
    public func verify(
        _ name: String,
        repairing: Bool = false,
        onProgress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> Verification {
        let found = repairing ? try library.repair(name) : try library.verify(name, onProgress: onProgress)
        return Verification(
            name: found.name,
            damage: found.damage.map { .init(page: $0.page, text: $0.text, isNeeded: $0.isNeeded) },
            notes: found.notes,
            records: found.records,
            byteCount: found.bytes,
            soundTokens: found.soundTokens
        )
    }

    /// What tidying up gave.
    public struct Pruning: Sendable, Equatable {
        public var leftovers: Int
        public var records: Int
        public var freedBytes: Int
        public var busy: [String]
    }

    /// Gives back what nobody uses: unfinished folders, pages of removed sessions without forks, replaced pages.
    public func prune() throws -> Pruning {
        let result = try library.prune()
        return Pruning(
            leftovers: result.leftovers,
            records: result.records,
            freedBytes: result.freedBytes,
            busy: result.busy
        )
    }
}

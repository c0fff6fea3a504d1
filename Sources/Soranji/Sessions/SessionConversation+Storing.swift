import Glibc
import KVCache
import ModelFiles
import Models
import Sessions

extension SessionConversation {
    /// A session before something was added to it.
    struct Undo {
        /// Nil where there was no session yet.
        let mark: StoredSession.Mark?
        /// Identifier of the session that was about to be made; nil where there was one.
        var newIdentifier: String?
        let documents: [SessionNotes.StoredDocument]
        let media: [(input: MediaInput, digest: String)]

        init(_ conversation: SessionConversation) {
            mark = conversation.session?.mark
            documents = conversation.newDocuments
            media = conversation.newMedia
        }
    }

    /// Calls `body`. Where the system refuses to write, the session is then as it was, unless some of what was to be read
    /// is stored already: that stays, and the next question goes on there. Others may have come to use those records.
    func takingBack<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch var error as SessionError where error.isOfSystem {
            guard let undo else { throw error }
            if let session, session.hasNewRecords(since: undo.mark) {
                error.hint = (error.hint.map { $0 + "; " } ?? "") + "the next question goes on from there"
            } else {
                // The first error is the one to tell.
                try? takeBack(undo)
            }
            throw error
        }
    }

    private func takeBack(_ undo: Undo) throws {
        self.undo = nil
        // First of all: what follows may fail as well, and these must not be forgotten then.
        newDocuments = undo.documents
        newMedia = undo.media
        if let mark = undo.mark {
            try session?.rollBack(to: mark)
            session = nil
            try reopen(.reading)
        } else {
            session = nil
            notes = SessionNotes()
            // Another process may have made one of that name meanwhile.
            if let made = undo.newIdentifier, library.manifest(name)?.identifier == made {
                _ = try library.remove(name)
            }
        }
    }

    /// Stores what was read. Where the system refuses, a question that brought nothing goes on without.
    func store(_ table: inout PageTable, _ work: inout Work) throws {
        guard let session, session.access == .writing, work.reasonWithoutWriter == nil else { return }
        do {
            try session.store(&table, upTo: work.stableTokens, runtime: runtime)
            receipt.storedTokens = session.storedTokens - work.cachedTokens
        } catch let error as SessionError where error.isOfSystem && !work.mustStore {
            // Then everything that is not stored must fit into memory.
            do {
                try runtime.checkRoom(
                    promptTokens: work.prompt.count,
                    answerTokens: 1,
                    heldTokens: table.count,
                    mappedTokens: session.storedTokens
                )
            } catch is MemoryRefusal {
                throw error
            }
            let reason = Self.reasonWithoutWriter(error)
            work.reasonWithoutWriter = reason
            receipt.misses.append(reason)
        }
    }

    static func reasonWithoutWriter(_ error: SessionError) -> String {
        if error.kind == .busy { return "another process is writing to the session, so what is read now is not stored" }
        return "\(error), so what is read now is not stored"
    }

    /// Refuses to read what the disk has no room for, before any work.
    func checkDisk() throws(SessionError) {
        guard let session, let freeBytes = FreeDisk.bytes(in: session.folder) else { return }
        func fileBytes(_ tokens: Int) -> Int {
            runtime.memoryPlan(tokens: tokens, mappedTokens: tokens, memoryBytes: 0).fileBytes
        }
        let needed = fileBytes(session.stream.count) - fileBytes(session.storedTokens)
        guard needed > freeBytes else { return }
        throw SessionError(
            .system(ENOSPC),
            name,
            "what is to be read takes \(FixedPoint.bytes(needed)) of files, but \(FixedPoint.bytes(freeBytes)) are free in "
                + library.root,
            hint: "free some disk space, or set SORANJI_SESSIONS to a folder on a larger disk; the session is as it was"
        )
    }
}

import KVCache

/// What a session's files were found to be.
package struct SessionVerification: Sendable, Equatable {
    package struct Damage: Sendable, Equatable {
        /// The page's place in the context; nil for damage that is no page's.
        package var page: Int?
        package var text: String
        /// Whether answers need what is damaged.
        package var isNeeded: Bool
    }

    package var name: String
    package var damage: [Damage] = []
    /// What is no damage, but worth a word.
    package var notes: [String] = []
    /// Records that were read.
    package var records = 0
    package var bytes = 0
    /// Tokens from the beginning on that are sound.
    package var soundTokens = 0

    package var isSound: Bool { damage.isEmpty }
}

extension SessionLibrary {
    /// Reads everything that belongs to a session, and compares it with its checksums. Changes nothing.
    ///
    /// - Parameter onProgress: called with the bytes done and all of them.
    package func verify(
        _ name: String,
        onProgress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> SessionVerification {
        try Self.check(name)
        var result = SessionVerification(name: name)
        guard Folders.exists(folder(name)) else {
            throw SessionError(.missing, name, "there is no session of this name", hint: "soranji session list")
        }
        let session: StoredSession
        do throws(SessionError) {
            session = try open(name, access: .inspecting)
        } catch {
            guard [.damaged, .malformed, .missing, .unsupported].contains(error.kind) else { throw error }
            result.damage.append(.init(page: nil, text: error.reason, isNeeded: true))
            if let hint = error.hint { result.notes.append(hint) }
            return result
        }
        switch session.ending {
        case .clean: break
        case .torn(let bytes):
            result.notes.append(
                "the journal ends with \(bytes) bytes of an entry that was never finished; they are not used"
            )
        case .damaged(let why):
            result.damage.append(
                .init(page: nil, text: "the journal: \(why); nothing after that is used", isNeeded: true)
            )
        }
        let total = (session.usedRecords + session.retired).reduce(0) { $0 + session.end(of: $1) - $1.offset }
        var soundPages = 0
        for (index, entry) in session.pages.enumerated() {
            if let problem = session.problem(reading: entry) {
                result.damage.append(.init(page: index, text: "page \(index): \(problem)", isNeeded: true))
            } else if soundPages == index {
                soundPages += 1
                result.soundTokens += entry.filled
            }
            result.records += 1
            result.bytes += session.end(of: entry) - entry.offset
            try onProgress(result.bytes, total)
        }
        for entry in session.indexBlocks {
            if let problem = session.problem(reading: entry) {
                let first = entry.page * PageIndexBlock.pages
                let place = "pages \(first) to \(first + entry.filled - 1)"
                result.damage.append(.init(page: nil, text: "the index of \(place): \(problem)", isNeeded: true))
            }
            result.records += 1
            result.bytes += session.end(of: entry) - entry.offset
            try onProgress(result.bytes, total)
        }
        for entry in session.retired {
            if let problem = session.problem(reading: entry) {
                let isPage = session.manifest.forms[entry.form].isPage
                let what = isPage ? "page \(entry.page)" : "block \(entry.page) of the index"
                result.damage.append(.init(page: nil, text: "an earlier state of \(what): \(problem)", isNeeded: false))
            }
            result.records += 1
            result.bytes += session.end(of: entry) - entry.offset
            try onProgress(result.bytes, total)
        }
        let extra = (try? session.recordFile.byteCount()).map { $0 - session.recordEnd } ?? 0
        if extra > 0 { result.notes.append("\(extra) bytes of pages have no entry yet; they are not used") }
        let missing = session.stream.count - session.storedTokens
        if missing > 0 { result.notes.append("\(missing) tokens are not computed yet; the next question does it") }
        return result
    }

    /// Cuts a session back to what is sound: the journal to its last good entry, and pages from the first damaged one on.
    /// The stream stays, so what is cut off is computed anew when it is needed; so is a lost index.
    ///
    /// - Returns: what was found before.
    package func repair(_ name: String) throws -> SessionVerification {
        let found = try verify(name)
        guard !found.isSound else { return found }
        let records = folder(name) + "/" + StoredSession.recordName
        if !Folders.exists(records) { _ = try SessionFile(path: records, writing: true, creating: true) }
        try cutJournal(name)
        let session = try open(name, access: .writing)
        let firstDamaged = session.pages.firstIndex { session.problem(reading: $0) != nil }
        if let firstDamaged { try session.forgetPages(from: firstDamaged) }
        let lostBlocks = session.indexBlocks.filter { session.problem(reading: $0) != nil }.map(\.page)
        try session.forgetIndex(lostBlocks)
        let lost = session.retired.filter { session.problem(reading: $0) != nil }.map(\.offset)
        if !lost.isEmpty { try session.commit([.dropped(lost)]) }
        return found
    }

    /// Ends a damaged journal after its last good entry.
    private func cutJournal(_ name: String) throws(SessionError) {
        let inspected = try open(name, access: .inspecting)
        guard case .damaged = inspected.ending else { return }
        guard let lock = try FileLock(path: folder(name) + "/" + StoredSession.writeLockName, .exclusive) else {
            throw SessionError(.busy, name, "another process is writing to it")
        }
        defer { withExtendedLifetime(lock) {} }
        let file = try SessionFile(path: folder(name) + "/" + Journal.name, writing: true)
        try file.truncate(to: inspected.journal.byteCount)
        try file.synchronise()
    }
}

extension StoredSession {
    /// What is wrong with a page's records; nil when they are what was written.
    func problem(reading entry: PageEntry) -> String? {
        do throws(SessionError) {
            let record = try record(entry)
            guard let part = record.firstDamagedPart() else { return nil }
            return part < manifest.forms[entry.form].parts ? "layer \(part) is damaged" : "its end is damaged"
        } catch {
            return "\(error)"
        }
    }

    /// Forgets blocks of the index; they can be made from the pages.
    package func forgetIndex(_ blocks: [Int]) throws(SessionError) {
        guard !blocks.isEmpty else { return }
        try commit([.unindexed(blocks)])
    }

    /// Forgets stored pages; their tokens stay in the stream.
    package func forgetPages(from first: Int) throws(SessionError) {
        guard first < pages.count else { return }
        try commit([.forgotten(first)])
        forgetRegions()
    }
}

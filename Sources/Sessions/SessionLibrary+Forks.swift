import Glibc
import KVCache

extension SessionLibrary {
    /// Makes a session that begins as another one is now. Its pages are that one's: nothing but the journal is copied.
    @discardableResult
    package func fork(_ name: String, as newName: String) throws(SessionError) -> StoredSession {
        try Self.check(newName)
        guard !Folders.exists(folder(newName)) else { throw Self.taken(newName) }
        let lock = try self.lock()
        defer { withExtendedLifetime(lock) {} }
        let parent = try open(name, access: .reading)
        var manifest = parent.manifest
        manifest.identifier = SessionManifest.newIdentifier()
        manifest.created = Int(time(nil))
        let staging = try makeStaging(newName)
        do throws(SessionError) {
            try Self.write(manifest, into: staging)
            let child = try StoredSession(folder: staging, name: newName, access: .writing, library: self)
            for entry in parent.stream.entries() { try child.append(entry) }
            if !parent.pages.isEmpty { try child.adopt(parent, pages: parent.pages.count) }
            try publish(staging, as: newName)
        } catch {
            Folders.removeTree(staging)
            throw error
        }
        return try open(newName, access: .reading)
    }

    static func taken(_ name: String) -> SessionError {
        SessionError(
            .exists,
            name,
            "there is a session of this name already",
            hint: "choose another name, or remove it: soranji session rm \(name)"
        )
    }

    /// Which sessions use records of the one with an identifier, and which records, by their offsets.
    ///
    /// Nil offsets: a session's journal is damaged, so that it may use any.
    func users(of identifier: String) -> [(name: String, offsets: Set<Int>?)] {
        var users: [(name: String, offsets: Set<Int>?)] = []
        for name in names() {
            guard let session = try? open(name, access: .inspecting) else {
                // One that cannot be opened at all has nothing to lose.
                continue
            }
            if session.manifest.identifier == identifier { continue }
            let numbers = session.sources.indices.filter { session.sources[$0].identifier == identifier }
                .map { $0 + 1 }
            if case .damaged = session.ending, !numbers.isEmpty || session.pages.isEmpty {
                users.append((name, nil))
                continue
            }
            let offsets = Set(session.usedRecords.filter { numbers.contains($0.source) }.map(\.offset))
            if !offsets.isEmpty { users.append((name, offsets)) }
        }
        return users
    }

    /// Names of the sessions that use pages of another one.
    package func forks(of session: StoredSession) -> [String] {
        users(of: session.manifest.identifier).map(\.name)
    }

    /// Names of the sessions whose pages a session uses. One that is gone says so: its name may be another's now.
    package func parents(of session: StoredSession) -> [String] {
        session.parents.map { source in
            if manifest(source.name)?.identifier == source.identifier { return source.name }
            return names().first { manifest($0)?.identifier == source.identifier } ?? source.name + " (removed)"
        }
    }

    /// What became of a session that was removed.
    package struct Removal: Sendable, Equatable {
        package var name: String
        /// Bytes of the disk that are free now, those of sessions that nobody uses any more included.
        package var freedBytes: Int
        /// Sessions that use its pages, which therefore stay until they go.
        package var keptFor: [String]
    }

    /// Removes a session. Pages that others use stay, under no name, until those are removed as well.
    package func remove(_ name: String) throws(SessionError) -> Removal {
        let lock = try self.lock()
        defer { withExtendedLifetime(lock) {} }
        try checkExists(name)
        guard let writeLock = try FileLock(path: folder(name) + "/" + StoredSession.writeLockName, .exclusive) else {
            throw SessionError(.busy, name, "another process is writing to it", hint: "wait for it to end")
        }
        defer { withExtendedLifetime(writeLock) {} }
        // Even one whose manifest is damaged can go.
        let identifier = (try? SessionManifest(folder: folder(name)))?.identifier
        let users = identifier.map { self.users(of: $0).map(\.name) } ?? []
        var removal = Removal(name: name, freedBytes: 0, keptFor: users)
        if let identifier, !users.isEmpty {
            let kept = root + "/" + Self.keptName
            try Folders.create(kept)
            guard rename(folder(name), kept + "/" + identifier) == 0 else {
                throw .system(folder(name), "cannot move the session")
            }
            try Folders.synchronise(kept)
        } else {
            removal.freedBytes = Folders.diskBytes(folder(name))
            try discard(folder(name), name)
        }
        try Folders.synchronise(root)
        removal.freedBytes += try sweepKept()
        return removal
    }

    /// Takes a folder's name away before its files go, so that there is never half a session.
    private func discard(_ path: String, _ name: String) throws(SessionError) {
        // No folder is made for it: on a full disk that fails, and removing is what helps.
        let aside = stagingPath(name)
        guard rename(path, aside) == 0 else { throw .system(path, "cannot remove") }
        Folders.removeTree(aside)
    }

    /// Removes sessions without a name whose pages nobody uses any more.
    ///
    /// - Returns: bytes that are free now.
    func sweepKept() throws(SessionError) -> Int {
        let kept = root + "/" + Self.keptName
        var freed = 0
        for identifier in Folders.names(in: kept) where SessionManifest.isIdentifier(identifier) {
            guard users(of: identifier).isEmpty else { continue }
            freed += Folders.diskBytes(kept + "/" + identifier)
            try discard(kept + "/" + identifier, "kept")
        }
        return freed
    }

    /// What tidying up gave.
    package struct Pruning: Sendable, Equatable {
        /// Folders that killed processes left.
        package var leftovers = 0
        /// Records of earlier states that nobody needs.
        package var records = 0
        package var freedBytes = 0
        /// Sessions that were left alone because they are in use.
        package var busy: [String] = []
    }

    /// Gives back what nobody uses: unfinished folders, removed sessions without forks, replaced pages.
    package func prune() throws(SessionError) -> Pruning {
        guard Folders.exists(root) else { return Pruning() }
        let lock = try self.lock()
        defer { withExtendedLifetime(lock) {} }
        var result = Pruning()
        for name in Folders.names(in: root) where name.contains(Self.stagingMark) {
            let path = root + "/" + name
            // Whoever is making it holds its lock.
            guard (try FileLock(path: path + "/" + StoredSession.writeLockName, .exclusive)) != nil else { continue }
            result.freedBytes += Folders.diskBytes(path)
            result.leftovers += 1
            Folders.removeTree(path)
        }
        result.freedBytes += try sweepKept()
        for name in names() {
            let path = folder(name)
            guard let use = try FileLock(path: path + "/" + StoredSession.useLockName, .exclusive) else {
                result.busy.append(name)
                continue
            }
            let session: StoredSession
            let before = Folders.diskBytes(path)
            // Opening it cuts off what a killed writer left.
            defer { result.freedBytes += max(0, before - Folders.diskBytes(path)) }
            do throws(SessionError) {
                session = try StoredSession(folder: path, name: name, access: .writing, library: self, lock: use)
            } catch {
                // Damage is for 'verify' to tell.
                if error.kind == .busy { result.busy.append(name) }
                continue
            }
            guard !session.retired.isEmpty else { continue }
            let users = self.users(of: session.manifest.identifier)
            guard users.allSatisfy({ $0.offsets != nil }) else { continue }
            let used = users.reduce(into: Set(session.usedRecords.filter { $0.source == 0 }.map(\.offset))) {
                $0.formUnion($1.offsets ?? [])
            }
            let unused = session.retired.filter { !used.contains($0.offset) }
            guard !unused.isEmpty else { continue }
            // The entry first: what it names is never read again, whether the space was given back or not.
            try session.commit([.dropped(unused.map(\.offset))])
            for entry in unused {
                try session.recordFile.punchHole(at: entry.offset, count: session.end(of: entry) - entry.offset)
            }
            result.records += unused.count
        }
        return result
    }
}

extension Folders {
    /// Bytes that the files of a folder take on the disk.
    static func diskBytes(_ folder: String) -> Int {
        names(in: folder).reduce(0) { sum, name in
            var status = stat()
            return stat(folder + "/" + name, &status) == 0 ? sum + Int(status.st_blocks) * 512 : sum
        }
    }
}

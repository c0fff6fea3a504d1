import Glibc
import KVCache

/// A session as one file: sections with a head, their bytes and a checksum; pages of parents are among them.
private enum SessionArchive {
    static let magic = Array("soranji session\n".utf8)
    static let version: UInt32 = 1
    /// Name of 8 bytes, length, checksum of both.
    static let headBytes = 20
    static let sections = ["manifest", "journal ", "pages   "]
    static let pieceBytes = 1 << 20

    static func head(_ name: String, _ length: Int) -> [UInt8] {
        var writer = ByteWriter()
        for byte in name.utf8 { writer.put(byte) }
        writer.put(UInt64(length))
        var whole = ByteWriter()
        for byte in writer.bytes { whole.put(byte) }
        whole.put(Checksum.of(writer.bytes))
        return whole.bytes
    }

    static func beginning() -> [UInt8] {
        var writer = ByteWriter()
        for byte in magic { writer.put(byte) }
        writer.put(version)
        return writer.bytes
    }
}

extension SessionLibrary {
    /// Writes a session with all its pages, those of its parents included, into one file, which appears when it is whole.
    ///
    /// - Throws: also when a page is damaged: what is exported is sound.
    package func export(
        _ name: String,
        to path: String,
        onProgress: (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        let session = try open(name, access: .reading)
        let partial = "\(path).\(getpid()).partial"
        guard !Folders.exists(path) else {
            throw SessionError(.exists, path, "there is a file of this name already", hint: "choose another name")
        }
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        guard folder.isEmpty || Folders.isFolder(folder) else {
            throw SessionError(
                .missing,
                path,
                "there is no folder '\(folder)'",
                hint: "make it first: mkdir -p \(folder)"
            )
        }
        do {
            let file = try SessionFile(path: partial, writing: true, creating: true)
            try file.truncate(to: 0)
            try write(session, to: file, onProgress: onProgress)
            try file.synchronise()
            // A link never replaces anything; some file systems have none.
            guard link(partial, path) == 0 || errno != EEXIST && rename(partial, path) == 0 else {
                throw SessionError.system(path, "cannot give the file its name")
            }
            unlink(partial)
        } catch {
            unlink(partial)
            throw error
        }
    }

    private func write(
        _ session: StoredSession,
        to file: SessionFile,
        onProgress: (Int, Int) throws -> Void
    ) throws {
        let manifest = session.manifest
        let records = session.usedRecords
        var pageBytes = 0
        let moved = records.map { entry in
            var entry = entry
            entry.source = 0
            entry.offset = pageBytes
            pageBytes = session.end(of: entry)
            return entry
        }
        let pages = Array(moved.prefix(session.pages.count))
        let blocks = Array(moved.dropFirst(session.pages.count))
        var journal = Journal()
        var journalBytes: [UInt8] = []
        let entries =
            session.stream.entries().map(JournalEntry.stream)
            + (pages.isEmpty ? [] : [.pages(pages, lists: session.lists)])
            + (blocks.isEmpty ? [] : [.index(blocks)])
        for entry in entries {
            let (bytes, checksum) = journal.encoded(entry)
            journalBytes += bytes
            journal.advance(bytes: bytes.count, checksum: checksum)
        }
        var offset = 0
        func put(_ bytes: [UInt8]) throws(SessionError) {
            try file.write(bytes, at: offset)
            offset += bytes.count
        }
        func putChecksum(_ checksum: UInt32) throws(SessionError) {
            var writer = ByteWriter()
            writer.put(checksum)
            try put(writer.bytes)
        }
        func putSection(_ name: String, _ bytes: [UInt8]) throws(SessionError) {
            try put(SessionArchive.head(name, bytes.count))
            try put(bytes)
            try putChecksum(Checksum.of(bytes))
        }
        try put(SessionArchive.beginning())
        try putSection(SessionArchive.sections[0], manifest.bytes)
        try putSection(SessionArchive.sections[1], journalBytes)
        try put(SessionArchive.head(SessionArchive.sections[2], pageBytes))
        var checksum: UInt32 = 0
        for (number, entry) in records.enumerated() {
            let record = try session.record(entry)
            if let part = record.firstDamagedPart() {
                throw SessionError(
                    .damaged,
                    session.name,
                    (number < pages.count ? "page \(number)" : "the index")
                        + ", layer \(part) is damaged, so the session is not exported",
                    hint: "soranji session verify \(session.name) --repair"
                )
            }
            let bytes = UnsafeRawBufferPointer(start: record.bytes, count: session.end(of: entry) - entry.offset)
            try file.write(bytes, at: offset)
            offset += bytes.count
            checksum = Checksum.of(bytes, after: checksum)
            try onProgress(offset, offset - session.end(of: moved[number]) + pageBytes)
        }
        try putChecksum(checksum)
    }

    /// Makes a session of an exported file. Every byte is checked before the session has its name.
    package func importSession(
        from path: String,
        as name: String,
        onProgress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> StoredSession {
        try Self.check(name)
        guard !Folders.exists(folder(name)) else { throw Self.taken(name) }
        guard Folders.exists(path), !Folders.isFolder(path) else {
            throw SessionError(
                .missing,
                path,
                Folders.exists(path) ? "this is a folder, not a file" : "no such file",
                hint: "name a file that 'soranji session export' wrote"
            )
        }
        let file = try SessionFile(path: path, writing: false)
        let size = try file.byteCount()
        func damaged(_ reason: String) -> SessionError {
            SessionError(.damaged, path, reason, hint: "export the session again")
        }
        let beginning = SessionArchive.beginning()
        guard try file.read(at: 0, count: beginning.count) == beginning else {
            throw SessionError(
                .malformed,
                path,
                "not an exported session of this version",
                hint: "name a file that 'soranji session export' of this version wrote"
            )
        }
        var offset = beginning.count
        func section(_ wanted: String) throws(SessionError) -> Int {
            let head = try file.read(at: offset, count: SessionArchive.headBytes)
            var reader = ByteReader(head)
            var name: [UInt8] = []
            for _ in 0..<8 { name.append(reader.number(UInt8.self) ?? 0) }
            guard head.count == SessionArchive.headBytes, name == Array(wanted.utf8),
                let length = reader.count(UInt64.self),
                reader.number(UInt32.self) == Checksum.of(Array(head.dropLast(4))),
                length <= size - offset - SessionArchive.headBytes - 4
            else { throw damaged("it is cut off or damaged") }
            offset += SessionArchive.headBytes
            return length
        }
        func copy(_ length: Int, _ body: ([UInt8], Int) throws -> Void) throws {
            var checksum: UInt32 = 0
            var done = 0
            while done < length {
                let piece = try file.read(at: offset + done, count: min(SessionArchive.pieceBytes, length - done))
                guard !piece.isEmpty else { throw damaged("it is cut off") }
                checksum = Checksum.of(piece, after: checksum)
                try body(piece, done)
                done += piece.count
                try onProgress(offset + done, size)
            }
            var trailer = ByteReader(try file.read(at: offset + length, count: 4))
            guard trailer.number(UInt32.self) == checksum else { throw damaged("a checksum is not that of its bytes") }
            offset += length + 4
        }
        let staging = try makeStaging(name)
        do {
            let manifestLength = try section(SessionArchive.sections[0])
            guard manifestLength <= 1 << 20 else { throw damaged("no manifest") }
            var bytes: [UInt8] = []
            try copy(manifestLength) { piece, _ in bytes += piece }
            var manifest = try SessionManifest(bytes: bytes, path: path)
            // A session of its own: changes to one copy are none to the other.
            manifest.identifier = SessionManifest.newIdentifier()
            try Self.write(manifest, into: staging)
            for (section_, target) in zip(
                SessionArchive.sections.dropFirst(),
                [Journal.name, StoredSession.recordName]
            ) {
                let length = try section(section_)
                let output = try SessionFile(path: staging + "/" + target, writing: true, creating: true)
                try copy(length) { piece, done in try output.write(piece, at: done) }
                try output.synchronise()
            }
            guard offset == size else { throw damaged("it has \(size - offset) bytes more than it should") }
            try checkStaged(staging, name, path)
            try publish(staging, as: name)
        } catch {
            Folders.removeTree(staging)
            throw error
        }
        return try open(name, access: .reading)
    }

    private func checkStaged(_ staging: String, _ name: String, _ path: String) throws {
        let session = try StoredSession(folder: staging, name: name, access: .reading, library: self)
        guard session.ending == .clean, session.sources.isEmpty else {
            throw SessionError(.damaged, path, "its journal is not whole", hint: "export the session again")
        }
        for entry in session.usedRecords {
            if let problem = session.problem(reading: entry) {
                let what = session.manifest.forms[entry.form].isPage ? "page" : "index block"
                throw SessionError(
                    .damaged,
                    path,
                    "\(what) \(entry.page): \(problem)",
                    hint: "export the session again"
                )
            }
        }
    }
}

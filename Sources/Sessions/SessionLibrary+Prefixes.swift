import Glibc
import KVCache

/// What the sessions begin with, as hashes of their pages: `.prefixes` in the folder of sessions.
///
/// Only a help: what is missing, old or damaged in it is made anew from the journals, and what it finds is compared token
/// by token.
private struct PrefixFile {
    struct Session: Equatable {
        var identifier: String
        /// Bytes of the journal that the hashes were made from.
        var journalBytes: Int
        var hashes: [UInt64]
    }

    static let name = ".prefixes"
    private static let magic: UInt32 = 0x3150_4A53
    private static let maximumBytes = 256 << 20
    var sessions: [Session] = []

    init(root: String) {
        guard let file = try? SessionFile(path: root + "/" + Self.name, writing: false),
            let size = try? file.byteCount(), size >= 12, size <= Self.maximumBytes,
            let bytes = try? file.read(at: 0, count: size), bytes.count == size
        else { return }
        var trailer = ByteReader(Array(bytes.suffix(4)))
        let body = Array(bytes.dropLast(4))
        guard trailer.number(UInt32.self) == Checksum.of(body) else { return }
        var reader = ByteReader(body)
        guard reader.number(UInt32.self) == Self.magic, let count = reader.count(UInt32.self) else { return }
        var sessions: [Session] = []
        for _ in 0..<count {
            guard let identifier = reader.string(), let journalBytes = reader.count(UInt64.self),
                let hashCount = reader.count(UInt32.self), hashCount <= reader.left / 8
            else { return }
            let hashes = (0..<hashCount).compactMap { _ in reader.number(UInt64.self) }
            sessions.append(Session(identifier: identifier, journalBytes: journalBytes, hashes: hashes))
        }
        self.sessions = sessions
    }

    /// Replaces the file. A disk that is full or read-only does no harm.
    func save(root: String) {
        var writer = ByteWriter()
        writer.put(Self.magic)
        writer.put(UInt32(sessions.count))
        for session in sessions {
            writer.put(session.identifier)
            writer.put(UInt64(session.journalBytes))
            writer.put(UInt32(session.hashes.count))
            for hash in session.hashes { writer.put(hash) }
        }
        var trailer = ByteWriter()
        trailer.put(Checksum.of(writer.bytes))
        let partial = "\(root)/\(Self.name)-\(getpid())"
        guard let file = try? SessionFile(path: partial, writing: true, creating: true),
            (try? file.truncate(to: 0)) != nil, (try? file.write(writer.bytes + trailer.bytes, at: 0)) != nil,
            rename(partial, root + "/" + Self.name) == 0
        else {
            unlink(partial)
            return
        }
    }
}

/// What a look for sessions that begin alike gave.
package struct PrefixSearch: Sendable, Equatable {
    package struct Candidate: Sendable, Equatable {
        package var name: String
        /// Full pages that are the same.
        package var pages: Int
        /// Why there are no more of them.
        package var reason: String
    }

    /// All sessions that were looked at, the best first.
    package var candidates: [Candidate] = []

    package init() {}
}

extension SessionLibrary {
    /// Looks for the stored session that has the most pages in common with the beginning of `content`.
    ///
    /// - Parameters:
    ///   - limit: tokens of `content` that may be taken over.
    ///   - excluded: the name of a session that is not looked at.
    ///   - search: takes what was looked at, also when nothing is found.
    /// - Returns: the session and the number of its full pages that are the same, where there is one.
    package func bestPrefix(
        of content: ContextContent,
        limit: Int,
        fingerprint: SessionFingerprint,
        excluding excluded: String?,
        _ search: inout PrefixSearch
    ) -> (session: StoredSession, pages: Int)? {
        let limit = min(limit, content.tokens.count)
        let wanted = PrefixIndex.hashes(of: content, pages: limit / PageLayout.positions)
        var file = PrefixFile(root: root)
        let before = file.sessions
        file.sessions = []
        var matches: [(name: String, pages: Int)] = []
        for name in names() {
            guard let manifest = try? SessionManifest(folder: folder(name)) else {
                search.candidates.append(.init(name: name, pages: 0, reason: "its manifest cannot be read"))
                continue
            }
            var status = stat()
            let size = stat(folder(name) + "/" + Journal.name, &status) == 0 ? Int(status.st_size) : -1
            let known = before.first { $0.identifier == manifest.identifier && $0.journalBytes == size }
            let hashes: [UInt64]
            if let known {
                hashes = known.hashes
            } else if let session = try? open(name, access: .inspecting) {
                let full = session.pages.prefix { $0.filled == PageLayout.positions }.count
                hashes = PrefixIndex.hashes(of: session.stream.content, pages: full)
            } else {
                search.candidates.append(.init(name: name, pages: 0, reason: "it cannot be read"))
                continue
            }
            file.sessions.append(.init(identifier: manifest.identifier, journalBytes: size, hashes: hashes))
            guard name != excluded else { continue }
            let differences = manifest.fingerprint.differences(from: fingerprint)
            guard differences.isEmpty else {
                let reason = "made with \(manifest.model): other \(differences.joined(separator: ", "))"
                search.candidates.append(.init(name: name, pages: 0, reason: reason))
                continue
            }
            let common = zip(hashes, wanted).prefix { $0 == $1 }.count
            let reason =
                common == wanted.count
                ? "all full pages are the same"
                : common == hashes.count
                    ? "it has no more full pages"
                    : "from page \(common) on (token \(common * PageLayout.positions)) it reads otherwise"
            search.candidates.append(.init(name: name, pages: common, reason: reason))
            if common > 0 { matches.append((name, common)) }
        }
        if file.sessions != before { file.save(root: root) }
        search.candidates.sort { ($0.pages, $1.name) > ($1.pages, $0.name) }
        for match in matches.sorted(by: { ($0.pages, $1.name) > ($1.pages, $0.name) }) {
            guard let session = try? open(match.name, access: .reading) else { continue }
            let common = session.stream.content.commonPrefix(with: content, limit: match.pages * PageLayout.positions)
            let pages = min(common / PageLayout.positions, session.pages.count)
            if pages > 0 { return (session, pages) }
        }
        return nil
    }
}

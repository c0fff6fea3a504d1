import Glibc
import KVCache

/// All sessions of a user: a folder with one folder per session.
///
/// What the names of folders begin with a dot is the library's own: `.lock`, `.prefixes`, and under `.kept` sessions that
/// were removed while others use their pages.
package struct SessionLibrary: Sendable {
    package let root: String

    package init(root: String) { self.root = root }

    static let keptName = ".kept"
    static let lockName = ".lock"
    /// What is being made and has no name yet.
    static let stagingMark = ".partial-"

    // MARK: Names

    /// Names are folders' names: letters, digits, and `.`, `_`, `-`, `+`, `@`, not first a dot, at most 100 bytes.
    package static func isName(_ name: String) -> Bool {
        let allowed = name.unicodeScalars.allSatisfy { scalar in
            "._-+@".unicodeScalars.contains(scalar) || scalar.properties.isAlphabetic
                || scalar.properties.numericType != nil
        }
        return !name.isEmpty && name.utf8.count <= 100 && allowed && !name.hasPrefix(".") && !name.hasPrefix("-")
            && !name.contains(stagingMark)
    }

    package static func check(_ name: String) throws(SessionError) {
        guard isName(name) else {
            throw SessionError(
                .invalidName,
                "'\(name)'",
                "no name for a session",
                hint:
                    "use letters, digits, '.', '_', '-', '+' and '@', at most 100 bytes of them, beginning with one of the first two"
            )
        }
    }

    func folder(_ name: String) -> String { root + "/" + name }

    /// Names of all sessions, sorted.
    package func names() -> [String] {
        Folders.names(in: root).filter { Self.isName($0) && Folders.exists(folder($0) + "/" + SessionManifest.name) }
    }

    /// Names of all sessions and of what is left of damaged ones, sorted.
    ///
    /// - Throws: where the folder of sessions is there and cannot be read.
    package func namesWithDamaged() throws(SessionError) -> [String] {
        guard let directory = opendir(root) else {
            let code = errno
            if code == ENOENT { return [] }
            var error = SessionError.system(root, "cannot read the folder of sessions", code: code)
            if code == ENOTDIR { error.hint = "SORANJI_SESSIONS names another folder for sessions" }
            throw error
        }
        closedir(directory)
        let files = [SessionManifest.name, Journal.name, StoredSession.recordName]
        return Folders.names(in: root).filter { name in
            Self.isName(name) && files.contains { Folders.exists(folder(name) + "/" + $0) }
        }
    }

    package func exists(_ name: String) -> Bool {
        Self.isName(name) && Folders.exists(folder(name) + "/" + SessionManifest.name)
    }

    /// - Throws: where there is no session of this name, not even a damaged one.
    package func checkExists(_ name: String) throws(SessionError) {
        try Self.check(name)
        guard Folders.exists(folder(name)) else {
            throw SessionError(.missing, name, "there is no session of this name", hint: "soranji session list")
        }
    }

    /// What never changes about a session; nil where there is none of this name, or it cannot be read.
    package func manifest(_ name: String) -> SessionManifest? {
        exists(name) ? try? SessionManifest(folder: folder(name)) : nil
    }

    // MARK: Opening and making

    package func open(_ name: String, access: StoredSession.Access) throws(SessionError) -> StoredSession {
        try checkExists(name)
        return try StoredSession(folder: folder(name), name: name, access: access, library: self)
    }

    /// Makes an empty session and opens it for writing.
    package func create(_ name: String, manifest: SessionManifest) throws(SessionError) -> StoredSession {
        try Self.check(name)
        let staging = try makeStaging(name)
        do throws(SessionError) {
            try Self.write(manifest, into: staging)
            try publish(staging, as: name)
        } catch {
            Folders.removeTree(staging)
            throw error
        }
        return try open(name, access: .writing)
    }

    /// Makes an empty folder that has no session's name.
    func makeStaging(_ name: String) throws(SessionError) -> String {
        do {
            try Folders.create(root)
        } catch {
            // What is wrong is the place that was chosen for all of them.
            var error = error
            error.hint = error.hint ?? "SORANJI_SESSIONS names another folder for sessions"
            throw error
        }
        let path = stagingPath(name)
        guard mkdir(path, 0o700) == 0 else { throw .system(root, "cannot make a folder in it") }
        return path
    }

    /// Where a session lies before it has its name, or when it has lost it: another place each time.
    func stagingPath(_ name: String) -> String {
        "\(root)/\(name)\(Self.stagingMark)\(SessionManifest.newIdentifier())"
    }

    /// Writes an empty session's files.
    static func write(_ manifest: SessionManifest, into folder: String) throws(SessionError) {
        for name in [Journal.name, StoredSession.recordName, StoredSession.useLockName, StoredSession.writeLockName] {
            let file = try SessionFile(path: folder + "/" + name, writing: true, creating: true)
            try file.synchronise()
        }
        let file = try SessionFile(path: folder + "/" + SessionManifest.name, writing: true, creating: true)
        try file.write(manifest.bytes, at: 0)
        try file.synchronise()
        try Folders.synchronise(folder)
    }

    /// Gives a finished folder its name, if no session has it.
    func publish(_ staging: String, as name: String) throws(SessionError) {
        // A rename only ever replaces an empty folder.
        guard rename(staging, folder(name)) == 0 else {
            let code = errno
            guard code == EEXIST || code == ENOTEMPTY || code == ENOTDIR else {
                throw .system(folder(name), "cannot give the session its name", code: code)
            }
            throw Self.taken(name)
        }
        try Folders.synchronise(root)
    }

    /// The session that has an identifier, under whatever name; also one that was removed while others use it.
    func find(identifier: String, access: StoredSession.Access) throws(SessionError) -> StoredSession? {
        guard SessionManifest.isIdentifier(identifier) else { return nil }
        let kept = "\(root)/\(Self.keptName)/\(identifier)"
        if Folders.exists(kept) {
            return try StoredSession(folder: kept, name: identifier, access: access, library: self)
        }
        for name in names() {
            guard let manifest = try? SessionManifest(folder: folder(name)), manifest.identifier == identifier else {
                continue
            }
            return try StoredSession(folder: folder(name), name: name, access: access, library: self)
        }
        return nil
    }

    /// Calls `body` while no other process makes references between sessions or removes any.
    package func locked<Value>(_ body: () throws -> Value) throws -> Value {
        let lock = try self.lock()
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    /// Held while references between sessions are made, and while sessions go.
    func lock() throws(SessionError) -> FileLock {
        try Folders.create(root)
        guard let lock = try FileLock(path: root + "/" + Self.lockName, .exclusive, waiting: true) else {
            throw SessionError(.busy, root, "the folder of sessions is locked")
        }
        return lock
    }
}

/// Folders, without Foundation.
enum Folders {
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0
    }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names of what lies in a folder, sorted; none where it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Makes a folder and those above it, for this user alone where they are new.
    static func create(_ path: String) throws(SessionError) {
        if mkdir(path, 0o700) == 0 { return }
        let code = errno
        if code == EEXIST {
            guard isFolder(path) else { throw SessionError(.system(ENOTDIR), path, "this is a file, not a folder") }
            return
        }
        guard code == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw .system(path, "cannot make the folder", code: code)
        }
        try create(String(path[..<slash]))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system(path, "cannot make the folder") }
    }

    /// Removes a folder and the files in it; sessions have no folders inside.
    static func removeTree(_ folder: String) {
        for name in names(in: folder) { unlink(folder + "/" + name) }
        rmdir(folder)
    }

    /// Makes names in a folder durable.
    static func synchronise(_ folder: String) throws(SessionError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(folder, "cannot open") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw .system(folder, "cannot write") }
    }
}

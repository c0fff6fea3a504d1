import Glibc

/// A folder that becomes visible under its final name only when it is complete.
///
/// It is made beside the target as `NAME.partial-PID` and locked (`flock` on the folder itself), so that another process,
/// or a later one in another container with the same process number, can tell a folder in use from one that a killed
/// import left behind, and removes the latter.
final class StagingFolder {
    let target: String
    let path: String
    private let descriptor: Int32
    private var isCommitted = false
    /// Folders above the target that were not there before, outermost first.
    private let madeParents: [String]

    /// Makes the folder, and its parents where they are missing (they go again with an import that fails); removes what dead imports of the same target left.
    init(target: String) throws(ModelFileError) {
        let target = Paths.trimmed(target)
        let parent = Paths.folder(target)
        madeParents = try Self.makeFolders(parent)
        Self.removeStale(target: target, parent: parent)
        var attempt = 0
        while true {
            let path = "\(target).partial-\(getpid())" + (attempt == 0 ? "" : "-\(attempt)")
            attempt += 1
            guard mkdir(path, 0o755) == 0 else {
                if errno == EEXIST, attempt < 1000 { continue }
                throw .system(path, "cannot make the folder")
            }
            if let descriptor = Self.lock(path) {
                self.target = target
                self.path = path
                self.descriptor = descriptor
                return
            }
            // Someone took it for a left-over in the instant before it was locked.
            guard attempt < 1000 else { throw .system(path, "cannot lock the folder") }
        }
    }

    deinit {
        if !isCommitted {
            try? Self.removeTree(path)
            // Only empty ones can be removed: another import may have come to use them.
            for folder in madeParents.reversed() { rmdir(folder) }
        }
        close(descriptor)
    }

    /// Makes a folder inside, and the ones above it.
    func makeFolder(_ name: String) throws(ModelFileError) { try Self.makeFolders(path + "/" + name) }

    /// Writes a whole file and makes it durable.
    func write(_ bytes: [UInt8], to name: String) throws(ModelFileError) {
        let file = try OutputDescriptor(path: path + "/" + name)
        try bytes.withUnsafeBytesTyped { buffer throws(ModelFileError) in try file.write(buffer, at: 0) }
        try file.finish()
    }

    /// Copies a file in; symbolic links are followed.
    func copy(_ source: String, to name: String) throws(ModelFileError) {
        let input = try MappedFile(path: source)
        let file = try OutputDescriptor(path: path + "/" + name)
        try input.withBytes { bytes throws(ModelFileError) in try file.write(bytes, at: 0) }
        try file.finish()
    }

    /// Makes every folder durable, then gives the folder its final name.
    ///
    /// - Parameter replacing: an existing bundle at the target is moved aside and removed afterwards. Nothing but a bundle
    ///   or an empty folder is ever replaced.
    func commit(replacing: Bool) throws(ModelFileError) {
        try Self.synchronise(path)
        try Self.checkTarget(target, replacing: replacing)
        if Paths.exists(target), !Paths.isEmptyFolder(target) {
            let aside = path + "-replaced"
            guard rename(target, aside) == 0 else { throw .system(target, "cannot move the old bundle aside") }
            guard rename(path, target) == 0 else {
                let code = errno
                rename(aside, target)
                throw .system(target, "cannot put the bundle in place", code: code)
            }
            isCommitted = true
            Self.synchroniseFolder(Paths.folder(target))
            try Self.removeTree(aside)
            return
        }
        guard rename(path, target) == 0 else {
            if errno == ENOTEMPTY || errno == EEXIST { throw Self.exists(target) }
            throw .system(target, "cannot put the bundle in place")
        }
        isCommitted = true
        Self.synchroniseFolder(Paths.folder(target))
    }

    /// Throws unless a bundle may be put at `target`.
    static func checkTarget(_ target: String, replacing: Bool) throws(ModelFileError) {
        guard Paths.exists(target), !Paths.isEmptyFolder(target) else { return }
        guard replacing else { throw exists(target) }
        guard Bundle.exists(at: target) else {
            throw ModelFileError(
                .exists,
                target,
                "exists and is not a bundle, so it is not replaced",
                hint: "Choose another name."
            )
        }
    }

    private static func exists(_ target: String) -> ModelFileError {
        ModelFileError(.exists, target, "exists already", hint: "Choose another name, or replace it with --force.")
    }

    // MARK: - Folders

    /// - Returns: those that were not there, outermost first.
    @discardableResult
    private static func makeFolders(_ path: String) throws(ModelFileError) -> [String] {
        if Paths.isFolder(path) { return [] }
        let parent = Paths.folder(path)
        let made = parent == path ? [] : try makeFolders(parent)
        if mkdir(path, 0o755) == 0 { return made + [path] }
        guard errno == EEXIST, Paths.isFolder(path) else {
            let code = errno
            for folder in made.reversed() { rmdir(folder) }
            throw .system(path, "cannot make the folder", code: code)
        }
        return made
    }

    /// Locks a folder; nil when somebody else holds it or it is no longer the one at that path.
    private static func lock(_ path: String) -> Int32? {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var locked = stat()
        var present = stat()
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &locked) == 0, lstat(path, &present) == 0,
            locked.st_ino == present.st_ino, locked.st_dev == present.st_dev
        else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private static func removeStale(target: String, parent: String) {
        let prefix = Paths.name(target) + ".partial-"
        guard let names = try? Paths.list(parent) else { return }
        for name in names where name.hasPrefix(prefix) { removeIfStale(parent + "/" + name) }
    }

    /// - Returns: whether it was nobody's and is gone.
    @discardableResult
    static func removeIfStale(_ path: String) -> Bool {
        guard let descriptor = lock(path) else { return false }
        defer { close(descriptor) }
        return (try? removeTree(path)) != nil
    }

    /// Removes a folder with everything in it; symbolic links are removed, never followed.
    static func removeTree(_ path: String, depth: Int = 0) throws(ModelFileError) {
        guard depth < 64 else { throw ModelFileError(.unreadable, path, "folders nested too deep to remove") }
        for name in try Paths.list(path) {
            let entry = path + "/" + name
            var status = stat()
            guard lstat(entry, &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                try removeTree(entry, depth: depth + 1)
            } else if unlink(entry) != 0, errno != ENOENT {
                throw .system(entry, "cannot remove")
            }
        }
        guard rmdir(path) == 0 || errno == ENOENT else { throw .system(path, "cannot remove") }
    }

    /// Makes the entries of a folder, and of those inside it, durable. The files were made so when they were closed.
    private static func synchronise(_ path: String) throws(ModelFileError) {
        for name in try Paths.list(path) where Paths.isFolder(path + "/" + name) { try synchronise(path + "/" + name) }
        guard synchroniseFolder(path) else { throw .system(path, "cannot make the folder durable") }
    }

    @discardableResult
    private static func synchroniseFolder(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // Some file systems cannot synchronise folders and say so with EINVAL.
        return fsync(descriptor) == 0 || errno == EINVAL
    }
}

/// A file being written; several threads may write different ranges.
final class OutputDescriptor: Sendable {
    let path: String
    private let descriptor: Int32

    init(path: String) throws(ModelFileError) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        self.path = path
        guard descriptor >= 0 else { throw .system(path, "cannot create") }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(ModelFileError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = pwrite(descriptor, rest.baseAddress, min(rest.count, 1 << 30), off_t(offset + done))
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                throw .system(path, "cannot write", code: count == 0 ? ENOSPC : errno)
            }
            done += count
        }
    }

    /// Makes the contents durable.
    func finish() throws(ModelFileError) {
        guard fsync(descriptor) == 0 else { throw .system(path, "cannot write to the disk") }
    }
}

extension Array where Element == UInt8 {
    /// `withUnsafeBytes` that keeps the error's type.
    func withUnsafeBytesTyped<Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let result: Result<Void, Failure> = withUnsafeBytes { buffer in
            do throws(Failure) {
                return .success(try body(buffer))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}

import Glibc

/// A file that appears under its name only when it is complete.
///
/// Bytes go to a temporary file in the same folder; ``commit(replacing:)`` makes them durable and renames. Dropped without
/// a commit, nothing is left behind and an earlier file of that name is untouched. A symbolic link stays one: the file
/// that it names is replaced. Devices and pipes cannot be replaced, so they are written to directly.
package struct AtomicFile: ~Copyable {
    package let path: String
    /// Where the file will be: ``path`` with links followed.
    private let finalPath: String
    /// Nil for a device or pipe.
    private let temporaryPath: String?
    private let descriptor: Int32

    /// Creates the temporary file beside `path`. The final file gets `mode` less the process's umask.
    package init(path: String, mode: mode_t = 0o666) throws(SystemError) {
        let opened = try Self.open(path, mode)
        self.path = path
        finalPath = opened.finalPath
        temporaryPath = opened.temporaryPath
        descriptor = opened.descriptor
    }

    private static func open(
        _ path: String,
        _ mode: mode_t
    ) throws(SystemError) -> (finalPath: String, temporaryPath: String?, descriptor: Int32) {
        var status = stat()
        let isThere = stat(path, &status) == 0
        if isThere, status.st_mode & S_IFMT != S_IFREG, status.st_mode & S_IFMT != S_IFDIR {
            let descriptor = Glibc.open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw SystemError("open", path) }
            return (path, nil, descriptor)
        }
        let finalPath = isThere ? resolved(path) : path
        // A name that no other process uses at this moment; O_EXCL settles the rest.
        for attempt in 0..<100 {
            let candidate = "\(finalPath).\(getpid())-\(attempt).partial"
            let descriptor = Glibc.open(candidate, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode)
            if descriptor >= 0 { return (finalPath, candidate, descriptor) }
            if errno != EEXIST { break }
        }
        throw SystemError("create", path)
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    /// Appends bytes at the current position.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var offset = 0
        while offset < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let written = retryingInterrupts { Glibc.write(descriptor, rest.baseAddress, rest.count) }
            guard written > 0 else { throw SystemError("write", path) }
            offset += written
        }
    }

    package func write(_ bytes: [UInt8]) throws(SystemError) {
        let result: Result<Void, SystemError> = bytes.withUnsafeBytes { buffer in
            do throws(SystemError) {
                return .success(try write(buffer))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Overwrites bytes at the start of the file; the position for ``write(_:)`` stays.
    package func rewriteStart(_ bytes: [UInt8]) throws(SystemError) {
        let written = bytes.withUnsafeBytes { buffer in
            retryingInterrupts { pwrite(descriptor, buffer.baseAddress, buffer.count, 0) }
        }
        guard written == bytes.count else { throw SystemError("write", path) }
    }

    /// Makes the bytes durable and gives the file its name.
    ///
    /// - Parameter replacing: whether an earlier file of that name may be replaced; otherwise it is an error (`EEXIST`).
    package consuming func commit(replacing: Bool = true) throws(SystemError) {
        guard let temporaryPath else { return }
        guard fsync(descriptor) == 0 else { throw SystemError("write", path) }
        if !replacing {
            // Unlike a rename, a link never replaces anything.
            if link(temporaryPath, finalPath) == 0 { return }
            let code = errno
            var status = stat()
            // Some file systems have no links.
            let hasLinks = code != EPERM && code != ENOTSUP && code != ENOSYS
            if hasLinks || lstat(finalPath, &status) == 0 {
                throw SystemError("create", path, code: hasLinks ? code : EEXIST)
            }
        }
        guard rename(temporaryPath, finalPath) == 0 else { throw SystemError("rename to", path) }
    }

    deinit {
        close(descriptor)
        // After a rename the temporary name is gone already, and this does nothing.
        if let temporaryPath { unlink(temporaryPath) }
    }
}

extension AtomicFile {
    /// Writes a whole file at once, atomically.
    package static func write(
        _ bytes: [UInt8],
        to path: String,
        mode: mode_t = 0o666,
        replacing: Bool = true
    ) throws(SystemError) {
        let file = try AtomicFile(path: path, mode: mode)
        try file.write(bytes)
        try file.commit(replacing: replacing)
    }
}

import Glibc

/// A file that appears under its name only when it is complete.
///
/// Bytes go to a temporary file in the same folder; ``commit()`` makes them durable and renames. Dropped without a
/// commit, nothing is left behind and an earlier file of that name is untouched.
package struct AtomicFile: ~Copyable {
    package let path: String
    private let temporaryPath: String
    private let descriptor: Int32

    /// Creates the temporary file beside `path`. The final file gets `mode` less the process's umask.
    package init(path: String, mode: mode_t = 0o666) throws(SystemError) {
        self.path = path
        var candidate = ""
        var descriptor: Int32 = -1
        // A name that no other process uses at this moment; O_EXCL settles the rest.
        for attempt in 0..<100 {
            candidate = "\(path).\(getpid())-\(attempt).partial"
            descriptor = open(candidate, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode)
            if descriptor >= 0 || errno != EEXIST { break }
        }
        guard descriptor >= 0 else { throw SystemError("create", path) }
        self.temporaryPath = candidate
        self.descriptor = descriptor
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

    /// Makes the bytes durable and gives the file its name, replacing an earlier one.
    package consuming func commit() throws(SystemError) {
        guard fsync(descriptor) == 0 else { throw SystemError("write", path) }
        guard rename(temporaryPath, path) == 0 else { throw SystemError("rename to", path) }
    }

    deinit {
        close(descriptor)
        // After a commit the temporary name is gone already, and this does nothing.
        unlink(temporaryPath)
    }
}

extension AtomicFile {
    /// Writes a whole file at once, atomically.
    package static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o666) throws(SystemError) {
        let file = try AtomicFile(path: path, mode: mode)
        try file.write(bytes)
        try file.commit()
    }
}

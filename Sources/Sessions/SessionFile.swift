import Glibc

/// One file of a session: read and written at given places, made durable on demand.
final class SessionFile: Sendable {
    let path: String
    private let descriptor: Int32

    /// - Parameter creating: made where it is missing.
    init(path: String, writing: Bool, creating: Bool = false) throws(SessionError) {
        // Non-blocking, so that a named pipe is refused below instead of waited for.
        var flags = (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK
        if creating { flags |= O_CREAT }
        descriptor = open(path, flags, 0o600)
        self.path = path
        guard descriptor >= 0 else {
            if errno == ENOENT { throw SessionError(.missing, path, "no such file") }
            throw .system(path, "cannot open")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw SessionError(.malformed, path, "not a regular file")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func byteCount() throws(SessionError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(path, "cannot read its size") }
        return Int(status.st_size)
    }

    /// Bytes that it takes on the disk: less than its size where it has holes.
    func allocatedBytes() -> Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_blocks) * 512 : 0
    }

    /// Seconds since 1970.
    func changeTime() -> Double {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return 0 }
        return Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) * 1e-9
    }

    /// - Returns: fewer bytes only where the file ends.
    func read(at offset: Int, count: Int) throws(SessionError) -> [UInt8] {
        var failure: SessionError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let wanted = min(count - filled, 1 << 30)
                let got = pread(descriptor, buffer.baseAddress.map { $0 + filled }, wanted, off_t(offset + filled))
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = .system(path, "cannot read") }
                if got <= 0 { break }
                filled += got
            }
        }
        if let failure { throw failure }
        return bytes
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SessionError) {
        var done = 0
        while done < bytes.count {
            let wanted = min(bytes.count - done, 1 << 30)
            let got = pwrite(descriptor, bytes.baseAddress.map { $0 + done }, wanted, off_t(offset + done))
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw .system(path, "cannot write") }
            done += got
        }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(SessionError) {
        let result: Result<Void, SessionError> = bytes.withUnsafeBytes { buffer in
            Result { () throws(SessionError) in try write(buffer, at: offset) }
        }
        try result.get()
    }

    func truncate(to count: Int) throws(SessionError) {
        guard ftruncate(descriptor, off_t(count)) == 0 else { throw .system(path, "cannot cut") }
    }

    /// Waits until what was written is on the disk.
    func synchronise() throws(SessionError) {
        guard fdatasync(descriptor) == 0 else { throw .system(path, "cannot write") }
    }

    /// Gives the space of a range back; it reads as zeros then.
    func punchHole(at offset: Int, count: Int) throws(SessionError) {
        guard count > 0 else { return }
        let address = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, off_t(offset))
        guard let address, address != MAP_FAILED else { throw .system(path, "cannot map") }
        defer { munmap(address, count) }
        // MADV_REMOVE: the same as fallocate's FALLOC_FL_PUNCH_HOLE.
        guard madvise(address, count, 9) == 0 else { throw .system(path, "cannot give space back") }
    }

    /// Maps a range, which begins at a multiple of 4,096, to read it.
    func map(at offset: Int, count: Int) throws(SessionError) -> MappedRegion {
        guard offset >= 0, count > 0, offset % 4096 == 0, try byteCount() - offset >= count else {
            throw SessionError(.damaged, path, "it is shorter than its journal says")
        }
        let address = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, off_t(offset))
        guard let address, address != MAP_FAILED else { throw .system(path, "cannot map") }
        return MappedRegion(base: address, count: count)
    }
}

/// A part of a file in memory, read-only; unmapped with the last reference.
final class MappedRegion: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let count: Int

    fileprivate init(base: UnsafeMutableRawPointer, count: Int) {
        self.base = base
        self.count = count
    }

    deinit { munmap(base, count) }

    /// Announces that a range will be read.
    func willNeed(_ offset: Int, count: Int) {
        let begin = offset & ~4095
        madvise(base + begin, min(self.count, offset + count) - begin, MADV_WILLNEED)
    }
}

/// An advisory lock on a file of its own; let go with the last reference, also when the process ends in any way.
final class FileLock: Sendable {
    enum Mode { case shared, exclusive }

    private let descriptor: Int32

    /// - Parameter waiting: whether to wait for others.
    /// - Returns: nil when someone else holds it.
    init?(path: String, _ mode: Mode, waiting: Bool = false) throws(SessionError) {
        var descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        // Sessions on a read-only disk can be read.
        if descriptor < 0, mode == .shared, errno == EACCES || errno == EROFS {
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
        }
        guard descriptor >= 0 else { throw .system(path, "cannot open") }
        self.descriptor = descriptor
        let operation = (mode == .shared ? LOCK_SH : LOCK_EX) | (waiting ? 0 : LOCK_NB)
        while flock(descriptor, operation) != 0 {
            if errno == EINTR { continue }
            if errno == EWOULDBLOCK { return nil }
            throw .system(path, "cannot lock")
        }
    }

    deinit { close(descriptor) }
}

import Glibc

/// Reads small files whole. Tokenizers are read once, so nothing is mapped.
enum FileBytes {
    /// Larger than any tokenizer by a factor of ten; a model file put here by mistake is refused before it is read.
    static let maximumCount = 512 << 20

    /// The bytes of the file, or nil where there is none.
    static func readIfPresent(_ path: String) throws(TokenizerError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT || errno == ENOTDIR { return nil }
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: reason()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, reason: reason()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "not a regular file") }
        guard status.st_size <= maximumCount else {
            throw .unreadable(path: path, reason: "\(status.st_size) bytes are more than a tokenizer has")
        }
        let count = Int(status.st_size)
        var failure: String?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let received = read(descriptor, buffer.baseAddress.map { $0 + filled }, count - filled)
                if received < 0, errno == EINTR { continue }
                if received < 0 { failure = reason() }
                if received <= 0 { return }
                filled += received
            }
        }
        if let failure { throw .unreadable(path: path, reason: failure) }
        return bytes
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}

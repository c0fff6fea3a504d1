import Glibc

/// SHA-256 of files, read apart from their mappings.
enum SourceHasher {
    private static let chunkBytes = 1 << 20

    /// Hashes the file at `path`.
    ///
    /// - Parameter advanced: called with the bytes read since the last call; false stops.
    /// - Throws: `.cancelled` when it was stopped, `.missing` or `.unreadable` when the file cannot be read.
    static func hash(
        _ path: String,
        advanced: (Int) -> Bool
    ) throws(ModelFileError) -> (bytes: Int, sha256: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(path, "cannot open") }
        defer { close(descriptor) }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 64)
        defer { buffer.deallocate() }
        var digest = Digest()
        var total = 0
        while true {
            let count = read(descriptor, buffer.baseAddress, chunkBytes)
            if count == 0 { break }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw .system(path, "cannot read")
            }
            digest.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            total += count
            guard advanced(count) else { throw ModelFileError(.cancelled, path, "cancelled") }
        }
        return (total, digest.hexadecimal)
    }
}

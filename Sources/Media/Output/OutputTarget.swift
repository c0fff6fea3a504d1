import Glibc

/// A file or folder that appears under its name only when it is complete.
///
/// It is made beside the target under a temporary name. Dropped without ``commit()`` nothing is left, and what had the
/// name before is untouched; a process that is killed leaves the temporary name only.
final class OutputTarget {
    let path: String
    let temporaryPath: String
    let isFolder: Bool
    private var isCommitted = false

    init(path: String, isFolder: Bool) throws(MediaError) {
        var trimmed = path
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        guard !trimmed.isEmpty else { throw MediaError(.misuse, path, "the name is empty") }
        var status = stat()
        if stat(trimmed, &status) == 0, isFolder || status.st_mode & S_IFMT == S_IFDIR {
            // An empty folder may be replaced, anything else would be lost.
            guard isFolder, status.st_mode & S_IFMT == S_IFDIR, Self.isEmptyFolder(trimmed) else {
                throw MediaError(.unwritable, trimmed, "exists already", hint: "Choose another name.")
            }
        }
        self.path = trimmed
        self.isFolder = isFolder
        var candidate = ""
        for attempt in 0..<100 {
            candidate = "\(trimmed).\(getpid())-\(attempt).partial"
            let made: Bool
            if isFolder {
                made = mkdir(candidate, 0o777) == 0
            } else {
                let descriptor = open(candidate, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o666)
                made = descriptor >= 0
                if made { close(descriptor) }
            }
            if made {
                temporaryPath = candidate
                return
            }
            if errno != EEXIST { break }
        }
        let code = errno
        throw .system(.unwritable, trimmed, "cannot create", code: code)
    }

    deinit {
        guard !isCommitted else { return }
        if isFolder {
            for name in Self.names(temporaryPath) { unlink(temporaryPath + "/" + name) }
            rmdir(temporaryPath)
        } else {
            unlink(temporaryPath)
        }
    }

    /// Makes the bytes durable and gives them their name.
    func commit() throws(MediaError) {
        if isFolder {
            for name in Self.names(temporaryPath) { try synchronize(temporaryPath + "/" + name) }
        }
        try synchronize(temporaryPath)
        guard rename(temporaryPath, path) == 0 else { throw .system(.unwritable, path, "cannot rename to") }
        isCommitted = true
        // The name itself; some file systems cannot, and the contents are safe already.
        let slash = path.lastIndex(of: "/")
        try? synchronize(slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ".")
    }

    private func synchronize(_ name: String) throws(MediaError) {
        let descriptor = open(name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(.unwritable, path, "cannot write") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw .system(.unwritable, path, "cannot write") }
    }

    private static func names(_ folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func isEmptyFolder(_ path: String) -> Bool { names(path).isEmpty }
}

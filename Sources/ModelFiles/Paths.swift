import Glibc

/// Small questions about paths and folders.
enum Paths {
    private static let slash = UInt8(ascii: "/")

    /// Without trailing slashes; "." for an empty path.
    static func trimmed(_ path: String) -> String {
        // In bytes: a slash before a combining mark is one character with it, but still a separator.
        var bytes = Array(path.utf8)
        while bytes.count > 1, bytes.last == slash { bytes.removeLast() }
        return bytes.isEmpty ? "." : String(decoding: bytes, as: UTF8.self)
    }

    /// The last component.
    static func name(_ path: String) -> String {
        let path = trimmed(path)
        guard path != "/", let last = path.utf8.lastIndex(of: slash) else { return path }
        return String(decoding: path.utf8[path.utf8.index(after: last)...], as: UTF8.self)
    }

    /// Everything before the last component: "." for a bare name.
    static func folder(_ path: String) -> String {
        let path = trimmed(path)
        guard let last = path.utf8.lastIndex(of: slash) else { return "." }
        return last == path.utf8.startIndex ? "/" : String(decoding: path.utf8[..<last], as: UTF8.self)
    }

    /// A name that stays in its folder: not empty, no separator, not "." or "..".
    static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && !name.utf8.contains { $0 == slash || $0 == 0 }
    }

    static func isRegularFile(_ path: String) -> Bool { mode(path).map { $0 & S_IFMT == S_IFREG } ?? false }
    static func isFolder(_ path: String) -> Bool { mode(path).map { $0 & S_IFMT == S_IFDIR } ?? false }

    /// Whether anything is there, a dangling link included.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    static func isEmptyFolder(_ path: String) -> Bool { isFolder(path) && (try? list(path))?.isEmpty == true }

    private static func mode(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode : nil
    }

    static func byteCount(_ path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }

    /// The absolute path, for naming what "." is; the path itself where the system has none.
    static func resolved(_ path: String) -> String {
        guard name(path) == "." || name(path) == "..", let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    /// Names in a folder, sorted, without "." and "..".
    static func list(_ path: String) throws(ModelFileError) -> [String] {
        guard let folder = opendir(path) else { throw .system(path, "cannot open the folder") }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

import Glibc

/// A folder of its own for one test, removed with everything in it.
final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/soranji-test-XXXXXX".utf8CString)
        let made = mkdtemp(&template) != nil
        path = made ? template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" } : ""
    }

    func file(_ name: String, _ bytes: [UInt8]) -> String {
        let file = path + "/" + name
        if let stream = fopen(file, "wb") {
            fwrite(bytes, 1, bytes.count, stream)
            fclose(stream)
        }
        return file
    }

    /// Names of what lies in the folder, sorted.
    var names: [String] {
        guard let directory = opendir(path) else { return [] }
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

    static func contents(_ path: String) -> [UInt8] {
        guard let stream = fopen(path, "rb") else { return [] }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&chunk, 1, chunk.count, stream)
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    deinit {
        for name in names { unlink(path + "/" + name) }
        rmdir(path)
    }
}

/// Whether a program is in PATH.
func isInstalled(_ program: String) -> Bool {
    guard let path = getenv("PATH") else { return false }
    return String(cString: path).split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
}

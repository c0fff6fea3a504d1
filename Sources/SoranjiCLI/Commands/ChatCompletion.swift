import Glibc

/// What Tab offers in a chat: commands, and files after those that take one.
enum ChatCompletion {
    /// Whole lines that may follow from `text`, sorted.
    static func lines(for text: String) -> [String] {
        guard text.first == "/" else { return [] }
        for command in ChatInput.fileCommands.map({ $0 + " " }) where text.hasPrefix(command) {
            return paths(for: String(text.dropFirst(command.count))).map { command + $0 }
        }
        return ChatInput.commands
            .filter { $0.name.hasPrefix(text) }
            .map { $0.argument.isEmpty ? $0.name : $0.name + " " }
            .sorted()
    }

    /// Paths that begin with `text`, folders with a slash at their end; at most 200.
    static func paths(for text: String) -> [String] {
        let slash = text.lastIndex(of: "/")
        let folder = slash.map { String(text[...$0]) } ?? ""
        let prefix = slash.map { String(text[text.index(after: $0)...]) } ?? text
        var opened = folder.isEmpty ? "." : folder
        if opened.hasPrefix("~/"), let home = getenv("HOME") { opened = String(cString: home) + opened.dropFirst() }
        guard let directory = opendir(opened) else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while found.count < 200, let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            // Hidden files are offered when they are asked for.
            guard name.hasPrefix(prefix), name != ".", name != "..", !name.hasPrefix(".") || prefix.hasPrefix(".")
            else {
                continue
            }
            var status = stat()
            let isFolder = stat(opened + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            found.append(folder + name + (isFolder ? "/" : ""))
        }
        return found.sorted()
    }
}

import Soranji

/// Earlier lines: kept in a file, gone through with the arrow keys.
struct History {
    private(set) var entries: [String] = []
    let maximumCount: Int
    /// Which entry is shown; `entries.count` is the line that is being written.
    private var position = 0
    private var draft = ""

    init(maximumCount: Int = 1000) { self.maximumCount = maximumCount }

    /// Adds a line and goes to the end. Blank lines, repetitions of the last one and lines that begin with a space
    /// (the shells' way to keep something out of the history) are not kept.
    mutating func add(_ line: String) {
        if !line.isEmpty, line.first != " ", !line.allSatisfy(\.isWhitespace), line != entries.last {
            entries.append(line)
            if entries.count > maximumCount { entries.removeFirst(entries.count - maximumCount) }
        }
        position = entries.count
        draft = ""
    }

    /// The entry before the shown one; `current` is remembered and comes back at the end.
    mutating func previous(current: String) -> String? {
        guard position > 0 else { return nil }
        if position == entries.count { draft = current }
        position -= 1
        return entries[position]
    }

    mutating func next() -> String? {
        guard position < entries.count else { return nil }
        position += 1
        return position == entries.count ? draft : entries[position]
    }
}

// MARK: File

extension History {
    /// Reads a history file; a missing or damaged one is an empty history.
    init(path: String, maximumCount: Int = 1000) {
        self.init(maximumCount: maximumCount)
        guard let bytes = try? DocumentReader(maximumBytes: 8 << 20).contents(of: path) else { return }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") { add(Self.decode(line)) }
    }

    /// Writes the file, readable by this user alone; its folder is made if need be.
    func save(to path: String) throws(SystemError) {
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try UserFolders.create(String(path[..<slash]))
        }
        let text = entries.map { Self.encode($0) + "\n" }.joined()
        try AtomicFile.write(Array(text.utf8), to: path, mode: 0o600)
    }

    /// One entry, one line of the file.
    private static func encode(_ entry: String) -> String {
        entry.reduce(into: "") { line, character in
            switch character {
            case "\\": line += "\\\\"
            case "\n": line += "\\n"
            default: line.append(character)
            }
        }
    }

    private static func decode(_ line: Substring) -> String {
        var entry = ""
        var isEscaped = false
        for character in line {
            if isEscaped {
                entry.append(character == "n" ? "\n" : character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                entry.append(character)
            }
        }
        return entry
    }
}

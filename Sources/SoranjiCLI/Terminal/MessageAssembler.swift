/// Joins lines to one message: a backslash at a line's end continues it, `"""` opens and closes a block.
struct MessageAssembler {
    private var lines: [String] = []
    private var isBlock = false

    private static let quotes = "\"\"\""

    /// Whether a message has begun and waits for more lines.
    var isPending: Bool { isBlock || !lines.isEmpty }

    /// - Returns: the message that this line completes, nil if more lines belong to it.
    mutating func feed(_ line: String) -> String? {
        if isBlock {
            guard let end = line.firstRange(of: Self.quotes) else {
                lines.append(line)
                return nil
            }
            let last = String(line[..<end.lowerBound])
            if !last.isEmpty { lines.append(last) }
            return finish()
        }
        if lines.isEmpty, line.hasPrefix(Self.quotes) {
            isBlock = true
            let rest = String(line.dropFirst(Self.quotes.count))
            // Opened and closed on one line, or text right after the opening.
            return rest.isEmpty ? nil : feed(rest)
        }
        let backslashes = line.reversed().prefix { $0 == "\\" }.count
        if backslashes % 2 == 1 {
            lines.append(String(line.dropLast()))
            return nil
        }
        lines.append(line)
        return finish()
    }

    /// The message as far as it came, when no more lines follow; nil if none was begun.
    mutating func finish() -> String? {
        guard isPending else { return nil }
        let message = lines.joined(separator: "\n")
        self = MessageAssembler()
        return message
    }
}

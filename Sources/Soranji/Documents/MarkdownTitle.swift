/// The title of a Markdown document: `title:` of its front matter, or its first first-level heading.
enum MarkdownTitle {
    /// Looks at the first 200 lines.
    static func find(in text: String) -> String? {
        var isFence = false
        var previous: Substring = ""
        let lines = text.split(maxSplits: 200, omittingEmptySubsequences: false) { $0.isNewline }.prefix(200)
        var body = lines[...]
        if lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") {
            for line in lines[1..<end] where line.hasPrefix("title:") {
                let quotes: Set<Character> = ["\"", "'"]
                let value = trimmed(line.dropFirst(6))
                let bare = value.count >= 2 && value.first == value.last && value.first.map(quotes.contains) == true
                let title = bare ? value.dropFirst().dropLast() : value
                if !title.isEmpty { return String(title) }
            }
            body = lines[(end + 1)...]
        }
        for line in body {
            if line.hasPrefix("```") || line.hasPrefix("~~~") { isFence.toggle() }
            if isFence { continue }
            if line.hasPrefix("# ") || line.hasPrefix("#\t") {
                var title = trimmed(line.dropFirst(2))
                // A closing run of # is decoration.
                while title.last == "#" { title = trimmed(title.dropLast()) }
                if !title.isEmpty { return String(title) }
            }
            if line.count >= 3, line.allSatisfy({ $0 == "=" }), !trimmed(previous).isEmpty {
                return String(trimmed(previous))
            }
            previous = line
        }
        return nil
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}

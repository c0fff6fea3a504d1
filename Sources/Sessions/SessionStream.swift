import JSONText
import KVCache

/// All that a session has read, in order: what its pages hold, and what can be computed anew when a page is lost.
package struct SessionStream: Sendable, Equatable {
    package private(set) var content = ContextContent(tokens: [])
    /// For each token the end of what it covers in ``text``.
    package private(set) var byteEnds: [Int] = []
    /// UTF-8.
    package private(set) var text: [UInt8] = []
    /// See ``StreamEntry/pendingText``.
    package private(set) var pendingText: [UInt8] = []
    /// What was said about the tokens from `firstToken` on.
    package private(set) var notes: [Note] = []

    package struct Note: Sendable, Equatable {
        package var firstToken: Int
        package var json: JSON
    }

    package init() {}

    package var count: Int { content.tokens.count }

    /// More tokens than any context has.
    static let maximumTokens = 1 << 28

    /// - Returns: why the entry does not follow; nil when it was appended.
    mutating func append(_ entry: StreamEntry) -> String? {
        guard entry.firstToken <= count else { return "it continues token \(entry.firstToken) of \(count)" }
        guard entry.firstToken + entry.tokens.count <= Self.maximumTokens else { return "it has too many tokens" }
        guard entry.tokens.allSatisfy({ $0 >= 0 }) else { return "it has a token below 0" }
        cut(to: entry.firstToken)
        if !entry.positions.isEmpty, content.positions.isEmpty {
            content.positions = (0..<count).map { RotaryPosition(Double($0)) }
        }
        let first = count
        if !content.positions.isEmpty || !entry.positions.isEmpty {
            content.positions +=
                entry.positions.isEmpty
                ? entry.tokens.indices.map { RotaryPosition(Double(first + $0)) } : entry.positions
        }
        content.tokens += entry.tokens
        for run in entry.media {
            var moved = run
            moved.first += first
            MediaRun.append(moved, to: &content.media)
        }
        let start = text.count
        byteEnds +=
            entry.byteEnds.isEmpty
            ? Array(repeating: start, count: entry.tokens.count) : entry.byteEnds.map { start + Int($0) }
        text += entry.text
        pendingText = entry.pendingText
        notes.append(Note(firstToken: first, json: entry.notes))
        return nil
    }

    private mutating func cut(to count: Int) {
        guard count < self.count else { return }
        content.tokens.removeLast(self.count - count)
        if !content.positions.isEmpty { content.positions.removeLast(content.positions.count - count) }
        content.media = MediaRun.clipped(content.media, to: 0..<count)
        byteEnds.removeLast(byteEnds.count - count)
        text.removeLast(text.count - (byteEnds.last ?? 0))
        notes.removeAll { $0.firstToken >= count }
    }

    /// The whole stream as entries that make it again, one for every note.
    func entries() -> [StreamEntry] {
        notes.indices.map { index in
            let first = notes[index].firstToken
            let end = index + 1 < notes.count ? notes[index + 1].firstToken : count
            let textBegin = first > 0 ? byteEnds[first - 1] : 0
            let textEnd = index + 1 < notes.count ? (end > 0 ? byteEnds[end - 1] : 0) : text.count
            return StreamEntry(
                firstToken: first,
                tokens: Array(content.tokens[first..<end]),
                byteEnds: byteEnds[first..<end].map { UInt32(clamping: $0 - textBegin) },
                positions: content.positions.isEmpty ? [] : Array(content.positions[first..<end]),
                media: MediaRun.clipped(content.media, to: first..<end),
                text: Array(text[textBegin..<max(textBegin, textEnd)]),
                pendingText: index + 1 < notes.count ? [] : pendingText,
                notes: notes[index].json
            )
        }
    }
}

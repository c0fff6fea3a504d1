/// The line that is being edited: text, cursor, and the last piece that was cut out.
struct LineBuffer: Equatable {
    private(set) var characters: [Character] = []
    /// Before which character the cursor stands.
    private(set) var cursor = 0
    private var killed: [Character] = []

    var text: String { String(characters) }
    var isEmpty: Bool { characters.isEmpty }
    var textBeforeCursor: String { String(characters[..<cursor]) }

    /// Replaces the whole line and goes to its end.
    mutating func set(_ text: String) {
        characters = Array(text)
        cursor = characters.count
    }

    /// A mark or joiner becomes part of the character before it.
    mutating func insert(_ scalar: Unicode.Scalar) {
        if cursor > 0 {
            let joined = String(characters[cursor - 1]) + String(Character(scalar))
            if joined.count == 1, let character = joined.first {
                characters[cursor - 1] = character
                return
            }
        }
        characters.insert(Character(scalar), at: cursor)
        cursor += 1
    }

    mutating func insert(_ text: String) {
        let inserted = Array(text)
        characters.insert(contentsOf: inserted, at: cursor)
        cursor += inserted.count
    }

    /// Carries out an editing key.
    ///
    /// - Returns: false for keys that do not edit (enter, history, completion, signals).
    mutating func apply(_ key: Key) -> Bool {
        switch key {
        case .text(let scalar): insert(scalar)
        case .paste(let text): insert(text)
        case .backspace: remove(max(cursor - 1, 0)..<cursor)
        case .delete: remove(cursor..<min(cursor + 1, characters.count))
        case .left: cursor = max(cursor - 1, 0)
        case .right: cursor = min(cursor + 1, characters.count)
        case .wordLeft: cursor = wordStart
        case .wordRight: cursor = wordEnd
        case .home: cursor = lineStart
        case .end: cursor = lineEnd
        case .killToEnd: kill(cursor..<(cursor == lineEnd ? min(cursor + 1, characters.count) : lineEnd))
        case .killToStart: kill(lineStart..<cursor)
        case .killWord: kill(wordStart..<cursor)
        case .killWordForward: kill(cursor..<wordEnd)
        case .yank: insert(String(killed))
        default: return false
        }
        return true
    }

    /// Moves to the row above or below within pasted text; false if there is none.
    mutating func moveRow(up: Bool) -> Bool {
        let column = cursor - lineStart
        if up {
            guard lineStart > 0 else { return false }
            cursor = lineStart - 1
        } else {
            guard lineEnd < characters.count else { return false }
            cursor = lineEnd + 1
        }
        cursor = min(lineStart + column, lineEnd)
        return true
    }

    private mutating func remove(_ range: Range<Int>) {
        characters.removeSubrange(range)
        cursor = range.lowerBound
    }

    private mutating func kill(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        killed = Array(characters[range])
        remove(range)
    }

    /// After the line break before the cursor.
    private var lineStart: Int { characters[..<cursor].lastIndex(of: "\n").map { $0 + 1 } ?? 0 }
    private var lineEnd: Int { characters[cursor...].firstIndex(of: "\n") ?? characters.count }

    /// Back over what is no word, then over the word.
    private var wordStart: Int {
        var index = cursor
        while index > 0, !isWord(characters[index - 1]) { index -= 1 }
        while index > 0, isWord(characters[index - 1]) { index -= 1 }
        return index
    }

    private var wordEnd: Int {
        var index = cursor
        while index < characters.count, !isWord(characters[index]) { index += 1 }
        while index < characters.count, isWord(characters[index]) { index += 1 }
        return index
    }

    private func isWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }
}

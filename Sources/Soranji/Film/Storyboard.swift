/// A long prompt as shots: by headings where there are any, else by its sentences.
///
/// A heading (`# The garden`) begins a shot, and the text below it is its prompt; a heading without text is its own
/// prompt. Running text without headings is divided into sentences (``StorySplitter``). A line of its own, `cut`, `fade` or `smooth`, says how
/// the next shot follows; how long the next shot is may stand behind it or alone, as `fade 3s`. Text in front of the first
/// heading is no shot. Rules (`---`) are left out, and an item of a list begins a sentence of its own.
public enum Storyboard {
    /// A shot, or a paragraph that has yet to be divided.
    struct Part: Equatable {
        var prompt: String
        var title: String?
        var seconds: Double?
        /// Nil where the text does not say.
        var transition: FilmRequest.Transition?

        var shot: FilmRequest.Shot {
            FilmRequest.Shot(prompt: prompt, title: title, seconds: seconds, transition: transition ?? .cut)
        }
    }

    /// The shots of a text, where those without headings are divided without a model: by rules alone.
    ///
    /// - Parameter name: where the text comes from, for messages.
    /// - Throws: ``FilmRequestError``
    public static func shots(_ text: String, name: String) throws -> [FilmRequest.Shot] {
        try shots(text, name: name, splitter: StorySplitter(vocabulary: nil, gain: nil))
    }

    static func shots(_ text: String, name: String, splitter: StorySplitter) throws -> [FilmRequest.Shot] {
        let (parts, hasHeadings) = try parts(text, name: name)
        guard !hasHeadings else { return parts.map(\.shot) }
        let shots = try splitter.shots(parts)
        guard !shots.isEmpty else { throw FilmRequestError.noShots(name) }
        return shots
    }

    /// Shots under headings, or paragraphs.
    static func parts(
        _ text: String,
        name: String
    ) throws(FilmRequestError) -> (parts: [Part], hasHeadings: Bool) {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let hasHeadings = lines.contains { heading($0) != nil }
        var shots: [Part] = []
        var draft = Draft()
        var isOpen = !hasHeadings
        for (index, line) in lines.enumerated() {
            guard !isRule(line) else {
                if !hasHeadings { draft.finish(into: &shots) }
                continue
            }
            var words = line.split(whereSeparator: \.isWhitespace)
            if words.count > 1, isBullet(words[0]) {
                words.removeFirst()
                if !hasHeadings { draft.finish(into: &shots) }
            }
            if let title = heading(line) {
                draft.finish(into: &shots)
                draft.title = title
                isOpen = true
            } else if words.isEmpty {
                if !hasHeadings { draft.finish(into: &shots) }
            } else if let direction = try direction(words, line: index + 1) {
                // A direction belongs to the shot that follows it, or to the one it stands at the top of.
                if !draft.body.isEmpty { draft.finish(into: &shots) }
                draft.transition = direction.transition ?? draft.transition
                draft.seconds = direction.seconds ?? draft.seconds
            } else if isOpen {
                draft.body.append(words.joined(separator: " "))
            }
        }
        draft.finish(into: &shots)
        guard !shots.isEmpty else { throw .noShots(name) }
        return (shots, hasHeadings)
    }

    private struct Draft {
        var title: String?
        var body: [String] = []
        var transition: FilmRequest.Transition?
        var seconds: Double?

        mutating func finish(into shots: inout [Part]) {
            let prompt = body.isEmpty ? title : body.joined(separator: " ")
            // A direction between two shots waits for the second.
            guard let prompt, !prompt.isEmpty else { return }
            shots.append(Part(prompt: prompt, title: title, seconds: seconds, transition: transition))
            self = Draft()
        }
    }

    /// A line of Markdown between sections.
    private static func isRule(_ line: Substring) -> Bool {
        let marks = line.filter { !$0.isWhitespace }
        return marks.count >= 3 && ["-", "*", "_", "="].contains { mark in marks.allSatisfy { $0 == mark } }
    }

    /// `*`, `-`, `+`, `•`, `1.`, `12)`
    private static func isBullet(_ word: Substring) -> Bool {
        if ["*", "-", "+", "•"].contains(word) { return true }
        guard let last = word.last, ".)".contains(last), 2...4 ~= word.utf8.count else { return false }
        return word.dropLast().utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    }

    /// The text of a heading of Markdown.
    private static func heading(_ line: Substring) -> String? {
        let marks = line.prefix { $0 == "#" }
        guard 1...6 ~= marks.count else { return nil }
        let rest = line.dropFirst(marks.count)
        guard rest.first?.isWhitespace ?? true else { return nil }
        return rest.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// `cut`, `fade 2s`, `[smooth]`, `3 s`; nil for any other line.
    private static func direction(
        _ words: [Substring],
        line: Int
    ) throws(FilmRequestError) -> (transition: FilmRequest.Transition?, seconds: Double?)? {
        // Most lines are no directions; a text of one line may have millions of words.
        guard words.count <= 6 else { return nil }
        let bare = words.map { word in
            String(word.lowercased().filter { !"[]()*_,:".contains($0) })
        }.filter { !$0.isEmpty }
        guard let first = bare.first, bare.count <= 3 else { return nil }
        // Words in brackets are meant as a direction; without, "Fade to black" is a prompt.
        let isBracketed = words[0].first == "[" && words[words.count - 1].last == "]"
        if let transition = FilmRequest.Transition(rawValue: first) {
            guard bare.count > 1 else { return (transition, nil) }
            if let length = length(bare.dropFirst()) { return (transition, length) }
            if isBracketed { throw .badSeconds(bare.dropFirst().joined(separator: " "), line: line) }
            return nil
        }
        if let length = length(bare[...]) { return (nil, length) }
        if isBracketed { throw .badTransition(bare.joined(separator: " "), line: line) }
        return nil
    }

    /// `2s`, `2.5 s`, `3 seconds`.
    private static func length(_ words: ArraySlice<String>) -> Double? {
        let text = words.joined()
        for suffix in ["seconds", "second", "sec", "s"] where text.hasSuffix(suffix) {
            guard let value = Double(text.dropLast(suffix.count)), value.isFinite, value > 0 else { return nil }
            return value
        }
        return nil
    }
}

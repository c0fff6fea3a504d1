/// Makes sentences stand alone: what "it" is, and where it happens.
///
/// What a sentence needs is taken from what came before, by rules; the words of the model's world say what can be pointed at.
struct StoryReferences {
    /// What later sentences may point at.
    struct Memory: Equatable {
        /// Things of the scene, in the order in which they were named.
        var things: [String] = []
        /// The name of the scene's background.
        var background: String?
        /// The last sentence that needed nothing from others.
        var whole: String?
    }

    let vocabulary: SceneVocabulary?

    private static let singular: Set<String> = ["it", "he", "she"]
    private static let plural: Set<String> = ["they"]
    private static let objects: Set<String> = ["it", "him", "them"]
    private static let possessives: Set<String> = ["its", "his", "her", "their"]
    private static let openers: Set<String> = [
        "and", "then", "but", "so", "now", "next", "suddenly", "finally", "also", "again",
    ]
    /// After these, "it" is the weather or the hour.
    private static let impersonal: Set<String> = ["is", "was", "rains", "snows", "gets", "grows", "becomes", "seems"]

    /// A sentence's words with what stands around them, so that they can be put together again.
    private struct Word {
        var text: String
        /// White space and marks in front of the word.
        var before: String
        var key: String { text.lowercased() }
    }

    /// The words of a sentence, and the marks at its end.
    private static func words(_ sentence: String) -> (words: [Word], end: String) {
        var words: [Word] = []
        var before = ""
        var text = ""
        func finish() {
            guard !text.isEmpty else { return }
            // "It's" is two words.
            for (ending, verb, subjects) in [("s", "is", singular), ("re", "are", plural)] {
                for mark in ["'", "’"] where text.lowercased().hasSuffix(mark + ending) {
                    let stem = String(text.dropLast(ending.count + 1))
                    guard subjects.contains(stem.lowercased()) else { continue }
                    words += [Word(text: stem, before: before), Word(text: verb, before: " ")]
                    (before, text) = ("", "")
                    return
                }
            }
            words.append(Word(text: text, before: before))
            (before, text) = ("", "")
        }
        for character in sentence {
            if character.isLetter || character.isNumber || "'’-".contains(character) {
                text.append(character)
            } else {
                finish()
                before.append(character)
            }
        }
        finish()
        return (words, before)
    }

    private static func joined(_ words: [Word], _ end: String) -> String {
        words.map { $0.before + $0.text }.joined() + end
    }

    /// Words in front of the subject, as "and then".
    private static func openerCount(_ words: [Word]) -> Int { words.prefix { openers.contains($0.key) }.count }

    /// Whether a sentence's subject is a pronoun, so that the sentence goes on with what came before.
    func pointsBack(_ sentence: String) -> Bool {
        let words = Self.words(sentence).words
        let first = Self.openerCount(words)
        guard first < words.count else { return false }
        let key = words[first].key
        if Self.plural.contains(key) || Self.possessives.contains(key) { return true }
        guard Self.singular.contains(key) else { return false }
        return !isImpersonal(words, first)
    }

    /// "It is night", "it rains": nothing is pointed at. "It gets bigger" is a motion.
    private func isImpersonal(_ words: [Word], _ first: Int) -> Bool {
        guard words[first].key == "it", first + 1 < words.count, Self.impersonal.contains(words[first + 1].key) else {
            return false
        }
        let rest = words[first...].map(\.text).joined(separator: " ")
        return !(vocabulary?.mentions(in: rest).contains { $0.kind == .motion } ?? false)
    }

    /// A sentence as a description of its own.
    ///
    /// - Parameter continues: whether it goes on with the scene that `memory` is of.
    func standalone(_ sentence: String, _ memory: Memory, continues: Bool) -> String {
        var (words, end) = Self.words(sentence)
        let opening = Self.openerCount(words)
        let isOpened = opening > 0 && opening < words.count
        if isOpened, continues {
            // "And then it spins": that it comes later is said by its place.
            let isCapital = words[0].text.first?.isUppercase ?? false
            words.removeFirst(opening)
            words[0].before = ""
            if isCapital { words[0].text = Self.capitalized(words[0].text) }
        }
        let points = pointsBack(Self.joined(words, end))
        if points, memory.things.isEmpty {
            // Nobody knows what is meant, so what said it comes along.
            guard let whole = memory.whole else { return Self.joined(words, end) }
            return whole + " " + Self.joined(words, end)
        }
        if points || continues { Self.resolve(&words, memory.things, subject: points) }
        var text = Self.joined(words, end)
        if points || continues, let background = memory.background,
            let phrase = vocabulary?.phrase(background: background),
            let vocabulary, !vocabulary.mentions(in: text).contains(where: { $0.kind == .background })
        {
            let marks = end.prefix { !$0.isWhitespace }
            text = Self.joined(words, "") + " " + phrase + marks
        }
        return text
    }

    private static func resolve(_ words: inout [Word], _ things: [String], subject: Bool) {
        guard let last = things.last else { return }
        var hasSubject = !subject
        for index in words.indices {
            let key = words[index].key
            let isFirst = !hasSubject && (singular.contains(key) || plural.contains(key))
            var name: String?
            if isFirst {
                name = plural.contains(key) ? phrase(things) : "the " + last
                hasSubject = true
            } else if possessives.contains(key), index + 1 < words.count {
                name = (key == "their" ? phrase(things) : "the " + last) + "'s"
                hasSubject = true
            } else if index > 0, objects.contains(key) {
                name = key == "them" ? phrase(things) : "the " + last
            } else if index > 0, singular.contains(key) || plural.contains(key) {
                name = plural.contains(key) ? phrase(things) : "the " + last
            }
            guard let name else { continue }
            words[index].text = words[index].text.first?.isUppercase ?? false ? capitalized(name) : name
        }
    }

    /// "the cat and the dog"
    private static func phrase(_ things: [String]) -> String {
        things.suffix(2).map { "the " + $0 }.joined(separator: " and ")
    }

    private static func capitalized(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
}

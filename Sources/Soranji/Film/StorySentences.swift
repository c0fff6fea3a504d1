/// Cuts running text into sentences.
enum StorySentences {
    /// Words that end with a dot without ending a sentence.
    private static let abbreviations: Set<String> = [
        "mr", "mrs", "ms", "dr", "st", "prof", "no", "vs", "e.g", "i.e", "etc", "approx", "ca",
    ]
    private static let ends: Set<Character> = [".", "!", "?", "…", "。", "！", "？"]
    private static let closers: Set<Character> = ["\"", "'", "”", "’", ")", "]", "»"]
    /// Ends that need no space behind them.
    private static let wide: Set<Character> = ["。", "！", "？"]

    /// The sentences of a text, without white space at their ends; white space within is one space.
    ///
    /// A sentence ends with its mark (and the quotes behind it) before white space or the end. A single letter with a dot is an
    /// initial.
    static func split(_ text: String) -> [String] {
        var sentences: [String] = []
        var current: [Character] = []
        func finish() {
            let sentence = String(current).split(whereSeparator: \.isWhitespace).joined(separator: " ")
            if sentence.contains(where: { $0.isLetter || $0.isNumber }) {
                sentences.append(sentence)
            } else if !sentence.isEmpty, !sentences.isEmpty {
                sentences[sentences.count - 1] += " " + sentence
            }
            current = []
        }
        let characters = Array(text)
        var index = 0
        while index < characters.count {
            let character = characters[index]
            current.append(character)
            index += 1
            guard ends.contains(character) else { continue }
            while index < characters.count, ends.contains(characters[index]) || closers.contains(characters[index]) {
                current.append(characters[index])
                index += 1
            }
            let isAtSpace = index == characters.count || characters[index].isWhitespace
            guard isAtSpace || wide.contains(character) else { continue }
            if character == ".", index < characters.count, isAbbreviation(current) { continue }
            finish()
        }
        finish()
        return sentences
    }

    /// Whether a text ends with a word whose dot ends no sentence.
    private static func isAbbreviation(_ text: [Character]) -> Bool {
        guard text.last == "." else { return false }
        let word = text.dropLast().reversed().prefix { !$0.isWhitespace }.reversed().filter { !"(\"'“‘".contains($0) }
        if word.count == 1, let letter = word.first { return letter.isLetter && letter != "I" }
        return abbreviations.contains(String(word).lowercased())
    }
}

/// An ending as the book writes it: `E` and `I` stand for the vowel that harmony chooses.
struct Ending: Sendable, Hashable {
    var pattern: String

    init(_ pattern: String) { self.pattern = pattern }
}

/// Sounds of an invented language, and what happens where an ending meets a stem.
struct LanguageSounds: Sendable {
    var consonants: [Character]
    var vowels: [Character]
    /// Stands between two vowels that would meet.
    var buffer: Character

    static let front: Set<Character> = ["e", "i"]
    private static let allVowels: Set<Character> = ["a", "e", "i", "o", "u"]
    /// After these, hard sounds become soft.
    static let softeners: Set<Character> = ["m", "n", "l", "r"]
    static let softened: [Character: Character] = ["p": "b", "t": "d", "k": "g"]

    init(consonants: [Character], vowels: [Character], buffer: Character) {
        self.consonants = consonants
        self.vowels = vowels
        self.buffer = buffer
    }

    init(_ random: inout EvaluationRandom) {
        // Hard sounds, their softeners and both kinds of vowels are always there: else a rule would have nothing to do.
        consonants = ["t", "k", "n", "l"] + random.sample(Array("pmrszvfhdgb"), 7)
        vowels = ["a", "e"] + random.sample(Array("iou"), 2)
        buffer = random.pick(["j", "w", "v", "n"])
    }

    /// Syllables of a consonant and a vowel, some closed by one of the sounds that end syllables.
    func stem(_ random: inout EvaluationRandom, syllables: Int) -> String {
        let closing = consonants.filter { "nlrmskt".contains($0) }
        var text = ""
        for syllable in 0..<max(1, syllables) {
            text.append(random.pick(consonants))
            text.append(random.pick(vowels))
            let isLast = syllable == syllables - 1
            if random.chance(isLast ? 0.5 : 0.15), !closing.isEmpty { text.append(random.pick(closing)) }
        }
        return text
    }

    /// Different endings: consonant and vowel, vowel and consonant, or both with another consonant.
    func endings(_ random: inout EvaluationRandom, count: Int) -> [Ending] {
        let closing = consonants.filter { "nlrmskt".contains($0) }
        var endings: [Ending] = []
        // Softening must not make two of them alike.
        var known: Set<String> = []
        for _ in 0..<count * 100 where endings.count < count {
            let vowel = random.pick(["E", "I"])
            let first = String(random.pick(consonants))
            let last = String(random.pick(closing))
            let pattern = random.pick([first + vowel, vowel + last, first + vowel + last])
            let plain = String(pattern.map { Self.softened[$0] ?? $0 })
            if known.insert(plain).inserted { endings.append(Ending(pattern)) }
        }
        return endings
    }

    func isVowel(_ letter: Character) -> Bool { Self.allVowels.contains(letter) }

    /// The ending with its vowel chosen: E is e and I is i after front vowels, else a and u.
    func harmonized(_ ending: Ending, isFront: Bool) -> String {
        String(
            ending.pattern.map { letter -> Character in
                switch letter {
                case "E": isFront ? "e" : "a"
                case "I": isFront ? "i" : "u"
                default: letter
                }
            }
        )
    }

    /// Puts an ending to a form by all three rules, and notes which of them did something.
    func join(_ form: inout InventedLanguage.Form, _ ending: Ending) {
        guard let last = form.text.last, !ending.pattern.isEmpty else { return }
        let vowel = form.text.last(where: isVowel) ?? "a"
        var text = harmonized(ending, isFront: Self.front.contains(vowel))
        form.rules.insert(.harmony)
        guard let first = text.first else { return }
        if isVowel(first), isVowel(last) {
            text = String(buffer) + text
            form.rules.insert(.buffer)
        } else if Self.softeners.contains(last), let soft = Self.softened[first] {
            text = String(soft) + text.dropFirst()
            form.rules.insert(.softening)
        }
        form.text += text
    }

    /// Both faces of an ending, as a book writes it: "-ta/-te".
    func written(_ ending: Ending) -> String {
        "-" + harmonized(ending, isFront: false) + "/-" + harmonized(ending, isFront: true)
    }
}

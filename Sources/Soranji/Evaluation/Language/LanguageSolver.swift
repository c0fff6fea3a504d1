/// Translates with full knowledge of the rules: the most that a reader of the whole book could do. Beside it a gloss that
/// knows only the word list: the least that is worth anything.
struct LanguageSolver {
    private enum Analysis {
        case noun(Int, isPlural: Bool, InventedLanguage.Case)
        case adjective(Int)
        case verb(Int, InventedLanguage.Tense, InventedLanguage.Person)
        case pronoun(InventedLanguage.Person)
        case negation
    }

    let language: InventedLanguage
    private var analyses: [String: Analysis] = [:]
    private var nouns: [String: (noun: Int, isPlural: Bool)] = [:]
    private var verbs: [String: (verb: Int, form: VerbForm)] = [:]
    private var adjectives: [String: Int] = [:]
    /// Stems with what they mean, the longest first.
    private let stems: [(stem: String, english: String)]

    private enum VerbForm {
        case base, third, past
    }

    init(_ language: InventedLanguage) {
        self.language = language
        stems =
            (language.nouns.map { ($0.stem, $0.english.singular) } + language.verbs.map { ($0.stem, $0.english.base) }
            + language.adjectives.map { ($0.stem, $0.english) }).sorted { ($0.0.count, $1.0) > ($1.0.count, $0.0) }
        for (index, noun) in language.nouns.enumerated() {
            nouns[noun.english.singular] = (index, false)
            nouns[noun.english.plural] = (index, true)
            for grammaticalCase in InventedLanguage.Case.allCases {
                for isPlural in [false, true] {
                    let form = language.noun(noun.stem, plural: isPlural, grammaticalCase)
                    analyses[form.text] = .noun(index, isPlural: isPlural, grammaticalCase)
                }
            }
        }
        for (index, verb) in language.verbs.enumerated() {
            verbs[verb.english.base] = (index, .base)
            verbs[verb.english.third] = (index, .third)
            verbs[verb.english.past] = (index, .past)
            for tense in InventedLanguage.Tense.allCases {
                for person in InventedLanguage.Person.allCases {
                    analyses[language.verb(verb.stem, tense, person).text] = .verb(index, tense, person)
                }
            }
        }
        for (index, adjective) in language.adjectives.enumerated() {
            adjectives[adjective.english] = index
            for nounClass in 0...1 { analyses[language.adjective(adjective.stem, nounClass).text] = .adjective(index) }
        }
        for (person, word) in language.pronouns { analyses[word] = .pronoun(person) }
        analyses[language.negation] = .negation
    }

    // MARK: From the invented language

    /// Nil for a sentence that breaks a rule.
    func toEnglish(_ text: String) -> String? { parse(text)?.english(language) }

    func parse(_ text: String) -> LanguageSentence? {
        var phrases: [(grammaticalCase: InventedLanguage.Case, phrase: LanguageSentence.NounPhrase)] = []
        var waitingAdjective: Int?
        var waitingOwner: LanguageSentence.Owner?
        var verb: (Int, InventedLanguage.Tense)?
        var pronoun: InventedLanguage.Person?
        var isNegated = false
        for word in Self.words(text) {
            guard let analysis = analyses[word] else { return nil }
            switch analysis {
            case .negation: isNegated = true
            case .pronoun(let person): pronoun = person
            case .verb(let index, let tense, _): verb = (index, tense)
            case .adjective(let index):
                if language.adjectiveFollowsNoun {
                    guard !phrases.isEmpty else { return nil }
                    phrases[phrases.count - 1].phrase.adjective = index
                } else {
                    waitingAdjective = index
                }
            case .noun(let index, let isPlural, .owner):
                let owner = LanguageSentence.Owner(noun: index, isPlural: isPlural)
                if language.ownerFollowsNoun {
                    guard !phrases.isEmpty else { return nil }
                    phrases[phrases.count - 1].phrase.owner = owner
                } else {
                    waitingOwner = owner
                }
            case .noun(let index, let isPlural, let grammaticalCase):
                phrases.append(
                    (
                        grammaticalCase,
                        .init(noun: index, isPlural: isPlural, adjective: waitingAdjective, owner: waitingOwner)
                    )
                )
                waitingAdjective = nil
                waitingOwner = nil
            }
        }
        func phrase(_ grammaticalCase: InventedLanguage.Case) -> LanguageSentence.NounPhrase? {
            phrases.first { $0.grammaticalCase == grammaticalCase }?.phrase
        }
        guard let verb else { return nil }
        let subject: LanguageSentence.Subject
        if let pronoun {
            subject = .pronoun(pronoun)
        } else if let phrase = phrase(.subject) {
            subject = .phrase(phrase)
        } else {
            return nil
        }
        return LanguageSentence(
            subject: subject,
            verb: verb.0,
            tense: verb.1,
            isNegated: isNegated,
            object: phrase(.object),
            recipient: phrase(.recipient),
            place: phrase(.place)
        )
    }

    // MARK: From English

    func fromEnglish(_ text: String) -> String? { parseEnglish(text)?.spoken(language).text }

    func parseEnglish(_ text: String) -> LanguageSentence? {
        var words = Self.words(text)[...]
        let pronouns: [String: InventedLanguage.Person] = [
            "i": .first, "you": .second, "we": .firstPlural, "they": .thirdPlural,
        ]
        let subject: LanguageSentence.Subject
        if let first = words.first, let person = pronouns[first] {
            words.removeFirst()
            subject = .pronoun(person)
        } else if let phrase = nounPhrase(&words) {
            subject = .phrase(phrase)
        } else {
            return nil
        }
        guard let (verb, tense, isNegated) = verbGroup(&words) else { return nil }
        var sentence = LanguageSentence(subject: subject, verb: verb, tense: tense, isNegated: isNegated)
        if words.first == "the" { sentence.object = nounPhrase(&words) }
        if words.first == "to" {
            words.removeFirst()
            sentence.recipient = nounPhrase(&words)
        }
        if words.first == "in" {
            words.removeFirst()
            sentence.place = nounPhrase(&words)
        }
        return words.isEmpty ? sentence : nil
    }

    private func verbGroup(_ words: inout ArraySlice<String>) -> (Int, InventedLanguage.Tense, Bool)? {
        var tense: InventedLanguage.Tense?
        var isNegated = false
        if let first = words.first, ["will", "did", "do", "does"].contains(first) {
            tense = first == "will" ? .future : first == "did" ? .past : .present
            words.removeFirst()
            if words.first == "not" {
                isNegated = true
                words.removeFirst()
            }
        }
        guard let word = words.popFirst(), let (verb, form) = verbs[word] else { return nil }
        return (verb, tense ?? (form == .past ? .past : .present), isNegated)
    }

    private func nounPhrase(_ words: inout ArraySlice<String>) -> LanguageSentence.NounPhrase? {
        guard words.popFirst() == "the" else { return nil }
        var owner: LanguageSentence.Owner?
        if let first = words.first, let found = ownerNoun(first) {
            owner = .init(noun: found.noun, isPlural: found.isPlural)
            words.removeFirst()
        }
        var adjective: Int?
        if let first = words.first, let index = adjectives[first] {
            adjective = index
            words.removeFirst()
        }
        guard let word = words.popFirst(), let found = nouns[word] else { return nil }
        return .init(noun: found.noun, isPlural: found.isPlural, adjective: adjective, owner: owner)
    }

    private func ownerNoun(_ word: String) -> (noun: Int, isPlural: Bool)? {
        if word.hasSuffix("'s") { return nouns[String(word.dropLast(2))] }
        if word.hasSuffix("'") { return nouns[String(word.dropLast())] }
        return nil
    }

    // MARK: The floor

    /// Each word by the longest stem that it begins with; what has none is left out.
    func glossToEnglish(_ text: String) -> String {
        Self.words(text).compactMap { word in
            if let pronoun = language.pronouns.first(where: { $0.value == word }) { return pronoun.key.rawValue }
            return stems.first { word.hasPrefix($0.stem) }?.english
        }.joined(separator: " ")
    }

    /// Each English word by the bare stem.
    func glossFromEnglish(_ text: String) -> String {
        Self.words(text).compactMap { word in
            let plain = word.hasSuffix("'s") ? String(word.dropLast(2)) : word.filter { $0 != "'" }
            if let found = nouns[plain] { return language.nouns[found.noun].stem }
            if let found = adjectives[plain] { return language.adjectives[found].stem }
            if let found = verbs[plain] { return language.verbs[found.verb].stem }
            return language.pronouns.first { $0.key.rawValue.lowercased() == plain }?.value
        }.joined(separator: " ")
    }

    private static func words(_ text: String) -> [String] {
        text.lowercased().split { $0.isWhitespace || $0 == "." }.map(String.init)
    }
}

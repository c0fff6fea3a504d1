/// What a sentence says, in neither language. Words are positions in the lists of an ``InventedLanguage``.
struct LanguageSentence: Hashable, Sendable {
    struct NounPhrase: Hashable, Sendable {
        var noun: Int
        var isPlural = false
        var adjective: Int?
        var owner: Owner?
    }

    struct Owner: Hashable, Sendable {
        var noun: Int
        var isPlural = false
    }

    enum Subject: Hashable, Sendable {
        case pronoun(InventedLanguage.Person)
        case phrase(NounPhrase)
    }

    var subject: Subject
    var verb: Int
    var tense = InventedLanguage.Tense.present
    var isNegated = false
    var object: NounPhrase?
    var recipient: NounPhrase?
    var place: NounPhrase?

    var person: InventedLanguage.Person {
        switch subject {
        case .pronoun(let person): person
        case .phrase(let phrase): phrase.isPlural ? .thirdPlural : .third
        }
    }
}

extension LanguageSentence {
    /// A random sentence.
    ///
    /// - Parameter featured: a rule that it should need, where one can be asked for.
    static func random(
        _ language: InventedLanguage,
        featuring featured: InventedLanguage.Rule? = nil,
        _ random: inout EvaluationRandom
    ) -> LanguageSentence {
        func nouns(_ kinds: Set<InventedLanguage.NounKind>) -> [Int] {
            language.nouns.indices.filter { kinds.contains(language.nouns[$0].kind) }
        }
        func phrase(_ kinds: Set<InventedLanguage.NounKind>, isRich: Bool = true) -> NounPhrase {
            var phrase = NounPhrase(noun: random.pick(nouns(kinds)), isPlural: random.chance(0.35))
            let wantsAdjective = featured == .agreement || featured == .adjectiveOrder
            if isRich, random.chance(wantsAdjective ? 0.9 : 0.3) {
                phrase.adjective = random.below(language.adjectives.count)
            }
            let wantsOwner = featured == .owner || featured == .ownerOrder
            if isRich, random.chance(wantsOwner ? 0.9 : 0.15) {
                phrase.owner = Owner(noun: random.pick(nouns([.being])), isPlural: random.chance(0.3))
            }
            if featured == .plural { phrase.isPlural = true }
            return phrase
        }
        let isGiving = featured == .recipient || featured == .recipientOrder || random.chance(0.25)
        let isIntransitive = !isGiving && featured != .object && featured != .clauseOrder && random.chance(0.25)
        let kind: InventedLanguage.VerbKind = isGiving ? .giving : isIntransitive ? .intransitive : .transitive
        let verbs = language.verbs.indices.filter { language.verbs[$0].kind == kind }
        let usesPronoun = random.chance(featured == .pronouns || featured == .persons ? 0.9 : 0.3)
        let persons: [InventedLanguage.Person] = [.first, .second, .firstPlural, .thirdPlural]
        var sentence = LanguageSentence(
            subject: usesPronoun ? .pronoun(random.pick(persons)) : .phrase(phrase([.being])),
            verb: random.pick(verbs),
            tense: random.pick(InventedLanguage.Tense.allCases)
        )
        sentence.isNegated = random.chance(featured == .negation ? 0.9 : 0.15)
        if kind != .intransitive { sentence.object = phrase(kind == .giving ? [.thing] : [.being, .thing]) }
        if kind == .giving { sentence.recipient = phrase([.being], isRich: false) }
        let wantsPlace = featured == .place || featured == .placeOrder
        if random.chance(wantsPlace ? 0.95 : 0.25) { sentence.place = phrase([.place], isRich: wantsPlace) }
        if featured == .past { sentence.tense = .past }
        if featured == .present { sentence.tense = .present }
        if featured == .future { sentence.tense = .future }
        return sentence
    }
}

// MARK: English

extension LanguageSentence {
    func english(_ language: InventedLanguage) -> String {
        var words: [String] = []
        switch subject {
        case .pronoun(let person): words.append(person.rawValue)
        case .phrase(let phrase): words += Self.english(phrase, language)
        }
        let verb = language.verbs[verb].english
        let isThird = person == .third
        switch (tense, isNegated) {
        case (.present, false): words.append(isThird ? verb.third : verb.base)
        case (.present, true): words += [isThird ? "does" : "do", "not", verb.base]
        case (.past, false): words.append(verb.past)
        case (.past, true): words += ["did", "not", verb.base]
        case (.future, false): words += ["will", verb.base]
        case (.future, true): words += ["will", "not", verb.base]
        }
        if let object { words += Self.english(object, language) }
        if let recipient { words += ["to"] + Self.english(recipient, language) }
        if let place { words += ["in"] + Self.english(place, language) }
        let text = words.joined(separator: " ")
        return text.prefix(1).uppercased() + text.dropFirst() + "."
    }

    private static func english(_ phrase: NounPhrase, _ language: InventedLanguage) -> [String] {
        var words = ["the"]
        if let owner = phrase.owner {
            let noun = language.nouns[owner.noun].english
            let word = owner.isPlural ? noun.plural : noun.singular
            words.append(word + (owner.isPlural && word.hasSuffix("s") ? "'" : "'s"))
        }
        if let adjective = phrase.adjective { words.append(language.adjectives[adjective].english) }
        let noun = language.nouns[phrase.noun].english
        return words + [phrase.isPlural ? noun.plural : noun.singular]
    }
}

// MARK: The invented language

extension LanguageSentence {
    /// A sentence in the invented language: its words with their glosses, and the rules that it needs.
    struct Spoken: Sendable {
        var words: [(text: String, gloss: String)] = []
        var rules: Set<InventedLanguage.Rule> = []

        var text: String { words.map(\.text).joined(separator: " ") + "." }
        var gloss: String { words.map(\.gloss).joined(separator: " ") }
    }

    func spoken(_ language: InventedLanguage) -> Spoken {
        var result = Spoken()
        result.rules.insert(.clauseOrder)
        var parts: [Character: [(text: String, gloss: String)]] = [:]
        switch subject {
        case .pronoun(let person):
            result.rules.insert(.pronouns)
            parts["S"] = [(language.pronouns[person] ?? "", person.rawValue)]
        case .phrase(let phrase): parts["S"] = Self.spoken(phrase, .subject, language, &result.rules)
        }
        let form = language.verb(language.verbs[verb].stem, tense, person)
        result.rules.formUnion(form.rules)
        var verbWords = [(form.text, verbGloss(language))]
        if isNegated {
            result.rules.insert(.negation)
            verbWords.insert((language.negation, "NOT"), at: language.negationFollowsVerb ? 1 : 0)
        }
        parts["V"] = verbWords
        var objects = object.map { Self.spoken($0, .object, language, &result.rules) } ?? []
        if let recipient {
            result.rules.insert(.recipientOrder)
            let words = Self.spoken(recipient, .recipient, language, &result.rules)
            objects = language.recipientFollowsObject ? objects + words : words + objects
        }
        parts["O"] = objects
        result.words = language.clauseOrder.flatMap { parts[$0] ?? [] }
        if let place {
            result.rules.insert(.placeOrder)
            let words = Self.spoken(place, .place, language, &result.rules)
            result.words = language.placeComesFirst ? words + result.words : result.words + words
        }
        return result
    }

    private func verbGloss(_ language: InventedLanguage) -> String {
        let tense = tense == .present ? "" : tense == .past ? "-PAST" : "-FUT"
        return language.verbs[verb].english.base + tense + "-" + person.rawValue.uppercased()
    }

    private static func spoken(
        _ phrase: NounPhrase,
        _ grammaticalCase: InventedLanguage.Case,
        _ language: InventedLanguage,
        _ rules: inout Set<InventedLanguage.Rule>
    ) -> [(text: String, gloss: String)] {
        let noun = language.nouns[phrase.noun]
        func word(_ noun: InventedLanguage.Noun, _ isPlural: Bool, _ itsCase: InventedLanguage.Case) -> (String, String)
        {
            let form = language.noun(noun.stem, plural: isPlural, itsCase)
            rules.formUnion(form.rules)
            let parts = [noun.english.singular, isPlural ? "PL" : "", itsCase.gloss].filter { !$0.isEmpty }
            return (form.text, parts.joined(separator: "-"))
        }
        var words = [word(noun, phrase.isPlural, grammaticalCase)]
        if let index = phrase.adjective {
            let adjective = language.adjectives[index]
            let form = language.adjective(adjective.stem, noun.nounClass)
            rules.formUnion(form.rules)
            rules.insert(.adjectiveOrder)
            words.insert(
                (form.text, adjective.english + "-CLASS\(noun.nounClass + 1)"),
                at: language.adjectiveFollowsNoun ? 1 : 0
            )
        }
        if let owner = phrase.owner {
            rules.insert(.ownerOrder)
            words.insert(
                word(language.nouns[owner.noun], owner.isPlural, .owner),
                at: language.ownerFollowsNoun ? words.count : 0
            )
        }
        return words
    }
}

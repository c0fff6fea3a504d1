/// A language that nobody knows, made from a seed: sounds, words, cases, classes, tenses, persons, word order, and rules
/// that change endings by what is before them.
///
/// Every form of every word is different, so that a sentence has one meaning and ``LanguageSolver`` can find it.
struct InventedLanguage: Sendable {
    /// What has to be known to translate; each is told in exactly one chapter of the book.
    enum Rule: String, CaseIterable, Sendable {
        case harmony, buffer, softening
        case plural, object, recipient, place, owner, agreement
        case pronouns, persons, present, past, future, negation
        case clauseOrder = "clause order"
        case recipientOrder = "recipient order"
        case placeOrder = "place order"
        case adjectiveOrder = "adjective order"
        case ownerOrder = "owner order"
    }

    enum Case: String, CaseIterable, Sendable {
        case subject, object, recipient, place, owner

        var gloss: String {
            switch self {
            case .subject: ""
            case .object: "OBJ"
            case .recipient: "TO"
            case .place: "IN"
            case .owner: "OF"
            }
        }
    }

    enum Tense: String, CaseIterable, Sendable {
        case present, past, future
    }

    enum Person: String, CaseIterable, Sendable {
        case first = "I"
        case second = "you"
        case third = "it"
        case firstPlural = "we"
        case thirdPlural = "they"
    }

    enum NounKind: Sendable {
        case being, thing, place
    }

    enum VerbKind: Sendable {
        case transitive, giving, intransitive
    }

    struct Noun: Sendable {
        var english: EnglishWords.Noun
        var stem: String
        var kind: NounKind
        /// 0 or 1: which ending its adjective takes.
        var nounClass: Int
    }

    struct Verb: Sendable {
        var english: EnglishWords.Verb
        var stem: String
        var kind: VerbKind
    }

    struct Adjective: Sendable {
        var english: String
        var stem: String
    }

    var name: String
    var sounds: LanguageSounds
    var nouns: [Noun] = []
    var verbs: [Verb] = []
    var adjectives: [Adjective] = []
    /// Subjects that are no nouns.
    var pronouns: [Person: String] = [:]
    var plural: Ending
    var cases: [Case: Ending]
    var classEndings: [Ending]
    var tenses: [Tense: Ending]
    var persons: [Person: Ending]
    var negation: String
    var negationFollowsVerb: Bool
    /// Of "S", "O" and "V".
    var clauseOrder: String
    var recipientFollowsObject: Bool
    var placeComesFirst: Bool
    var adjectiveFollowsNoun: Bool
    var ownerFollowsNoun: Bool

    /// The language of a seed.
    static func make(seed: UInt64) -> InventedLanguage {
        // A draw whose endings collide is thrown away; one in a few does.
        for attempt in 0..<1000 {
            if let language = InventedLanguage(EvaluationRandom(seed: seed, "language", attempt)) { return language }
        }
        // Not reached with our lists: a thousand draws have never failed together. The smallest language serves.
        return InventedLanguage(sounds: LanguageSounds(consonants: ["t"], vowels: ["a"], buffer: "n"), name: "Ta")
    }

    private init(sounds: LanguageSounds, name: String) {
        self.name = name
        self.sounds = sounds
        plural = Ending("")
        cases = [:]
        classEndings = [Ending(""), Ending("")]
        tenses = [:]
        persons = [:]
        negation = "na"
        negationFollowsVerb = false
        clauseOrder = "SVO"
        recipientFollowsObject = true
        placeComesFirst = false
        adjectiveFollowsNoun = false
        ownerFollowsNoun = false
    }

    /// Nil where the words of the draw cannot be told apart.
    private init?(_ draw: EvaluationRandom) {
        var random = draw
        self.init(sounds: LanguageSounds(&random), name: "")
        var endings = sounds.endings(&random, count: 14)[...]
        guard endings.count == 14 else { return nil }
        func next() -> Ending { endings.popFirst() ?? Ending("") }
        plural = next()
        for grammaticalCase in Case.allCases where grammaticalCase != .subject { cases[grammaticalCase] = next() }
        classEndings = [next(), next()]
        for tense in [Tense.past, .future] { tenses[tense] = next() }
        for person in Person.allCases { persons[person] = next() }
        clauseOrder = random.pick(["SOV", "SVO", "VSO", "VOS", "OVS", "OSV"])
        negationFollowsVerb = random.chance(0.5)
        recipientFollowsObject = random.chance(0.5)
        placeComesFirst = random.chance(0.5)
        adjectiveFollowsNoun = random.chance(0.5)
        ownerFollowsNoun = random.chance(0.5)
        var taken = Taken()
        name = sounds.stem(&random, syllables: 2).prefix(1).uppercased() + sounds.stem(&random, syllables: 1)
        negation = ""
        for _ in 0..<100 where negation.isEmpty {
            let word = sounds.stem(&random, syllables: 1)
            if taken.add([word]) { negation = word }
        }
        for person in Person.allCases where person != .third {
            for _ in 0..<100 where pronouns[person] == nil {
                let word = sounds.stem(&random, syllables: 1)
                if taken.add([word]) { pronouns[person] = word }
            }
        }
        guard !negation.isEmpty, pronouns.count == 4, addWords(&random, &taken) else { return nil }
    }

    /// Forms that are words already.
    private struct Taken {
        private var forms: Set<String> = []

        /// False, and nothing added, where one of them is there already or twice among them.
        mutating func add(_ new: [String]) -> Bool {
            guard Set(new).count == new.count, forms.isDisjoint(with: new) else { return false }
            forms.formUnion(new)
            return true
        }
    }

    private mutating func addWords(_ random: inout EvaluationRandom, _ taken: inout Taken) -> Bool {
        /// A stem all of whose forms are new.
        func stem(_ forms: (String) -> [String]) -> String? {
            for _ in 0..<200 {
                let stem = sounds.stem(&random, syllables: 2 + random.below(2))
                if taken.add(forms(stem)) { return stem }
            }
            return nil
        }
        for (kind, list) in [
            (NounKind.being, EnglishWords.beings), (.thing, EnglishWords.things), (.place, EnglishWords.places),
        ] {
            var list = list.filter { $0.singular != $0.plural }
            random.shuffle(&list)
            for english in list {
                guard let stem = stem({ nounForms($0) }) else { return false }
                nouns.append(Noun(english: english, stem: stem, kind: kind, nounClass: random.below(2)))
            }
        }
        for (kind, list) in [
            (VerbKind.transitive, EnglishWords.transitiveVerbs), (.giving, EnglishWords.givingVerbs),
            (.intransitive, EnglishWords.intransitiveVerbs),
        ] {
            var list = list.filter { $0.base != $0.past }
            random.shuffle(&list)
            for english in list {
                guard let stem = stem({ verbForms($0) }) else { return false }
                verbs.append(Verb(english: english, stem: stem, kind: kind))
            }
        }
        var list = EnglishWords.adjectives
        random.shuffle(&list)
        for english in list {
            guard let stem = stem({ stem in [0, 1].map { adjective(stem, $0).text } }) else { return false }
            adjectives.append(Adjective(english: english, stem: stem))
        }
        return true
    }

    private func nounForms(_ stem: String) -> [String] {
        Case.allCases.flatMap { grammaticalCase in
            [false, true].map { noun(stem, plural: $0, grammaticalCase).text }
        }
    }

    private func verbForms(_ stem: String) -> [String] {
        Tense.allCases.flatMap { tense in Person.allCases.map { verb(stem, tense, $0).text } }
    }

    // MARK: Forms

    /// A word with the rules that made it.
    struct Form: Sendable {
        var text: String
        var rules: Set<Rule> = []
    }

    func noun(_ stem: String, plural isPlural: Bool, _ grammaticalCase: Case) -> Form {
        var form = Form(text: stem)
        if isPlural {
            form.rules.insert(.plural)
            sounds.join(&form, plural)
        }
        if let ending = cases[grammaticalCase], grammaticalCase != .subject {
            let rule: Rule =
                switch grammaticalCase {
                case .recipient: .recipient
                case .place: .place
                case .owner: .owner
                default: .object
                }
            form.rules.insert(rule)
            sounds.join(&form, ending)
        }
        return form
    }

    func adjective(_ stem: String, _ nounClass: Int) -> Form {
        var form = Form(text: stem, rules: [.agreement])
        sounds.join(&form, classEndings[nounClass == 0 ? 0 : 1])
        return form
    }

    func verb(_ stem: String, _ tense: Tense, _ person: Person) -> Form {
        let rule: Rule = tense == .present ? .present : tense == .past ? .past : .future
        var form = Form(text: stem, rules: [rule, .persons])
        if let ending = tenses[tense] { sounds.join(&form, ending) }
        if let ending = persons[person] { sounds.join(&form, ending) }
        return form
    }

    // MARK: Smaller languages

    /// The same language with fewer words: the first of each kind.
    func limited(to share: Double) -> InventedLanguage {
        func first<Element>(_ list: [Element]) -> [Element] {
            Array(list.prefix(max(3, Int((Double(list.count) * share).rounded()))))
        }
        var smaller = self
        smaller.nouns = [NounKind.being, .thing, .place].flatMap { kind in first(nouns.filter { $0.kind == kind }) }
        smaller.verbs = [VerbKind.transitive, .giving, .intransitive].flatMap { kind in
            first(verbs.filter { $0.kind == kind })
        }
        smaller.adjectives = first(adjectives)
        return smaller
    }

    var wordCount: Int { nouns.count + verbs.count + adjectives.count }
}

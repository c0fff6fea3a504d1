/// The one book about an invented language: a grammar in chapters, a word list, and sentence pairs.
///
/// Every rule is stated in exactly one chapter; examples use whatever rules they need.
struct LanguageBook {
    struct Chapter {
        var title: String
        var rules: [InventedLanguage.Rule]
        /// What is said about the rules, with tables.
        var statements: [String]
    }

    let language: InventedLanguage

    static let plan: [(title: String, rules: [InventedLanguage.Rule])] = [
        ("Vowels of endings", [.harmony]),
        ("Where two vowels meet", [.buffer]),
        ("Soft endings", [.softening]),
        ("One and many", [.plural]),
        ("Whom it is done to", [.object]),
        ("To whom", [.recipient, .recipientOrder]),
        ("Where", [.place, .placeOrder]),
        ("Whose", [.owner, .ownerOrder]),
        ("Adjectives", [.agreement, .adjectiveOrder]),
        ("I, you, we, they", [.pronouns]),
        ("Who does it", [.persons]),
        ("Now, before and later", [.present, .past, .future]),
        ("Not", [.negation]),
        ("The order of a sentence", [.clauseOrder]),
    ]

    var chapters: [Chapter] {
        Self.plan.map { entry in
            Chapter(title: entry.title, rules: entry.rules, statements: entry.rules.map(statement))
        }
    }

    // MARK: Rules

    /// What the book says about a rule.
    func statement(_ rule: InventedLanguage.Rule) -> String {
        let sounds = language.sounds
        func written(_ ending: Ending?) -> String { ending.map(sounds.written) ?? "nothing" }
        func ending(_ grammaticalCase: InventedLanguage.Case) -> String { written(language.cases[grammaticalCase]) }
        switch rule {
        case .harmony:
            return "Most endings have two forms, which are written with a stroke, such as \(written(language.plural)). "
                + "The second form stands when the last vowel before it is e or i, the first form after a, o and u."
        case .buffer:
            return
                "When a word ends in a vowel and its ending begins with a vowel, \(sounds.buffer) is put between them."
        case .softening:
            return
                "After m, n, l and r the first sound of an ending becomes soft: p becomes b, t becomes d and k becomes g."
        case .plural:
            return
                "More than one is shown by the ending \(written(language.plural)), before all other endings of the noun."
        case .object: return "The noun that something is done to has the ending \(ending(.object))."
        case .recipient:
            return "The noun that something is given, shown or told to has the ending \(ending(.recipient))."
        case .place: return "The noun that something happens in has the ending \(ending(.place))."
        case .owner: return "The owner of a thing has the ending \(ending(.owner))."
        case .agreement:
            return "Nouns are of class 1 or class 2, see the word list. An adjective always has an ending: "
                + "\(written(language.classEndings[0])) with nouns of class 1, \(written(language.classEndings[1])) with "
                + "nouns of class 2. It does not change otherwise."
        case .pronouns:
            let list = [InventedLanguage.Person.first, .second, .firstPlural, .thirdPlural].map { person in
                "\(language.pronouns[person] ?? "") is \(person.rawValue)"
            }
            return "The pronouns are: " + list.joined(separator: ", ") + "."
        case .persons:
            let names: [(InventedLanguage.Person, String)] = [
                (.first, "I"), (.second, "you"), (.third, "one person or thing"), (.firstPlural, "we"),
                (.thirdPlural, "several"),
            ]
            return "A verb ends with who does it: "
                + names.map { "\(written(language.persons[$0.0])) for \($0.1)" }.joined(separator: ", ") + "."
        case .present: return "What happens now has no ending of its own: the ending of the person follows the stem."
        case .past:
            return "What happened before has \(written(language.tenses[.past])) before the ending of the person."
        case .future:
            return "What will happen has \(written(language.tenses[.future])) before the ending of the person."
        case .negation:
            return
                "The word \(language.negation) directly \(language.negationFollowsVerb ? "after" : "before") the verb "
                + "means not."
        case .clauseOrder:
            let names: [Character: String] = ["S": "who does it", "O": "what it is done to", "V": "the verb"]
            return "The order of a sentence is: "
                + language.clauseOrder.compactMap { names[$0] }.joined(separator: ", then ") + "."
        case .recipientOrder:
            return "The one that something is given to stands directly "
                + (language.recipientFollowsObject ? "after" : "before") + " what is given."
        case .placeOrder:
            return "The place stands at the \(language.placeComesFirst ? "beginning" : "end") of the whole sentence."
        case .adjectiveOrder:
            return "An adjective stands directly \(language.adjectiveFollowsNoun ? "after" : "before") its noun."
        case .ownerOrder:
            return language.ownerFollowsNoun
                ? "The owner stands after what is owned, and after its adjective."
                : "The owner stands before what is owned, and before its adjective."
        }
    }

    // MARK: Words

    /// One line for each word, in the order of the alphabet.
    var wordList: [String] {
        let nouns = language.nouns.map {
            ($0.stem, "\($0.english.singular) (noun, class \($0.nounClass + 1)\(irregular($0.english)))")
        }
        let verbs = language.verbs.map { ($0.stem, "\($0.english.base) (verb)") }
        let adjectives = language.adjectives.map { ($0.stem, "\($0.english) (adjective)") }
        return (nouns + verbs + adjectives).sorted { $0.0 < $1.0 }.map { "\($0.0): \($0.1)" }
    }

    private func irregular(_ noun: EnglishWords.Noun) -> String {
        noun.plural == noun.singular + "s" ? "" : ", plural \(noun.plural)"
    }

    // MARK: Examples

    /// A sentence with its gloss and its translation, as a chapter shows it.
    func example(_ sentence: LanguageSentence) -> String {
        let spoken = sentence.spoken(language)
        return "\(spoken.text)\n(\(spoken.gloss))\n\(sentence.english(language))\n"
    }

    /// A pair as the list of sentences has it.
    func pair(_ sentence: LanguageSentence) -> String {
        "\(language.name): \(sentence.spoken(language).text)\nEnglish: \(sentence.english(language))\n"
    }

    /// Different sentences, none of them in `excluded`.
    func sentences(
        _ count: Int,
        excluding excluded: Set<LanguageSentence> = [],
        featuring rule: InventedLanguage.Rule? = nil,
        _ random: inout EvaluationRandom
    ) -> [LanguageSentence] {
        var known = excluded
        var sentences: [LanguageSentence] = []
        for _ in 0..<count * 20 where sentences.count < count {
            let sentence = LanguageSentence.random(language, featuring: rule, &random)
            if known.insert(sentence).inserted { sentences.append(sentence) }
        }
        return sentences
    }
}

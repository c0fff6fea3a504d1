import Testing

@testable import Soranji

/// The invented language: whole, without ambiguity, told once.
struct LanguageTests {
    @Test(arguments: UInt64(1)...12)
    func everySentenceHasOneMeaning(_ seed: UInt64) throws {
        let whole = InventedLanguage.make(seed: seed)
        #expect(whole.wordCount > 300)
        for share in [1, 0.25, 0.06] {
            let language = whole.limited(to: share)
            let book = LanguageBook(language: language)
            let solver = LanguageSolver(language)
            var random = EvaluationRandom(seed: seed, "test")
            let sentences = book.sentences(300, &random)
            #expect(sentences.count == 300)
            var used: Set<InventedLanguage.Rule> = []
            for sentence in sentences {
                let spoken = sentence.spoken(language)
                let english = sentence.english(language)
                used.formUnion(spoken.rules)
                #expect(solver.parse(spoken.text) == sentence, "\(spoken.text) / \(english)")
                #expect(solver.toEnglish(spoken.text) == english)
                #expect(solver.parseEnglish(english) == sentence, "\(english)")
                #expect(solver.fromEnglish(english) == spoken.text)
                #expect(!solver.glossToEnglish(spoken.text).isEmpty)
            }
            // Sentences need every rule; softening only where a stem ends so.
            #expect(used.count >= InventedLanguage.Rule.allCases.count - 1)
            #expect(solver.toEnglish("no such words") == nil)
            #expect(solver.fromEnglish("colourless green ideas") == nil)
            #expect(solver.toEnglish("") == nil)
        }
    }

    @Test func languagesDiffer() {
        let names = (1...20).map { InventedLanguage.make(seed: $0).name }
        #expect(Set(names).count > 15)
        #expect(InventedLanguage.make(seed: 3).name == InventedLanguage.make(seed: 3).name)
        #expect(InventedLanguage.make(seed: 3).nouns.map(\.stem) == InventedLanguage.make(seed: 3).nouns.map(\.stem))
        #expect(Set((1...20).map { InventedLanguage.make(seed: $0).clauseOrder }).count > 2)
    }

    @Test func eachRuleIsToldInOneChapter() {
        let book = LanguageBook(language: .make(seed: 5))
        let chapters = book.chapters
        for rule in InventedLanguage.Rule.allCases {
            let statement = book.statement(rule)
            #expect(!statement.isEmpty)
            #expect(chapters.count { $0.rules.contains(rule) } == 1, "\(rule)")
            #expect(chapters.flatMap(\.statements).count { $0 == statement } == 1, "\(rule)")
        }
        #expect(book.wordList.count == book.language.wordCount)
        #expect(Set(book.wordList).count == book.wordList.count)
    }

    @Test func joiningFollowsTheRules() {
        let sounds = LanguageSounds(consonants: ["t", "n"], vowels: ["a", "e"], buffer: "j")
        func joined(_ stem: String, _ ending: String) -> (String, Set<InventedLanguage.Rule>) {
            var form = InventedLanguage.Form(text: stem)
            sounds.join(&form, Ending(ending))
            return (form.text, form.rules)
        }
        #expect(joined("tane", "En") == ("tanejen", [.harmony, .buffer]))
        #expect(joined("tana", "En") == ("tanajan", [.harmony, .buffer]))
        #expect(joined("tan", "tI") == ("tandu", [.harmony, .softening]))
        #expect(joined("tet", "tI") == ("tetti", [.harmony]))
        #expect(joined("tet", "") == ("tet", []))
        #expect(sounds.written(Ending("kE")) == "-ka/-ke")
    }

    /// Every part of the book is as long as it may be, and no held-out sentence stands in it.
    @Test func booksHoldTheirPartsAndNoAnswers() throws {
        let words = WordTokens()
        let builder = EvaluationBuilder.plain(words)
        let group = builder.group(.language, samples: Array(0..<8), lengths: [4096, 16384], depths: [])
        #expect(group.cases.count == 10)
        for item in group.cases {
            let text = words.decode(item.contextTokens(nil))
            #expect(item.questions.count == 16)
            for question in item.questions {
                let reference = question.references[0]
                #expect(!text.contains(reference), "\(reference)")
                #expect(EvaluationScoring.chrF.score(question.ceiling ?? "", question.references) == 100)
                let floor = EvaluationScoring.chrF.score(question.floor ?? "", question.references)
                #expect(floor > 0 && floor < 90)
                #expect(!question.rules.isEmpty)
            }
            let part = try #require(item.identity.setting.flatMap(EvaluationBuilder.BookPart.init))
            #expect(text.contains("Chapter: Vowels of endings") == (part == .full || part == .half))
            #expect(text.contains("Chapter: The order of a sentence") == (part == .full))
            #expect(text.contains("(noun, class") == (part == .full || part == .half || part == .words))
            #expect(text.contains("English: ") == (part == .full || part == .half || part == .pairs))
        }
    }
}

/// Learning a language from one book, after "A Benchmark for Learning to Translate a New Language from One Grammar Book"
/// (Tanzer et al. 2024): nobody knows the language, so what is right was read in the context.
extension EvaluationBuilder {
    /// What of the book is in the context. Without anything the score should be near nothing: that is the control.
    enum BookPart: String, CaseIterable {
        case nothing, words, pairs, half, full
    }

    /// Held-out sentences for each direction at most.
    static let maximumSentences = 50

    /// One case for each length and part of the book; its questions are the held-out sentences, in both directions.
    func languageCases(_ samples: [Int], _ lengths: [Int]) -> Group {
        var group = Group()
        let whole = InventedLanguage.make(seed: seed)
        for length in lengths {
            // As many words as leave most of the context to the grammar.
            let fitting = [1, 0.5, 0.25, 0.125, 0.06].lazy.map { LanguageBook(language: whole.limited(to: $0)) }.first {
                self.leastTokens($0) <= length * 6 / 10
            }
            guard let book = fitting else {
                let least = leastTokens(LanguageBook(language: whole.limited(to: 0.06)))
                group.tooShort.append((length, least * 10 / 6))
                continue
            }
            // As many are held out as could be asked, so that the book is the same however many are.
            let held = heldOut(book, count: Self.maximumSentences)
            let all = languageQuestions(book, held)
            let room = length - Self.room(all, inTurns: false)
            let questions = Array(all.prefix(2 * samples.count))
            for part in BookPart.allCases {
                group.cases.append(
                    EvaluationCase(
                        identity: .init(task: .language, setting: part.rawValue, lengthTokens: length, sample: 0),
                        context: [.own(context(book, part, room: room, excluding: Set(held)))],
                        sharedTokens: 0,
                        questions: questions
                    )
                )
            }
        }
        return group
    }

    /// Sentences that stand nowhere in the book.
    func heldOut(_ book: LanguageBook, count: Int) -> [LanguageSentence] {
        var random = EvaluationRandom(seed: seed, "held out", book.language.wordCount)
        return book.sentences(count, &random)
    }

    private func languageQuestions(_ book: LanguageBook, _ held: [LanguageSentence]) -> [EvaluationQuestion] {
        let language = book.language
        let solver = LanguageSolver(language)
        let isRaw = frame.style == .raw
        func question(_ kind: String, _ source: String, _ target: String, _ text: String) -> EvaluationQuestion {
            EvaluationQuestion(
                tokens: encoder.tokens("\nTranslate from \(source) into \(target).\n\(source): \(text)")
                    + frame.answering + encoder.tokens((isRaw ? "\n" : "") + "\(target):"),
                references: [],
                scoring: .chrF,
                answerTokens: EvaluationTask.language.answerTokens,
                isOneLine: true,
                kind: kind
            )
        }
        return held.flatMap { sentence -> [EvaluationQuestion] in
            let spoken = sentence.spoken(language)
            let english = sentence.english(language)
            var to = question("to English", language.name, "English", spoken.text)
            to.references = [english]
            to.floor = solver.glossToEnglish(spoken.text)
            to.ceiling = solver.toEnglish(spoken.text) ?? ""
            var from = question("from English", "English", language.name, english)
            from.references = [spoken.text]
            from.floor = solver.glossFromEnglish(english)
            from.ceiling = solver.fromEnglish(english) ?? ""
            let rules = spoken.rules.map(\.rawValue).sorted()
            to.rules = rules
            from.rules = rules
            return [to, from]
        }
    }

    // MARK: The book as tokens

    /// What has to be there: all rules, all words, a few examples.
    private func leastTokens(_ book: LanguageBook) -> Int {
        let rules = book.chapters.flatMap { ["\n\($0.title)\n"] + $0.statements }
        return (rules + book.wordList).reduce(0) { $0 + encoder.tokens($1 + "\n").count } + 1000
    }

    private func context(
        _ book: LanguageBook,
        _ part: BookPart,
        room: Int,
        excluding held: Set<LanguageSentence>
    ) -> [Int32] {
        let name = book.language.name
        guard part != .nothing else { return opening("\(name) is a language that you do not know.\n") }
        var tokens = opening("This is a book about \(name), a language that you do not know. Translate with it.\n")
        let words = part == .pairs ? [] : encoder.tokens("\nWords\n\n" + book.wordList.joined(separator: "\n") + "\n")
        let chapters = book.chapters
        let told: [LanguageBook.Chapter]
        switch part {
        case .full: told = chapters
        case .half: told = Array(chapters.prefix((chapters.count + 1) / 2))
        default: told = []
        }
        var text: [[[Int32]]] = told.map { chapter in
            let statements = chapter.statements.joined(separator: "\n")
            return [encoder.tokens("\nChapter: \(chapter.title)\n\n\(statements)\n\n")]
        }
        func left() -> Int { room - tokens.count - words.count - text.joined().reduce(0) { $0 + $1.count } }
        // Half of what is left goes to the chapters' examples, the rest to the pairs.
        if !told.isEmpty { addExamples(book, told, to: &text, room: left() / 2, excluding: held) }
        let rest = left()
        tokens += text.joined().joined() + words
        if part != .words { tokens += pairs(book, room: rest, excluding: held) }
        return tokens
    }

    /// Adds examples to chapters in turn, each about a rule of its chapter, until the room is filled.
    private func addExamples(
        _ book: LanguageBook,
        _ chapters: [LanguageBook.Chapter],
        to text: inout [[[Int32]]],
        room: Int,
        excluding held: Set<LanguageSentence>
    ) {
        var random = EvaluationRandom(seed: seed, "examples", book.language.wordCount)
        var known = held
        var used = 0
        var round = 0
        // A chapter gets two hundred examples at most: then a longer book teaches nothing more.
        while used < room, round < 200 {
            for (index, chapter) in chapters.enumerated() {
                guard
                    let sentence = book.sentences(
                        1,
                        excluding: known,
                        featuring: chapter.rules[round % chapter.rules.count],
                        &random
                    ).first
                else { continue }
                known.insert(sentence)
                let example = encoder.tokens(book.example(sentence) + "\n")
                guard used + example.count <= room else { return }
                used += example.count
                text[index].append(example)
            }
            round += 1
        }
    }

    /// Up to four hundred sentence pairs.
    private func pairs(_ book: LanguageBook, room: Int, excluding held: Set<LanguageSentence>) -> [Int32] {
        var random = EvaluationRandom(seed: seed, "pairs", book.language.wordCount)
        var tokens = encoder.tokens("\nSentences\n\n")
        guard tokens.count <= room else { return [] }
        for sentence in book.sentences(400, excluding: held, &random) {
            let pair = encoder.tokens(book.pair(sentence) + "\n")
            guard tokens.count + pair.count <= room else { break }
            tokens += pair
        }
        return tokens
    }
}

import Foundation
import KVCache
import MediaFixtures
import Testing
import Tokenizers

@testable import Soranji

struct QuestionWordsTests {
    /// Every byte is a token.
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try SessionPlace().runtime().requireTokenizer() }

    /// Pages of 128 tokens that say this.
    private func pages(_ texts: [String]) -> [Int32] {
        texts.flatMap {
            tokenizer.encode(
                $0.padding(toLength: 128, withPad: ". ", startingAt: 0),
                addingSpecialTokens: false,
                parsingSpecialTokens: false
            )
        }
    }

    private func best(_ question: String, _ texts: [String], most: Int = 4, in range: Range<Int>? = nil) -> [Int] {
        QuestionWords(question, tokenizer: tokenizer).bestPages(
            most,
            of: pages(texts),
            in: range ?? 0..<texts.count
        )
    }

    private let plain = [String](repeating: "The sea was calm and grey.", count: 30)

    @Test func rareWordsNamePages() {
        var texts = plain
        texts[3] = "A goat lives on the island."
        texts[9] = "The Goats are fed: goats eat hay."
        texts[20] = "A lamp burns."
        #expect(best("What is the name of the goat?", texts) == [9, 3])
        #expect(best("Which lamp burns for the goats?", texts) == [20, 9, 3])
        #expect(best("Which lamp burns for the goats?", texts, most: 1) == [20])
        #expect(best("Which lamp burns for the goats?", texts, in: 4..<20) == [9])
        // What all pages say tells none of them from another.
        #expect(best("What of the calm sea?", texts) == [])
        #expect(best("", texts) == [] && best("the of", texts) == [] && best("zebra", texts) == [])
        // Words that ask for something, and single letters, are not looked for.
        texts[6] = "It does this, as a lamp does. X"
        #expect(best("How many does this have? X", texts) == [])
        // Of pasted text before a question the end counts.
        let pasted = String(repeating: "lamp goat ", count: 5000) + (0..<64).map { " word\($0)" }.joined()
        #expect(best(pasted, texts) == [] && best(pasted + " goat", texts) == [9, 3])
        #expect(best("goat", texts, most: 0) == [] && best("goat", texts, in: 5..<5) == [])
    }

    @Test func wordsStandAlone() {
        var texts = plain
        texts[2] = "The scapegoat, goatskin, Ägoat and goatö."
        texts[5] = "\"GOAT\""
        #expect(best("goat", texts) == [5])
        texts[7] = "Goat 12 of 120."
        #expect(best("Number 12?", texts) == [7])
        #expect(best("Number 120?", texts) == [7])
        #expect(best("Number 20?", texts) == [])
        for text in ["“goat”", "goat—which", "a goat’s", "so…goat…", "《goat》"] {
            texts[5] = text
            #expect(best("goat", texts) == [5, 7], "\(text)")
        }
        texts[11] = "Ein Esel heißt Ödipus."
        #expect(best("Wie alt ist Ödipus?", texts) == [11])
    }

    /// Pages may lie beyond what the tokens have, and tokens beyond the vocabulary.
    @Test func oddTokensAreNoWords() {
        let words = QuestionWords("goat", tokenizer: tokenizer)
        #expect(words.bestPages(4, of: [], in: 0..<3) == [] && words.bestPages(4, of: [1, 2], in: 5..<9) == [])
        #expect(words.bestPages(4, of: [-1, .max, 5], in: 0..<9) == [])
        let cut = pages(["A sheep and a goat"]).prefix(18)
        #expect(words.bestPages(4, of: Array(cut) + [.max], in: 0..<9) == [0])
        #expect(words.bestPages(4, of: Array(cut.dropLast()), in: 0..<9) == [])
    }

    // MARK: In conversations

    private func conversation(_ place: SessionPlace, wordPages: Int) throws -> Conversation {
        var options = Runtime.Options()
        options.contextTokens = 3072
        options.cacheElement = .q8
        options.attention.mode = .recall
        options.attention.windowTokens = 640
        options.attention.pages = 2
        options.attention.wordPages = wordPages
        return Conversation(runtime: try Runtime(bundleFolder: place.model.bundle, options: options))
    }

    @Test func answersSeeThePagesThatHaveTheirWords() throws {
        let place = try SessionPlace()
        let document = SessionPlace.document(110)
        func ask(_ conversation: Conversation, _ question: String) throws -> Answer {
            try conversation.ask(question, maximumTokens: 12)
        }
        let with = try conversation(place, wordPages: 4)
        with.add(document)
        let first = try ask(with, "What is line 7?")
        #expect((1...2).contains(first.context.wordPages))
        // The second question's own pages; a third one with no rare word has none.
        #expect((1...2).contains(try ask(with, "What is line 9?").context.wordPages))
        #expect(try ask(with, "What is it?").context.wordPages == 0)
        let without = try conversation(place, wordPages: 0)
        without.add(document)
        #expect(try ask(without, "What is line 7?").context.wordPages == 0)
        // What was read for the one question is not what another conversation begins with.
        let other = Conversation(runtime: with.runtime)
        other.add(document)
        #expect(try ask(other, "What is line 7?").tokens == first.tokens)
        // Nor what another question of the same conversation goes on with, however many words they have in common.
        let beginning = "Of all the many lines that were written down above this question, tell me what is said in"
        for question in ["\(beginning) line 93?", "\(beginning) line 41?", "\(beginning) it?"] {
            let undone = try conversation(place, wordPages: 4)
            undone.add(document)
            _ = try ask(undone, "\(beginning) line 7?")
            _ = undone.undo()
            let fresh = try conversation(place, wordPages: 4)
            fresh.add(document)
            let answer = try ask(undone, question)
            #expect(try answer.tokens == ask(fresh, question).tokens)
            // Of the words in common none is kept: they were read for the first question's pages.
            let readTokens = answer.statistics.promptTokens - answer.statistics.cachedTokens
            #expect(readTokens > beginning.utf8.count)
        }
        let short = try conversation(place, wordPages: 4)
        #expect(try ask(short, "What is line 7?").context.wordPages == 0)
        #expect(throws: RuntimeError.self) { try conversation(place, wordPages: -1) }
        #expect(throws: RuntimeError.self) { try conversation(place, wordPages: 4097) }
    }
}

import Foundation
import JSONText
import ModelFiles
import Tensor
import Testing

@testable import Soranji

/// Books: where pages end, what is kept of them, which are found.
struct BookTests {
    private func document(_ text: String, kind: Document.Kind = .markdown) -> Document {
        Document(title: "t", text: text, kind: kind, source: "t.md")
    }

    private func words(_ count: Int, _ seed: Int) -> String {
        (0..<count).map { "word\(seed)x\($0)" }.joined(separator: " ") + "."
    }

    private func pages(_ document: Document, _ maximum: Int) throws -> [String] {
        let bytes = Array(document.text.utf8)
        return try BookPaginator(maximumWords: maximum).pages(of: document).map {
            String(decoding: bytes[$0], as: UTF8.self)
        }
    }

    @Test func pagesEndAtHeadings() throws {
        let text = (0..<6).map { "# Part \($0)\n\n" + words(30, $0) + "\n\n" + words(25, 100 + $0) }
            .joined(separator: "\n\n")
        let pages = try pages(document(text), 100)
        #expect(pages.count == 6)
        #expect(pages.allSatisfy { $0.hasPrefix("# Part") })
        // No heading, no reason to stop early.
        let plain = (0..<10).map { words(30, $0) }.joined(separator: "\n\n")
        #expect(try self.pages(document(plain), 100).map(BookText.wordCount) == [90, 90, 90, 30])
    }

    /// Whatever the text, pages hold every word once and in order, and none is too long.
    @Test func pagesLoseNothing() throws {
        var generator = SplitMix64(state: 5)
        for round in 0..<60 {
            var text = ""
            for part in 0..<Int.random(in: 1...30, using: &generator) {
                let count = Int.random(in: 1...(round % 3 == 0 ? 400 : 40), using: &generator)
                let marks = ["", "# ", "- "].randomElement(using: &generator) ?? ""
                text += marks + words(count, part)
                text += ["\n", "\n\n", "\r\n\r\n", " ", "\n \t\n\n"].randomElement(using: &generator) ?? ""
                if part % 7 == 3 { text += "naïve Ünïcode “quoted.” Next\u{2028}line " }
            }
            for kind in [Document.Kind.markdown, .html] {
                let document = document(text, kind: kind)
                let maximum = [20, 50, 120].randomElement(using: &generator) ?? 50
                let found = try pages(document, maximum)
                func list(_ text: String) -> [Substring] {
                    text.split { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "\r\n" || $0 == "\r" }
                }
                #expect(found.flatMap(list) == list(text))
                #expect(found.allSatisfy { (1...maximum).contains(BookText.wordCount($0)) })
            }
        }
        #expect(try pages(document(""), 50).isEmpty)
        #expect(try pages(document(" \n\n\t"), 50).isEmpty)
    }

    @Test func theModelMayChooseTheBreak() throws {
        let text = (0..<5).map { words(30, $0) }.joined(separator: "\n\n")
        var asked: [(count: Int, first: Int)] = []
        var paginator = BookPaginator(maximumWords: 100)
        paginator.chooseBreak = { paragraphs, first, _ in
            asked.append((paragraphs.count, first))
            return asked.count == 1 ? 2 : 99
        }
        let pages = try paginator.pages(of: document(text))
        // Two paragraphs as chosen; then what is left fits on one page and nobody is asked.
        #expect(pages.count == 2)
        #expect(asked.map(\.count) == [3] && asked.map(\.first) == [2])
        #expect(BookBuilder.label(in: "I would stop at <12>, because") == 12)
        #expect(
            BookBuilder.label(in: "<a>") == nil && BookBuilder.label(in: "7") == nil
                && BookBuilder.label(in: "<") == nil
        )
    }

    @Test func sentencesEndWhereTheyShould() {
        let text = "It rained. \"Come in,\" she said. J. Smith came, e.g. with a dog! Why?\n\nNo stop here\n\nEnd."
        let bytes = Array(text.utf8)
        let found = BookText.sentences(bytes, in: 0..<bytes.count).map { String(decoding: bytes[$0], as: UTF8.self) }
        #expect(
            found == [
                "It rained.", "\"Come in,\" she said.", "J. Smith came, e.g. with a dog!", "Why?", "No stop here",
                "End.",
            ]
        )
        #expect(BookText.sentences([], in: 0..<0).isEmpty)
        #expect(BookText.terms("The boats' Oars, 3 glass") == ["the", "boat", "oar", "3", "glass"])
    }

    @Test func pageNumbersAreFound() {
        func numbers(_ text: String) -> [Int] { BookReader.pageNumbers(in: text, count: 9) }
        #expect(numbers("I want to look up [2, 5] to see") == [1, 4])
        #expect(numbers("[Page 3]") == [2])
        #expect(numbers("Pages 4 and 4 and 12. Also 5") == [3])
        #expect(numbers("[0, 10, 99999999999999999999]") == [])
        #expect(numbers("none") == [] && numbers("[1") == [] && numbers("") == [])
    }

    @Test func wordsRankPages() {
        let pages = [
            "The boat is called the Little Juniper and has four oars.", "The oil comes in barrels. The lamp burns oil.",
            "Nobody is called anything in this house, which has a lamp.",
        ]
        let scores = PageRanking.wordScores("What is the boat called?", pages)
        #expect(scores[0] > scores[2] && scores[2] > scores[1] && scores[1] == 0)
        #expect(PageRanking.wordScores("the of", pages) == [0, 0, 0])
        #expect(PageRanking.wordScores("x", []) == [])
    }

    // MARK: Files

    private func book() -> Book {
        Book(
            name: "light",
            model: "m",
            sources: [.init(path: "a.md", title: "A", kind: .markdown, bytes: 12, fingerprint: "00")],
            pages: [
                .init(
                    source: 0,
                    text: "One.\nTwo.",
                    firstLine: 1,
                    lastLine: 2,
                    gist: .init(text: "One.", isWritten: false)
                ),
                .init(source: 0, text: "Three.", firstLine: 4, lastLine: 4, sourcePages: 2...3),
            ]
        )
    }

    @Test func booksSurviveTheDisk() throws {
        let folder = TemporaryFolder()
        let shelf = BookShelf(folder: folder.path)
        try shelf.save(book())
        #expect(try shelf.load("light") == book())
        #expect(shelf.names == ["light"])
        #expect(book().place(0) == "a.md:1-2" && book().place(1) == "a.md, pages 2-3" && book().place(7) == "")
        #expect(!book().isComplete && book().gistCount == 1)
        #expect(throws: BookError.notFound("other", known: ["light"])) { try shelf.load("other") }
        for name in ["", ".", "../x", "a/b", ".hidden", String(repeating: "a", count: 101)] {
            #expect(throws: BookError.invalidName(name)) { try shelf.path(name) }
        }
        try shelf.remove("light")
        #expect(shelf.names.isEmpty)
        #expect(throws: BookError.notFound("light", known: [])) { try shelf.remove("light") }
        // What is there and cannot be read is not told to be missing.
        #expect(mkdir(try shelf.path("folder"), 0o700) == 0)
        #expect(throws: ModelFileError.self) { try shelf.load("folder") }
        #expect(BookShelf.name(for: ["/a/Fennick Light.v2.md"]) == "Fennick-Light")
        #expect(BookShelf.name(for: []) == "book" && BookShelf.name(for: ["-"]) == "book")
        #expect(try BookShelf { $0 == "HOME" ? "/home/a" : nil }.folder == "/home/a/.local/share/soranji/books")
        #expect(throws: BookError.noFolder) { try BookShelf { _ in nil } }
    }

    /// No file ends the process: every cut and every changed byte is a book, or an error.
    @Test func damagedBooksAreRefused() throws {
        let folder = TemporaryFolder()
        let shelf = BookShelf(folder: folder.path)
        try shelf.save(book())
        let whole = TemporaryFolder.contents(try shelf.path("light"))
        var generator = SplitMix64(state: 11)
        var refused = 0
        for round in 0..<400 {
            var bytes = whole
            if round % 2 == 0 {
                bytes = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator)))
            } else {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            _ = folder.file("light.book.json", bytes)
            do {
                let book = try shelf.load("light")
                // A changed byte that says the same does no harm.
                #expect(book == self.book())
            } catch {
                refused += 1
                #expect(error is BookError)
            }
        }
        #expect(refused > 380)
    }

    // MARK: With the small model

    private static let model = UserFolders.variable("SORANJI_TEST_MODEL")

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func answersFromTheRightPage() throws {
        let folder = TemporaryFolder()
        let shelf = BookShelf(folder: folder.path)
        let runtime = try Runtime(bundleFolder: try ModelLocator.bundleFolder(for: Self.model))
        let tests = String(#filePath.split(separator: "/Tests/SoranjiTests/", maxSplits: 1)[0])
        let path = (tests.hasPrefix("/") ? tests : "/" + tests) + "/Benchmarks/facts/fennick-light.md"
        let document = try DocumentReader().read(path)
        var builder = BookBuilder(runtime: runtime, shelf: shelf)
        builder.pageWords = 200
        builder.saveInterval = 0
        // Stopped after three gists, then gone on with: nothing is made twice.
        struct Stop: Error {}
        #expect(throws: Stop.self) { try builder.build([document], name: "light") { _, _ in throw Stop() } }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        #expect(throws: Stop.self) {
            try builder.build([document], name: "light") { done, _ in if done == 3 { throw Stop() } }
        }
        let part = try shelf.load("light")
        #expect(part.gistCount == 3 && part.pages.count > 5)
        var first: Int?
        let book = try builder.build([document], name: "light") { done, _ in first = first ?? done }
        #expect(first == 3)
        #expect(book.isComplete && Array(book.pages.prefix(3)) == Array(part.pages.prefix(3)))
        #expect(try shelf.load("light") == book)
        for page in book.pages {
            let gist = try #require(page.gist)
            #expect(!gist.isWritten && !gist.text.isEmpty)
            #expect(BookText.wordCount(gist.text) <= BookText.wordCount(page.text))
        }
        #expect(throws: BookError.otherSources("light")) {
            try builder.build([self.document("Something else.")], name: "light")
        }
        // Another process makes one of that name meanwhile: that one stays.
        #expect(throws: BookError.otherSources("other")) {
            try builder.build([document], name: "other") { done, _ in
                guard done == 0 else { return }
                try shelf.save(Book(name: "other", model: "m", sources: [], pages: []))
            }
        }
        #expect(try shelf.load("other").model == "m")
        let reply = try BookReader(runtime: runtime, book: book).ask(
            "What is the station boat called?",
            maximumTokens: 48
        )
        #expect(reply.answer.text.contains("Little Juniper"))
        let page = try #require(book.pages.firstIndex { $0.text.contains("is called the Little Juniper") })
        #expect(reply.opened.contains(page + 1))
        #expect(reply.sources.contains { $0.page == page + 1 && $0.place.hasSuffix("fennick-light.md:73") })
        // Asked for page numbers, a small model names what it likes: the answer still comes, from pages that exist.
        var reader = BookReader(runtime: runtime, book: book)
        for lookup in [BookLookup.parallel, .sequential] {
            reader.lookup = lookup
            let reply = try reader.ask("What is the station boat called?", maximumTokens: 16)
            #expect(reply.opened.allSatisfy { (1...book.pages.count).contains($0) })
            #expect(!reply.opened.isEmpty && reply.opened.count <= 2)
        }
    }
}

import Foundation
import Models

/// Makes a book: cuts documents into pages and writes a gist for each. What is done is kept, so that it can be stopped at
/// any moment and gone on with.
package struct BookBuilder {
    /// Who chooses where pages end, and who shortens them.
    package enum Author: String, Sendable, CaseIterable {
        /// The model where it is large enough to be asked, else fixed rules.
        case auto
        case model
        /// Paragraphs and headings; for gists, the sentences that the model attends to most.
        case rules
    }

    private let runtime: Runtime
    private let shelf: BookShelf
    package var breaks = Author.auto
    package var gists = Author.auto
    /// Words of a page at most; nil: 600, and half of that for small models.
    package var pageWords: Int?
    /// Seconds between two savings.
    package var saveInterval = 5.0

    /// Models below this many parameters are not asked for breaks and gists: they answer something else.
    static let ableParameters = 1_000_000_000

    package init(runtime: Runtime, shelf: BookShelf) {
        self.runtime = runtime
        self.shelf = shelf
    }

    static func isAble(_ runtime: Runtime) -> Bool {
        runtime.decoder.configuration.parameterCounts.total >= ableParameters
    }

    private func usesModel(_ author: Author) -> Bool {
        author == .model || author == .auto && Self.isAble(runtime)
    }

    private var words: Int { pageWords ?? (Self.isAble(runtime) ? 600 : 300) }

    /// Makes the book, or goes on with what there is of it.
    ///
    /// - Parameters:
    ///   - replaces: whether a book of that name from other documents may be replaced.
    ///   - onProgress: called before each gist with the number of gists there are; throw to stop. What was made is kept.
    package func build(
        _ documents: [Document],
        name: String,
        replaces: Bool = false,
        onProgress: (_ done: Int, _ count: Int) throws -> Void = { _, _ in }
    ) throws -> Book {
        let sources = documents.map { document in
            Book.Source(
                path: document.source,
                title: document.title,
                kind: document.kind,
                bytes: document.byteCount,
                fingerprint: BookText.fingerprint(document.text)
            )
        }
        try shelf.checkWritable(name)
        let known = replaces ? nil : try stored(name, sources)
        var book =
            try known ?? paginate(documents, Book(name: name, model: runtime.modelName, sources: sources, pages: []))
        try addGists(&book, isSaved: known != nil, replaces: replaces, onProgress)
        return book
    }

    /// The book of this name on the shelf; nil where there is none.
    ///
    /// - Throws: where it was made from other documents.
    private func stored(_ name: String, _ sources: [Book.Source]) throws -> Book? {
        guard try shelf.exists(name) else { return nil }
        let book = try shelf.load(name)
        guard book.sources.map(\.fingerprint) == sources.map(\.fingerprint) else { throw BookError.otherSources(name) }
        return book
    }

    private func save(_ book: Book, replaces: Bool) throws {
        // Another process may have made one of that name meanwhile.
        if !replaces { _ = try stored(book.name, book.sources) }
        try shelf.save(book)
    }

    // MARK: Pages

    private func paginate(_ documents: [Document], _ empty: Book) throws -> Book {
        var book = empty
        var paginator = BookPaginator(maximumWords: words)
        if usesModel(breaks) { paginator.chooseBreak = chooseBreak }
        for (index, document) in documents.enumerated() {
            let bytes = Array(document.text.utf8)
            for range in try paginator.pages(of: document) {
                let last = max(range.lowerBound, range.upperBound - 1)
                book.pages.append(
                    Book.Page(
                        source: index,
                        text: String(decoding: bytes[range], as: UTF8.self),
                        firstLine: document.line(at: range.lowerBound),
                        lastLine: max(document.line(at: range.lowerBound), document.line(at: last)),
                        sourcePages: document.page(at: range.lowerBound).map { first in
                            first...max(first, document.page(at: last) ?? first)
                        }
                    )
                )
            }
        }
        return book
    }

    /// Asks the model where the text pauses. Nil for an answer without one of the labels.
    private func chooseBreak(_ paragraphs: [Substring], _ firstChoice: Int, _ before: Substring) throws -> Int? {
        var text = before.isEmpty ? "" : "What came before ends with: …\(before)\n\n"
        text += "Passage:\n"
        for (index, paragraph) in paragraphs.enumerated() {
            if index >= firstChoice { text += "<\(index)>\n" }
            text += paragraph + "\n"
        }
        text += "<\(paragraphs.count)>\n\n"
        text +=
            "At which of the labels in angle brackets is it most natural to stop reading for a moment: where a scene, an "
            + "argument or a topic ends? Answer with the label alone, such as <\(paragraphs.count)>."
        let answer = try Conversation(runtime: runtime).ask(text, maximumTokens: 24)
        return Self.label(in: answer.text)
    }

    /// The first number in angle brackets.
    static func label(in text: String) -> Int? {
        guard let open = text.firstIndex(of: "<") else { return nil }
        let digits = text[text.index(after: open)...].prefix { $0.isASCII && $0.isNumber }
        let end = text.index(open, offsetBy: digits.count + 1)
        return end < text.endIndex && text[end] == ">" ? Int(digits) : nil
    }

    // MARK: Gists

    private func addGists(
        _ book: inout Book,
        isSaved: Bool,
        replaces: Bool,
        _ onProgress: (Int, Int) throws -> Void
    ) throws {
        var done = book.gistCount
        var saved = ContinuousClock.now
        var isSaved = isSaved
        let extractor = try GistExtractor(runtime: runtime)
        do {
            for index in book.pages.indices where book.pages[index].gist == nil {
                try onProgress(done, book.pages.count)
                book.pages[index].gist = try gist(book.pages[index].text, extractor)
                done += 1
                isSaved = false
                if seconds(saved.duration(to: .now)) > saveInterval {
                    try save(book, replaces: replaces)
                    saved = .now
                    isSaved = true
                }
            }
        } catch {
            // Stopped, or out of something: what was made is kept. Pages that rules cut are nothing to keep.
            if !isSaved, done > 0 || usesModel(breaks) { try? save(book, replaces: replaces) }
            throw error
        }
        try onProgress(done, book.pages.count)
        if !isSaved { try save(book, replaces: replaces) }
    }

    private func gist(_ page: String, _ extractor: GistExtractor) throws -> Book.Gist {
        let words = BookText.wordCount(page)
        if usesModel(gists) {
            let answer = try Conversation(runtime: runtime).ask(
                "Shorten the following passage. Keep names, numbers and what happens. Answer with the shortened passage "
                    + "alone.\n\nPassage:\n\(page)",
                maximumTokens: max(64, words)
            )
            let count = BookText.wordCount(answer.text)
            // A gist that is no shorter than its page is none.
            if answer.reason == .endOfAnswer, count > 0, count * 10 < words * 7 {
                return Book.Gist(text: answer.text, isWritten: true)
            }
        }
        return Book.Gist(text: try extractor.gist(of: page), isWritten: false)
    }
}

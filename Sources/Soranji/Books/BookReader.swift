import Foundation
import Models

/// Answers questions from a book: finds pages, opens them, answers from them.
package struct BookReader {
    private let runtime: Runtime
    private let book: Book
    package var lookup = BookLookup.auto
    /// Pages that are opened at most; nil: 5, and 2 for small models.
    package var pageCount: Int?

    package init(runtime: Runtime, book: Book) {
        self.runtime = runtime
        self.book = book
    }

    /// A place that an answer came from.
    package struct Source: Sendable, Equatable {
        /// Number of the book's page, from 1.
        package var page: Int
        /// Path and lines, or pages, of the document.
        package var place: String
        package var excerpt: String
        /// Share of the attention to what was open.
        package var share: Double
    }

    package struct Reply: Sendable {
        package var answer: Answer
        /// Numbers of the pages that were opened, from 1, in the order of the book.
        package var opened: [Int]
        package var sources: [Source]
        package var lookup: BookLookup
        /// What was otherwise than asked for, such as an answer without page numbers.
        package var notes: [String]
    }

    private var limit: Int { max(1, pageCount ?? (BookBuilder.isAble(runtime) ? 5 : 2)) }

    /// - Parameter onText: called with pieces of the answer; return false to stop.
    package func ask(
        _ question: String,
        maximumTokens: Int? = 256,
        sampling: SamplingOptions = SamplingOptions(),
        onProgress: (PrefillProgress) throws -> Void = { _ in },
        onText: (String) throws -> Bool = { _ in true }
    ) throws -> Reply {
        guard !book.pages.isEmpty else { throw BookError.notFound(book.name, known: []) }
        let way = lookup == .auto ? (BookBuilder.isAble(runtime) ? BookLookup.parallel : .pages) : lookup
        if way != .pages, !book.isComplete {
            throw BookError.unfinished(book.name, done: book.gistCount, count: book.pages.count)
        }
        var notes: [String] = []
        if !book.isComplete {
            notes.append(
                "\(book.pages.count - book.gistCount) of \(FixedPoint.count(book.pages.count, "page")) have no gist yet; "
                    + "'soranji book build' with the same documents goes on with it"
            )
        }
        var opened: [Int]
        switch way {
        case .parallel: opened = try chooseAtOnce(question, onProgress)
        case .sequential: opened = try chooseInTurn(question, onProgress)
        case .auto, .pages: opened = []
        }
        if opened.isEmpty {
            if way != .pages { notes.append("the model named no page; pages were ranked instead") }
            opened = try PageRanking(runtime: runtime, book: book).best(limit, for: question)
        }
        opened = Array(opened.prefix(limit)).sorted()
        let (open, kept) = try openPages(opened, question, maximumTokens ?? 256, showsGists: way != .pages, &notes)
        let conversation = Conversation(runtime: runtime)
        conversation.add(open.document)
        let answer = try conversation.ask(
            question,
            maximumTokens: maximumTokens,
            sampling: sampling,
            onProgress: onProgress,
            onText: onText
        )
        return Reply(
            answer: answer,
            opened: kept.map { $0 + 1 },
            sources: sources(answer, open),
            lookup: way,
            notes: notes
        )
    }

    // MARK: Choosing

    private func gists(opening opened: Set<Int> = []) -> String {
        book.pages.enumerated().map { index, page in
            "<Page \(index + 1)>\n" + (opened.contains(index) ? page.text : page.gist?.text ?? "")
        }.joined(separator: "\n\n")
    }

    private func ask(_ text: String, _ onProgress: (PrefillProgress) throws -> Void) throws -> String {
        try Conversation(runtime: runtime).ask(text, maximumTokens: 48, onProgress: onProgress).text
    }

    private func chooseAtOnce(_ question: String, _ onProgress: (PrefillProgress) throws -> Void) throws -> [Int] {
        let text =
            "These are the pages of a text in short:\n\n\(gists())\n\nQuestion: \(question)\n\n"
            + "Which pages should be read in full to answer the question? Name as few as possible, \(limit) at most, as a "
            + "list in square brackets, such as [1, 2]. Do not answer the question yet."
        return Self.pageNumbers(in: try ask(text, onProgress), count: book.pages.count)
    }

    private func chooseInTurn(_ question: String, _ onProgress: (PrefillProgress) throws -> Void) throws -> [Int] {
        var opened: [Int] = []
        while opened.count < limit {
            let text =
                "These are the pages of a text in short"
                + (opened.isEmpty
                    ? "" : ", some of them in full (\(opened.map { "\($0 + 1)" }.joined(separator: ", ")))")
                + ":\n\n\(gists(opening: Set(opened)))\n\nQuestion: \(question)\n\n"
                + "Which one page should be read in full next to answer the question? Answer with its number in square "
                + "brackets, such as [1], or with STOP when nothing more is needed. Do not answer the question yet."
            let answer = try ask(text, onProgress)
            guard
                let next = Self.pageNumbers(in: answer, count: book.pages.count).first(where: { !opened.contains($0) })
            else { break }
            opened.append(next)
        }
        return opened
    }

    /// Pages (from 0) that stand in the first square brackets, or else the numbers after "page".
    static func pageNumbers(in text: String, count: Int) -> [Int] {
        var listed = text[...]
        if let open = text.firstIndex(of: "["), let close = text[open...].firstIndex(of: "]") {
            listed = text[text.index(after: open)..<close]
        } else if let page = text.range(of: "page", options: .caseInsensitive) {
            listed = text[page.upperBound...].prefix { $0 != "." && $0 != "\n" }
        } else {
            return []
        }
        var pages: [Int] = []
        for number in listed.split(whereSeparator: { !$0.isNumber }).compactMap({ Int($0) }) where number >= 1 {
            if number <= count, !pages.contains(number - 1) { pages.append(number - 1) }
        }
        return pages
    }

    // MARK: Answering

    /// What the model reads for its answer, and which part of it is which page.
    private struct OpenText {
        var document: Document
        var pages: [(page: Int, bytes: Range<Int>)]
    }

    /// The chosen pages, with the gists of the others around them where those are shown and fit.
    private func openPages(
        _ opened: [Int],
        _ question: String,
        _ answerTokens: Int,
        showsGists: Bool,
        _ notes: inout [String]
    ) throws -> (OpenText, [Int]) {
        let room = runtime.contextTokens - answerTokens
        func tokens(_ open: OpenText) throws -> Int {
            let text = Prompt.userText(question: question, documents: [open.document], instruction: nil)
            return try runtime.encode([.init(role: .user, text: text)], systemPrompt: nil).stream.count
        }
        if showsGists {
            let open = text(opened, showsGists: true)
            if try tokens(open) <= room { return (open, opened) }
            notes.append("the gists of the other pages do not fit beside the opened ones and were left out")
        }
        var kept = opened
        var open = text(kept, showsGists: false)
        while try tokens(open) > room {
            guard kept.count > 1, let last = kept.popLast() else {
                throw BookError.pageTooLong(page: (kept.first ?? 0) + 1, tokens: try tokens(open), room: room)
            }
            notes.append("page \(last + 1) does not fit beside the others and was left out")
            open = text(kept, showsGists: false)
        }
        return (open, kept)
    }

    private func text(_ opened: [Int], showsGists: Bool) -> OpenText {
        var text = ""
        var places: [(page: Int, bytes: Range<Int>)] = []
        for index in book.pages.indices {
            let isOpen = opened.contains(index)
            guard isOpen || showsGists else { continue }
            if showsGists { text += "<Page \(index + 1)>\n" }
            let body = isOpen ? book.pages[index].text : book.pages[index].gist?.text ?? ""
            let start = text.utf8.count
            text += body
            if isOpen { places.append((index, start..<text.utf8.count)) }
            text += "\n\n"
        }
        let title = book.sources.first?.title ?? book.name
        return OpenText(
            document: Document(title: title, text: text, kind: .text, source: book.name),
            pages: places
        )
    }

    /// Citations of the opened text as places of the book.
    private func sources(_ answer: Answer, _ open: OpenText) -> [Source] {
        answer.citations.compactMap { citation in
            let bytes = citation.passage.bytes
            guard let place = open.pages.first(where: { $0.bytes.overlaps(bytes) }) else { return nil }
            let page = book.pages[place.page]
            // Lines of the document are lines of the page's text, unless the document was reduced to text.
            var lines = page.firstLine...max(page.firstLine, page.lastLine)
            let source = book.sources.indices.contains(page.source) ? book.sources[page.source] : nil
            if source?.kind == .text || source?.kind == .markdown {
                let text = Array(page.text.utf8)
                func line(_ offset: Int) -> Int {
                    let end = min(max(0, offset - place.bytes.lowerBound), text.count)
                    return page.firstLine + text[..<end].count { $0 == 0x0A }
                }
                let first = line(bytes.lowerBound)
                lines = first...max(first, line(bytes.upperBound - 1))
            }
            return Source(
                page: place.page + 1,
                place: Book.place(source?.path ?? book.name, lines: lines, pages: page.sourcePages),
                excerpt: citation.passage.excerpt,
                share: citation.share
            )
        }
    }
}

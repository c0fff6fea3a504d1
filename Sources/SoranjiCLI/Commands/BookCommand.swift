import ArgumentParser
import JSONText
import Soranji

struct BookCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "book",
        abstract: "Read long documents once, page by page, and ask about them ever after.",
        discussion: """
            A book is made of pages that end where the text pauses, and of a gist for each page. A question opens only the \
            pages that it needs, so a model with a short context answers from a document of any length. Books are kept in \
            $SORANJI_BOOKS, else $XDG_DATA_HOME/soranji/books, else ~/.local/share/soranji/books.
            """,
        subcommands: [Build.self, Ask.self, List.self, Remove.self]
    )

    struct Build: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a book from documents, or go on with one that was stopped.",
            discussion: """
                Small models are not asked where pages end and what is worth keeping: fixed rules cut at headings and \
                paragraphs, and a gist is the sentences that the model attends to most. Ctrl-C stops; what was made is kept.

                Examples:
                  soranji book build handbook.md
                  soranji book build part1.pdf part2.pdf --name report --gists model
                """
        )

        @OptionGroup(title: "Model") var model: ModelFlags

        @Option(help: ArgumentHelp("What the book is called. (default: the first document's name)", valueName: "name"))
        var name: String?

        @Option(help: ArgumentHelp("Who chooses where pages end.", valueName: "who"))
        var breaks = BookBuilder.Author.auto

        @Option(help: ArgumentHelp("Who makes gists.", valueName: "who"))
        var gists = BookBuilder.Author.auto

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp("Words of a page at most. (default: 600, small models 300)", valueName: "count")
        )
        var pageWords: Int?

        @Flag(help: "Replace a book of that name that was made from other documents.")
        var replace = false

        @Argument(help: "Documents: text, Markdown, HTML or PDF.", completion: .file())
        var documents: [String]

        func validate() throws {
            if let pageWords, !(20...20_000).contains(pageWords) {
                throw ValidationError("--page-words must be from 20 to 20000, not \(pageWords).")
            }
            if documents.count(where: { $0 == "-" }) > 1 {
                throw ValidationError("Standard input can be only one of the documents.")
            }
        }

        func run() throws {
            let shelf = try BookShelf()
            let name = name ?? BookShelf.name(for: documents)
            _ = try shelf.path(name)
            let read = try documents.map { try DocumentReader().read($0) }
            let progress = ProgressBar()
            defer { progress.clear() }
            let runtime = try model.open(progress: progress)
            var builder = BookBuilder(runtime: runtime, shelf: shelf)
            builder.breaks = breaks
            builder.gists = gists
            builder.pageWords = pageWords
            let book = try Interrupt.watch { () throws -> Book? in
                do {
                    return try builder.build(read, name: name, replaces: replace) { done, count in
                        if Interrupt.isRequested { throw Stopped() }
                        progress.update("reading", completed: done, total: count, unit: .steps)
                    }
                } catch is Stopped {
                    return nil
                }
            }
            progress.clear()
            defer { runtime.keepExpertUsage() }
            guard let book else {
                Terminal.standardError.writeLine("stopped; the same command goes on with it")
                throw ExitStatus.interrupted
            }
            try Terminal.standardOutput.outputLine(
                "\(book.name): \(FixedPoint.count(book.pages.count, "page")), "
                    + "\(FixedPoint.count(book.wordCount, "word")), gists of "
                    + "\(FixedPoint.count(book.pages.reduce(0) { $0 + ($1.gist?.text.split(separator: " ").count ?? 0) }, "word"))"
            )
        }
    }

    struct Ask: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a question about a book.",
            discussion: """
                'parallel' shows the model all gists and lets it name the pages to open, 'sequential' one after the other, \
                'pages' ranks pages by the question's words and by how likely the question is after each. The answer names \
                pages and lines.

                Examples:
                  soranji book ask handbook "How often is the horn sounded?"
                  soranji book ask report --lookup sequential --pages 3 --json "Who signed it?"
                """
        )

        @OptionGroup(title: "Model") var model: ModelFlags
        @OptionGroup(title: "Sampling") var sampling: SamplingFlags

        @Option(help: ArgumentHelp("How pages are found.", valueName: "way"))
        var lookup = BookLookup.auto

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp("Pages to open at most. (default: 5, small models 2)", valueName: "count")
        )
        var pages: Int?

        @Flag(help: "Print JSON.")
        var json = false

        @Argument(help: "The book's name.")
        var name: String

        @Argument(help: "The question.")
        var question: [String]

        func validate() throws {
            if let pages, !(1...1000).contains(pages) {
                throw ValidationError("--pages must be from 1 to 1000, not \(pages).")
            }
            if question.joined().allSatisfy(\.isWhitespace) { throw ValidationError("The question is empty.") }
        }

        func run() throws {
            let book = try BookShelf().load(name)
            let progress = ProgressBar()
            defer { progress.clear() }
            let runtime = try model.open(progress: progress)
            var reader = BookReader(runtime: runtime, book: book)
            reader.lookup = lookup
            reader.pageCount = pages
            let output = AnswerOutput(terminal: .standardOutput)
            defer { output.breakOff() }
            let reply = try Interrupt.watch { () throws -> BookReader.Reply? in
                do {
                    return try reader.ask(
                        question.joined(separator: " "),
                        maximumTokens: sampling.maxTokens.tokens,
                        sampling: sampling.choice(for: runtime).options,
                        onProgress: { step in
                            if Interrupt.isRequested { throw Stopped() }
                            progress.update(step)
                        },
                        onText: { piece in
                            progress.clear()
                            if !json { try output.write(piece) }
                            return !Interrupt.isRequested
                        }
                    )
                } catch is Stopped {
                    return nil
                }
            }
            progress.clear()
            defer { runtime.keepExpertUsage() }
            guard let reply else {
                Terminal.standardError.writeLine("stopped while reading")
                throw ExitStatus.interrupted
            }
            if json {
                try Terminal.standardOutput.outputLine(report(reply, book, runtime).text(indented: true))
            } else {
                try output.finish()
                if reply.answer.reason == .tokenLimit {
                    let notes = AnswerNotes(answer: reply.answer, documents: [], style: Terminal.standardError.style)
                    Terminal.standardError.writeLine(
                        notes.limit(sampling.maxTokens.tokens, contextTokens: runtime.contextTokens)
                    )
                }
                show(reply, book)
            }
            if reply.answer.reason == .cancelled { throw ExitStatus.interrupted }
        }

        private func show(_ reply: BookReader.Reply, _ book: Book) {
            let style = Terminal.standardError.style
            var lines = reply.notes.map { style.dim($0) }
            let opened = reply.opened.map { "\($0) (\(book.place($0 - 1)))" }.joined(separator: ", ")
            lines += ["", style.bold("Opened:") + " page \(opened)"]
            if !reply.sources.isEmpty { lines.append(style.bold("Attended to most:")) }
            for source in reply.sources {
                let share = "\(FixedPoint.text(source.share * 100, places: 0))%"
                lines.append("  page \(source.page), \(style.cyan(source.place))  \(style.dim(share))")
                lines.append("    \(source.excerpt)")
            }
            for line in lines { Terminal.standardError.writeLine(line) }
        }

        private func report(_ reply: BookReader.Reply, _ book: Book, _ runtime: Runtime) -> JSON {
            let figures = reply.answer.statistics
            return [
                "answer": .string(reply.answer.text), "stop_reason": .string(reply.answer.reason.rawValue),
                "question": .string(question.joined(separator: " ")), "book": .string(book.name),
                "model": .string(runtime.modelName), "lookup": .string(reply.lookup.rawValue),
                "opened_pages": .array(reply.opened.map { .integer(Int64($0)) }),
                "sources": .array(
                    reply.sources.map {
                        [
                            "page": .integer(Int64($0.page)), "place": .string($0.place),
                            "share": .number($0.share), "excerpt": .string($0.excerpt),
                        ]
                    }
                ), "notes": .array(reply.notes.map(JSON.string)),
                "prompt_tokens": .integer(Int64(figures.promptTokens)),
                "answer_tokens": .integer(Int64(figures.answerTokens)),
                "prefill_seconds": .number(figures.prefillSeconds), "decode_seconds": .number(figures.decodeSeconds),
            ]
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the books.")

        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            let shelf = try BookShelf()
            let books = shelf.names.map { name in (name: name, book: Result { try shelf.load(name) }) }
            if json {
                let list = books.map { name, found -> JSON in
                    let book: Book
                    switch found {
                    case .success(let read): book = read
                    case .failure(let error): return ["name": .string(name), "problem": .string("\(error)")]
                    }
                    return [
                        "name": .string(name), "pages": .integer(Int64(book.pages.count)),
                        "gists": .integer(Int64(book.gistCount)), "words": .integer(Int64(book.wordCount)),
                        "sources": .array(book.sources.map { .string($0.path) }), "model": .string(book.model),
                    ]
                }
                let report: JSON = ["folder": .string(shelf.folder), "books": .array(list)]
                try Terminal.standardOutput.outputLine(report.text(indented: true))
                return
            }
            guard !books.isEmpty else {
                Terminal.standardError.writeLine("there is no book in \(shelf.folder) yet")
                return
            }
            var rows = [["name", "pages", "words", "documents"]]
            for (name, found) in books {
                let book: Book
                switch found {
                case .success(let read): book = read
                case .failure(let error):
                    rows.append([name, "", "", "\(error)"])
                    continue
                }
                let state = book.isComplete ? "" : " (\(book.gistCount) of \(book.pages.count) gists)"
                rows.append([
                    name, FixedPoint.grouped(book.pages.count), FixedPoint.grouped(book.wordCount),
                    book.sources.map(\.path).joined(separator: ", ") + state,
                ])
            }
            for line in TextTable.lines(rows, rightAligned: [1, 2]) { try Terminal.standardOutput.outputLine(line) }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Remove books; the documents stay."
        )

        @Argument(help: "Names of books.")
        var names: [String]

        @Flag(name: [.short, .long], help: "Do not ask.")
        var yes = false

        func run() throws {
            let shelf = try BookShelf()
            // Nobody is asked about what is not there.
            for name in names { try shelf.checkExists(name) }
            if !yes { try Confirmation.ask("remove", names) }
            for name in names {
                try shelf.remove(name)
                Terminal.standardError.writeLine("removed \(name)")
            }
        }
    }
}

extension BookBuilder.Author: ExpressibleByArgument {}
extension BookLookup: ExpressibleByArgument {}

import JSONText

/// A book that was read once: its pages, and what is short to say of each.
///
/// After "A Human-Inspired Reading Agent with Gist Memory" (Lee et al. 2024): pages end where the text pauses, gists stand
/// for them, and a question opens only the pages that it needs.
package struct Book: Sendable, Equatable {
    /// A document that the book was made from.
    package struct Source: Sendable, Equatable {
        package var path: String
        package var title: String
        package var kind: Document.Kind
        package var bytes: Int
        /// Tells other contents apart (FNV-1a).
        package var fingerprint: String
    }

    package struct Page: Sendable, Equatable {
        /// Which source.
        package var source: Int
        package var text: String
        /// Lines of the source's text, from 1.
        package var firstLine: Int
        package var lastLine: Int
        /// Pages of the source, for documents with pages.
        package var sourcePages: ClosedRange<Int>?
        package var gist: Gist?
    }

    package struct Gist: Sendable, Equatable {
        package var text: String
        /// Whether the model wrote it; else it is the sentences that the model attended to most.
        package var isWritten: Bool
    }

    package var name: String
    /// The model that made pages and gists.
    package var model: String
    package var sources: [Source]
    package var pages: [Page]

    package var isComplete: Bool { pages.allSatisfy { $0.gist != nil } }
    package var gistCount: Int { pages.count { $0.gist != nil } }
    package var wordCount: Int { pages.reduce(0) { $0 + BookText.wordCount($1.text) } }

    /// Where a page is in its source: "handbook.md:12-40", "report.pdf, pages 3-4".
    package func place(_ page: Int) -> String {
        guard pages.indices.contains(page) else { return "" }
        let page = pages[page]
        let path = sources.indices.contains(page.source) ? sources[page.source].path : ""
        return Self.place(path, lines: page.firstLine...max(page.firstLine, page.lastLine), pages: page.sourcePages)
    }

    static func place(_ path: String, lines: ClosedRange<Int>, pages: ClosedRange<Int>?) -> String {
        func text(_ range: ClosedRange<Int>) -> String {
            range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }
        let name = path == "-" ? "standard input" : path
        guard let pages else { return "\(name):\(text(lines))" }
        return "\(name), page\(pages.count == 1 ? "" : "s") \(text(pages))"
    }
}

// MARK: File

extension Book {
    static let format = "soranji-book"
    static let version = 1

    var json: JSON {
        var object = contents.objectValue ?? JSON.Object()
        object["checksum"] = .string(checksum)
        return .object(object)
    }

    /// Of everything that the book says (FNV-1a).
    private var checksum: String { BookText.fingerprint(contents.text()) }

    private var contents: JSON {
        [
            "format": .string(Self.format), "version": .integer(Int64(Self.version)), "name": .string(name),
            "model": .string(model),
            "sources": .array(
                sources.map {
                    [
                        "path": .string($0.path), "title": .string($0.title), "kind": .string($0.kind.rawValue),
                        "bytes": .integer(Int64($0.bytes)), "fingerprint": .string($0.fingerprint),
                    ]
                }
            ), "pages": .array(pages.map(\.json)),
        ]
    }

    /// - Throws: ``BookError/unreadable(_:_:)`` for a file that is no book, or one whose numbers do not fit together.
    init(json: JSON, path: String) throws(BookError) {
        func require<Value>(_ value: Value?, _ what: String) throws(BookError) -> Value {
            guard let value else { throw .unreadable(path, what) }
            return value
        }
        guard json["format"]?.stringValue == Self.format else { throw .unreadable(path, "it is no book") }
        guard json["version"]?.intValue == Self.version else { throw .unreadable(path, "another version made it") }
        name = try require(json["name"]?.stringValue, "it has no name")
        model = try require(json["model"]?.stringValue, "it has no model")
        sources = []
        for entry in try require(json["sources"]?.arrayValue, "it has no sources") {
            sources.append(
                Source(
                    path: try require(entry["path"]?.stringValue, "a source has no path"),
                    title: entry["title"]?.stringValue ?? "",
                    kind: entry["kind"]?.stringValue.flatMap(Document.Kind.init) ?? .text,
                    bytes: max(0, entry["bytes"]?.intValue ?? 0),
                    fingerprint: try require(entry["fingerprint"]?.stringValue, "a source has no fingerprint")
                )
            )
        }
        pages = []
        for entry in try require(json["pages"]?.arrayValue, "it has no pages") {
            let page = try require(Page(json: entry), "page \(pages.count + 1) is not whole")
            guard sources.indices.contains(page.source) else {
                throw .unreadable(path, "page \(pages.count + 1) has no source")
            }
            pages.append(page)
        }
        // Books of earlier versions have none.
        if let stored = json["checksum"], stored.stringValue != checksum {
            throw .unreadable(path, "its checksum is not that of its text")
        }
    }
}

extension Book.Page {
    var json: JSON {
        var object = JSON.Object([
            ("source", .integer(Int64(source))), ("first_line", .integer(Int64(firstLine))),
            ("last_line", .integer(Int64(lastLine))),
        ])
        if let sourcePages {
            object["source_pages"] = [
                .integer(Int64(sourcePages.lowerBound)), .integer(Int64(sourcePages.upperBound)),
            ]
        }
        object["text"] = .string(text)
        if let gist {
            object["gist"] = .string(gist.text)
            object["gist_by"] = .string(gist.isWritten ? "model" : "attention")
        }
        return .object(object)
    }

    init?(json: JSON) {
        guard let source = json["source"]?.intValue, let text = json["text"]?.stringValue,
            let first = json["first_line"]?.intValue, let last = json["last_line"]?.intValue, first >= 1, last >= first
        else { return nil }
        self.init(source: source, text: text, firstLine: first, lastLine: last)
        if let pages = json["source_pages"]?.arrayValue?.compactMap(\.intValue), pages.count == 2, pages[0] <= pages[1]
        {
            sourcePages = pages[0]...pages[1]
        }
        gist = json["gist"]?.stringValue.map { Book.Gist(text: $0, isWritten: json["gist_by"]?.stringValue == "model") }
    }
}

/// Why there is no such book, or no answer from it.
package enum BookError: HintedError, Equatable {
    case noFolder
    case invalidName(String)
    case notFound(String, known: [String])
    case unreadable(String, String)
    case otherSources(String)
    case unfinished(String, done: Int, count: Int)
    case pageTooLong(page: Int, tokens: Int, room: Int)

    package var description: String {
        switch self {
        case .noFolder: "there is no folder for books, since neither HOME nor SORANJI_BOOKS is set"
        case .invalidName(let name): "'\(name)' cannot be a book's name"
        case .notFound(let name, _): "there is no book '\(name)'"
        case .unreadable(let path, let why): "'\(path)' cannot be read as a book: \(why)"
        case .otherSources(let name): "the book '\(name)' was made from other documents, or these have changed since"
        case .unfinished(let name, let done, let count):
            "the book '\(name)' is not finished: \(done) of \(FixedPoint.count(count, "page")) have a gist"
        case .pageTooLong(let page, let tokens, let room):
            "page \(page) has \(FixedPoint.count(tokens, "token")), but a question leaves room for \(room)"
        }
    }

    package var isUsage: Bool {
        if case .invalidName = self { return true }
        return false
    }

    package var hint: String? {
        switch self {
        case .noFolder: "set SORANJI_BOOKS to a folder that can be written"
        case .invalidName: "use letters, digits, '-', '_' and '.', not beginning with '.'"
        case .notFound(_, let known):
            known.isEmpty ? "make one: soranji book build FILE" : "there are: \(known.joined(separator: ", "))"
        case .unreadable: "make it again with --replace"
        case .otherSources: "use --replace to make it anew, or another --name"
        case .unfinished(let name, _, _): "go on with 'soranji book build' and the same documents and --name \(name)"
        case .pageTooLong: "make the book again with fewer --page-words, or use a larger --context"
        }
    }
}

/// A text that questions are asked about, with where it came from.
///
/// Offsets everywhere are UTF-8 byte offsets into ``text``.
public struct Document: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case text, markdown, html, pdf
    }

    /// The document's own title where it has one (HTML, Markdown), else its file name.
    public var title: String
    /// What the model reads. Text and Markdown are unchanged but for a byte order mark; HTML and PDF are reduced.
    public let text: String
    public let kind: Kind
    /// The path as it was given, or "-" for standard input.
    public let source: String
    /// Where each line and, in a PDF, each page begins.
    private let places: PlaceIndex

    /// - Parameter pageStarts: offsets at which pages begin, ascending; empty for documents without pages.
    public init(title: String, text: String, kind: Kind, source: String, pageStarts: [Int] = []) {
        self.init(title: title, text: text, kind: kind, source: source, pageStarts: pageStarts, sourceLines: [])
    }

    /// - Parameter sourceLines: where the text comes from, for a text that is not its file's; ascending.
    init(
        title: String,
        text: String,
        kind: Kind,
        source: String,
        pageStarts: [Int] = [],
        sourceLines: [SourceLine]
    ) {
        // One contiguous copy, so that byte offsets are found in constant time.
        var text = text
        text.makeContiguousUTF8()
        self.title = title
        self.text = text
        self.kind = kind
        self.source = source
        self.places = PlaceIndex(text: text, pageStarts: pageStarts, sourceLines: sourceLines)
    }

    /// What tells lines and pages of a text that is not its file's.
    struct Places: Sendable, Equatable {
        var pageStarts: [Int]
        var sourceLines: [SourceLine]
    }

    /// The same document without its file, from what was kept of it.
    init(title: String, text: String, kind: Kind, source: String, places: Places) {
        self.init(
            title: title,
            text: text,
            kind: kind,
            source: source,
            pageStarts: places.pageStarts,
            sourceLines: places.sourceLines
        )
    }

    var storedPlaces: Places { places.stored }

    /// Bytes of ``text``.
    public var byteCount: Int { text.utf8.count }

    /// Lines of ``text``; text after the last line break counts as one.
    public var lineCount: Int { places.lineCount(endingAt: byteCount) }

    /// The line (from 1) that holds a byte; offsets outside the text belong to the nearest line. Of a page in HTML it is
    /// the line of its file that the byte comes from, of a PDF the line of ``text``.
    ///
    /// Cost: O(log lines).
    public func line(at offset: Int) -> Int { places.line(at: offset) }

    /// The page (from 1) that holds a byte; nil for documents without pages.
    public func page(at offset: Int) -> Int? { places.page(at: offset) }
}

/// From byte `offset` of a reduced text on, what stands there comes from line `line` of its file.
struct SourceLine: Sendable, Equatable {
    var offset: Int
    var line: Int
}

/// Line and page starts of one text.
struct PlaceIndex: Sendable, Equatable {
    /// Offsets of the first byte of every line; never empty.
    private var lineStarts: [Int]
    private var pageStarts: [Int]
    /// Where lines of the file begin in a reduced text, and which; empty where the lines are the text's own.
    private var sourceOffsets: [Int]
    private var sourceLines: [Int]

    /// A line ends with LF, CR LF or a lone CR.
    init(text: String, pageStarts: [Int], sourceLines: [SourceLine] = []) {
        self.pageStarts = pageStarts
        sourceOffsets = sourceLines.map(\.offset)
        self.sourceLines = sourceLines.map(\.line)
        var starts = [0]
        var text = text
        text.withUTF8 { bytes in
            for (offset, byte) in bytes.enumerated() where byte == 0x0A || byte == 0x0D {
                if byte == 0x0D, offset + 1 < bytes.count, bytes[offset + 1] == 0x0A { continue }
                starts.append(offset + 1)
            }
        }
        self.lineStarts = starts
    }

    var stored: Document.Places {
        Document.Places(
            pageStarts: pageStarts,
            sourceLines: zip(sourceOffsets, sourceLines).map { SourceLine(offset: $0, line: $1) }
        )
    }

    func line(at offset: Int) -> Int {
        guard !sourceLines.isEmpty else { return max(1, Self.countUpTo(offset, in: lineStarts)) }
        return sourceLines[max(0, Self.countUpTo(offset, in: sourceOffsets) - 1)]
    }

    func page(at offset: Int) -> Int? {
        pageStarts.isEmpty ? nil : max(1, Self.countUpTo(offset, in: pageStarts))
    }

    func lineCount(endingAt end: Int) -> Int {
        guard let last = lineStarts.last else { return 1 }
        return lineStarts.count > 1 && last == end ? lineStarts.count - 1 : lineStarts.count
    }

    /// How many of the ascending `starts` are at or before `offset`.
    private static func countUpTo(_ offset: Int, in starts: [Int]) -> Int {
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

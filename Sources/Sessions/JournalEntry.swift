import JSONText
import KVCache

/// What is appended to a session's stream: tokens, where they stand, what text they cover, and what they are.
package struct StreamEntry: Sendable, Equatable {
    /// Tokens that the stream had before; fewer than it has now cuts it first.
    package var firstToken: Int
    package var tokens: [Int32]
    /// For each token the end of what it covers in ``text``, in bytes from its beginning.
    package var byteEnds: [UInt32]
    /// One per token; empty where positions count up by one from the context's beginning.
    package var positions: [RotaryPosition]
    /// Slots count from the first of ``tokens``.
    package var media: [MediaRun]
    package var text: [UInt8]
    /// What stands after the tokens in the prompt before anything new comes: a few characters that will be tokenized with
    /// what follows them.
    package var pendingText: [UInt8]
    /// Documents, files and turns that come with these tokens: the business of whoever writes them.
    package var notes: JSON

    package init(
        firstToken: Int,
        tokens: [Int32],
        byteEnds: [UInt32] = [],
        positions: [RotaryPosition] = [],
        media: [MediaRun] = [],
        text: [UInt8] = [],
        pendingText: [UInt8] = [],
        notes: JSON = .null
    ) {
        self.firstToken = firstToken
        self.tokens = tokens
        self.byteEnds = byteEnds
        self.positions = positions
        self.media = media
        self.text = text
        self.pendingText = pendingText
        self.notes = notes
    }
}

/// Where a page of the stream lies; or a block of the index, which is what ranking knows of up to 16 pages.
package struct PageEntry: Sendable, Equatable {
    /// The page's place in the context, or the block's.
    package var page: Int
    /// Positions that it held when it was stored, or pages.
    package var filled: Int
    /// 0: the session's own file; else the number of one of its sources.
    package var source: Int
    /// Which of the manifest's forms the record has.
    package var form: Int
    /// Byte in the file of records.
    package var offset: Int
    /// CRC-32C of each part.
    package var checksums: [UInt32]
}

/// Another session whose records are used.
package struct SessionSource: Sendable, Equatable {
    package var identifier: String
    /// What it was called then, for people.
    package var name: String
}

/// What attention goes on with after a context beside its pages: numbers that mean something to those who attend.
package struct StoredLists: Sendable, Equatable {
    /// Tokens of the context.
    package var tokens: Int
    package var numbers: [Int32]

    package init(tokens: Int, numbers: [Int32]) {
        self.tokens = tokens
        self.numbers = numbers
    }
}

/// One entry of a journal.
enum JournalEntry: Equatable {
    case stream(StreamEntry)
    /// With what the token after them needs beside them.
    case pages([PageEntry], lists: StoredLists? = nil)
    case source(SessionSource)
    /// Records of the own file, by their offsets, that are not needed any more and may have been given back.
    case dropped([Int])
    /// Pages from this one on are lost; the stream has their tokens still.
    case forgotten(Int)
    /// Blocks of the index.
    case index([PageEntry])
    /// Blocks of the index, by their places, that are lost; they can be made from the pages.
    case unindexed([Int])

    var type: UInt32 {
        switch self {
        case .stream: 1
        case .pages(_, let lists): lists == nil ? 2 : 7
        case .source: 3
        case .dropped: 4
        case .forgotten: 5
        case .index: 6
        case .unindexed: 8
        }
    }

    var payload: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .stream(let entry):
            writer.put(UInt64(entry.firstToken))
            writer.put(entry.tokens)
            writer.put(entry.byteEnds)
            writer.put(UInt32(entry.positions.count))
            for position in entry.positions {
                writer.put(position.time)
                writer.put(position.row)
                writer.put(position.column)
            }
            writer.put(UInt32(entry.media.count))
            for run in entry.media {
                writer.put(UInt64(run.first))
                writer.put(UInt64(run.count))
                writer.put(UInt64(run.firstRow))
                for lane in 0..<4 { writer.put(run.digest[lane]) }
            }
            writer.put(entry.text)
            writer.put(entry.pendingText)
            writer.put(entry.notes.text())
        case .pages(let pages, let lists):
            Self.put(pages, &writer)
            guard let lists else { break }
            writer.put(UInt64(lists.tokens))
            writer.put(lists.numbers)
        case .index(let blocks): Self.put(blocks, &writer)
        case .source(let source):
            writer.put(source.identifier)
            writer.put(source.name)
        case .dropped(let offsets):
            writer.put(UInt32(offsets.count))
            for offset in offsets { writer.put(UInt64(offset)) }
        case .forgotten(let page): writer.put(UInt32(page))
        case .unindexed(let blocks): writer.put(blocks.map { UInt32($0) })
        }
        return writer.bytes
    }

    private static func put(_ pages: [PageEntry], _ writer: inout ByteWriter) {
        writer.put(UInt32(pages.count))
        for page in pages {
            writer.put(UInt32(page.page))
            writer.put(UInt32(page.filled))
            writer.put(UInt32(page.source))
            writer.put(UInt32(page.form))
            writer.put(UInt64(page.offset))
            writer.put(page.checksums)
        }
    }

    /// - Returns: nil when the bytes are no such entry.
    init?(type: UInt32, payload: [UInt8]) {
        var reader = ByteReader(payload)
        switch type {
        case 1:
            guard let entry = Self.stream(&reader) else { return nil }
            self = .stream(entry)
        case 2, 7:
            guard let pages = Self.pages(&reader, capacity: PageLayout.positions) else { return nil }
            var lists: StoredLists?
            if type == 7 {
                guard let tokens = reader.count(UInt64.self), let numbers = reader.integers() else { return nil }
                lists = StoredLists(tokens: tokens, numbers: numbers)
            }
            self = .pages(pages, lists: lists)
        case 3:
            guard let identifier = reader.string(), SessionManifest.isIdentifier(identifier),
                let name = reader.string()
            else { return nil }
            self = .source(SessionSource(identifier: identifier, name: name))
        case 4:
            guard let count = reader.count(UInt32.self), count <= reader.left / 8 else { return nil }
            var offsets: [Int] = []
            for _ in 0..<count {
                guard let offset = reader.count(UInt64.self) else { return nil }
                offsets.append(offset)
            }
            self = .dropped(offsets)
        case 5:
            guard let page = reader.count(UInt32.self) else { return nil }
            self = .forgotten(page)
        case 6:
            guard let blocks = Self.pages(&reader, capacity: PageIndexBlock.pages) else { return nil }
            self = .index(blocks)
        case 8:
            guard let blocks = reader.unsignedIntegers() else { return nil }
            self = .unindexed(blocks.map { Int($0) })
        default: return nil
        }
        guard reader.left == 0 else { return nil }
    }

    private static func stream(_ reader: inout ByteReader) -> StreamEntry? {
        guard let firstToken = reader.count(UInt64.self), let tokens = reader.integers(),
            let byteEnds = reader.unsignedIntegers(), let positionCount = reader.count(UInt32.self),
            positionCount <= reader.left / 24, positionCount == 0 || positionCount == tokens.count
        else { return nil }
        var positions: [RotaryPosition] = []
        positions.reserveCapacity(positionCount)
        for _ in 0..<positionCount {
            guard let time = reader.double(), let row = reader.double(), let column = reader.double() else {
                return nil
            }
            let position = RotaryPosition(time: time, row: row, column: column)
            guard position.isFinite, position.largest.magnitude < 1e15 else { return nil }
            positions.append(position)
        }
        guard let runs = reader.count(UInt32.self), runs <= reader.left / 56 else { return nil }
        var media: [MediaRun] = []
        var end = 0
        for _ in 0..<runs {
            guard let first = reader.count(UInt64.self), let count = reader.count(UInt64.self),
                let firstRow = reader.count(UInt64.self), first >= end, count > 0,
                first + count <= tokens.count
            else { return nil }
            var digest = MediaRun.Digest()
            for lane in 0..<4 {
                guard let word = reader.number(UInt64.self) else { return nil }
                digest[lane] = word
            }
            end = first + count
            media.append(MediaRun(first: first, count: count, digest: digest, firstRow: firstRow))
        }
        guard let text = reader.text(), let pendingText = reader.text(), let notes = reader.text(),
            let json = try? JSON.parse(notes, maximumDepth: 32), byteEnds.isEmpty || byteEnds.count == tokens.count,
            zip(byteEnds, byteEnds.dropFirst()).allSatisfy({ $0 <= $1 }), Int(byteEnds.last ?? 0) <= text.count
        else { return nil }
        return StreamEntry(
            firstToken: firstToken,
            tokens: tokens,
            byteEnds: byteEnds,
            positions: positions,
            media: media,
            text: text,
            pendingText: pendingText,
            notes: json
        )
    }

    /// - Parameter capacity: what one of them holds at most.
    private static func pages(_ reader: inout ByteReader, capacity: Int) -> [PageEntry]? {
        // The smallest one has 28 bytes.
        guard let count = reader.count(UInt32.self), count <= reader.left / 28 else { return nil }
        var pages: [PageEntry] = []
        for _ in 0..<count {
            guard let page = reader.count(UInt32.self), let filled = reader.count(UInt32.self),
                let source = reader.count(UInt32.self), let form = reader.count(UInt32.self),
                let offset = reader.count(UInt64.self), let checksums = reader.unsignedIntegers(),
                (1...capacity).contains(filled)
            else { return nil }
            pages.append(
                PageEntry(
                    page: page,
                    filled: filled,
                    source: source,
                    form: form,
                    offset: offset,
                    checksums: checksums
                )
            )
        }
        return pages
    }
}

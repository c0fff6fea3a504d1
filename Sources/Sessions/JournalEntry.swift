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

/// Where a page of the stream lies.
package struct PageEntry: Sendable, Equatable {
    /// The page's place in the context.
    package var page: Int
    /// Positions that it held when it was stored.
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

/// One entry of a journal.
enum JournalEntry: Equatable {
    case stream(StreamEntry)
    case pages([PageEntry])
    case source(SessionSource)
    /// Records of the own file, by their offsets, that are not needed any more and may have been given back.
    case dropped([Int])
    /// Pages from this one on are lost; the stream has their tokens still.
    case forgotten(Int)

    var type: UInt32 {
        switch self {
        case .stream: 1
        case .pages: 2
        case .source: 3
        case .dropped: 4
        case .forgotten: 5
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
        case .pages(let pages):
            writer.put(UInt32(pages.count))
            for page in pages {
                writer.put(UInt32(page.page))
                writer.put(UInt32(page.filled))
                writer.put(UInt32(page.source))
                writer.put(UInt32(page.form))
                writer.put(UInt64(page.offset))
                writer.put(page.checksums)
            }
        case .source(let source):
            writer.put(source.identifier)
            writer.put(source.name)
        case .dropped(let offsets):
            writer.put(UInt32(offsets.count))
            for offset in offsets { writer.put(UInt64(offset)) }
        case .forgotten(let page): writer.put(UInt32(page))
        }
        return writer.bytes
    }

    /// - Returns: nil when the bytes are no such entry.
    init?(type: UInt32, payload: [UInt8]) {
        var reader = ByteReader(payload)
        switch type {
        case 1:
            guard let entry = Self.stream(&reader) else { return nil }
            self = .stream(entry)
        case 2:
            guard let pages = Self.pages(&reader) else { return nil }
            self = .pages(pages)
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

    private static func pages(_ reader: inout ByteReader) -> [PageEntry]? {
        // The smallest one has 28 bytes.
        guard let count = reader.count(UInt32.self), count <= reader.left / 28 else { return nil }
        var pages: [PageEntry] = []
        for _ in 0..<count {
            guard let page = reader.count(UInt32.self), let filled = reader.count(UInt32.self),
                let source = reader.count(UInt32.self), let form = reader.count(UInt32.self),
                let offset = reader.count(UInt64.self), let checksums = reader.unsignedIntegers(),
                (1...PageLayout.positions).contains(filled)
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

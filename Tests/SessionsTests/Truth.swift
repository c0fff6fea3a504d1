import Foundation
import Glibc
import JSONText
import KVCache
import Testing

@testable import Sessions

/// A folder of sessions of its own, removed with the value.
final class TestLibrary {
    let path: String
    var library: SessionLibrary { SessionLibrary(root: path + "/sessions") }

    init() {
        // With characters of several bytes, as homes have.
        path = NSTemporaryDirectory() + "soranji-sessions-jürgen-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func files(of name: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: library.folder(name)))?.sorted()
            .map { library.folder(name) + "/" + $0 } ?? []
    }
}

/// A stream whose every token and byte can be computed from its place alone.
enum Truth {
    /// Of open pages, of pages of complete groups, and of blocks of the index.
    static let forms = [
        RecordForm(parts: 3, partBytes: 1000), RecordForm(parts: 3, partBytes: 2500, tailBytes: 700),
        RecordForm(parts: 3, partBytes: 300, kind: "index"),
    ]
    static let index = 2

    /// Groups of four pages are sealed together.
    static func form(page: Int, storedTokens: Int) -> Int { (page / 4 + 1) * 512 <= storedTokens ? 1 : 0 }

    /// What beside pages the next token needs: three of four tokens do.
    static func lists(_ tokens: Int) -> StoredLists? {
        tokens % 4 == 0 ? nil : StoredLists(tokens: tokens, numbers: [Int32(tokens), 3, 1, 4])
    }

    static func manifest(weights: String = "w") -> SessionManifest {
        SessionManifest(
            model: "truth",
            fingerprint: SessionFingerprint(weights: weights, tokenizer: "t", positions: "p", layout: "l"),
            forms: forms
        )
    }

    static func token(_ slot: Int) -> Int32 { Int32(truncatingIfNeeded: slot &* 7919 % 50_021) }

    /// Words of the text, one for each token.
    static func word(_ slot: Int) -> String { "w\(token(slot)) " }

    /// A page's record, or that of a block of the index.
    static func record(page: Int, filled: Int, form: Int) -> [UInt8] {
        var state = UInt64(page) << 32 | UInt64(filled) ^ (UInt64(form) &* 0x9E37_79B9)
        return (0..<forms[form].usedBytes).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 40)
        }
    }

    static func entry(from first: Int, count: Int, positions: [RotaryPosition] = []) -> StreamEntry {
        let words = (first..<first + count).map { Array(word($0).utf8) }
        var ends: [UInt32] = []
        for word in words { ends.append((ends.last ?? 0) + UInt32(word.count)) }
        return StreamEntry(
            firstToken: first,
            tokens: (first..<first + count).map(token),
            byteEnds: ends,
            positions: positions,
            media: [],
            text: words.flatMap { $0 },
            pendingText: Array("?".utf8),
            notes: ["first": .integer(Int64(first))]
        )
    }

    /// Appends `count` tokens: the stream first, then the pages that are new or have grown.
    static func extend(_ session: StoredSession, by count: Int) throws {
        let first = session.stream.count
        try session.append(entry(from: first, count: count))
        try storePages(of: session)
    }

    /// Stores what is new, what has grown, and what has another form by now.
    static func storePages(of session: StoredSession) throws {
        let stored = session.storedTokens
        let end = session.stream.count
        guard stored < end else { return }
        let changed = session.pages.first { $0.form != form(page: $0.page, storedTokens: end) }?.page
        let pages = (min(changed ?? stored / 128, stored / 128)...(end - 1) / 128).map { page in
            (page, min(128, end - page * 128), form(page: page, storedTokens: end))
        }
        let described = end / 512 * 4
        let blocks = (0..<(described + 15) / 16).map { ($0, min(16, described - $0 * 16), index) }
            .filter { session.index[$0.0]?.filled ?? 0 < $0.1 }
        let records = (pages + blocks).map { record(page: $0, filled: $1, form: $2) }
        let flat = records.flatMap { $0 }
        try flat.withUnsafeBytes { bytes in
            var begin = 0
            let new = (pages + blocks).map { page, filled, form in
                let end = begin + forms[form].usedBytes
                defer { begin = end }
                return NewPage(
                    page: page,
                    filled: filled,
                    form: form,
                    record: UnsafeRawBufferPointer(rebasing: bytes[begin..<end])
                )
            }
            _ = try session.append(
                pages: Array(new.prefix(pages.count)),
                index: Array(new.dropFirst(pages.count)),
                lists: lists(end)
            )
        }
    }

    /// Compares everything that a session gives with the truth.
    static func check(_ session: StoredSession, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let count = session.stream.count
        #expect(session.stream.content.tokens == (0..<count).map(token), sourceLocation: sourceLocation)
        let text = (0..<count).map(word).joined()
        #expect(session.stream.text == Array(text.utf8), sourceLocation: sourceLocation)
        #expect(session.stream.byteEnds.last ?? 0 == text.utf8.count, sourceLocation: sourceLocation)
        let stored = session.storedTokens
        for entry in session.usedRecords {
            let record = try session.mapped(entry)
            let form = forms[entry.form]
            let bytes = UnsafeRawBufferPointer(start: record.bytes, count: form.usedBytes)
            #expect((0..<form.checksumCount).allSatisfy { record.isIntact(layer: $0) }, sourceLocation: sourceLocation)
            // A page that was cut is stored in the form that it had.
            guard !form.isPage || entry.form == self.form(page: entry.page, storedTokens: stored) else { continue }
            #expect(
                bytes.elementsEqual(Self.record(page: entry.page, filled: entry.filled, form: entry.form)),
                sourceLocation: sourceLocation
            )
        }
        #expect(session.indexedPages <= stored / 512 * 4, sourceLocation: sourceLocation)
        if let found = session.lists { #expect(found == lists(stored), sourceLocation: sourceLocation) }
    }

    /// Whether nothing is missing of what goes with the stored pages.
    static func isWhole(_ session: StoredSession) -> Bool {
        session.lists == lists(session.storedTokens) && session.indexedPages == session.storedTokens / 512 * 4
    }
}

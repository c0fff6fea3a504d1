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
        path = NSTemporaryDirectory() + "soranji-sessions-\(UUID().uuidString)"
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
    /// Of pages that grow, and of full ones.
    static let forms = [
        RecordForm(parts: 3, partBytes: 1000), RecordForm(parts: 3, partBytes: 2500, tailBytes: 700),
    ]

    static func form(_ filled: Int) -> Int { filled == 128 ? 1 : 0 }

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

    static func record(page: Int, filled: Int, seed: UInt64 = 0) -> [UInt8] {
        var state = UInt64(page) << 32 | UInt64(filled) ^ (seed &* 0x9E37_79B9)
        return (0..<forms[form(filled)].usedBytes).map { _ in
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

    static func storePages(of session: StoredSession) throws {
        let stored = session.storedTokens
        let end = session.stream.count
        guard stored < end else { return }
        let pages = (stored / 128...(end - 1) / 128).map { page in (page, min(128, end - page * 128)) }
        let records = pages.map { record(page: $0, filled: $1) }
        let flat = records.flatMap { $0 }
        try flat.withUnsafeBytes { bytes in
            var begin = 0
            _ = try session.append(
                pages: pages.map { page, filled in
                    let end = begin + forms[form(filled)].usedBytes
                    defer { begin = end }
                    return NewPage(
                        page: page,
                        filled: filled,
                        form: form(filled),
                        record: UnsafeRawBufferPointer(rebasing: bytes[begin..<end])
                    )
                }
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
        let records = try session.records(count: session.pages.count)
        for (entry, stored) in zip(session.pages, records) {
            // A page that was cut is stored in the form that it had.
            let form = forms[entry.form]
            let bytes = UnsafeRawBufferPointer(start: stored.bytes, count: form.usedBytes)
            #expect((0..<form.checksumCount).allSatisfy { stored.isIntact(layer: $0) }, sourceLocation: sourceLocation)
            guard entry.form == self.form(entry.filled) else { continue }
            #expect(
                bytes.elementsEqual(record(page: entry.page, filled: entry.filled)),
                sourceLocation: sourceLocation
            )
        }
    }
}

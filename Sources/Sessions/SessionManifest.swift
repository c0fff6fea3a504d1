import Glibc
import JSONText

/// What a session was made with. Pages of one model mean nothing to another one.
package struct SessionFingerprint: Sendable, Equatable {
    /// Digests, as hexadecimal digits.
    package var weights: String
    package var tokenizer: String
    /// How positions turn keys and queries.
    package var positions: String
    /// How a page's record lies on the disk.
    package var layout: String

    package init(weights: String, tokenizer: String, positions: String, layout: String) {
        self.weights = weights
        self.tokenizer = tokenizer
        self.positions = positions
        self.layout = layout
    }

    /// What ``differences(from:)`` calls ``layout``.
    package static let layoutName = "layout of pages"

    /// What is not the same.
    package func differences(from other: SessionFingerprint) -> [String] {
        [
            ("weights", weights, other.weights), ("tokenizer", tokenizer, other.tokenizer),
            ("positions", positions, other.positions), (Self.layoutName, layout, other.layout),
        ].filter { $0.1 != $0.2 }.map(\.0)
    }
}

/// `session.json`: what never changes about a session, with a checksum in its last line.
package struct SessionManifest: Sendable, Equatable {
    /// 32 hexadecimal digits that no other session has: what forks know their parent by.
    package var identifier: String
    /// The model's name, for people.
    package var model: String
    package var fingerprint: SessionFingerprint
    /// Seconds since 1970.
    package var created: Int
    /// The forms that records may have: of pages while they grow, of pages that are sealed, of what ranking knows of them.
    package var forms: [RecordForm]

    package init(
        identifier: String = SessionManifest.newIdentifier(),
        model: String,
        fingerprint: SessionFingerprint,
        created: Int = Int(time(nil)),
        forms: [RecordForm]
    ) {
        self.identifier = identifier
        self.model = model
        self.fingerprint = fingerprint
        self.created = created
        self.forms = forms
    }

    static let format = "soranji-session"
    static let version = 1
    static let name = "session.json"
    private static let maximumBytes = 1 << 20

    package static func newIdentifier() -> String {
        (0..<2).map { _ in Checksum.hexadecimal(.random(in: 0...UInt64.max), digits: 16) }.joined()
    }

    var bytes: [UInt8] {
        let json: JSON = [
            "format": .string(Self.format), "version": .integer(Int64(Self.version)),
            "id": .string(identifier), "created": .integer(Int64(created)), "model": .string(model),
            "fingerprint": [
                "weights": .string(fingerprint.weights), "tokenizer": .string(fingerprint.tokenizer),
                "positions": .string(fingerprint.positions), "layout": .string(fingerprint.layout),
            ],
            "records": .array(
                forms.map {
                    var form = JSON.Object([
                        ("parts", .integer(Int64($0.parts))), ("part_bytes", .integer(Int64($0.partBytes))),
                        ("tail_bytes", .integer(Int64($0.tailBytes))),
                    ])
                    if !$0.isPage { form["kind"] = .string($0.kind) }
                    return .object(form)
                }
            ),
        ]
        let body = Array((json.text(indented: true) + "\n").utf8)
        return body + Array("crc32c \(Checksum.text(Checksum.of(body)))\n".utf8)
    }

    /// Reads and checks the manifest of the session in `folder`.
    init(folder: String) throws(SessionError) {
        let path = folder + "/" + Self.name
        let file = try SessionFile(path: path, writing: false)
        let size = try file.byteCount()
        func bad(_ kind: SessionError.Kind, _ reason: String) -> SessionError { SessionError(kind, path, reason) }
        guard size <= Self.maximumBytes else { throw bad(.malformed, "\(size) bytes are no manifest") }
        try self.init(bytes: try file.read(at: 0, count: size), path: path)
    }

    init(bytes: [UInt8], path: String) throws(SessionError) {
        func bad(_ kind: SessionError.Kind, _ reason: String) -> SessionError { SessionError(kind, path, reason) }
        // "crc32c", a space, eight digits and a line end.
        let trailer = 16
        guard bytes.count > trailer else { throw bad(.malformed, "it is too short for a manifest") }
        let body = Array(bytes.dropLast(trailer))
        guard Array(bytes.suffix(trailer)) == Array("crc32c \(Checksum.text(Checksum.of(body)))\n".utf8) else {
            throw bad(.damaged, "its checksum is not that of its text")
        }
        guard let json = try? JSON.parse(body, maximumDepth: 8), json["format"]?.stringValue == Self.format else {
            throw bad(.malformed, "not the manifest of a session")
        }
        guard json["version"]?.intValue == Self.version else {
            throw bad(.unsupported, "the session has another version; this program reads version \(Self.version)")
        }
        guard let identifier = json["id"]?.stringValue, Self.isIdentifier(identifier),
            let model = json["model"]?.stringValue, let created = json["created"]?.intValue,
            let weights = json["fingerprint"]?["weights"]?.stringValue,
            let tokenizer = json["fingerprint"]?["tokenizer"]?.stringValue,
            let positions = json["fingerprint"]?["positions"]?.stringValue,
            let layout = json["fingerprint"]?["layout"]?.stringValue,
            let records = json["records"]?.arrayValue, (1...16).contains(records.count)
        else { throw bad(.malformed, "a setting is missing or makes no sense") }
        let forms = records.compactMap(RecordForm.init)
        guard forms.count == records.count else { throw bad(.malformed, "a form of records makes no sense") }
        self.init(
            identifier: identifier,
            model: model,
            fingerprint: SessionFingerprint(
                weights: weights,
                tokenizer: tokenizer,
                positions: positions,
                layout: layout
            ),
            created: created,
            forms: forms
        )
    }

    static func isIdentifier(_ text: String) -> Bool {
        text.utf8.count == 32 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}

/// How a record lies in the file: a part for each layer, and what is no layer's after them.
package struct RecordForm: Sendable, Equatable {
    package var parts: Int
    package var partBytes: Int
    /// What tells what the page is about, for those who rank pages; 0 for nothing.
    package var tailBytes: Int
    /// What it holds: ``page``, or some kind of index, each with a name of its own.
    package var kind: String

    package init(parts: Int, partBytes: Int, tailBytes: Int = 0, kind: String = RecordForm.page) {
        self.parts = parts
        self.partBytes = partBytes
        self.tailBytes = tailBytes
        self.kind = kind
    }

    /// Keys and values of one page.
    package static let page = "page"
    package var isPage: Bool { kind == Self.page }

    /// Bounds that no model comes near.
    private static let maximumParts = 10_000
    private static let maximumBytes = 1 << 32

    init?(_ json: JSON) {
        guard let parts = json["parts"]?.intValue, (1...Self.maximumParts).contains(parts),
            let partBytes = json["part_bytes"]?.intValue, (1...Self.maximumBytes).contains(partBytes),
            let tailBytes = json["tail_bytes"]?.intValue, (0...Self.maximumBytes).contains(tailBytes)
        else { return nil }
        let kind = json["kind"]?.stringValue ?? Self.page
        guard kind.utf8.count <= 100 else { return nil }
        self.init(parts: parts, partBytes: partBytes, tailBytes: tailBytes, kind: kind)
    }

    /// Bytes of a page in memory.
    package var usedBytes: Int { parts * partBytes + tailBytes }
    /// Bytes of its record on the disk: whole blocks of 4,096.
    package var recordBytes: Int { (usedBytes + 4095) & ~4095 }
    /// One for each part, and one for the tail where there is one; the last of them covers what fills the record up.
    var checksumCount: Int { parts + (tailBytes > 0 ? 1 : 0) }

    /// The bytes that a checksum covers.
    func range(_ part: Int) -> Range<Int> {
        let begin = part * partBytes
        return begin..<(part + 1 == checksumCount ? recordBytes : begin + partBytes)
    }
}

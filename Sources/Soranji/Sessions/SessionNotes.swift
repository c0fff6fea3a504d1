import Experts
import Foundation
import JSONText
import KVCache
import ModelFiles
import Models
import Sessions

/// What a session's stream is made of, as its log tells it: documents, media, turns.
struct SessionNotes {
    /// Where the prompt stands after what was read.
    enum Place: String {
        /// Nothing was read yet.
        case beginning
        /// In a turn of the user, after documents and media and before the question.
        case question
        /// After an answer.
        case answer
    }

    struct StoredDocument {
        var document: Document
        var digest: String
    }

    /// A file that was looked at or listened to.
    struct StoredMedia {
        var entry: MediaReceipt.Entry
        /// Of the file and of how it was looked at.
        var digest: String
        /// The rows that it became, without their values.
        var rows: [MediaRows]
    }

    var documents: [StoredDocument] = []
    var media: [StoredMedia] = []
    var messages: [Conversation.Message] = []
    var systemPrompt: String?
    var place = Place.beginning

    init() {}

    /// Reads the notes of a stream, in order.
    ///
    /// - Throws: when the log tells of something that cannot be.
    init(_ stream: SessionStream, session: String, columns: Int) throws(SessionError) {
        for note in stream.notes {
            guard let read = read(note.json, stream, columns) else {
                throw SessionError(.malformed, session, "its log tells of something that cannot be")
            }
            self = read
        }
    }

    private func read(_ json: JSON, _ stream: SessionStream, _ columns: Int) -> SessionNotes? {
        var notes = self
        guard let place = json["place"]?.stringValue.flatMap(Place.init(rawValue:)) else { return nil }
        notes.place = place
        if let system = json["system"]?.stringValue { notes.systemPrompt = system }
        for json in json["documents"]?.arrayValue ?? [] {
            guard let document = StoredDocument(json, text: stream.text) else { return nil }
            notes.documents.append(document)
        }
        for json in json["media"]?.arrayValue ?? [] {
            guard let item = StoredMedia(json, columns: columns) else { return nil }
            notes.media.append(item)
        }
        for json in json["messages"]?.arrayValue ?? [] {
            guard let role = json["role"]?.stringValue.flatMap(Conversation.Message.Role.init(rawValue:)),
                let text = json["text"]?.stringValue
            else { return nil }
            notes.messages.append(.init(role: role, text: text))
        }
        return notes
    }

    /// One entry's part of the log.
    ///
    /// - Parameters:
    ///   - text: all of the stream's text, with this entry's; documents are found in it instead of being kept twice.
    ///   - from: where the entry's part of it begins.
    static func json(
        place: Place,
        systemPrompt: String? = nil,
        documents: [StoredDocument] = [],
        media: [StoredMedia] = [],
        messages: [Conversation.Message] = [],
        text: [UInt8],
        from start: Int
    ) -> JSON {
        var object = JSON.Object([("place", .string(place.rawValue))])
        if let systemPrompt { object["system"] = .string(systemPrompt) }
        var searchStart = start
        let stored = documents.map { $0.json(in: text, from: &searchStart) }
        if !stored.isEmpty { object["documents"] = .array(stored) }
        if !media.isEmpty { object["media"] = .array(media.map(\.json)) }
        if !messages.isEmpty {
            object["messages"] = .array(
                messages.map { ["role": .string($0.role.rawValue), "text": .string($0.text)] }
            )
        }
        return .object(object)
    }
}

extension SessionNotes.StoredDocument {
    init(_ document: Document) {
        var digest = Digest()
        digest.add(document.kind.rawValue)
        digest.add(document.name)
        digest.add(document.text)
        self.init(document: document, digest: digest.hexadecimal)
    }

    /// - Parameter text: the stream's.
    init?(_ json: JSON, text: [UInt8]) {
        guard let title = json["title"]?.stringValue, let source = json["source"]?.stringValue,
            let kind = json["kind"]?.stringValue.flatMap(Document.Kind.init(rawValue:)),
            let digest = json["sha256"]?.stringValue
        else { return nil }
        let body: String
        if let whole = json["text"]?.stringValue {
            body = whole
        } else {
            guard let begin = json["begin"]?.intValue, let count = json["bytes"]?.intValue, begin >= 0, count >= 0,
                begin <= text.count, count <= text.count - begin, let before = json["before"]?.stringValue,
                let after = json["after"]?.stringValue
            else { return nil }
            body = before + String(decoding: text[begin..<begin + count], as: UTF8.self) + after
        }
        let places = Document.Places(json["places"])
        document = Document(title: title, text: body, kind: kind, source: source, places: places)
        self.digest = digest
        // Whatever was damaged, citations must not name what was never read.
        guard Self(document).digest == digest else { return nil }
    }

    func json(in text: [UInt8], from start: inout Int) -> JSON {
        var object = JSON.Object([
            ("title", .string(document.title)), ("source", .string(document.source)),
            ("kind", .string(document.kind.rawValue)), ("sha256", .string(digest)),
        ])
        let body = Prompt.body(of: document)
        let whole = Array(document.text.utf8)
        let needle = Array(body.utf8)
        if let begin = text.firstRange(of: needle, from: start), let inside = whole.firstRange(of: needle, from: 0) {
            start = begin + needle.count
            object["begin"] = .integer(Int64(begin))
            object["bytes"] = .integer(Int64(needle.count))
            object["before"] = .string(String(decoding: whole[..<inside], as: UTF8.self))
            object["after"] = .string(String(decoding: whole[(inside + needle.count)...], as: UTF8.self))
        } else {
            // The template changed it on its way into the prompt.
            object["text"] = .string(document.text)
        }
        object["places"] = document.storedPlaces.json
        return .object(object)
    }
}

extension Document.Places {
    init(_ json: JSON?) {
        func integers(_ name: String) -> [Int] { (json?[name]?.arrayValue ?? []).compactMap(\.intValue) }
        let lines = integers("lines")
        let offsets = integers("offsets")
        self.init(
            pageStarts: integers("pages"),
            sourceLines: zip(offsets, lines).map { SourceLine(offset: $0, line: $1) }
        )
    }

    var json: JSON {
        func array(_ values: [Int]) -> JSON { .array(values.map { .integer(Int64($0)) }) }
        var object = JSON.Object()
        if !pageStarts.isEmpty { object["pages"] = array(pageStarts) }
        if !sourceLines.isEmpty {
            object["offsets"] = array(sourceLines.map(\.offset))
            object["lines"] = array(sourceLines.map(\.line))
        }
        return .object(object)
    }
}

extension SessionNotes.StoredMedia {
    init(_ media: EncodedMedia, digest: String) {
        self.init(entry: media.plan.entry, digest: digest, rows: [media.sight, media.sound].compactMap { $0 })
    }

    init?(_ json: JSON, columns: Int) {
        guard let kind = json["kind"]?.stringValue.flatMap(MediaInput.Kind.init(rawValue:)),
            let source = json["source"]?.stringValue, let digest = json["sha256"]?.stringValue
        else { return nil }
        var entry = MediaReceipt.Entry(kind: kind, source: source)
        func size(_ json: JSON?) -> MediaReceipt.Size? {
            guard let width = json?["width"]?.intValue, let height = json?["height"]?.intValue else { return nil }
            return MediaReceipt.Size(width: width, height: height)
        }
        entry.seconds = json["seconds"]?.doubleValue
        entry.originalSize = size(json["size_before"])
        entry.usedSize = size(json["size_after"])
        entry.totalFrames = json["frames_total"]?.intValue
        entry.windows = json["windows"]?.intValue
        entry.windowSeconds = json["window_seconds"]?.doubleValue
        entry.frameTimes = (json["frame_times"]?.arrayValue ?? []).compactMap(\.doubleValue)
        entry.imageTokens = json["tokens"]?["image"]?.intValue ?? 0
        entry.videoTokens = json["tokens"]?["video"]?.intValue ?? 0
        entry.audioTokens = json["tokens"]?["audio"]?.intValue ?? 0
        entry.notes = (json["notes"]?.arrayValue ?? []).compactMap(\.stringValue)
        self.entry = entry
        self.digest = digest
        rows = []
        for json in json["rows"]?.arrayValue ?? [] {
            guard let row = MediaRows(stored: json, columns: columns, source: source) else { return nil }
            rows.append(row)
        }
    }

    var json: JSON {
        // The receipt's own form, and what only the log needs.
        guard case .object(var object) = MediaReceipt(entries: [entry]).json["media"]?.arrayValue?.first else {
            return .null
        }
        object["sha256"] = .string(digest)
        object["rows"] = .array(rows.map(\.storedJSON))
        return .object(object)
    }
}

extension MediaRows {
    /// Rows that were read once and whose values are gone: their keys and values are in stored pages.
    convenience init?(stored json: JSON, columns: Int, source: String) {
        guard let name = json["modality"]?.stringValue,
            let modality = Modality.allCases.first(where: { $0.name == name }), let count = json["count"]?.intValue,
            let lanes = json["digest"]?.arrayValue?.compactMap({ $0.stringValue.flatMap { UInt64($0, radix: 16) } }),
            lanes.count == 4
        else { return nil }
        var spans: [MediaSpan] = []
        for span in json["spans"]?.arrayValue ?? [] {
            let numbers = (span.arrayValue ?? []).compactMap(\.doubleValue)
            guard numbers.count == 6, numbers.allSatisfy({ $0.magnitude < 1e12 }), numbers[0] <= numbers[1],
                numbers[2] <= numbers[3], numbers[4] <= numbers[5],
                numbers[0] >= Double(spans.last?.rows.upperBound ?? 0)
            else { return nil }
            spans.append(
                MediaSpan(
                    rows: Int(numbers[0])..<Int(numbers[1]),
                    seconds: numbers[2]...numbers[3],
                    frames: Int(numbers[4])..<Int(numbers[5])
                )
            )
        }
        guard count >= 0, count <= 1 << 28 else { return nil }
        self.init(
            recalling: modality,
            columns: columns,
            count: count,
            digest: MediaRun.Digest(lanes[0], lanes[1], lanes[2], lanes[3]),
            spans: spans,
            source: source
        )
    }

    var storedJSON: JSON {
        [
            "modality": .string(modality.name), "count": .integer(Int64(count)),
            "digest": .array((0..<4).map { .string(String(digest[$0], radix: 16)) }),
            "spans": .array(
                spans.map { span in
                    [
                        .integer(Int64(span.rows.lowerBound)), .integer(Int64(span.rows.upperBound)),
                        .number(span.seconds.lowerBound), .number(span.seconds.upperBound),
                        .integer(Int64(span.frames.lowerBound)), .integer(Int64(span.frames.upperBound)),
                    ]
                }
            ),
        ]
    }
}

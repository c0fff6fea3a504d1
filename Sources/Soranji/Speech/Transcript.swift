import Foundation
import JSONText

/// What was said, and when.
public struct Transcript: Sendable, Equatable {
    public struct Segment: Sendable, Equatable {
        /// Seconds from the beginning.
        public var start: Double
        public var end: Double
        public var text: String

        public init(start: Double, end: Double, text: String) {
            self.start = start
            self.end = end
            self.text = text
        }
    }

    /// Code of the language that was given or heard; nil for a model of one language.
    public var language: String?
    /// Seconds of sound.
    public var duration: Double
    public var segments: [Segment]

    public init(language: String?, duration: Double, segments: [Segment]) {
        self.language = language
        self.duration = duration
        self.segments = segments
    }

    /// How a transcript is written down.
    public enum Format: String, Sendable, CaseIterable {
        case txt, srt, vtt, json
    }

    /// The whole text.
    public var text: String { segments.map(\.text).joined(separator: " ") }

    /// - Parameter timestamps: in plain text, put its time before every segment; the other formats always have times.
    /// - Returns: text that ends with a line break, unless it is empty.
    public func formatted(_ format: Format, timestamps: Bool = false) -> String {
        switch format {
        case .txt:
            return segments.map { segment in
                let text = Self.line(segment.text)
                guard timestamps else { return text + "\n" }
                return "[\(Self.clock(segment.start, ".")) --> \(Self.clock(segment.end, "."))] \(text)\n"
            }.joined()
        case .srt:
            return segments.enumerated().map { index, segment in
                "\(index + 1)\n\(Self.clock(segment.start, ",")) --> \(Self.clock(segment.end, ","))\n"
                    + Self.cue(segment.text) + "\n\n"
            }.joined()
        case .vtt:
            return "WEBVTT\n\n"
                + segments.map { segment in
                    "\(Self.clock(segment.start, ".")) --> \(Self.clock(segment.end, "."))\n"
                        + Self.escaped(Self.cue(segment.text)) + "\n\n"
                }.joined()
        case .json: return json.text(indented: true) + "\n"
        }
    }

    /// As `--json` prints it.
    public var json: JSON {
        let parts = segments.map { segment -> JSON in
            ["start": Self.rounded(segment.start), "end": Self.rounded(segment.end), "text": .string(segment.text)]
        }
        return [
            "language": language.map { .string($0) } ?? .null, "duration": Self.rounded(duration),
            "text": .string(text), "segments": .array(parts),
        ]
    }

    private static func rounded(_ seconds: Double) -> JSON {
        .number(seconds.isFinite ? (seconds * 1000).rounded() / 1000 : 0)
    }

    /// `01:02:03.456`.
    static func clock(_ seconds: Double, _ separator: String) -> String {
        let milliseconds = seconds.isFinite ? Int(min(max(seconds, 0), 1e9) * 1000 + 0.5) : 0
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let whole = milliseconds / 1000
        return padded(whole / 3600, 2) + ":" + padded(whole / 60 % 60, 2) + ":" + padded(whole % 60, 2) + separator
            + padded(milliseconds % 1000, 3)
    }

    /// One line: what could break the lines of a list becomes a space.
    private static func line(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// A cue must not hold an empty line or an arrow, which would end it or begin another.
    private static func cue(_ text: String) -> String { line(text).replacing("-->", with: "->") }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}

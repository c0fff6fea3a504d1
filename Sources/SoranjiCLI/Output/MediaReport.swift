import Media
import Soranji

/// What a media file holds, for people.
struct MediaReport {
    let text: String

    init(_ description: MediaDescription) {
        var lines = [Self.heading(description)]
        for tag in description.tags where Self.shownTags.contains(tag.key.lowercased()) {
            lines.append("\(tag.key.lowercased()): \(tag.value)")
        }
        let used = [description.bestVideo?.index, description.bestSound?.index].compactMap { $0 }
        let rows = description.streams.map { stream in
            [
                "\(used.contains(stream.index) ? "*" : " ") \(stream.index)", stream.kindName, stream.codec,
                Self.details(stream),
            ]
        }
        lines.append("")
        lines += TextTable.lines(rows)
        text = lines.joined(separator: "\n")
    }

    /// Tags that say something to a reader; the others are the muxers' own.
    private static let shownTags: Set<String> = ["title", "artist", "album", "comment", "description", "date"]

    private static func heading(_ description: MediaDescription) -> String {
        var parts = [description.format, FixedPoint.bytes(description.byteCount)]
        if let seconds = description.seconds { parts.append(FixedPoint.duration(seconds)) }
        return parts.joined(separator: ", ")
    }

    private static func details(_ stream: MediaDescription.Stream) -> String {
        var parts: [String]
        switch stream.kind {
        case .video(let video), .cover(let video): parts = details(video)
        case .sound(let sound): parts = ["\(FixedPoint.grouped(sound.sampleRate)) Hz", sound.layout]
        case .subtitles, .other: parts = []
        }
        if let language = stream.language { parts.append(language) }
        if let title = stream.title { parts.append("\"\(title)\"") }
        if let seconds = stream.seconds { parts.append(FixedPoint.duration(seconds)) }
        if stream.startSeconds > 0.001 { parts.append("begins at \(FixedPoint.duration(stream.startSeconds))") }
        if !stream.isDecodable { parts.append("no decoder") }
        return parts.joined(separator: ", ")
    }

    private static func details(_ video: MediaDescription.Video) -> [String] {
        var parts = ["\(video.width)x\(video.height)"]
        if (video.displayWidth, video.displayHeight) != (video.width, video.height) {
            parts.append("shown as \(video.displayWidth)x\(video.displayHeight)")
        }
        if video.orientation.quarterTurns != 0 { parts.append("turned by \(video.orientation.quarterTurns * 90)°") }
        if video.orientation.isMirrored { parts.append("mirrored") }
        if let rate = video.averageRate {
            var places = FixedPoint.text(rate, places: 3)
            while places.last == "0" { places.removeLast() }
            if places.last == "." { places.removeLast() }
            parts.append("\(places) frames/s" + (video.isVariableRate ? " on average" : ""))
        }
        if let frames = video.frameCount, !video.isStill { parts.append("\(FixedPoint.grouped(frames)) frames") }
        if let format = video.pixelFormat { parts.append(format) }
        if let matrix = video.colorMatrix { parts.append(matrix) }
        if video.isFullRange, video.colorMatrix != nil || video.pixelFormat?.hasPrefix("yuv") == true {
            parts.append("full range")
        }
        return parts
    }
}

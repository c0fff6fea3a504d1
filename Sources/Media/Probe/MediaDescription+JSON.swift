import JSONText

extension MediaDescription {
    /// The same as JSON: `format`, `bytes`, `seconds`, `bit_rate`, `tags`, `streams`; what is unknown is `null`.
    package var json: JSON {
        var tagObject = JSON.Object()
        for tag in tags { tagObject[tag.key] = .string(tag.value) }
        return [
            "format": .string(format),
            "bytes": .integer(Int64(byteCount)),
            "seconds": seconds.map { .number($0) } ?? .null,
            "bit_rate": bitRate.map { .integer(Int64($0)) } ?? .null,
            "tags": .object(tagObject),
            "picture_stream": bestVideo.map { .integer(Int64($0.index)) } ?? .null,
            "sound_stream": bestSound.map { .integer(Int64($0.index)) } ?? .null,
            "streams": .array(streams.map(\.json)),
        ]
    }
}

extension MediaDescription.Stream {
    package var json: JSON {
        var object = JSON.Object([
            ("index", .integer(Int64(index))),
            ("kind", .string(kindName)),
            ("codec", .string(codec)),
            ("decodable", .bool(isDecodable)),
            ("default", .bool(isDefault)),
            ("language", language.map { .string($0) } ?? .null),
            ("title", title.map { .string($0) } ?? .null),
            ("start_seconds", .number(startSeconds)),
            ("seconds", seconds.map { .number($0) } ?? .null),
            ("bit_rate", bitRate.map { .integer(Int64($0)) } ?? .null),
        ])
        switch kind {
        case .video(let video), .cover(let video):
            for (key, value) in video.members { object[key] = value }
        case .sound(let sound):
            object["sample_rate"] = .integer(Int64(sound.sampleRate))
            object["channels"] = .integer(Int64(sound.channels))
            object["layout"] = .string(sound.layout)
        case .subtitles, .other: break
        }
        return .object(object)
    }

    /// `video`, `picture` (a still), `cover`, `sound`, `subtitles`, `data`, `attachment`, `unknown`.
    package var kindName: String {
        switch kind {
        case .video(let video): video.isStill ? "picture" : "video"
        case .cover: "cover"
        case .sound: "sound"
        case .subtitles: "subtitles"
        case .other(let name): name
        }
    }
}

extension MediaDescription.Video {
    fileprivate var members: [(String, JSON)] {
        [
            ("width", .integer(Int64(width))),
            ("height", .integer(Int64(height))),
            ("display_width", .integer(Int64(displayWidth))),
            ("display_height", .integer(Int64(displayHeight))),
            ("sample_aspect_ratio", .number(sampleAspectRatio)),
            ("rotation_degrees", .integer(Int64(orientation.quarterTurns * 90))),
            ("mirrored", .bool(orientation.isMirrored)),
            ("frames_per_second", averageRate.map { .number($0) } ?? .null),
            ("variable_rate", .bool(isVariableRate)),
            ("frames", frameCount.map { .integer(Int64($0)) } ?? .null),
            ("pixel_format", pixelFormat.map { .string($0) } ?? .null),
            ("bits_per_component", bitsPerComponent.map { .integer(Int64($0)) } ?? .null),
            ("full_range", .bool(isFullRange)),
            ("color_matrix", colorMatrix.map { .string($0) } ?? .null),
        ]
    }
}

import CFFmpeg

/// What a file holds, without decoding it: the container and its streams.
package struct MediaDescription: Sendable, Equatable {
    /// The container's names in the library's words, e.g. `mov,mp4,m4a,3gp,3g2,mj2`.
    package var format: String
    package var byteCount: Int
    /// Nil where the file does not say and it cannot be told without reading everything.
    package var seconds: Double?
    /// In bits per second; nil when unknown.
    package var bitRate: Int?
    /// Title, artist and so on, sorted by key.
    package var tags: [Tag]
    package var streams: [Stream]

    package struct Tag: Sendable, Equatable {
        package var key: String
        package var value: String
    }

    package struct Stream: Sendable, Equatable {
        /// Place in the file, from 0: what ``MediaFile/frames(_:stream:options:)`` takes.
        package var index: Int
        package var kind: Kind
        /// Short name of the codec, e.g. `h264`, or `unknown`.
        package var codec: String
        /// Whether this machine can decode it.
        package var isDecodable: Bool
        /// Three letters, as the file has them.
        package var language: String?
        package var title: String?
        package var isDefault: Bool
        /// When it begins, from the beginning of the file, and how long it lasts.
        package var startSeconds: Double
        package var seconds: Double?
        package var bitRate: Int?
    }

    package enum Kind: Sendable, Equatable {
        case video(Video)
        /// A picture that belongs to the file, not to its course: an album cover, a thumbnail.
        case cover(Video)
        case sound(Sound)
        case subtitles
        /// In words: `data`, `attachment`, `unknown`.
        case other(String)
    }

    package struct Video: Sendable, Equatable {
        /// As coded.
        package var width: Int
        package var height: Int
        /// As shown: with the pixels made square and the rotation applied.
        package var displayWidth: Int
        package var displayHeight: Int
        /// Width of a pixel over its height.
        package var sampleAspectRatio: Double
        /// Quarter turns and mirroring before showing.
        package var orientation: Orientation
        /// Frames per second on average; nil for a picture.
        package var averageRate: Double?
        /// Whether the frames come at uneven times.
        package var isVariableRate: Bool
        /// As the container counts them; nil where it does not.
        package var frameCount: Int?
        /// Name of the pixel format, e.g. `yuv420p10le`; nil when unknown.
        package var pixelFormat: String?
        package var bitsPerComponent: Int?
        package var isFullRange: Bool
        /// Name of the matrix between YUV and RGB, e.g. `bt709`; nil when the file does not say.
        package var colorMatrix: String?
        /// One picture, rather than a course of frames.
        package var isStill: Bool
    }

    package struct Sound: Sendable, Equatable {
        /// Samples per second.
        package var sampleRate: Int
        package var channels: Int
        /// Name of the layout, e.g. `stereo`, `5.1(side)`.
        package var layout: String
    }
}

extension MediaDescription {
    /// The stream that is the picture: the one marked as the default, else the one with the most pixels. Covers count
    /// only when nothing moves and there is no sound either: then the file is a picture.
    package var bestVideo: Stream? {
        let candidates = streams.compactMap { stream -> (Stream, Int)? in
            guard case .video(let video) = stream.kind, stream.isDecodable else { return nil }
            return (stream, video.width * video.height)
        }
        let best = candidates.max { left, right in
            if left.0.isDefault != right.0.isDefault { return right.0.isDefault }
            if left.1 != right.1 { return left.1 < right.1 }
            return left.0.index > right.0.index
        }
        return best?.0
    }

    /// The stream that is the sound: the one marked as the default, else the one with the most channels.
    package var bestSound: Stream? {
        let candidates = streams.compactMap { stream -> (Stream, Int)? in
            guard case .sound(let sound) = stream.kind, stream.isDecodable else { return nil }
            return (stream, sound.channels)
        }
        let best = candidates.max { left, right in
            if left.0.isDefault != right.0.isDefault { return right.0.isDefault }
            if left.1 != right.1 { return left.1 < right.1 }
            return left.0.index > right.0.index
        }
        return best?.0
    }
}

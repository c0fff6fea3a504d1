import JSONText

/// What became of the media of a prompt: frames and their times, sizes, tokens, and what was dropped and why.
public struct MediaReceipt: Sendable, Equatable {
    public struct Size: Sendable, Equatable {
        public var width: Int
        public var height: Int

        var json: JSON { ["width": .integer(Int64(width)), "height": .integer(Int64(height))] }
    }

    /// One file.
    public struct Entry: Sendable, Equatable {
        public var kind: MediaInput.Kind
        public var source: String
        /// Seconds that the file plays; nil for images and where nothing tells.
        public var seconds: Double?
        /// As shown, before and after resizing.
        public var originalSize: Size?
        public var usedSize: Size?
        /// Frames of the clip, and times of those that the model sees, in seconds.
        public var totalFrames: Int?
        public var frameTimes: [Double] = []
        /// Parts of a clip that a model with windows sees one by one, and how long each is; nil for other models.
        public var windows: Int?
        public var windowSeconds: Double?
        public var imageTokens = 0
        public var videoTokens = 0
        public var audioTokens = 0
        /// What was left out or changed, and why.
        public var notes: [String] = []

        /// What a clip of several windows means for answers; nil for others.
        public var longClipNote: String? {
            guard let windows, windows > 1, let windowSeconds else { return nil }
            let trained = FixedPoint.duration(windowSeconds)
            return
                "the model was trained on clips of \(trained): of the \(windows) such parts of \(source) it may tell one "
                + "alone, or mix them up"
        }

        public var tokens: Int { imageTokens + videoTokens + audioTokens }
    }

    public var entries: [Entry]

    public var imageTokens: Int { entries.reduce(0) { $0 + $1.imageTokens } }
    public var videoTokens: Int { entries.reduce(0) { $0 + $1.videoTokens } }
    public var audioTokens: Int { entries.reduce(0) { $0 + $1.audioTokens } }
    public var tokens: Int { imageTokens + videoTokens + audioTokens }

    /// `6 image, 1,536 video, 39 audio`, kinds without tokens left out.
    public var summary: String {
        [("image", imageTokens), ("video", videoTokens), ("audio", audioTokens)]
            .filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
    }

    public var json: JSON {
        let media = entries.map { entry -> JSON in
            var object = JSON.Object([
                ("kind", .string(entry.kind.rawValue)), ("source", .string(entry.source)),
            ])
            if let seconds = entry.seconds { object["seconds"] = .number(seconds) }
            if let size = entry.originalSize { object["size_before"] = size.json }
            if let size = entry.usedSize { object["size_after"] = size.json }
            if let total = entry.totalFrames { object["frames_total"] = .integer(Int64(total)) }
            if !entry.frameTimes.isEmpty {
                object["frames_used"] = .integer(Int64(entry.frameTimes.count))
                object["frame_times"] = .array(entry.frameTimes.map { .number($0) })
            }
            if let windows = entry.windows { object["windows"] = .integer(Int64(windows)) }
            if let seconds = entry.windowSeconds { object["window_seconds"] = .number(seconds) }
            object["tokens"] = Self.tokens(entry.imageTokens, entry.videoTokens, entry.audioTokens)
            object["notes"] = .array(entry.notes.map { .string($0) })
            return .object(object)
        }
        return ["media": .array(media), "tokens": Self.tokens(imageTokens, videoTokens, audioTokens)]
    }

    private static func tokens(_ image: Int, _ video: Int, _ audio: Int) -> JSON {
        ["image": .integer(Int64(image)), "video": .integer(Int64(video)), "audio": .integer(Int64(audio))]
    }
}

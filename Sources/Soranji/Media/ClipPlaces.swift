import Models

/// Where clips stand among ids that a user gave.
enum ClipPlaces {
    /// For every clip in order, whether its sound runs inside of it: sight's start token, then sound's.
    static func bringSound(_ tokens: [Int32], _ configuration: MediaConfiguration) -> [Bool] {
        guard configuration.rule == .aligned else { return [] }
        var result: [Bool] = []
        for index in tokens.indices.dropLast() where tokens[index] == configuration.visionStartToken {
            if tokens[index + 1] == configuration.audioStartToken {
                result.append(true)
            } else if tokens[index + 1] == configuration.videoToken {
                result.append(false)
            }
        }
        return result
    }

    /// Compares placeholders with what images and frames will make, before anything is decoded; sound is compared after,
    /// since containers round its length.
    static func check(_ tokens: [Int32], _ plans: [MediaPlan], _ configuration: MediaConfiguration) throws {
        let isWindowed = configuration.rule == .windowed
        func seen(_ kinds: Set<MediaInput.Kind>) -> Int {
            plans.filter { kinds.contains($0.input.kind) }.reduce(0) { $0 + ($1.sight?.tokens ?? 0) }
        }
        // A recording brings windows along in which nothing is seen, and how many windows there are is known.
        var kinds: [(String, Int32, Int)] = [
            ("image", configuration.imageToken, seen([.image])),
            ("video", configuration.videoToken, seen(isWindowed ? [.video, .audio] : [.video])),
        ]
        if isWindowed, let token = configuration.audioToken {
            kinds.append(("audio", token, plans.reduce(0) { $0 + ($1.sound?.tokens ?? 0) }))
        }
        for (name, token, rows) in kinds {
            let placeholders = tokens.count { $0 == token }
            guard placeholders == rows else {
                throw MediaUseError.placeholders(
                    StreamError.mismatch(kind: name, placeholders: placeholders, rows: rows).description
                )
            }
        }
    }
}

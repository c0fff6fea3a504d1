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
        let kinds: [(String, Int32, MediaInput.Kind)] = [
            ("image", configuration.imageToken, .image), ("video", configuration.videoToken, .video),
        ]
        for (name, token, kind) in kinds {
            let placeholders = tokens.count { $0 == token }
            let sight = plans.filter { $0.input.kind == kind }.compactMap(\.sight)
            let rows = sight.reduce(0) { $0 + $1.tokens }
            guard placeholders == rows else {
                throw MediaUseError.placeholders(
                    StreamError.mismatch(kind: name, placeholders: placeholders, rows: rows).description
                )
            }
        }
    }
}

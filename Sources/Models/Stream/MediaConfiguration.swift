import JSONText

/// How a model places sound and sight among its tokens: placeholder ids, grids, and the rule for positions.
package struct MediaConfiguration: Codable, Sendable, Equatable {
    /// How positions of media follow from their place and time.
    package enum PositionRule: String, Codable, Sendable {
        /// Time counts in real units (Qwen3-Omni's TMRoPE); sound may run inside of a video.
        case aligned
        /// Every frame is an image with its own place in the text (Qwen3-VL); times stand there as text.
        case framewise
        /// Windows of a clip become a few rows each, which count as so many tokens of text (the grown experts).
        case windowed
    }

    package var rule: PositionRule
    package var imageToken: Int32
    package var videoToken: Int32
    package var visionStartToken: Int32?
    package var audioToken: Int32?
    package var audioStartToken: Int32?
    /// Positions per second of video; sound has one position per token.
    package var positionsPerSecond: Double
    /// Patches per side that become one token.
    package var spatialMerge: Int
    /// Frames per patch.
    package var temporalPatch: Int
    /// Pixels per side of a patch.
    package var patchSize: Int
    /// Layers whose outputs get rows of the vision tower added.
    package var deepstackCount: Int
    /// Where the rule is ``PositionRule/windowed``: windows, and what they become.
    package var windows: SenseWindows?

    /// Whether an id stands for a row of media.
    package func isPlaceholder(_ token: Int32) -> Bool {
        token == imageToken || token == videoToken || token == audioToken
    }

    /// What is wrong with the numbers, or nil.
    func problem(vocabularySize: Int, layerCount: Int) -> String? {
        let ids = [imageToken, videoToken, visionStartToken, audioToken, audioStartToken].compactMap { $0 }
        if let id = ids.first(where: { !(0..<Int32(clamping: vocabularySize) ~= $0) }) {
            return "media token \(id) in a vocabulary of \(vocabularySize)"
        }
        if Set(ids).count != ids.count { return "media tokens \(ids), of which two are the same" }
        if (rule == .windowed) != (windows != nil) {
            return "windows and the rule for positions, of which one is missing"
        }
        if let problem = windows?.problem { return problem }
        if rule != .windowed {
            if visionStartToken == nil { return "no token that begins a picture" }
            if (audioToken == nil) != (audioStartToken == nil) { return "an audio token without an audio start token" }
        }
        if !(positionsPerSecond.isFinite && positionsPerSecond > 0 && positionsPerSecond <= 1e6) {
            return "\(positionsPerSecond) positions per second"
        }
        if !(1...64 ~= spatialMerge) { return "a spatial merge of \(spatialMerge)" }
        if !(1...64 ~= temporalPatch) { return "a temporal patch of \(temporalPatch)" }
        if !(1...1024 ~= patchSize) { return "a patch of \(patchSize) pixels" }
        if !(0...layerCount ~= deepstackCount) { return "deepstack for \(deepstackCount) of \(layerCount) layers" }
        return nil
    }
}

extension MediaConfiguration {
    /// Reads the ids and the grid of a checkpoint whose `config.json` has a `vision_config`.
    init(huggingFace settings: Settings, rule: PositionRule, hasAudio: Bool) throws {
        guard let vision = settings.section("vision_config") else { throw ModelError.missingSetting("vision_config") }
        func token(_ key: String) throws -> Int32 {
            let value = try settings.integer(key)
            guard let id = Int32(exactly: value) else {
                throw ModelError.invalidConfiguration("'\(key)' is \(value)")
            }
            return id
        }
        let depths = vision["deepstack_visual_indexes"]?.arrayValue ?? []
        self.init(
            rule: rule,
            imageToken: try token("image_token_id"),
            videoToken: try token("video_token_id"),
            visionStartToken: try token("vision_start_token_id"),
            audioToken: hasAudio ? try token("audio_token_id") : nil,
            audioStartToken: hasAudio ? try token("audio_start_token_id") : nil,
            // Never a default: what the classes of transformers assume is not what the released models have.
            positionsPerSecond: rule == .aligned ? Double(try settings.integer("position_id_per_seconds")) : 1,
            spatialMerge: try vision.count("spatial_merge_size", maximum: 64),
            temporalPatch: try vision.count("temporal_patch_size", maximum: 64),
            patchSize: try vision.count("patch_size", maximum: 1024),
            deepstackCount: depths.count
        )
    }
}

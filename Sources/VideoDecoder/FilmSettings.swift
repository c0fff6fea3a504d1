import JSONText

/// Dimensions of everything that films, as `model.json` has them under `dims`.
package struct FilmSettings: Sendable, Equatable {
    /// What the clips of the training world were like.
    package struct World: Sendable, Equatable {
        package var framePixels: Int
        package var framesPerSecond: Int
        /// Frames of a clip.
        package var frameCount: Int
        package var sampleRate: Int
    }

    /// The codec: square patches of pixels to `channels` numbers.
    package struct Codec: Sendable, Equatable {
        package var patchPixels: Int
        /// How far the learned part of a patch reaches into its neighbours.
        package var rimPixels: Int
        package var channels: Int
        package var width: Int
        package var depth: Int
        package var headCount: Int
    }

    /// Pictures of sound: triangular bands on the mel scale, logarithmic, -1 ... 1.
    package struct Mel: Sendable, Equatable {
        package var window: Int
        package var hop: Int
        package var bands: Int
        package var lowestHertz: Double
        package var highestHertz: Double
        /// Amplitude that counts as silence, of a full-scale sine.
        package var floor: Double
    }

    /// The flow transformer.
    package struct Flow: Sendable, Equatable {
        package var width: Int
        package var depth: Int
        package var headCount: Int
        package var expertCount: Int
        package var expertsPerToken: Int
        package var expertWidth: Int
        /// Layers of the trunk whose keys and values are the prompt's rows.
        package var trunkLayers: [Int]
        package var chunkFrames: Int
        /// Latents along each side of a token.
        package var tokenSide: Int
        /// How many latents of its neighbours a token is read from, and drawn into, on each side.
        package var rimLatents: Int
        /// How many earlier chunks a chunk sees.
        package var historyChunks: Int
        /// How many chunks after a shot's first are told their number in the shot.
        package var toldChunks: Int
        /// Whether the last step is made on the shifted grid as well, and frames are a blend of what both draw.
        package var usesBothGrids: Bool
    }

    package var world: World
    package var codec: Codec
    package var mel: Mel
    package var flow: Flow
    /// Tokens at the beginning of every prompt that are not among its rows.
    package var promptPrefixRows: Int

    /// Columns of the picture of sound to a frame.
    package var columnsPerFrame: Int { world.sampleRate / world.framesPerSecond / mel.hop }
    /// Numbers of a frame's sound token.
    package var soundWidth: Int { columnsPerFrame * mel.bands }
    /// Numbers of a video token.
    package var tokenWidth: Int { flow.tokenSide * flow.tokenSide * codec.channels }
    /// Numbers of a video token with its rim.
    package var windowWidth: Int {
        let side = flow.tokenSide + 2 * flow.rimLatents
        return side * side * codec.channels
    }
    /// Pixels along each side of a video token: sides of clips are multiples of it.
    package var tokenPixels: Int { codec.patchPixels * flow.tokenSide }
    package var framesPerChunk: Int { flow.chunkFrames }

    /// - Parameters:
    ///   - dims: the object of dimensions.
    ///   - path: where it comes from, for messages.
    package init(dims: JSON, path: String) throws(FilmError) {
        let reader = Reader(json: dims, path: path)
        world = World(
            framePixels: try reader.count("world", "frame_px", 1...4096),
            framesPerSecond: try reader.count("world", "fps", 1...240),
            frameCount: try reader.count("world", "frames", 1...100_000),
            sampleRate: try reader.count("world", "sample_rate", 1000...192_000)
        )
        codec = Codec(
            patchPixels: try reader.count("codec", "patch_px", 1...64),
            rimPixels: try reader.count("codec", "rim_px", 0...32),
            channels: try reader.count("codec", "channels", 1...4096),
            width: try reader.count("codec", "width", 1...8192),
            depth: try reader.count("codec", "depth", 0...256),
            headCount: try reader.count("codec", "heads", 1...256)
        )
        mel = Mel(
            window: try reader.count("mel", "window", 2...65_536),
            hop: try reader.count("mel", "hop", 1...65_536),
            bands: try reader.count("mel", "bands", 2...1024),
            lowestHertz: try reader.number("mel", "low_hz", 0...100_000),
            highestHertz: try reader.number("mel", "high_hz", 1...100_000),
            floor: try reader.number("mel", "floor", 1e-9...0.5)
        )
        flow = Flow(
            width: try reader.count("flow", "width", 1...16_384),
            depth: try reader.count("flow", "depth", 1...256),
            headCount: try reader.count("flow", "heads", 1...256),
            expertCount: try reader.count("flow", "experts", 1...1024),
            expertsPerToken: try reader.count("flow", "expert_top", 1...64),
            expertWidth: try reader.count("flow", "expert_hidden", 1...65_536),
            trunkLayers: try reader.counts("flow", "trunk_layers", 0...4095),
            chunkFrames: try reader.count("flow", "chunk_frames", 1...256),
            tokenSide: try reader.count("flow", "token_latents", 1...16),
            rimLatents: try reader.countIfPresent("flow", "rim_latents", 0...16) ?? 0,
            historyChunks: try reader.count("flow", "history_chunks", 1...64),
            toldChunks: try reader.countIfPresent("flow", "told_chunks", 0...64) ?? 0,
            usesBothGrids: try reader.flagIfPresent("flow", "both_grids") ?? false
        )
        promptPrefixRows = try reader.countIfPresent("prompt_prefix_rows", 0...64) ?? 3
        flow.expertsPerToken = min(flow.expertsPerToken, flow.expertCount)
        try check(path)
    }

    private func check(_ path: String) throws(FilmError) {
        func fail(_ reason: String) -> FilmError { .badSettings(path: path, reason) }
        for (name, width, heads) in [
            ("codec", codec.width, codec.headCount), ("flow", flow.width, flow.headCount),
        ] {
            guard width % heads == 0, width / heads % 2 == 0, width / heads <= 256 else {
                throw fail("\(name): \(heads) heads do not divide a width of \(width) into even parts of at most 256")
            }
        }
        guard PatchCodec.hiddenWidth(codec.width) > 0 else { throw fail("codec: a width of \(codec.width)") }
        guard 2 * codec.rimPixels <= codec.patchPixels else {
            throw fail("codec: a rim of \(codec.rimPixels) is more than half of a patch of \(codec.patchPixels)")
        }
        guard world.sampleRate % (world.framesPerSecond * mel.hop) == 0, columnsPerFrame >= 1 else {
            throw fail("mel: hops of \(mel.hop) samples do not divide a frame's sound")
        }
        guard mel.lowestHertz < mel.highestHertz, mel.highestHertz <= Double(world.sampleRate) / 2 else {
            throw fail("mel: bands from \(mel.lowestHertz) to \(mel.highestHertz) Hz")
        }
        guard world.framePixels % tokenPixels == 0 else {
            throw fail("frames of \(world.framePixels) pixels are not whole tokens of \(tokenPixels)")
        }
        guard !flow.usesBothGrids || flow.tokenSide % 2 == 0 else {
            throw fail("flow: tokens of \(flow.tokenSide) latents have no half to be shifted by")
        }
        guard mel.window % 2 == 0 else { throw fail("mel: a window of \(mel.window) samples is odd") }
        guard !flow.trunkLayers.isEmpty, flow.trunkLayers.count <= 64 else { throw fail("flow: no trunk layers") }
    }

    private struct Reader {
        let json: JSON
        let path: String

        func count(_ part: String, _ name: String, _ range: ClosedRange<Int>) throws(FilmError) -> Int {
            guard let value = json[part]?[name]?.intValue, range ~= value else { throw bad("\(part).\(name)") }
            return value
        }

        func countIfPresent(_ part: String, _ name: String, _ range: ClosedRange<Int>) throws(FilmError) -> Int? {
            json[part]?[name] == nil ? nil : try count(part, name, range)
        }

        func countIfPresent(_ name: String, _ range: ClosedRange<Int>) throws(FilmError) -> Int? {
            guard let value = json[name] else { return nil }
            guard let count = value.intValue, range ~= count else { throw bad(name) }
            return count
        }

        func number(_ part: String, _ name: String, _ range: ClosedRange<Double>) throws(FilmError) -> Double {
            guard let value = json[part]?[name]?.doubleValue, range ~= value else { throw bad("\(part).\(name)") }
            return value
        }

        func flagIfPresent(_ part: String, _ name: String) throws(FilmError) -> Bool? {
            guard let value = json[part]?[name] else { return nil }
            guard let flag = value.boolValue else { throw bad("\(part).\(name)") }
            return flag
        }

        func counts(_ part: String, _ name: String, _ range: ClosedRange<Int>) throws(FilmError) -> [Int] {
            guard let values = json[part]?[name]?.arrayValue else { throw bad("\(part).\(name)") }
            var result: [Int] = []
            for value in values {
                guard let count = value.intValue, range ~= count else { throw bad("\(part).\(name)") }
                result.append(count)
            }
            return result
        }

        private func bad(_ name: String) -> FilmError {
            .badSettings(path: path, "setting '\(name)' is missing or out of range")
        }
    }
}

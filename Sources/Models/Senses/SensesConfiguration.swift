import Foundation
import JSONText

/// Sizes of the eye and the ear, from the dimensions that `Training/` exports (`dims` of `model.json`).
package struct SensesConfiguration: Sendable, Equatable {
    /// An encoder: tokens at fixed positions and learned queries, one a slot, through a few blocks.
    package struct Sense: Sendable, Equatable {
        package var inputs: Int
        package var width: Int
        package var depth: Int
        package var headCount: Int
        package var slots: Int
        /// Tokens along each axis; of the ear, time alone.
        package var grid: [Int]

        package var tokens: Int { grid.reduce(1, *) }
        package var headWidth: Int { width / headCount }
        package var hiddenWidth: Int {
            32 * Int((Double(width) * 8 / 3 / 32).rounded(.toNearestOrEven))
        }
    }

    package var eye: Sense
    package var ear: Sense
    /// Pixels of a patch's side, and numbers that a patch becomes.
    package var patchPixels: Int
    package var channels: Int
    /// Frames of an eye token, and latents along each of its sides.
    package var tokenFrames: Int
    package var tokenLatents: Int
    /// Columns of sound to an ear token.
    package var tokenColumns: Int
    package var windows: SenseWindows

    /// Latents along a frame's side.
    package var latentSide: Int { windows.framePixels / patchPixels }
    /// Numbers of a frame's latents.
    package var frameLatents: Int { latentSide * latentSide * channels }

    /// Reads and checks the dimensions.
    package init(dims json: JSON) throws {
        let settings = Settings(json)
        func section(_ name: String) throws -> Settings {
            guard let section = settings.section(name) else { throw ModelError.missingSetting(name) }
            return section
        }
        func number(_ section: Settings, _ key: String) throws -> Double {
            guard let value = try section.optionalNumber(key) else { throw ModelError.missingSetting(key) }
            return value
        }
        func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
            if !condition { throw ModelError.invalidConfiguration(what()) }
        }
        let (world, codec) = (try section("world"), try section("codec"))
        let (mel, senses) = (try section("mel"), try section("understanding"))
        guard let videoSlots = json["video_slots"]?.arrayValue?.count,
            let audioSlots = json["audio_slots"]?.arrayValue?.count
        else { throw ModelError.missingSetting("video_slots") }
        windows = SenseWindows(
            framePixels: try world.count("frame_px", maximum: 4096),
            frames: try senses.count("window_frames", maximum: 4096),
            framesPerSecond: try number(world, "fps"),
            sampleRate: try world.count("sample_rate", maximum: 384_000),
            bands: .init(
                window: try mel.count("window", maximum: 65_536),
                hop: try mel.count("hop", maximum: 65_536),
                count: try mel.count("bands", maximum: 512),
                lowHertz: try number(mel, "low_hz"),
                highHertz: try number(mel, "high_hz"),
                floor: try number(mel, "floor")
            ),
            videoRows: videoSlots + 2,
            audioRows: audioSlots + 2
        )
        if let problem = windows.problem { throw ModelError.invalidConfiguration(problem) }
        patchPixels = try codec.count("patch_px", maximum: 256)
        channels = try codec.count("channels", maximum: 4096)
        tokenFrames = try senses.count("eye_frames", maximum: 4096)
        tokenLatents = try senses.count("token_latents", maximum: 64)
        tokenColumns = try senses.count("ear_columns", maximum: 4096)
        let patches = windows.framePixels / patchPixels
        try require(
            windows.framePixels % patchPixels == 0 && patches % tokenLatents == 0 && windows.frames % tokenFrames == 0
                && windows.columns % tokenColumns == 0,
            "windows that are no whole number of tokens"
        )
        let side = patches / tokenLatents
        func sense(_ name: String, inputs: Int, slots: Int, grid: [Int]) throws -> Sense {
            let sense = Sense(
                inputs: inputs,
                width: try senses.count("\(name)_width", maximum: 8192),
                depth: try senses.count("\(name)_depth", maximum: 256),
                headCount: try senses.count("\(name)_heads", maximum: 256),
                slots: slots,
                grid: grid
            )
            try require(
                sense.width % sense.headCount == 0 && sense.headWidth % 2 == 0 && 4...128 ~= sense.headWidth,
                "\(sense.headCount) heads in \(sense.width)"
            )
            try require(
                1...1_000_000 ~= inputs && sense.tokens <= 16_384,
                "\(sense.tokens) tokens of \(inputs) numbers"
            )
            return sense
        }
        eye = try sense(
            "eye",
            inputs: tokenFrames * tokenLatents * tokenLatents * channels,
            slots: videoSlots,
            grid: [windows.frames / tokenFrames, side, side]
        )
        ear = try sense(
            "ear",
            inputs: tokenColumns * windows.bands.count,
            slots: audioSlots,
            grid: [windows.columns / tokenColumns]
        )
    }
}

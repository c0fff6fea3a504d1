import Foundation

/// How a model wants images, clips and sound: its processors' files, with the released classes' defaults for keys that
/// the files lack.
///
/// Read are `preprocessor_config.json` (images; in Qwen3-Omni's case sound too, for Whisper sound only),
/// `video_preprocessor_config.json` (else the image file serves, as in the reference) and, where the newer single file
/// is used, the sections `image_processor`, `video_processor` and `feature_extractor` of `processor_config.json`.
package struct ProcessorSettings: Sendable, Equatable {
    /// Whose classes' defaults count.
    package enum Family: Sendable {
        case qwen3VL, qwen3Omni, whisper
    }

    package var image: ImageSettings
    package var video: VideoSettings
    package var sound: SoundSettings

    package static let fileNames = [
        "preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json",
    ]

    /// - Parameter folder: a Hugging Face folder or a bundle; files may be missing.
    /// - Throws: ``ProcessorSettingsError`` naming file and key.
    package init(folder: String, family: Family) throws(ProcessorSettingsError) {
        let joint = try SettingsReader.open(folder: folder, file: "processor_config.json")
        let main = try SettingsReader.open(folder: folder, file: "preprocessor_config.json")
        let clip = try SettingsReader.open(folder: folder, file: "video_preprocessor_config.json")
        image = try ImageSettings(try joint?.section("image_processor") ?? main, family)
        video = try VideoSettings(try joint?.section("video_processor") ?? clip ?? main, family)
        sound = try SoundSettings(try joint?.section("feature_extractor") ?? main, family)
    }
}

/// Images: sizes, patches, normalisation.
package struct ImageSettings: Sendable, Equatable {
    package var resizes: Bool
    package var resize: SmartResize
    package var patches: PatchLayout

    init(_ file: SettingsReader?, _ family: ProcessorSettings.Family) throws(ProcessorSettingsError) {
        let type = try file?.text("image_processor_type") ?? ""
        // The class's own defaults are Qwen2-VL's; both families publish a file that says otherwise.
        let isOlder = type.hasPrefix("Qwen2VL")
        let published =
            family == .qwen3Omni
            ? (least: 3136, most: 12_845_056)
            : isOlder ? (least: 3136, most: 1_003_520) : (least: 65_536, most: 16_777_216)
        patches = try PatchLayout(file, older: isOlder)
        resizes = try file?.flag("do_resize") ?? true
        resize = try SmartResize(file, unit: patches.unit, published, scope: .frame)
        try SettingsReader.checkResampling(file)
    }
}

/// Clips: frames, sizes, patches.
package struct VideoSettings: Sendable, Equatable {
    package var sampling: FrameSampling
    /// Whether the processor itself chooses frames.
    package var samples: Bool
    package var resizes: Bool
    package var resize: SmartResize
    package var patches: PatchLayout
    /// Whether short clips are kept from spending the whole clip's budget on their few frames; nil: the file does not say
    /// (uncapped).
    package var capsPixelsPerFrame: Bool?
    /// Most tokens of a frame where ``capsPixelsPerFrame`` is set.
    package var frameTokens: Int

    init(_ file: SettingsReader?, _ family: ProcessorSettings.Family) throws(ProcessorSettingsError) {
        let type = try file?.text("video_processor_type") ?? (family == .qwen3VL ? "Qwen3VLVideoProcessor" : "")
        let countsClip = type.hasPrefix("Qwen3VL")
        let isOlder = type.hasPrefix("Qwen2VL")
        let published: (least: Int, most: Int) =
            countsClip ? (131_072, 786_432) : isOlder ? (100_352, 602_112) : (3136, 12_845_056)
        patches = try PatchLayout(file, older: isOlder)
        resizes = try file?.flag("do_resize") ?? true
        resize = try SmartResize(
            file,
            unit: patches.unit,
            published,
            scope: countsClip ? .clip(temporalUnit: patches.temporalPatch) : .frame
        )
        try SettingsReader.checkResampling(file)
        samples = try file?.flag("do_sample_frames") ?? countsClip
        sampling = FrameSampling(
            framesPerSecond: try file?.number("fps", in: 0.001...1000) ?? 2,
            minimumFrames: try file?.integer("min_frames", in: 1...1_000_000) ?? 4,
            maximumFrames: try file?.integer("max_frames", in: 1...1_000_000) ?? 768,
            multiple: countsClip ? 1 : patches.temporalPatch
        )
        guard sampling.minimumFrames <= sampling.maximumFrames else {
            throw ProcessorSettingsError(
                file: file?.file ?? "",
                key: "min_frames",
                reason: "is more than 'max_frames' (\(sampling.maximumFrames))"
            )
        }
        capsPixelsPerFrame = try file?.flag("cap_pixels_per_frame")
        frameTokens = try file?.integer("max_video_tokens", in: 1...1 << 24) ?? 768
    }
}

extension VideoSettings {
    /// The rule for a clip of which `frames` are looked at.
    package func resize(frames: Int) -> SmartResize {
        guard capsPixelsPerFrame == true, case .clip = resize.scope else { return resize }
        return resize.cappingFrames(count: frames, tokens: frameTokens)
    }
}

/// Sound: the log-mel front end.
package struct SoundSettings: Sendable, Equatable {
    package var melBins: Int
    package var sampleRate: Int
    /// Of a window, in seconds: Whisper's 30; for Omni only the most that its extractor takes.
    package var windowSeconds: Int
    /// Whether sound is filled up to a whole window.
    package var fillsWindow: Bool

    init(_ file: SettingsReader?, _ family: ProcessorSettings.Family) throws(ProcessorSettingsError) {
        fillsWindow = family == .whisper
        melBins = try file?.integer("feature_size", in: 1...512) ?? (family == .whisper ? 80 : 128)
        windowSeconds = try file?.integer("chunk_length", in: 1...3600) ?? (family == .whisper ? 30 : 300)
        sampleRate = try file?.integer("sampling_rate", in: 1...1_000_000) ?? LogMel.sampleRate
        let hop = try file?.integer("hop_length", in: 1...1_000_000) ?? LogMel.hop
        let window = try file?.integer("n_fft", in: 1...1_000_000) ?? LogMel.window
        guard let file else { return }
        for (key, value, only) in [
            ("sampling_rate", sampleRate, LogMel.sampleRate), ("hop_length", hop, LogMel.hop),
            ("n_fft", window, LogMel.window),
        ] where value != only {
            throw file.error(key, "is \(value); only \(only) is supported")
        }
        if let dither = try file.number("dither", in: 0...1000), dither != 0 {
            throw file.error("dither", "is \(dither); only 0 is supported")
        }
    }
}

extension SettingsReader {
    /// Only bicubic is what the models were trained with.
    fileprivate static func checkResampling(_ file: SettingsReader?) throws(ProcessorSettingsError) {
        guard let file, let filter = try file.integer("resample", in: 0...100) else { return }
        guard filter == 3 else { throw file.error("resample", "is \(filter); only 3 (bicubic) is supported") }
    }
}

extension PatchLayout {
    fileprivate init(_ file: SettingsReader?, older: Bool) throws(ProcessorSettingsError) {
        // CLIP's colours, which the older class defaults to.
        let mean = older ? [0.48145466, 0.4578275, 0.40821073] : [0.5, 0.5, 0.5]
        let deviation = older ? [0.26862954, 0.26130258, 0.27577711] : [0.5, 0.5, 0.5]
        let normalizes = try file?.flag("do_normalize") ?? true
        let rescales = try file?.flag("do_rescale") ?? true
        let patch = try file?.integer("patch_size", in: 1...256) ?? (older ? 14 : 16)
        let temporal = try file?.integer("temporal_patch_size", in: 1...16) ?? 2
        let merge = try file?.integer("merge_size", in: 1...16) ?? 2
        let center = normalizes ? try file?.channels("image_mean") ?? mean : [0, 0, 0]
        let width = normalizes ? try file?.channels("image_std") ?? deviation : [1, 1, 1]
        let scale = rescales ? try file?.number("rescale_factor", in: 1e-9...1e9) ?? 1 / 255 : 1
        do throws(PixelError) {
            try self.init(
                patch: patch,
                temporalPatch: temporal,
                merge: merge,
                mean: center,
                deviation: width,
                rescale: scale
            )
        } catch {
            throw ProcessorSettingsError(file: file?.file ?? "", key: "image_std", reason: "\(error)")
        }
    }
}

extension SmartResize {
    /// `size.shortest_edge` and `size.longest_edge` are numbers of pixels here; older files say `min_pixels` and
    /// `max_pixels`, which count where both are given.
    fileprivate init(
        _ file: SettingsReader?,
        unit: Int,
        _ published: (least: Int, most: Int),
        scope: Scope
    ) throws(ProcessorSettingsError) {
        let range = 1...1 << 48
        let size = try file?.section("size")
        let (shortest, longest) = (
            try size?.integer("shortest_edge", in: range), try size?.integer("longest_edge", in: range)
        )
        let least = try file?.integer("min_pixels", in: range) ?? shortest
        let most = try file?.integer("max_pixels", in: range) ?? longest
        self.init(
            unit: unit,
            minimumPixels: least ?? published.least,
            maximumPixels: most ?? published.most,
            scope: scope
        )
        guard minimumPixels <= maximumPixels else {
            throw ProcessorSettingsError(
                file: file?.file ?? "",
                key: "size",
                reason: "asks for at least \(minimumPixels) and at most \(maximumPixels) pixels"
            )
        }
    }
}

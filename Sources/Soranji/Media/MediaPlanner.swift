import Foundation
import Media
import ModelFiles
import Models

/// What one file will become, known from its headers alone.
struct MediaPlan {
    /// The moving or still picture.
    struct Sight {
        var original: MediaReceipt.Size
        var size: MediaReceipt.Size
        var totalFrames: Int
        /// Seconds of the frames that are looked at, ascending; empty for an image.
        var times: [Double]
        var grid: PatchGrid
        /// Seconds from one grid time to the next.
        var secondsPerGrid: Double
        var tokens: Int
    }

    struct Sound {
        var seconds: Double
        /// From the length that the container tells; the sound itself may have a few more or less.
        var tokens: Int
    }

    var input: MediaInput
    var file: MediaFile
    /// Of a model that sees and hears in windows, where they begin.
    var windows: WindowPlan?
    var sight: Sight?
    var sound: Sound?
    var notes: [String]

    /// The same with the first group of frames alone: what tells how much text every group brings along.
    var withOneGroup: MediaPlan {
        guard var sight, input.kind == .video, sight.grid.frames > 1 else { return self }
        var plan = self
        sight.tokens /= sight.grid.frames
        sight.grid.frames = 1
        plan.sight = sight
        return plan
    }

    var entry: MediaReceipt.Entry {
        var entry = MediaReceipt.Entry(kind: input.kind, source: input.path)
        if input.kind != .image { entry.seconds = file.description.seconds ?? sound?.seconds }
        if windows?.isBlind != true {
            entry.originalSize = sight?.original
            entry.usedSize = sight?.size
        }
        if input.kind == .video { entry.totalFrames = sight?.totalFrames }
        entry.frameTimes = sight?.times ?? []
        if windows?.isBlind == false, input.kind == .video, let sight {
            entry.windows = sight.grid.frames
            entry.windowSeconds = sight.secondsPerGrid
        }
        if input.kind == .image { entry.imageTokens = sight?.tokens ?? 0 }
        if input.kind != .image { entry.videoTokens = sight?.tokens ?? 0 }
        entry.audioTokens = sound?.tokens ?? 0
        entry.notes = notes
        return entry
    }
}

/// Decides which frames, sizes and sound a model gets of a file. Reads headers, decodes nothing.
struct MediaPlanner {
    let configuration: MediaConfiguration
    let settings: ProcessorSettings
    let audio: AudioConfiguration?
    let options: MediaOptions

    /// Most tokens of a frame and pixels of all frames that Qwen's own utilities give to Omni.
    private static let frameTokens = 768
    private static let clipTokens = 115_200

    /// - Parameter bundle: of a model that has media.
    init(bundle: ModelFiles.Bundle, configuration: MediaConfiguration, options: MediaOptions) throws {
        self.configuration = configuration
        self.options = options
        let folder = bundle.path
        guard configuration.windows == nil else {
            settings = try ProcessorSettings(folder: folder, family: .qwen3VL)
            audio = nil
            return
        }
        var settings = try ProcessorSettings(
            folder: folder,
            family: configuration.rule == .aligned ? .qwen3Omni : .qwen3VL
        )
        // Released models say what they were trained with. One that says nothing gets pictures as they are.
        let isSilent = ProcessorSettings.fileNames.allSatisfy { bundle.tokenizerFile($0) == nil }
        if isSilent {
            settings.image.resize.minimumPixels = settings.image.resize.unit * settings.image.resize.unit
            settings.video.resize.minimumPixels = settings.video.resize.unit * settings.video.resize.unit
        }
        for patches in [settings.image.patches, settings.video.patches] {
            guard patches.patch == configuration.patchSize, patches.merge == configuration.spatialMerge,
                patches.temporalPatch == configuration.temporalPatch
            else {
                throw MediaUseError.notASize(
                    "the processor's patches (\(patches.patch) pixels, merged by \(patches.merge), \(patches.temporalPatch) frames) are not the model's (\(configuration.patchSize), \(configuration.spatialMerge), \(configuration.temporalPatch))"
                )
            }
        }
        self.settings = settings
        audio = try bundle.encoder(named: EncoderPlan.audioName).map { try AudioConfiguration($0.configuration) }
    }

    func plan(_ input: MediaInput) throws -> MediaPlan {
        let file = try MediaFile(path: input.path)
        if let windows = configuration.windows { return try windowed(input, file, windows) }
        var plan = MediaPlan(input: input, file: file, notes: [])
        switch input.kind {
        case .image: plan.sight = try image(file, &plan.notes)
        case .video:
            let sight = try video(file, &plan.notes)
            plan.sight = sight
            plan.sound = try soundOfVideo(file, &plan.notes)
        case .audio:
            guard configuration.audioToken != nil, audio != nil else {
                throw MediaUseError.modelDoesNotHear(input.path)
            }
            plan.sound = try sound(file)
            if file.description.bestVideo != nil {
                plan.notes.append("its picture is not looked at: --audio takes the sound")
            }
        }
        return plan
    }

    private func budget(_ resize: SmartResize) -> SmartResize {
        guard let most = options.maximumPixels else { return resize }
        return SmartResize(
            unit: resize.unit,
            minimumPixels: min(max(resize.unit * resize.unit, resize.scope == .frame ? resize.minimumPixels : 1), most),
            maximumPixels: most
        )
    }

    private func image(_ file: MediaFile, _ notes: inout [String]) throws -> MediaPlan.Sight {
        guard let stream = file.description.bestVideo ?? file.description.streams.first(where: Self.isCover) else {
            throw MediaError(.noSuchStream, file.name, "there is no picture in it")
        }
        let original = try Self.size(of: stream, file)
        let size =
            try settings.image.resizes || options.maximumPixels != nil
            ? budget(settings.image.resize).size(width: original.width, height: original.height)
            : (original.width, original.height)
        let grid = try settings.image.patches.grid(frames: 1, width: size.0, height: size.1)
        if case .video(let video) = stream.kind, !video.isStill, (video.frameCount ?? 2) > 1 {
            notes.append("only its first frame is looked at: --video takes the whole clip")
        }
        return MediaPlan.Sight(
            original: original,
            size: .init(width: size.0, height: size.1),
            totalFrames: 1,
            times: [],
            grid: PatchGrid(frames: grid.t, height: grid.h, width: grid.w),
            secondsPerGrid: 0,
            tokens: settings.image.patches.tokens(of: grid)
        )
    }

    static func isCover(_ stream: MediaDescription.Stream) -> Bool {
        if case .cover = stream.kind { return stream.isDecodable }
        return false
    }

    static func size(of stream: MediaDescription.Stream, _ file: MediaFile) throws -> MediaReceipt.Size {
        switch stream.kind {
        case .video(let video), .cover(let video):
            return .init(width: video.displayWidth, height: video.displayHeight)
        default: throw MediaError(.noSuchStream, file.name, "there is no picture in it")
        }
    }

    private func video(_ file: MediaFile, _ notes: inout [String]) throws -> MediaPlan.Sight {
        guard let stream = file.description.bestVideo, case .video(let video) = stream.kind else {
            throw MediaError(
                .noSuchStream,
                file.name,
                "there is no moving picture in it",
                hint: "Use --audio for its sound."
            )
        }
        let original = try Self.size(of: stream, file)
        let rate = video.averageRate.flatMap { $0.isFinite && $0 > 0 ? $0 : nil } ?? FrameSampling.assumedRate
        if video.averageRate == nil { notes.append("it does not tell its frame rate: 24 per second are assumed") }
        let seconds = stream.seconds ?? file.description.seconds ?? 0
        let counted = Int(max(0, min(seconds * rate, 1e9)).rounded())
        let total = max(1, min(video.frameCount ?? counted, 1 << 30))
        let count = try frameCount(total: total, rate: rate)
        let times = FrameSampling.spread(count: count, over: total).map { Double($0) / rate }
        let group = configuration.temporalPatch
        let size = try frameSize(original, frames: count)
        let grid = try settings.video.patches.grid(frames: count, width: size.width, height: size.height)
        if count < total {
            notes.append("\(total - count) of \(total) frames are not looked at: \(samplingReason(count))")
        }
        return MediaPlan.Sight(
            original: original,
            size: size,
            totalFrames: total,
            times: times,
            grid: PatchGrid(frames: grid.t, height: grid.h, width: grid.w),
            // The true distance of grid times, whatever rate was asked for.
            secondsPerGrid: Double(group) * Double(total) / rate / Double(count),
            tokens: settings.video.patches.tokens(of: grid)
        )
    }

    private func frameCount(total: Int, rate: Double) throws -> Int {
        if let count = options.frameCount { return min(count, total) }
        var sampling = settings.video.sampling
        if let asked = options.framesPerSecond { sampling.framesPerSecond = asked }
        return sampling.count(total: total, rate: rate)
    }

    private func samplingReason(_ count: Int) -> String {
        if options.frameCount != nil { return "--frames \(count)" }
        let sampling = settings.video.sampling
        if count == sampling.maximumFrames { return "the model's limit of \(count) frames" }
        return "\(options.framesPerSecond ?? sampling.framesPerSecond) frames per second"
    }

    private func frameSize(_ original: MediaReceipt.Size, frames: Int) throws -> MediaReceipt.Size {
        guard settings.video.resizes || options.maximumPixels != nil else { return original }
        var resize = settings.video.resize(frames: frames)
        if options.maximumPixels != nil {
            resize = budget(resize)
        } else if configuration.rule == .aligned {
            let square = resize.unit * resize.unit
            resize.maximumPixels = max(resize.minimumPixels, min(resize.maximumPixels, Self.frameTokens * square))
            resize = resize.sharing(
                totalPixels: Self.clipTokens * square,
                frames: frames,
                framesPerGroup: configuration.temporalPatch
            )
        }
        let size = try resize.size(width: original.width, height: original.height, frames: frames)
        return .init(width: size.width, height: size.height)
    }

    private func soundOfVideo(_ file: MediaFile, _ notes: inout [String]) throws -> MediaPlan.Sound? {
        guard file.description.bestSound != nil else { return nil }
        guard configuration.audioToken != nil, audio != nil else {
            notes.append("its sound is left out: the model does not hear")
            return nil
        }
        guard options.usesSound else {
            notes.append("its sound is left out: --no-sound")
            return nil
        }
        return try sound(file)
    }

    private func sound(_ file: MediaFile) throws -> MediaPlan.Sound {
        guard let stream = file.description.bestSound else {
            throw MediaError(.noSuchStream, file.name, "there is no sound in it")
        }
        let seconds = max(0, min(stream.seconds ?? file.description.seconds ?? 0, 1e7))
        let frames = Int(seconds * Double(LogMel.sampleRate / LogMel.hop))
        return MediaPlan.Sound(seconds: seconds, tokens: audio?.tokens(frames: frames) ?? 0)
    }
}

import Foundation
import Media
import Models

/// Where the windows of a file begin, for a model that sees and hears in windows of fixed length.
struct WindowPlan {
    var settings: SenseWindows
    /// Of what is seen: numbers among the frames that are looked at.
    var sight: [Int] = []
    /// Of what is heard, in seconds.
    var sound: [Double] = []
    /// Whether there is nothing to hear, or to see. The model was trained on windows of both, so it gets silence, or the mean
    /// picture, for what is not there.
    var isSilent = false
    var isBlind = false

    /// Windows over `count` frames: one after the other, the last one ending with the clip. A rest of at most `slack` frames is
    /// left out.
    static func starts(frames count: Int, window: Int, slack: Int) -> [Int] {
        let whole = count / window
        guard whole > 0 else { return [0] }
        let starts = (0..<whole).map { $0 * window }
        return count % window > slack ? starts + [count - window] : starts
    }

    /// The same over seconds.
    static func starts(seconds: Double, window: Double, slack: Double) -> [Double] {
        let seconds = max(0, min(seconds, 1e7))
        let whole = Int(min(seconds / window + 1e-6, 1e7))
        guard whole > 0 else { return [0] }
        let starts = (0..<whole).map { Double($0) * window }
        return seconds - Double(whole) * window > slack ? starts + [seconds - window] : starts
    }
}

/// Windows of sight and sound in the order of the stream: by the time when they begin, sight before sound.
struct WindowOrder {
    private enum Kind {
        case sight, sound
    }

    private let kinds: [Kind]

    init(_ plan: MediaPlan, hasSound: Bool) {
        guard let windows = plan.windows, let sight = plan.sight else {
            kinds = []
            return
        }
        let heard = hasSound ? windows.sound : []
        let seen =
            windows.isBlind
            ? windows.sound
            : windows.sight.prefix(sight.grid.frames).map { $0 < sight.times.count ? sight.times[$0] : 0 }
        var kinds: [Kind] = []
        var next = 0
        for (index, begin) in seen.enumerated() {
            while next < heard.count, heard[next] < begin {
                kinds.append(.sound)
                next += 1
            }
            kinds.append(.sight)
            // What begins together with the last window of sight, or later, follows it.
            guard index == seen.count - 1 else { continue }
            kinds += Array(repeating: .sound, count: heard.count - next)
        }
        self.kinds = kinds
    }

    /// One placeholder a row.
    func tokens(_ windows: SenseWindows, video: Int32, audio: Int32) -> [Int32] {
        kinds.flatMap { kind -> [Int32] in
            kind == .sight
                ? Array(repeating: video, count: windows.videoRows) : Array(repeating: audio, count: windows.audioRows)
        }
    }
}

extension MediaPlanner {
    /// More frames than any context holds windows of.
    private static let maximumFrames = 1 << 22
    /// A rest of a clip that is not worth a window, in seconds.
    private static let slackSeconds = 0.25

    func windowed(_ input: MediaInput, _ file: MediaFile, _ windows: SenseWindows) throws -> MediaPlan {
        var plan = MediaPlan(input: input, file: file, windows: WindowPlan(settings: windows), notes: [])
        if options.maximumPixels != nil, input.kind != .audio {
            plan.notes.append(
                "--max-pixels is not used: the model sees \(windows.framePixels) x \(windows.framePixels)"
            )
        }
        switch input.kind {
        case .image:
            guard let stream = file.description.bestVideo ?? file.description.streams.first(where: Self.isCover) else {
                throw MediaError(.noSuchStream, file.name, "there is no picture in it")
            }
            plan.windows?.sight = [0]
            addSilence([0], windows, to: &plan)
            plan.sight = sight(try Self.size(of: stream, file), total: 1, times: [], count: 1, windows)
            if case .video(let video) = stream.kind, !video.isStill, (video.frameCount ?? 2) > 1 {
                plan.notes.append("only its first frame is looked at: --video takes the whole clip")
            }
        case .video: try addVideo(file, windows, to: &plan)
        case .audio:
            guard let stream = file.description.bestSound else {
                throw MediaError(.noSuchStream, file.name, "there is no sound in it")
            }
            addSound(stream.seconds ?? file.description.seconds, windows, to: &plan)
            let starts = plan.windows?.sound ?? []
            plan.windows?.sight = starts.indices.map { $0 * windows.frames }
            plan.windows?.isBlind = true
            let nothing = MediaReceipt.Size(width: windows.framePixels, height: windows.framePixels)
            plan.sight = sight(nothing, total: 0, times: [], count: starts.count, windows)
            if file.description.bestVideo == nil {
                plan.notes.append("it has no picture: the model sees nothing in particular")
            } else {
                plan.notes.append("its picture is not looked at: --audio takes the sound")
            }
        }
        return plan
    }

    private func sight(
        _ original: MediaReceipt.Size,
        total: Int,
        times: [Double],
        count: Int,
        _ windows: SenseWindows
    ) -> MediaPlan.Sight {
        MediaPlan.Sight(
            original: original,
            size: .init(width: windows.framePixels, height: windows.framePixels),
            totalFrames: total,
            times: times,
            grid: PatchGrid(frames: count, height: 1, width: windows.videoRows),
            secondsPerGrid: windows.seconds,
            tokens: count * windows.videoRows
        )
    }

    private func addVideo(_ file: MediaFile, _ windows: SenseWindows, to plan: inout MediaPlan) throws {
        guard let stream = file.description.bestVideo, case .video(let video) = stream.kind else {
            throw MediaError(
                .noSuchStream,
                file.name,
                "there is no moving picture in it",
                hint: "Use --audio for its sound."
            )
        }
        let rate = video.averageRate.flatMap { $0.isFinite && $0 > 0 ? $0 : nil } ?? FrameSampling.assumedRate
        if video.averageRate == nil { plan.notes.append("it does not tell its frame rate: 24 per second are assumed") }
        let seconds = max(0, stream.seconds ?? file.description.seconds ?? 0)
        let total = max(1, video.frameCount ?? Int(min(seconds * rate, 1e9).rounded()))
        let asked = options.framesPerSecond ?? windows.framesPerSecond
        let times: [Double]
        if let count = options.frameCount {
            times = FrameSampling.spread(count: min(count, total, Self.maximumFrames), over: total).map {
                Double($0) / rate
            }
        } else {
            let count = max(1, Int(min(seconds * asked, Double(Self.maximumFrames)).rounded()))
            times = (0..<count).map { Double($0) / asked }
        }
        let slack = Int(Self.slackSeconds * windows.framesPerSecond)
        let starts = WindowPlan.starts(frames: times.count, window: windows.frames, slack: slack)
        plan.windows?.sight = starts
        plan.sight = sight(
            try Self.size(of: stream, file),
            total: total,
            times: times,
            count: starts.count,
            windows
        )
        if times.count < windows.frames {
            plan.notes.append("it is shorter than a window of \(windows.frames) frames: the last one is held")
        } else if times.count % windows.frames > 0, times.count % windows.frames <= slack {
            plan.notes.append("its last \(times.count % windows.frames) frames are not looked at: less than a window")
        }
        guard let sound = file.description.bestSound, options.usesSound else {
            addSilence(starts.map { times[$0] }, windows, to: &plan)
            let why = file.description.bestSound == nil ? "it has no sound" : "its sound is left out (--no-sound)"
            plan.notes.append(why + ": heard as silence")
            return
        }
        if options.frameCount == nil, asked == windows.framesPerSecond {
            // A window of sight and the sound that belongs to it.
            plan.windows?.sound = starts.map { times[$0] }
            plan.sound = .init(seconds: sound.seconds ?? seconds, tokens: starts.count * windows.audioRows)
        } else {
            plan.notes.append("the model was trained on \(FrameTimes.text(windows.framesPerSecond)) frames per second")
            addSound(sound.seconds ?? seconds, windows, to: &plan)
        }
    }

    private func addSilence(_ starts: [Double], _ windows: SenseWindows, to plan: inout MediaPlan) {
        plan.windows?.sound = starts
        plan.windows?.isSilent = true
        plan.sound = .init(seconds: 0, tokens: starts.count * windows.audioRows)
    }

    private func addSound(_ known: Double?, _ windows: SenseWindows, to plan: inout MediaPlan) {
        let seconds = max(0, min(known ?? 0, 1e7))
        if known == nil {
            plan.notes.append(
                "it does not tell its length: its first \(FrameTimes.text(windows.seconds)) s are listened to"
            )
        }
        let starts = WindowPlan.starts(seconds: seconds, window: windows.seconds, slack: Self.slackSeconds)
        plan.windows?.sound = starts
        plan.sound = .init(seconds: seconds, tokens: starts.count * windows.audioRows)
    }
}

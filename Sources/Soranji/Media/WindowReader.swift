import Experts
import KVCache
import Media
import ModelFiles
import Models
import Tensor

/// Reads files for a model that sees and hears in windows. Holds one window of latents and one of samples, whatever the length.
final class WindowReader {
    private let senses: Senses
    private let pool: ThreadPool
    private let bands: BandPicture
    private var settings: SenseWindows { senses.configuration.windows }

    init(bundle: ModelFiles.Bundle, width: Int, pool: ThreadPool) throws {
        senses = try Senses(bundle: bundle, width: width, pool: pool)
        self.pool = pool
        let windows = senses.configuration.windows
        bands = try BandPicture(
            .init(
                window: windows.bands.window,
                hop: windows.bands.hop,
                bands: windows.bands.count,
                lowHertz: windows.bands.lowHertz,
                highHertz: windows.bands.highHertz,
                floor: windows.bands.floor
            ),
            sampleRate: windows.sampleRate
        )
    }

    func read(_ plan: MediaPlan, _ windows: WindowPlan) throws -> EncodedMedia {
        var result = EncodedMedia(plan: plan)
        if let sight = plan.sight {
            result.sight = windows.isBlind ? try nothing(plan, sight) : try see(plan, sight, windows)
        }
        if plan.sound != nil {
            let (rows, seconds) = try hear(plan, windows)
            result.sound = rows
            result.plan.sound = MediaPlan.Sound(seconds: seconds, tokens: rows.count)
        }
        return result
    }

    private func see(_ plan: MediaPlan, _ sight: MediaPlan.Sight, _ windows: WindowPlan) throws -> MediaRows {
        let isImage = plan.input.kind == .image
        var identity = ContentDigest(kind: isImage ? "image" : "video", grid: sight.grid)
        var resizer: Resizer?
        /// Frame k at k modulo their number.
        var ring: [[Float]] = []
        var rows: [Float] = []
        var next = 0
        let reader = isImage ? nil : try plan.file.frames(.times(sight.times))
        var last: [Float]?
        for number in 0..<max(sight.times.count, settings.frames) {
            // The last frame is held where a clip is shorter than a window, or damaged at its end.
            let image =
                isImage
                ? (number == 0 ? try plan.file.picture() : nil)
                : (number < sight.times.count ? try reader?.next()?.image : nil)
            if let image {
                let seen = try resized(image, &resizer)
                identity.add(seen.pixels)
                last = senses.analyze(seen.pixels)
            }
            guard let last else { throw MediaError(.malformed, plan.file.name, "no frame of it could be decoded") }
            if ring.count < settings.frames { ring.append(last) } else { ring[number % settings.frames] = last }
            while next < windows.sight.count, windows.sight[next] + settings.frames - 1 == number {
                rows += senses.rows(seen: senses.see(ring, first: windows.sight[next] % settings.frames))
                next += 1
            }
        }
        identity.add(windows.sight.map(Int64.init))
        return try MediaRows(
            modality: isImage ? .image : .video,
            columns: senses.width,
            values: rows,
            digest: identity.finish(),
            spans: isImage ? [] : spans(plan, sight, windows),
            source: plan.input.path
        )
    }

    /// The rows of windows without a picture.
    private func nothing(_ plan: MediaPlan, _ sight: MediaPlan.Sight) throws -> MediaRows {
        var identity = ContentDigest(kind: "nothing", grid: sight.grid)
        let latents = [Float](repeating: 0, count: senses.configuration.frameLatents)
        let rows = senses.rows(seen: senses.see(Array(repeating: latents, count: settings.frames)))
        return try MediaRows(
            modality: .video,
            columns: senses.width,
            values: Array(repeating: rows, count: sight.grid.frames).flatMap { $0 },
            digest: identity.finish(),
            source: plan.input.path
        )
    }

    /// A time, or the file's end where that comes first.
    private static func within(_ plan: MediaPlan, _ seconds: Double) -> Double {
        min(seconds, plan.file.description.seconds ?? .infinity)
    }

    private func spans(_ plan: MediaPlan, _ sight: MediaPlan.Sight, _ windows: WindowPlan) -> [MediaSpan] {
        windows.sight.enumerated().map { index, first in
            let end = min(first + settings.frames, sight.times.count)
            let begin = first < sight.times.count ? sight.times[first] : 0
            let step = sight.times.count > 1 ? sight.times[1] - sight.times[0] : 1 / settings.framesPerSecond
            let last = end > 0 ? Self.within(plan, sight.times[end - 1] + step) : begin
            return MediaSpan(
                rows: index * settings.videoRows..<(index + 1) * settings.videoRows,
                seconds: begin...max(begin, last),
                frames: first..<max(first, end)
            )
        }
    }

    private func resized(_ image: PixelImage, _ resizer: inout Resizer?) throws -> PixelImage {
        let side = settings.framePixels
        if image.width == side, image.height == side { return image }
        if resizer?.inputWidth != image.width || resizer?.inputHeight != image.height {
            resizer = try Resizer(from: (image.width, image.height), to: (side, side), pool: pool)
        }
        return try resizer?.resize(image) ?? image
    }

    private func hear(_ plan: MediaPlan, _ windows: WindowPlan) throws -> (rows: MediaRows, seconds: Double) {
        let reader = windows.isSilent ? nil : try plan.file.sound(sampleRate: settings.sampleRate)
        var identity = ContentDigest(kind: "audio", grid: PatchGrid(frames: windows.sound.count, height: 1, width: 1))
        var samples: [Float] = []
        /// Number of the first sample that is held.
        var first = 0
        var hasEnded = false
        var rows: [Float] = []
        for begin in windows.sound {
            let start = Int((begin * Double(settings.sampleRate)).rounded())
            let end = start + settings.samples
            while !hasEnded, first + samples.count < end {
                // What lies before the window is let go piece by piece.
                let passed = min(samples.count, max(0, start - first))
                samples.removeFirst(passed)
                first += passed
                guard let piece = try reader?.next() else {
                    hasEnded = true
                    break
                }
                samples += piece
            }
            let passed = min(samples.count, max(0, start - first))
            samples.removeFirst(passed)
            first += passed
            var window = first >= start ? Array(samples.prefix(max(0, end - first))) : []
            window += [Float](repeating: 0, count: settings.samples - window.count)
            identity.add(window)
            rows += senses.rows(heard: senses.hear(bands.columns(of: window[...])))
        }
        // Silence that stands for nothing is at no time of the file.
        let heard = windows.isSilent ? [] : windows.sound
        let spans = heard.enumerated().map { index, begin in
            MediaSpan(
                rows: index * settings.audioRows..<(index + 1) * settings.audioRows,
                seconds: begin...max(begin, Self.within(plan, begin + settings.seconds)),
                frames: 0..<0
            )
        }
        let result = try MediaRows(
            modality: .audio,
            columns: senses.width,
            values: rows,
            digest: identity.finish(),
            spans: spans,
            source: plan.input.path
        )
        return (result, plan.sound?.seconds ?? 0)
    }
}

import CKernels
import Experts
import Foundation
import KVCache
import Media
import ModelFiles
import Models
import Tensor

/// A file that was looked at and listened to: rows for the stream.
struct EncodedMedia {
    var plan: MediaPlan
    /// Image or video.
    var sight: MediaRows?
    /// With ``MediaPlan/sound`` set to what was really heard.
    var sound: MediaRows?
}

/// Decodes files and runs the towers over them, a few frames at a time.
final class MediaReader {
    private let bundle: ModelFiles.Bundle
    private let pool: ThreadPool
    private let planner: MediaPlanner
    private var visionTower: VisionTower?
    private var audioTower: AudioTower?
    private var windowed: WindowReader?
    /// Of the decoder's embeddings.
    private let hiddenSize: Int
    /// Patches that are encoded together, unless one group has more.
    private static let batchPatches = 4096
    /// Windows of sound that are encoded together.
    private static let batchWindows = 10

    init(bundle: ModelFiles.Bundle, hiddenSize: Int, pool: ThreadPool, planner: MediaPlanner) {
        self.bundle = bundle
        self.hiddenSize = hiddenSize
        self.pool = pool
        self.planner = planner
    }

    func read(_ plan: MediaPlan) throws -> EncodedMedia {
        if let windows = plan.windows { return try windowReader().read(plan, windows) }
        var result = EncodedMedia(plan: plan)
        if var sight = plan.sight {
            result.sight = plan.input.kind == .image ? try image(plan, sight) : try video(plan, &sight)
            if let found = plan.sight, sight.times.count < found.times.count {
                let missing = found.times.count - sight.times.count
                result.plan.notes.append(
                    "\(missing) of its frames are not there: it ends at \(Moment.clock(sight.times.last ?? 0)) and says \(Moment.clock(found.times.last ?? 0))"
                )
            }
            result.plan.sight = sight
        }
        if plan.sound != nil {
            let (rows, seconds) = try sound(plan)
            result.sound = rows
            result.plan.sound = MediaPlan.Sound(seconds: seconds, tokens: rows.count)
            if rows.count == 0 { result.plan.notes.append("its sound is too short for a token") }
        }
        return result
    }

    private func windowReader() throws -> WindowReader {
        if let windowed { return windowed }
        let reader = try WindowReader(bundle: bundle, width: hiddenSize, pool: pool)
        windowed = reader
        return reader
    }

    private func vision() throws -> VisionTower {
        if let visionTower { return visionTower }
        let tower = try VisionTower(bundle: bundle, pool: pool)
        visionTower = tower
        return tower
    }

    private func resized(_ image: PixelImage, to size: MediaReceipt.Size, _ resizer: inout Resizer?) throws
        -> PixelImage
    {
        if image.width == size.width, image.height == size.height { return image }
        if resizer?.inputWidth != image.width || resizer?.inputHeight != image.height {
            resizer = try Resizer(
                from: (image.width, image.height),
                to: (size.width, size.height),
                pool: pool
            )
        }
        return try resizer?.resize(image) ?? image
    }

    private func image(_ plan: MediaPlan, _ sight: MediaPlan.Sight) throws -> MediaRows {
        var resizer: Resizer?
        let image = try resized(plan.file.picture(), to: sight.size, &resizer)
        let patches = try planner.settings.image.patches.rows(of: [image])
        var identity = ContentDigest(kind: "image", grid: sight.grid)
        identity.add(image.pixels)
        let output = try patches.values.withUnsafeBufferPointer { try vision().encode($0, grids: [sight.grid]) }
        return try MediaRows(
            modality: .image,
            columns: output.width,
            values: output.rows,
            deepstack: output.deepstack,
            digest: identity.finish(),
            source: plan.input.path
        )
    }

    /// Frames are decoded, resized, cut and encoded in batches, so that pixels of a few groups are held at most.
    ///
    /// - Parameter sight: cut down to the frames that are there when the file ends much earlier than it says.
    private func video(_ plan: MediaPlan, _ sight: inout MediaPlan.Sight) throws -> MediaRows {
        let tower = try vision()
        let layout = planner.settings.video.patches
        let reader = try plan.file.frames(.times(sight.times))
        let groupPatches = sight.grid.height * sight.grid.width
        let groupFloats = groupPatches * layout.columns
        let groupsPerBatch = max(1, min(Self.batchPatches / max(1, groupPatches), sight.grid.frames))
        let batch = try AlignedBuffer<Float>(count: groupsPerBatch * groupFloats)
        var identity = ContentDigest(kind: "video", grid: sight.grid)
        var resizer: Resizer?
        var last: PixelImage?
        var builder: MediaRowsBuilder?
        var filledGroups = 0
        func encode() throws {
            guard filledGroups > 0 else { return }
            var grid = sight.grid
            grid.frames = filledGroups
            let output = try tower.encode(
                UnsafeBufferPointer(start: batch.pointer, count: filledGroups * groupFloats),
                grids: [grid]
            )
            let rows =
                try builder
                ?? MediaRowsBuilder(
                    modality: .video,
                    columns: output.width,
                    capacity: sight.tokens,
                    depths: output.deepstack.count
                )
            try rows.append(output.rows, deepstack: output.deepstack)
            builder = rows
            filledGroups = 0
        }
        var groups = 0
        reading: for group in 0..<sight.grid.frames {
            for slot in 0..<layout.temporalPatch {
                let number = group * layout.temporalPatch + slot
                // The last frame fills the last group up, and stands in where a damaged file ends a little early.
                if number < sight.times.count, let frame = try reader.next() {
                    if slot == 0, frame.secondsAfterEnd > Self.endSlack(sight) { break reading }
                    let image = try resized(frame.image, to: sight.size, &resizer)
                    identity.add(image.pixels)
                    last = image
                }
                guard let last else { throw MediaError(.malformed, plan.file.name, "no frame of it could be decoded") }
                layout.fill(batch.pointer + filledGroups * groupFloats, slot: slot, with: last)
            }
            filledGroups += 1
            groups += 1
            if filledGroups == groupsPerBatch { try encode() }
        }
        try encode()
        guard let builder else { throw MediaError(.malformed, plan.file.name, "no frame of it could be decoded") }
        if groups < sight.grid.frames {
            sight.tokens = sight.tokens / sight.grid.frames * groups
            sight.grid.frames = groups
            sight.times = Array(sight.times.prefix(groups * layout.temporalPatch))
        }
        return builder.finish(
            digest: identity.finish(),
            spans: Self.spans(sight, frames: layout.temporalPatch),
            source: plan.input.path
        )
    }

    /// Seconds that the last frame may stand in for: containers round their length, and recordings lose their last packets.
    private static func endSlack(_ sight: MediaPlan.Sight) -> Double {
        max(5, 0.05 * (sight.times.last ?? 0))
    }

    /// Every group lasts from its first frame to the next group's.
    private static func spans(_ sight: MediaPlan.Sight, frames: Int) -> [MediaSpan] {
        guard sight.grid.frames > 0 else { return [] }
        let perGroup = sight.tokens / sight.grid.frames
        return (0..<sight.grid.frames).map { group in
            let first = group * frames
            let begin = first < sight.times.count ? sight.times[first] : sight.times.last ?? 0
            let next = first + frames
            let end = next < sight.times.count ? sight.times[next] : begin + sight.secondsPerGrid
            return MediaSpan(
                rows: group * perGroup..<(group + 1) * perGroup,
                seconds: begin...max(begin, end),
                frames: first..<min(next, max(first, sight.times.count))
            )
        }
    }

    /// Sound is read twice: the floor of its log-mel needs the loudest value of the whole, and holding the frames of an
    /// hour would take 184 MB. Decoding is cheap beside encoding.
    private func sound(_ plan: MediaPlan) throws -> (rows: MediaRows, seconds: Double) {
        let tower = try audioTower ?? AudioTower(bundle: bundle, pool: pool)
        audioTower = tower
        let bins = tower.configuration.melBins
        var identity = ContentDigest(kind: "audio", grid: PatchGrid(frames: 0, height: 0, width: 0))
        var samples = 0
        var loudest = -Float.infinity
        var frames = 0
        try eachRawFrames(plan, bins: bins) { piece in
            identity.add(piece)
            samples += piece.count
        } onFrames: { raw in
            loudest = max(loudest, raw.max() ?? loudest)
            frames += raw.count / bins
        }
        let builder = try MediaRowsBuilder(
            modality: .audio,
            columns: tower.configuration.outputSize,
            capacity: tower.configuration.tokens(frames: frames)
        )
        var pending: [Float] = []
        var left = frames
        // Windows do not see each other, so batches of whole ones give the same rows. The last batch has a whole window
        // where there is one: the tower fills short chunks up to the longest of a batch.
        let window = tower.configuration.chunkFrames * tower.configuration.chunksPerWindow
        func encode(_ count: Int) throws {
            let output = try pending[..<(count * bins)].withUnsafeBufferPointer {
                try tower.encode([.framesFirst($0, frames: count, bins: bins)])
            }
            try builder.append(output.rows)
            pending.removeFirst(count * bins)
            left -= count
        }
        try eachRawFrames(plan, bins: bins) { _ in
        } onFrames: { raw in
            var leveled = raw
            LogMelStream.level(&leveled, loudest: loudest)
            pending += leveled
            while pending.count / bins >= (Self.batchWindows + 1) * window, left > (Self.batchWindows + 1) * window {
                try encode(Self.batchWindows * window)
            }
        }
        // A file that changed in between is noticed here.
        guard pending.count == left * bins else {
            throw MediaError(.unreadable, plan.file.name, "its sound changed while it was read")
        }
        if left > 0 { try encode(left) }
        let chunkTokens = max(1, AudioConfiguration.tokens(chunkOf: tower.configuration.chunkFrames))
        let chunkSeconds = Double(tower.configuration.chunkFrames * LogMel.hop) / Double(LogMel.sampleRate)
        let count = builder.count
        let rows = builder.finish(
            digest: identity.finish(),
            spans: stride(from: 0, to: count, by: chunkTokens).map { first in
                let begin = Double(first / chunkTokens) * chunkSeconds
                return MediaSpan(
                    rows: first..<min(count, first + chunkTokens),
                    seconds: begin...begin + chunkSeconds,
                    frames: 0..<0
                )
            },
            source: plan.input.path
        )
        return (rows, Double(samples) / Double(LogMel.sampleRate))
    }

    /// Decodes a file's sound and hands its samples and its log-mel frames (`[frames][bins]`, not leveled) on as they come.
    private func eachRawFrames(
        _ plan: MediaPlan,
        bins: Int,
        onSamples: ([Float]) throws -> Void,
        onFrames: ([Float]) throws -> Void
    ) throws {
        let reader = try plan.file.sound()
        let stream = try LogMelStream(bins: bins)
        while let piece = try reader.next() {
            try onSamples(piece)
            piece.withUnsafeBufferPointer { stream.append($0) }
            try onFrames(stream.takeRaw())
        }
        try onFrames(stream.finishRaw())
    }
}

/// SHA-256 over what an encoder reads: equal digests mean equal rows.
struct ContentDigest {
    private var hash = sk_sha256()

    init(kind: String, grid: PatchGrid) {
        sk_sha256_begin(&hash)
        add(Array(kind.utf8))
        add([Int64(grid.frames), Int64(grid.height), Int64(grid.width)])
    }

    mutating func add<Element: BitwiseCopyable>(_ values: [Element]) {
        values.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { sk_sha256_update(&hash, base, bytes.count) }
        }
    }

    mutating func finish() -> MediaRun.Digest {
        var bytes = [UInt8](repeating: 0, count: 32)
        sk_sha256_finish(&hash, &bytes)
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: MediaRun.Digest.self) }
    }
}

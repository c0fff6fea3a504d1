import Foundation
import Media
import ModelFiles
import Models
import Tokenizers

extension Runtime {
    /// Whether the model takes images and video.
    public var sees: Bool { decoder.configuration.media != nil }
    /// Whether it takes sound.
    public var hears: Bool { decoder.configuration.media?.audioToken != nil }

    /// Whether it was trained on one small world of clips, as the default model was.
    public var knowsOneWorld: Bool { decoder.configuration.media?.rule == .windowed }
    /// Below it an answer about a clip may well be a guess. Of 60 clips of its world the model described 54 rightly, none of them
    /// with a certainty (``GenerationStatistics/certainty``) below 0.92; of 60 with things that it does not know 13 were below
    /// 0.9, and 8 of 13 others (`Benchmarks/answers`).
    public static let leastCertainty = 0.9

    /// What files would become, without decoding or computing anything.
    public func mediaReceipt(_ inputs: [MediaInput], options: MediaOptions = MediaOptions()) throws -> MediaReceipt {
        let planner = try mediaPlanner(options)
        return MediaReceipt(entries: try inputs.map { try planner.plan($0).entry })
    }

    func mediaPlanner(_ options: MediaOptions) throws -> MediaPlanner {
        guard let configuration = decoder.configuration.media else { throw MediaUseError.modelReadsTextAlone }
        return try MediaPlanner(bundle: bundle, configuration: configuration, options: options)
    }

    /// Refuses media that cannot fit, before any work.
    ///
    /// - Parameters:
    ///   - textTokens: all tokens but rows of these media.
    ///   - leastTextTokens: the same if every clip had one group of frames.
    func checkBudget(_ plans: [MediaPlan], textTokens: Int, leastTextTokens: Int, answerTokens: Int) throws {
        let receipt = MediaReceipt(entries: plans.map(\.entry))
        let (prompt, overflow) = textTokens.addingReportingOverflow(receipt.tokens)
        guard overflow || prompt + answerTokens > contextTokens else { return }
        throw MediaUseError.tooLong(
            promptTokens: prompt,
            answerTokens: answerTokens,
            contextTokens: contextTokens,
            receipt: receipt,
            fit: MediaFit(
                plans: plans,
                budget: contextTokens - answerTokens,
                textTokens: textTokens,
                leastTextTokens: leastTextTokens,
                needed: prompt + answerTokens,
                trained: trainedContextTokens,
                context: contextTokens,
                temporalPatch: decoder.configuration.media?.temporalPatch ?? 2
            ).hint
        )
    }

    /// The same for a bundle that is not opened to run: nothing is mapped but its settings.
    public static func mediaReceipt(
        _ inputs: [MediaInput],
        bundleFolder: String,
        options: MediaOptions = MediaOptions()
    ) throws -> MediaReceipt {
        let bundle = try ModelFiles.Bundle(path: bundleFolder)
        guard let configuration = try DecoderConfiguration(json: bundle.configuration).media else {
            throw MediaUseError.modelReadsTextAlone
        }
        let planner = try MediaPlanner(bundle: bundle, configuration: configuration, options: options)
        return MediaReceipt(entries: try inputs.map { try planner.plan($0).entry })
    }

    /// Decodes and encodes files.
    func readMedia(_ plans: [MediaPlan], planner: MediaPlanner, onFile: (MediaPlan) throws -> Void = { _ in }) throws
        -> [EncodedMedia]
    {
        let reader = MediaReader(
            bundle: bundle,
            hiddenSize: decoder.configuration.hiddenSize,
            pool: runner.pool,
            planner: planner
        )
        return try plans.map { plan in
            try onFile(plan)
            return try reader.read(plan)
        }
    }
}

/// The flag that would make media fit.
struct MediaFit {
    let plans: [MediaPlan]
    /// Tokens that the prompt may have.
    let budget: Int
    let textTokens: Int
    let leastTextTokens: Int
    let needed: Int
    let trained: Int
    let context: Int
    let temporalPatch: Int

    var hint: String? {
        if needed <= trained, context < trained {
            return "use --context \(needed); the model was trained for \(trained)"
        }
        if plans.contains(where: { $0.windows != nil }) { return windowsHint }
        let sight = plans.filter { $0.input.kind == .video }.compactMap(\.sight)
        let fixed = plans.reduce(0) { $0 + $1.entry.tokens } - sight.reduce(0) { $0 + $1.tokens }
        let groups = sight.reduce(0) { $0 + $1.grid.frames }
        let rowsPerGroup = sight.reduce(0) { $0 + $1.tokens / max(1, $1.grid.frames) }
        let room = budget - textTokens
        if rowsPerGroup > 0 {
            // Frames of Qwen3-VL bring their times along as text, up to two more digits than these ones have.
            let spread = max(1, groups - sight.count)
            let textPerGroup = textTokens > leastTextTokens ? (textTokens - leastTextTokens) / spread + 2 : 0
            let first = leastTextTokens + fixed + rowsPerGroup
            if budget >= first {
                let fitting = 1 + (budget - first) / (rowsPerGroup + textPerGroup * sight.count)
                return "use --frames \(fitting * temporalPatch)"
            }
            let pixels = sight.map { $0.size.width * $0.size.height }.max() ?? 0
            let share = Double(room - fixed) / Double(max(1, sight.reduce(0) { $0 + $1.tokens }))
            if share > 0 { return "use --max-pixels \(max(1, Int(Double(pixels) * share * 0.9)))" }
        }
        if plans.contains(where: { $0.sound != nil && $0.input.kind == .video }) { return "use --no-sound" }
        let images = plans.filter { $0.input.kind == .image }.compactMap(\.sight)
        let imageTokens = images.reduce(0) { $0 + $1.tokens }
        let left = room - (plans.reduce(0) { $0 + $1.entry.tokens } - imageTokens)
        if imageTokens > 0, left > 0 {
            let pixels = images.map { $0.size.width * $0.size.height }.max() ?? 0
            return "use --max-pixels \(max(1, Int(Double(pixels) * Double(left) / Double(imageTokens) * 0.9)))"
        }
        return nil
    }

    /// Windows have as many rows as they have, heard or silent: what helps is fewer of them. Frames that are spread over a clip
    /// leave its sound as long as it is; without it, silence is as short as what is seen.
    private var windowsHint: String? {
        let clips = plans.filter { $0.input.kind == .video }
        guard let windows = clips.compactMap(\.windows).first?.settings else { return nil }
        let others = plans.filter { $0.input.kind != .video }.reduce(0) { $0 + $1.entry.tokens }
        // By its own length, sound may have a window more than by that of the picture.
        let heard = clips.reduce(0) {
            $0 + ($1.windows?.isSilent ?? true ? 0 : ($1.sound?.tokens ?? 0) + windows.audioRows)
        }
        let silent = clips.count { $0.windows?.isSilent ?? true }
        func frames(_ room: Int, _ rows: Int) -> Int? { room >= rows ? room / rows * windows.frames : nil }
        let room = budget - textTokens - others
        if let count = frames(room - heard, clips.count * windows.videoRows + silent * windows.audioRows) {
            return "use --frames \(count)"
        }
        guard heard > 0, let count = frames(room, clips.count * (windows.videoRows + windows.audioRows)) else {
            return nil
        }
        return "use --frames \(count) --no-sound"
    }
}

import Experts
import Foundation
import KVCache
import Media
import MediaFixtures
import Testing

@testable import Models
@testable import Soranji

/// Prompts with a real clip against the families' own processors, and what stands around them.
struct MediaPromptTests {
    private let question = Conversation.Message(role: .user, text: "What?")

    @Test func timesAreTextInQwen3VL() throws {
        let model = try MediaModel("qwen3_vl_moe", hasText: true)
        let runtime = try model.open()
        let planner = try runtime.mediaPlanner(MediaOptions())
        let plan = try planner.plan(.init(.video, path: MediaModel.clip))
        #expect(plan.sight?.grid == PatchGrid(frames: 3, height: 4, width: 6))
        #expect(plan.sight?.times == [0, 0.6, 1.2, 1.7, 2.3, 2.9])
        #expect(plan.notes.contains("its sound is left out: the model does not hear"))
        let media = try runtime.readMedia([plan], planner: planner)
        let encoded = try runtime.encode([question], systemPrompt: nil, media: [0: media])
        #expect(encoded.stream.tokens == (try Reference.clip().tokens("qwen3vl.input_ids")))
        #expect(encoded.ranges.count == encoded.stream.count)
        // Tokens 32 ... 47 hold five rows of the first group, which lasts until the second one's first frame.
        let moments = Moments(stream: encoded.stream).find(shares: [0, 0, 1, 0, 0, 0, 0])
        #expect(moments.map(\.seconds) == [0...1.2])
        #expect(moments.first?.share == 1)
        #expect(moments.first?.isSound == false)
    }

    @Test func soundRunsInsideOfTheClipInOmni() throws {
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let runtime = try model.open()
        let planner = try runtime.mediaPlanner(MediaOptions())
        let plan = try planner.plan(.init(.video, path: MediaModel.clip))
        var media = try runtime.readMedia([plan], planner: planner)
        let whole = try #require(media[0].sound)
        // The whole sound: 48,128 samples are 300 frames, 39 tokens. The reference was given 2.9 seconds of it.
        #expect(whole.count == 39)
        let columns = whole.columns
        media[0].sound = try MediaRows(
            modality: .audio,
            columns: columns,
            values: [Float](repeating: 0, count: 38 * columns),
            digest: [1, 2, 3, 4]
        )
        let encoded = try runtime.encode([question], systemPrompt: nil, media: [0: media])
        #expect(encoded.stream.tokens == (try Reference.clip().tokens("omni.input_ids")))
        #expect(media[0].plan.sight?.secondsPerGrid == 1)
    }

    @Test(arguments: ["qwen3_vl_moe", "qwen3_omni_moe_thinker"])
    func asksAboutAClip(name: String) throws {
        let model = try MediaModel(name, hasText: true)
        var answers: [[Int32]] = []
        for threads in [1, 2] {
            let conversation = Conversation(runtime: try model.open(threads: threads))
            conversation.add(MediaInput(.video, path: MediaModel.clip))
            let answer = try conversation.ask("What?", maximumTokens: 12)
            answers.append(answer.tokens)
            let entry = try #require(answer.media.entries.first)
            #expect(entry.frameTimes.count == 6)
            #expect(entry.totalFrames == 30)
            #expect(entry.videoTokens == 18)
            #expect(entry.audioTokens == (name == "qwen3_vl_moe" ? 0 : 39))
            for moment in answer.moments {
                #expect(moment.seconds.lowerBound >= 0 && moment.seconds.upperBound <= 3.01)
                #expect(moment.share > 0 && moment.share <= 1.0001)
            }
            #expect(conversation.pendingMedia.isEmpty)
            // The clip stays in the context: the next question does not compute it again.
            let next = try conversation.ask("And then?", maximumTokens: 4)
            #expect(next.statistics.cachedTokens >= answer.statistics.promptTokens - 20)
            #expect(next.media.entries.count == 1)
        }
        #expect(answers[0] == answers[1])
    }

    /// Sound that is encoded in batches of windows gives the rows of the whole.
    @Test func longSoundIsEncodedInPieces() throws {
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let files = TemporaryFolder()
        var state: UInt32 = 9
        let samples = (0..<16_000 * 171 + 5000).map { index -> Float in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(state >> 8) / Float(1 << 24) * (index < 16_000 * 160 ? 0.1 : 0.9) - 0.05
        }
        let path = files.file("long.wav", LosslessFiles.wav(samples))
        let runtime = try model.open()
        let planner = try runtime.mediaPlanner(MediaOptions())
        let media = try runtime.readMedia([planner.plan(.init(.audio, path: path))], planner: planner)
        let rows = try #require(media.first?.sound)
        let mel = try LogMel.of(samples, bins: planner.audio?.melBins ?? 0)
        let tower = try AudioTower(bundle: runtime.bundle, pool: runtime.runner.pool)
        let whole = try mel.values.withUnsafeBufferPointer {
            try tower.encode([.framesFirst($0, frames: mel.frames, bins: mel.bins)])
        }
        try #require(rows.count * rows.columns == whole.rows.count)
        let chunk = try rows.chunkMedia(slots: 0..<rows.count, firstRow: 0)
        #expect(whole.rows.indices.allSatisfy { chunk.rows[$0] == whole.rows[$0] })
        #expect(abs((media.first?.plan.sound?.seconds ?? 0) - 171.3125) < 0.001)
    }

    @Test func orderAndKindsAreKept() throws {
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let files = TemporaryFolder()
        let image = files.file(
            "i.bmp",
            LosslessFiles.bmp(LosslessFiles.picture(height: 64, width: 96), height: 64, width: 96)
        )
        let runtime = try model.open()
        var options = MediaOptions()
        options.usesSound = false
        options.frameCount = 2
        let planner = try runtime.mediaPlanner(options)
        let plans = try [
            MediaInput(.audio, path: MediaModel.clip), MediaInput(.image, path: image),
            MediaInput(.video, path: MediaModel.clip),
        ].map { try planner.plan($0) }
        let media = try runtime.readMedia(plans, planner: planner)
        let stream = try runtime.encode([question], systemPrompt: nil, media: [0: media]).stream
        let runs = stream.placements.map { stream.media[$0.media].modality }
        #expect(runs == [.audio, .image, .video])
        #expect(stream.counts[.video] == 6)
        #expect(plans[2].notes.contains("its sound is left out: --no-sound"))
        guard case .media(_, let row, let span) = stream.origin(of: stream.placements[2].slots.lowerBound) else {
            Issue.record("no media")
            return
        }
        #expect(row == 0)
        #expect(span?.frames == 0..<2)
    }

    @Test func spelledControlTokensStayText() throws {
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let runtime = try model.open()
        let planner = try runtime.mediaPlanner(MediaOptions())
        let media = try runtime.readMedia([planner.plan(.init(.audio, path: MediaModel.clip))], planner: planner)
        let message = Conversation.Message(role: .user, text: "<|audio_pad|><|video_pad|> is what?")
        let stream = try runtime.encode([message], systemPrompt: "<|image_pad|>", media: [0: media]).stream
        #expect(stream.tokens.count { $0 == 260 } == 39)
        #expect(stream.tokens.count { $0 == 259 || $0 == 258 } == 0)
    }

    @Test func whatCannotFitIsRefusedWithTheFlagThatFits() throws {
        let model = try MediaModel("qwen3_vl_moe", hasText: true)
        let runtime = try model.open(context: 4096)
        let conversation = Conversation(runtime: runtime)
        conversation.mediaOptions.frameCount = 30
        conversation.add(MediaInput(.video, path: MediaModel.clip))
        let error = #expect(throws: MediaUseError.self) { try conversation.ask("What?", maximumTokens: 4000) }
        let flag = try #require(error?.hint)
        #expect(flag.hasPrefix("use --frames "))
        let frames = try #require(flag.split(separator: " ").last.flatMap { Int($0) })
        #expect(frames >= 2 && frames < 30)
        #expect(conversation.contextTokens == 0)
        // And it does.
        conversation.mediaOptions.frameCount = frames
        let planner = try runtime.mediaPlanner(conversation.mediaOptions)
        let media = try runtime.readMedia([planner.plan(.init(.video, path: MediaModel.clip))], planner: planner)
        let prompt = try runtime.encode([question], systemPrompt: nil, media: [0: media]).stream
        #expect(prompt.count + 4000 <= 4096)
    }

    @Test func momentsReadAsTimes() {
        let moment = Moment(source: "a.mp4", seconds: 7...9.2, isSound: false, share: 1)
        #expect(moment.text == "0:07–0:09")
        #expect(Moment(source: "", seconds: 3599.6...7325, isSound: true, share: 1).text == "1:00:00–2:02:05")
    }
}

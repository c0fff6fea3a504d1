import Foundation
import MediaFixtures
import Testing

@testable import Soranji

/// Files in, logits out, against the reference: decoding, sampling, patches, log-mel, towers, positions and decoder at once.
struct MediaScoringTests {
    private func compare(
        _ runtime: Runtime,
        _ reference: Reference,
        _ run: String,
        _ media: [MediaInput],
        options: MediaOptions = MediaOptions()
    ) throws {
        let expected: [Float] = try reference.values("\(run).out.logits")
        let tokens = try reference.tokens("\(run).in.input_ids")
        var logits: [Float] = []
        let score = try runtime.score(
            tokens: tokens,
            media: media,
            options: options,
            onLogits: { logits += $0 }
        )
        try #require(logits.count == expected.count)
        let largest = zip(logits, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(largest < 1e-4, "\(run): \(largest)")
        let placeholders = tokens.dropFirst().count { 300...304 ~= $0 && $0 != 302 && $0 != 303 }
        #expect(score.scoredTokens == tokens.count - 1 - placeholders)
        #expect(score.media.tokens == tokens.count { [300, 301, 304].contains($0) })
    }

    @Test func omniFromFiles() throws {
        let model = try MediaModel("qwen3_omni_moe_thinker")
        let reference = try Reference(model: model.name)
        let files = TemporaryFolder()
        let sound: [Float] = try reference.values("audio.in.waveform")
        let short: [Float] = try reference.values("all.in.waveform")
        let image = files.file(
            "i.bmp",
            LosslessFiles.bmp(LosslessFiles.picture(height: 64, width: 96), height: 64, width: 96)
        )
        let frames = LosslessFiles.clip(frames: 6, height: 64, width: 64)
        let silent = files.file("v.avi", LosslessFiles.avi(frames, height: 64, width: 64, rate: 2))
        let clip = files.file("av.avi", LosslessFiles.avi(frames, height: 64, width: 64, rate: 2, sound: sound))
        let recording = files.file("s.wav", LosslessFiles.wav(sound))
        let note = files.file("n.wav", LosslessFiles.wav(short))
        let runtime = try model.open()
        try compare(runtime, reference, "text", [])
        try compare(runtime, reference, "image", [.init(.image, path: image)])
        try compare(runtime, reference, "audio", [.init(.audio, path: recording)])
        try compare(runtime, reference, "video", [.init(.video, path: silent)])
        // The place among the tokens decides whether a clip's sound comes along.
        try compare(runtime, reference, "video", [.init(.video, path: clip)])
        try compare(runtime, reference, "audio_in_video", [.init(.video, path: clip)])
        try compare(
            runtime,
            reference,
            "all",
            [.init(.image, path: image), .init(.audio, path: note), .init(.video, path: silent)]
        )
    }

    @Test func visionLanguageFromFiles() throws {
        let model = try MediaModel("qwen3_vl_moe")
        let reference = try Reference(model: model.name)
        let files = TemporaryFolder()
        let first = files.file(
            "a.bmp",
            LosslessFiles.bmp(LosslessFiles.picture(height: 64, width: 96), height: 64, width: 96)
        )
        let second = files.file(
            "b.bmp",
            LosslessFiles.bmp(LosslessFiles.picture(height: 96, width: 64, number: 1), height: 96, width: 64)
        )
        let frames = LosslessFiles.clip(frames: 5, height: 64, width: 64)
        let clip = files.file("v.avi", LosslessFiles.avi(frames, height: 64, width: 64, rate: 2))
        let runtime = try model.open()
        let images = [MediaInput(.image, path: first), MediaInput(.image, path: second)]
        try compare(runtime, reference, "text", [])
        try compare(runtime, reference, "image2", images)
        try compare(runtime, reference, "video", [.init(.video, path: clip)])
        try compare(runtime, reference, "image_video", images + [.init(.video, path: clip)])
    }

    @Test func wrongNumbersAreNamed() throws {
        let model = try MediaModel("qwen3_omni_moe_thinker")
        let files = TemporaryFolder()
        let image = files.file(
            "i.bmp",
            LosslessFiles.bmp(LosslessFiles.picture(height: 64, width: 96), height: 64, width: 96)
        )
        let runtime = try model.open()
        let error = #expect(throws: MediaUseError.self) {
            try runtime.score(tokens: [5, 302, 300, 300, 303], media: [.init(.image, path: image)])
        }
        #expect(
            error?.description == "the tokens have 2 image placeholders, but the image input makes 6 rows"
        )
        #expect(throws: MediaUseError.self) { try runtime.score(tokens: [5, 302, 300, 303]) }
        #expect(throws: MediaUseError.self) {
            try runtime.score(tokens: [5, 6], media: [.init(.image, path: image)])
        }
    }
}

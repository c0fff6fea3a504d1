import Experts
import Foundation
import JSONText
import KVCache
import ModelFiles
import Tensor
import Testing

@testable import Models

/// The default model against PyTorch with the same random weights: what eye and ear make, answers' logits, routing by modality.
struct GrownTests {
    private func difference(_ left: some Sequence<Float>, _ right: some Sequence<Float>) -> Float {
        zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    private func senses(_ fixture: GrownFixture, threads: Int) throws -> Senses {
        try Senses(bundle: Bundle(path: fixture.bundle), width: 32, pool: ThreadPool(threadCount: threads))
    }

    @Test(arguments: [1, 2])
    func eyeAndEarAgreeWithPyTorch(threads: Int) throws {
        let fixture = try GrownFixture()
        try fixture.assemble()
        let senses = try senses(fixture, threads: threads)
        let (latents, mel) = (try fixture.senses.floats("in.latents"), try fixture.senses.floats("in.mel"))
        let (video, audio) = (try fixture.senses.floats("out.video"), try fixture.senses.floats("out.audio"))
        for clip in 0..<2 {
            let frames = (0..<8).map { Array(latents[(clip * 8 + $0) * 96..<(clip * 8 + $0 + 1) * 96]) }
            let seen = senses.see(frames)
            #expect(seen.count == 8 * 32)
            #expect(difference(seen, video[clip * 256..<(clip + 1) * 256]) < 1e-4)
            // The same from a ring that begins elsewhere.
            #expect(senses.see(Array(frames[5...] + frames[..<5]), first: 3) == seen)
            let heard = senses.hear(Array(mel[clip * 384..<(clip + 1) * 384]))
            #expect(heard.count == 3 * 32)
            #expect(difference(heard, audio[clip * 96..<(clip + 1) * 96]) < 1e-4)
        }
        let media = try fixture.grown.floats("out.media")
        let seen = senses.rows(seen: try fixture.grown.floats("in.video"))
        let heard = senses.rows(heard: try fixture.grown.floats("in.audio"))
        #expect(seen.count == 10 * 32 && heard.count == 5 * 32)
        #expect(difference(seen + heard, media) < 1e-4)
    }

    /// The golden's frames are smaller than the model's: they lie in the corner of one.
    @Test func framesAreAnalysedPatchByPatch() throws {
        let fixture = try GrownFixture()
        try fixture.assemble()
        let senses = try senses(fixture, threads: 1)
        let frames = try fixture.codec.floats("in.frames")
        let expected = try fixture.codec.floats("out.latents")
        for frame in 0..<2 {
            let latents = senses.analyze { row, position in
                position < 24 * 3 ? frames[(frame * 32 + row) * 72 + position] : 0
            }
            for patch in 0..<12 {
                let (row, column) = (patch / 3, patch % 3)
                for channel in 0..<6 {
                    let found = latents[(row * 4 + column) * 6 + channel]
                    #expect(abs(found - expected[(frame * 12 + patch) * 6 + channel]) < 1e-4)
                }
            }
        }
        #expect(senses.analyze([UInt8](repeating: 255, count: 32 * 32 * 3)) == senses.analyze { _, _ in 1 })
    }

    /// Prefix, rows of a window of video and sound, then text.
    private func stream(_ fixture: GrownFixture, _ configuration: DecoderConfiguration) throws -> TokenStream {
        let media = try fixture.grown.floats("out.media")
        let ids = try fixture.grown.integers("in.ids").map { Int32($0) }
        let rows = [
            try MediaRows(modality: .video, columns: 32, values: Array(media[..<320]), digest: [1, 0, 0, 0]),
            try MediaRows(modality: .audio, columns: 32, values: Array(media[320...]), digest: [2, 0, 0, 0]),
        ]
        let placeholders =
            Array(repeating: fixture.placeholders[1], count: 10)
            + Array(repeating: fixture.placeholders[2], count: 5)
        return try TokenStream(
            tokens: Array(ids[..<3]) + placeholders + Array(ids[3...]),
            media: rows,
            layout: StreamMedia(),
            configuration: configuration
        )
    }

    private func logits(_ runner: DecoderRunner, _ stream: TokenStream) throws -> [Float] {
        var table = runner.makeTable()
        var logits: [Float] = []
        for begin in stride(from: 0, to: stream.count, by: runner.chunkTokens) {
            try stream.withChunk(begin..<min(stream.count, begin + runner.chunkTokens)) {
                try runner.append($0, to: &table, logits: .all) { logits += $1 }
            }
        }
        return logits
    }

    private func runner(_ bundle: String, threads: Int = 1, chunk: Int = 512) throws -> DecoderRunner {
        try DecoderRunner(
            decoder: Decoder(bundle: Bundle(path: bundle)),
            pool: ThreadPool(threadCount: threads),
            element: .f32,
            maximumPositions: 256,
            chunkTokens: chunk
        )
    }

    @Test func logitsOfAnswersAgreeWithPyTorch() throws {
        let fixture = try GrownFixture()
        try fixture.assemble()
        let expected = try fixture.grown.floats("out.logits")
        for (threads, chunk) in [(1, 512), (2, 512), (1, 7), (2, 1)] {
            let runner = try runner(fixture.bundle, threads: threads, chunk: chunk)
            let stream = try stream(fixture, runner.decoder.configuration)
            #expect(stream.positions.isEmpty)
            let logits = try logits(runner, stream)
            // The reference has the text's rows only.
            let text = logits[..<(3 * 64)] + logits[(18 * 64)...]
            #expect(difference(text, expected) < 1e-4)
        }
    }

    /// Text meets the trunk alone: the same bits as a model that was never grown on, in every weight type.
    @Test(arguments: [WeightType.f32, .bf16, .q8])
    func textIsTheTrunksToTheBit(weights: WeightType) throws {
        let fixture = try GrownFixture()
        try fixture.assemble(weights: weights)
        let ids = try fixture.grown.integers("in.ids").map { Int32($0) }
        let grown = try runner(fixture.bundle, threads: 2)
        let text = TokenStream(text: ids)
        let found = try logits(grown, text)
        #expect(found == (try logits(try runner(fixture.plain, threads: 2), text)))
        #expect(grown.statistics.total == 0)
        if weights == .f32 { #expect(difference(found, try fixture.grown.floats("out.plain_logits")) < 1e-4) }
    }

    @Test func choicesAreCountedByModality() throws {
        let fixture = try GrownFixture()
        try fixture.assemble()
        let runner = try runner(fixture.bundle, chunk: 6)
        var chosen: [Int: [Int32]] = [:]
        runner.onRouting = { chosen[$0, default: []] += $1 }
        _ = try logits(runner, try stream(fixture, runner.decoder.configuration))
        for layer in 0..<4 {
            let isGrown = layer % 2 == 0
            func count(_ modality: Modality, _ experts: Range<Int>) -> UInt64 {
                experts.reduce(0) { $0 + runner.statistics[modality, layer, $1] }
            }
            #expect(count(.video, 0..<4) == (isGrown ? 20 : 0))
            #expect(count(.audio, 4..<8) == (isGrown ? 10 : 0))
            #expect(count(.video, 4..<8) + count(.audio, 0..<4) + count(.text, 0..<8) == 0)
            guard isGrown else { continue }
            let experts = try #require(chosen[layer])
            #expect(experts.count == 24 * 2)
            for token in 0..<24 {
                let pair = Array(experts[2 * token..<2 * token + 2])
                switch token {
                case 3..<13: #expect(Set(pair).count == 2 && pair.allSatisfy { 0..<4 ~= $0 })
                case 13..<18: #expect(Set(pair).count == 2 && pair.allSatisfy { 4..<8 ~= $0 })
                default: #expect(pair == [Router.none, Router.none])
                }
            }
        }
    }

    @Test func partsThatDoNotBelongTogetherAreNamed() throws {
        let fixture = try GrownFixture()
        let shard = fixture.parts + "/Experts/L02/E005.safetensors"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: shard))
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: URL(fileURLWithPath: shard))
        let error = #expect(throws: ModelFileError.self) { try GrownParts(root: fixture.parts).verify() }
        #expect(error?.path.hasSuffix("L02/E005.safetensors") == true)
        try FileManager.default.removeItem(atPath: fixture.parts + "/Experts/L02/E006.safetensors")
        #expect(throws: (any Error).self) { try fixture.assemble() }
        #expect(!FileManager.default.fileExists(atPath: fixture.bundle))
    }

    @Test func hostileDimensionsAreRefused() throws {
        let fixture = try GrownFixture()
        let text = fixture.dims.text()
        for (from, to) in [
            ("\"window_frames\":8", "\"window_frames\":0"),
            ("\"window_frames\":8", "\"window_frames\":9223372036854775807"),
            ("\"eye_heads\":2", "\"eye_heads\":5"), ("\"patch_px\":8", "\"patch_px\":7"),
            ("\"token_latents\":2", "\"token_latents\":3"), ("\"hop\":125", "\"hop\":1e9"), ("\"fps\":8", "\"fps\":0"),
            ("\"low_hz\":60", "\"low_hz\":-1"), ("\"eye_width\":32", "\"eye_width\":\"wide\""),
        ] {
            #expect(text.contains(from))
            let changed = try JSON.parse(Array(text.replacingOccurrences(of: from, with: to).utf8))
            #expect(throws: (any Error).self, "\(to)") { try SensesConfiguration(dims: changed) }
        }
    }
}

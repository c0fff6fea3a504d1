import ModelFiles
import Tensor
import Testing

@testable import VideoDecoder

/// The codec against PyTorch, with the same random weights.
struct CodecTests {
    @Test(arguments: [1, 2])
    func framesAndLatentsAgreeWithPyTorch(threads: Int) throws {
        let golden = try Golden("codec")
        let codec = try PatchCodec(golden.file, settings: try golden.settings().codec, prefix: "w.")
        let shape = try golden.shape("in.frames")
        let runner = try PatchCodecRunner(
            codec,
            rows: shape[1] / 8,
            columns: shape[2] / 8,
            maximumFrames: shape[0],
            pool: ThreadPool(threadCount: threads)
        )
        var latents = [Float](repeating: 0, count: shape[0] * runner.latentFloats)
        runner.analyze(try golden.floats("in.frames"), count: shape[0], into: &latents)
        #expect(largestDifference(latents, try golden.floats("out.latents")) < 1e-4)
        var frames = [Float](repeating: 0, count: shape[0] * runner.frameFloats)
        runner.synthesize(try golden.floats("out.latents"), count: shape[0], into: &frames)
        #expect(largestDifference(frames, try golden.floats("out.frames")) < 1e-4)
    }

    /// A frame needs no other frame: the same bytes alone, together, and for any number of threads.
    @Test func framesStandAlone() throws {
        let golden = try Golden("codec")
        let codec = try PatchCodec(golden.file, settings: try golden.settings().codec, prefix: "w.")
        var generator = NoiseSource(seed: 3, stream: 0)
        let count = 5
        let size = 4 * 3 * 6
        let latents = (0..<count * size).map { _ in generator.normal() }
        var results: [[Float]] = []
        for (threads, atOnce) in [(1, count), (2, count), (2, 1)] {
            let runner = try PatchCodecRunner(
                codec,
                rows: 4,
                columns: 3,
                maximumFrames: atOnce,
                pool: ThreadPool(threadCount: threads)
            )
            var frames = [Float](repeating: 0, count: count * runner.frameFloats)
            runner.synthesize(latents, count: count, into: &frames)
            results.append(frames)
        }
        #expect(results[0] == results[1])
        #expect(results[0] == results[2])
        #expect(!results[0].contains { !$0.isFinite })
    }

    @Test func tensorsThatAreMissingOrLeftOverAreNamed() throws {
        let golden = try Golden("codec")
        var settings = try golden.settings().codec
        settings.depth = 3
        #expect(throws: FilmError.self) { try PatchCodec(golden.file, settings: settings, prefix: "w.") }
        settings.depth = 1
        let error = #expect(throws: FilmError.self) { try PatchCodec(golden.file, settings: settings, prefix: "w.") }
        #expect("\(String(describing: error))".contains("blocks.1."))
    }
}

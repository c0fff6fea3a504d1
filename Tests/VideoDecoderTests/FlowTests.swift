import ModelFiles
import Tensor
import Testing

@testable import VideoDecoder

/// The flow transformer and whole rollouts against PyTorch, with the same weights and noise.
struct FlowTests {
    private func runner(_ golden: Golden, threads: Int, shiftedFrom plain: FlowRunner? = nil) throws -> FlowRunner {
        let decoder = try FlowDecoder(golden.file, settings: try golden.settings(), prefix: "w.")
        return try FlowRunner(
            decoder,
            gridRows: 2,
            gridColumns: 2,
            isShifted: plain != nil,
            maximumPromptRows: 8,
            sharingPromptOf: plain,
            pool: ThreadPool(threadCount: threads)
        )
    }

    private func read(_ rows: ArraySlice<Float>, count: Int, into runner: FlowRunner) throws {
        let width = runner.decoder.promptWidth
        let rows = Array(rows)
        try runner.readPrompt(count: count) { range, memory, stride in
            for row in range {
                for column in 0..<width {
                    memory[(row - range.lowerBound) * stride + column] = rows[row * width + column]
                }
            }
        }
    }

    /// Three chunks: the first two clean (or nearly) and committed, the third noisy, with and without the prompt.
    @Test(arguments: [1, 2])
    func velocitiesAgreeWithPyTorch(threads: Int) throws {
        let golden = try Golden("flow")
        let runner = try runner(golden, threads: threads)
        let (rows, lengths) = (try golden.floats("in.rows"), try golden.integers("in.lengths"))
        let (video, sound) = (try golden.floats("in.video"), try golden.floats("in.sound"))
        let (outVideo, outSound) = (try golden.floats("out.video"), try golden.floats("out.sound"))
        let level = try golden.floats("in.level")
        let dropped = try golden.integers("in.dropped")
        let velocity = try golden.floats("out.velocity")
        let (v, s) = (8 * 24, 2 * 48)
        let kinds = [FlowRunner.Kind.numbered(0), .numbered(1), .inside]
        for sample in 0..<2 {
            try read(
                rows[sample * 5 * runner.decoder.promptWidth..<(sample + 1) * 5 * runner.decoder.promptWidth],
                count: lengths[sample],
                into: runner
            )
            var history: [FilmPages] = []
            for index in 0..<3 {
                let place = sample * 3 + index
                let chunk = FlowRunner.Chunk(
                    kind: kinds[index],
                    firstFrame: 2 * index,
                    level: level[place],
                    history: history
                )
                let x = Array(video[place * v..<(place + 1) * v])
                let y = Array(sound[place * s..<(place + 1) * s])
                var predicted: [Float] = []
                var heard: [Float] = []
                // Of two branches the second is the one of interest: the first must not change it.
                let isDropped = index == 2 && dropped[sample] == 1
                runner.predict(chunk, video: x, sound: y, seesPrompt: [isDropped, !isDropped]) {
                    branch,
                    video,
                    sound,
                    soundStride in
                    guard branch == 1 else { return }
                    predicted = (0..<8 * 24).map { video[$0] }
                    heard = (0..<2 * 48).map { sound[$0 / 48 * soundStride + $0 % 48] }
                }
                #expect(largestDifference(predicted, outVideo[place * v..<(place + 1) * v]) < 1e-4)
                #expect(largestDifference(heard, outSound[place * s..<(place + 1) * s]) < 1e-4)
                if index == 2 {
                    let moved = zip(x, predicted).map { ($0 - $1) / level[place] }
                    #expect(largestDifference(moved, velocity[sample * v..<(sample + 1) * v]) < 1e-4)
                } else {
                    history.append(try runner.commit(chunk, video: x, sound: y))
                }
            }
        }
    }

    /// Four chunks of five steps with guidance: latents, sound, and frames over 50 dB; on one grid, and on two.
    @Test(arguments: [1, 2], [false, true])
    func filmAgreesWithPyTorch(threads: Int, usesBothGrids: Bool) throws {
        let golden = try Golden("film")
        let wanted = usesBothGrids ? try Golden("film.both") : golden
        let first = try runner(try Golden("flow"), threads: threads)
        var runners = [first]
        if usesBothGrids { runners.append(try runner(try Golden("flow"), threads: threads, shiftedFrom: first)) }
        var options = ChunkFilmer.Options()
        options.steps = 5
        options.guidance = 2.5
        options.caution = 1.5
        let filmer = ChunkFilmer(runners: runners, options: options)
        let (rows, lengths) = (try golden.floats("in.rows"), try golden.integers("in.lengths"))
        let width = first.decoder.promptWidth
        let codecGolden = try Golden("codec")
        let codec = try PatchCodec(codecGolden.file, settings: try codecGolden.settings().codec, prefix: "w.")
        let frames = try PatchCodecRunner(
            codec,
            rows: 4,
            columns: 4,
            maximumFrames: 8,
            pool: ThreadPool(threadCount: 1)
        )
        func half(_ name: String, _ sample: Int) throws -> [Float] {
            let both = try wanted.floats(name)
            return Array(both[sample * both.count / 2..<(sample + 1) * both.count / 2])
        }
        for sample in 0..<2 {
            try read(rows[sample * 5 * width..<(sample + 1) * 5 * width], count: lengths[sample], into: first)
            var history: [CommittedChunk] = []
            var drawn: [[Float]] = [[], []]
            var sound: [Float] = []
            for index in 0..<4 {
                let video = try golden.floats("in.noise_video.\(index)")
                let heard = try golden.floats("in.noise_sound.\(index)")
                let noise =
                    Array(video[sample * 192..<(sample + 1) * 192]) + Array(heard[sample * 96..<(sample + 1) * 96])
                let plan = ChunkFilmer.Plan(
                    kind: .numbered(index),
                    firstFrame: 2 * index,
                    history: history,
                    stream: 0
                )
                let filmed = try filmer.film(plan, noise: noise)
                let tokens = filmed.tokens
                history.append(try filmer.commit(plan, tokens))
                if history.count > 2 { filmer.recycle(history.removeFirst()) }
                #expect(filmed.drawn.count == runners.count)
                let mean = tokens.values.indices.map { index in
                    filmed.drawn.reduce(0) { $0 + $1.values[index] } / Float(runners.count)
                }
                #expect(largestDifference(tokens.values, mean) < 1e-5)
                for (grid, tokens) in filmed.drawn.enumerated() { drawn[grid] += filmer.latents(tokens) }
                sound += filmer.sound(tokens)
                #expect(filmer.tokens(latents: filmer.latents(tokens), sound: filmer.sound(tokens)).values.count == 288)
            }
            #expect(largestDifference(sound, try half("out.sound", sample)) < 1e-3)
            for (name, latents) in zip(usesBothGrids ? ["latents", "shifted"] : ["latents"], drawn) {
                let expected = try half("out." + name, sample)
                #expect(largestDifference(latents, expected) < 1e-3)
                var ours = [Float](repeating: 0, count: 8 * frames.frameFloats)
                var theirs = ours
                frames.synthesize(latents, count: 8, into: &ours)
                frames.synthesize(expected, count: 8, into: &theirs)
                #expect(peakSignalToNoise(ours, theirs) > 50)
            }
        }
    }

    /// Numbers beyond what a decoder was taught are those of any later chunk, also absurd ones.
    @Test func chunksAreToldTheirNumbers() {
        let kinds: [FlowRunner.Kind] = [
            .numbered(0), .inside, .still, .numbered(1), .numbered(3), .numbered(4),
        ]
        #expect(kinds.map { $0.row(told: 3) } == [0, 1, 2, 3, 5, 1])
        #expect(kinds.map { $0.row(told: 0) } == [0, 1, 2, 1, 1, 1])
        #expect(FlowRunner.Kind.numbered(-1).row(told: 3) == 1)
        #expect(FlowRunner.Kind.numbered(.max).row(told: 3) == 1)
    }

    /// The same seed gives the same bytes, whatever the number of threads; another seed others.
    @Test func noiseIsOfTheSeedAlone() throws {
        let weights = try Golden("flow")
        var results: [[Float]] = []
        for (threads, seed) in [(1, 5), (2, 5), (2, 6)] {
            let runner = try runner(weights, threads: threads)
            var options = ChunkFilmer.Options()
            options.seed = UInt64(seed)
            options.steps = 3
            options.sampler = .unipc
            let filmer = ChunkFilmer(runners: [runner], options: options)
            try read(try Golden("flow").floats("in.rows")[...], count: 5, into: runner)
            let plan = ChunkFilmer.Plan(kind: .numbered(0), firstFrame: 0, history: [], stream: 7)
            results.append(try filmer.film(plan).tokens.values)
        }
        #expect(results[0] == results[1])
        #expect(results[1] != results[2])
    }

    /// Known frames come out as they went in; the others are filmed.
    @Test func knownFramesStay() throws {
        let runner = try runner(try Golden("flow"), threads: 1)
        let filmer = ChunkFilmer(runners: [runner], options: ChunkFilmer.Options())
        try read(try Golden("flow").floats("in.rows")[...], count: 5, into: runner)
        var noise = NoiseSource(seed: 1, stream: 1)
        let known = ChunkTokens(values: (0..<filmer.chunkFloats).map { _ in noise.normal() })
        var plan = ChunkFilmer.Plan(kind: .numbered(0), firstFrame: 0, history: [], stream: 0)
        let free = try filmer.film(plan).tokens
        plan.known = (known, [0], true)
        let bound = try filmer.film(plan).tokens
        let frame = 4 * 24
        #expect(largestDifference(bound.values[..<frame], known.values[..<frame]) < 1e-4)
        #expect(bound.values[frame..<2 * frame] != free.values[frame..<2 * frame])
        // No strength: the source itself.
        plan.known = nil
        plan.source = (known, 0)
        #expect(try filmer.film(plan) == FilmedChunk(tokens: known, drawn: [known]))
    }

    @Test func promptsThatAreTooLongAreRefused() throws {
        let runner = try runner(try Golden("flow"), threads: 1)
        #expect(throws: FilmError.promptTooLong(rows: 9, limit: 8)) {
            try runner.readPrompt(count: 9) { _, _, _ in }
        }
    }
}

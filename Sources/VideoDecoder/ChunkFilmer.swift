import KVCache
import Tensor

/// A chunk of a clip as the flow transformer has it: video tokens, then sound tokens, normalised.
package struct ChunkTokens: Sendable, Equatable {
    package var values: [Float]

    package init(values: [Float]) { self.values = values }
}

/// A chunk that was filmed.
package struct FilmedChunk: Sendable, Equatable {
    /// What later chunks see, and the sound: the mean of what the grids draw.
    package var tokens: ChunkTokens
    /// What each grid draws, the plain one first: frames are made of these. One alone where nothing was filmed.
    package var drawn: [ChunkTokens]

    package init(tokens: ChunkTokens, drawn: [ChunkTokens]) {
        self.tokens = tokens
        self.drawn = drawn
    }
}

/// What later chunks see of one that was committed: its pages on each grid that it is filmed on.
package struct CommittedChunk {
    let pages: [FilmPages]
}

/// Films chunks: noise in, clean tokens out, step by step, with guidance.
///
/// Given two runners, the second of them on the shifted grid, it makes the last step on both, for ``GridBlend`` to make
/// frames of what both draw: what does not fit together across the borders of tokens lies within a token of the other
/// grid. (Coifman and Donoho, "Translation-Invariant De-Noising", 1995, call it cycle spinning.) Later chunks see the mean.
///
/// What a chunk sees of others is the caller's choice (``ChunkFilmer/Plan/history``): the chunks before it for a clip that
/// runs on, the one after it to film backwards, both to join. Memory does not depend on how many chunks are filmed.
package final class ChunkFilmer {
    /// How noise becomes a clip.
    package struct Options: Sendable, Equatable {
        package var steps = 12
        /// How much further than without the prompt; 1: as the prompt says, at half the cost.
        package var guidance: Float = 1.5
        package var shift: Float = 3
        /// How far above its noise level the network is told that a chunk is, as a shift; 1: told what is.
        ///
        /// What is half-way a clip has errors beside its noise, which training does not show; told of more noise, the
        /// network mends more of them. (Li et al., "Alleviating Exposure Bias in Diffusion Models through Sampling with
        /// Shifted Time Steps", 2023.)
        package var caution: Float = 1.5
        package var sampler = SamplerKind.euler
        package var seed: UInt64 = 0

        package init() {}
    }

    /// One chunk to film.
    package struct Plan {
        package var kind: FlowDecoder.ChunkKind
        /// Number of its first frame; may be negative for what comes before a clip.
        package var firstFrame: Int
        package var history: [CommittedChunk]
        /// Which of the seed's streams of noise.
        package var stream: UInt64
        /// What the chunk is made from instead of noise alone, and how much noise is mixed in, 0 ... 1.
        package var source: (tokens: ChunkTokens, strength: Float)?
        /// Frames that are there already, by their number in the chunk, with or without their sound: the others are filmed
        /// to fit them.
        package var known: (tokens: ChunkTokens, frames: Set<Int>, hasSound: Bool)?

        package init(kind: FlowDecoder.ChunkKind, firstFrame: Int, history: [CommittedChunk], stream: UInt64) {
            self.kind = kind
            self.firstFrame = firstFrame
            self.history = history
            self.stream = stream
        }
    }

    /// What makes the steps, and on the shifted grid the last one as well; the second shares the first one's prompt.
    private let runners: [FlowRunner]
    package let options: Options
    private let settings: FilmSettings
    private var prediction: [Float]
    private var other: [Float]

    private var token: Int { settings.tokenWidth }
    private var soundWidth: Int { settings.soundWidth }
    private var runner: FlowRunner { runners[0] }
    private var videoFloats: Int { runner.frames * runner.gridRows * runner.gridColumns * token }
    /// Numbers of a chunk.
    package var chunkFloats: Int { videoFloats + runner.soundTokens * soundWidth }
    package var chunkFrames: Int { runner.frames }
    /// Latents of a frame.
    private var latentRows: Int { runner.gridRows * settings.flow.tokenSide }
    private var latentColumns: Int { runner.gridColumns * settings.flow.tokenSide }

    /// - Parameter runners: of one decoder and chunks of one size; one, or one on each grid.
    package init(runners: [FlowRunner], options: Options) {
        precondition(1...2 ~= runners.count && runners.allSatisfy { $0.prompt === runners[0].prompt })
        self.runners = runners
        self.options = options
        settings = runners[0].decoder.settings
        prediction = []
        other = []
        prediction = [Float](repeating: 0, count: chunkFloats)
        other = prediction
    }

    /// Computes the prompt's keys and values, for all chunks that follow; see ``FlowRunner/readPrompt(count:rows:)``.
    package func readPrompt(
        count: Int,
        rows: (_ range: Range<Int>, _ memory: UnsafeMutablePointer<Float>, _ stride: Int) throws -> Void
    ) throws {
        try runner.readPrompt(count: count, rows: rows)
    }

    /// Films one chunk.
    ///
    /// - Parameters:
    ///   - noise: what it begins with; nil for the seed's own.
    ///   - onStep: called before each step with its number; an error ends the work.
    package func film(
        _ plan: Plan,
        noise: [Float]? = nil,
        onStep: (Int) throws -> Void = { _ in }
    ) throws -> FilmedChunk {
        var x = noise ?? drawNoise(stream: plan.stream)
        precondition(x.count == chunkFloats)
        let strength = plan.source.map { min(1, max(0, $0.strength)) } ?? 1
        if let source = plan.source {
            guard strength > 0 else { return FilmedChunk(tokens: source.tokens, drawn: [source.tokens]) }
            for index in x.indices { x[index] = (1 - strength) * source.tokens.values[index] + strength * x[index] }
        }
        let schedule = NoiseSchedule(steps: options.steps, shift: options.shift, strength: strength)
        var sampler = FlowSampler(options.sampler, schedule: schedule, count: x.count)
        if let known = plan.known {
            // Known frames go the same way as all: from noise to themselves.
            forNumbers(of: known.frames, known.hasSound) {
                x[$0] = (1 - strength) * known.tokens.values[$0] + strength * x[$0]
            }
        }
        var drawn: [ChunkTokens] = []
        for step in 0..<schedule.stepCount {
            try onStep(step)
            let isLast = step == schedule.stepCount - 1
            for grid in isLast ? runners.indices : 0..<1 {
                predict(plan, level: sampler.level, runner: grid, x)
                if let known = plan.known {
                    forNumbers(of: known.frames, known.hasSound) { prediction[$0] = known.tokens.values[$0] }
                }
                if isLast { drawn.append(ChunkTokens(values: prediction)) }
            }
            if drawn.count == 2 { prediction = zip(drawn[0].values, drawn[1].values).map { ($0 + $1) / 2 } }
            sampler.advance(&x, prediction: prediction)
        }
        return FilmedChunk(tokens: ChunkTokens(values: x), drawn: drawn)
    }

    /// Keeps what later chunks see of a chunk; see ``FlowRunner/commit(_:video:sound:)``.
    package func commit(_ plan: Plan, _ tokens: ChunkTokens) throws -> CommittedChunk {
        let sound = Array(tokens.values[videoFloats...])
        return CommittedChunk(
            pages: try runners.indices.map {
                try runners[$0].commit(chunk(plan, level: 0, runner: $0), video: tokens.values, sound: sound)
            }
        )
    }

    /// Takes back what ``commit(_:_:)`` gave, when no chunk will see it any more.
    package func recycle(_ chunk: CommittedChunk) {
        for (runner, pages) in zip(runners, chunk.pages) { runner.recycle(pages) }
    }

    private func chunk(_ plan: Plan, level: Float, runner: Int) -> FlowRunner.Chunk {
        FlowRunner.Chunk(
            kind: plan.kind,
            firstFrame: plan.firstFrame,
            level: level,
            history: plan.history.map { $0.pages[runner] }
        )
    }

    private func drawNoise(stream: UInt64) -> [Float] {
        var source = NoiseSource(seed: options.seed, stream: stream)
        return [Float](unsafeUninitializedCapacity: chunkFloats) { buffer, count in
            source.fill(UnsafeMutableBufferPointer(rebasing: buffer[..<chunkFloats]))
            count = chunkFloats
        }
    }

    /// Fills `prediction` with what both branches make of x: without the prompt, and so much further.
    private func predict(_ plan: Plan, level: Float, runner grid: Int, _ x: [Float]) {
        let chunk = chunk(plan, level: NoiseSchedule.shifted(level, by: options.caution), runner: grid)
        x.withUnsafeBufferPointer { values in
            guard let base = values.baseAddress else { return }
            runners[grid].predict(
                chunk,
                video: base,
                sound: base + videoFloats,
                seesPrompt: options.guidance == 1 ? [true] : [true, false]
            ) { branch, video, sound, soundStride in
                func gather(_ target: inout [Float]) {
                    target.withUnsafeMutableBufferPointer { target in
                        guard let target = target.baseAddress else { return }
                        target.update(from: video, count: videoFloats)
                        for row in 0..<runner.soundTokens {
                            (target + videoFloats + row * soundWidth)
                                .update(from: sound + row * soundStride, count: soundWidth)
                        }
                    }
                }
                if branch == 0 { gather(&prediction) } else { gather(&other) }
            }
        }
        guard options.guidance != 1 else { return }
        let guidance = options.guidance
        for index in prediction.indices {
            prediction[index] = other[index] + guidance * (prediction[index] - other[index])
        }
    }

    /// All numbers that belong to frames of the chunk.
    private func forNumbers(of frames: Set<Int>, _ hasSound: Bool, _ body: (Int) -> Void) {
        let perFrame = runner.gridRows * runner.gridColumns * token
        for frame in frames where (0..<chunkFrames).contains(frame) {
            for index in frame * perFrame..<(frame + 1) * perFrame { body(index) }
            if hasSound { for index in 0..<soundWidth { body(videoFloats + frame * soundWidth + index) } }
        }
    }

    // MARK: Latents and sound

    /// `[frames][rows][columns][channels]` latents of a chunk.
    package func latents(_ tokens: ChunkTokens) -> [Float] {
        var result = [Float](repeating: 0, count: videoFloats)
        forLatents { latent, value in result[latent] = tokens.values[value] }
        return result
    }

    /// `[frames * columns a frame][bands]`: the picture of a chunk's sound.
    package func sound(_ tokens: ChunkTokens) -> [Float] {
        tokens.values[videoFloats...].enumerated().map {
            let column = $0.offset % soundWidth
            return $0.element * runner.decoder.soundScale[column] + runner.decoder.soundMean[column]
        }
    }

    /// A chunk from latents and a picture of sound.
    package func tokens(latents: [Float], sound: [Float]) -> ChunkTokens {
        precondition(latents.count == videoFloats && sound.count == runner.soundTokens * soundWidth)
        var values = [Float](repeating: 0, count: chunkFloats)
        forLatents { latent, value in values[value] = latents[latent] }
        for (index, value) in sound.enumerated() {
            let column = index % soundWidth
            values[videoFloats + index] = (value - runner.decoder.soundMean[column]) / runner.decoder.soundScale[column]
        }
        return ChunkTokens(values: values)
    }

    /// Pairs of places: in latents, and in tokens.
    private func forLatents(_ body: (Int, Int) -> Void) {
        let side = settings.flow.tokenSide
        let channels = settings.codec.channels
        for frame in 0..<chunkFrames {
            for row in 0..<latentRows {
                for column in 0..<latentColumns {
                    let cell = (frame * runner.gridRows + row / side) * runner.gridColumns + column / side
                    let inside = (row % side * side + column % side) * channels
                    let latent = ((frame * latentRows + row) * latentColumns + column) * channels
                    for channel in 0..<channels { body(latent + channel, cell * token + inside + channel) }
                }
            }
        }
    }
}

import KVCache
import Tensor
import VideoDecoder

/// Films the chunks of one film after each other, and keeps what later chunks see of earlier ones.
///
/// Memory does not grow with the length of the film: chunks are decoded as they are there, and the window moves on.
final class FilmCamera {
    let filmer: ChunkFilmer
    let codec: PatchCodecRunner
    /// Nil where films are drawn on one grid.
    private let blend: GridBlend?
    let settings: FilmSettings
    private let size: FilmRequest.Size
    /// Pages of chunks that were committed, oldest first.
    private var window: [CommittedChunk] = []
    /// Pages of a chunk that comes later in the film.
    private(set) var future: CommittedChunk?
    private var stream: UInt64 = 0
    private var pixels: [Float]
    private var shiftedPixels: [Float]
    private var onStep: () throws -> Void = {}

    init(_ model: FilmModel, plan: FilmLimits.Plan, request: FilmRequest, promptRows: Int, pool: ThreadPool) throws {
        settings = model.settings
        size = plan.size
        let unit = settings.tokenPixels
        func runner(shiftedFrom first: FlowRunner? = nil) throws -> FlowRunner {
            try FlowRunner(
                model.flow,
                gridRows: plan.size.height / unit,
                gridColumns: plan.size.width / unit,
                isShifted: first != nil,
                frames: request.isStill ? 1 : nil,
                maximumPromptRows: promptRows,
                sharingPromptOf: first,
                pool: pool
            )
        }
        var runners = [try runner()]
        if settings.flow.usesBothGrids { runners.append(try runner(shiftedFrom: runners[0])) }
        var options = ChunkFilmer.Options()
        options.steps = request.steps
        options.guidance = Float(request.guidance)
        options.shift = Float(request.shift)
        options.sampler = request.sampler == .euler ? .euler : .unipc
        options.seed = request.seed
        filmer = ChunkFilmer(runners: runners, options: options)
        codec = try PatchCodecRunner(
            model.codec,
            rows: plan.size.height / settings.codec.patchPixels,
            columns: plan.size.width / settings.codec.patchPixels,
            maximumFrames: filmer.chunkFrames,
            pool: pool
        )
        blend =
            settings.flow.usesBothGrids
            ? GridBlend(height: plan.size.height, width: plan.size.width, tokenPixels: unit, pool: pool) : nil
        pixels = [Float](repeating: 0, count: filmer.chunkFrames * codec.frameFloats)
        shiftedPixels = pixels
    }

    var chunkFrames: Int { filmer.chunkFrames }

    /// Steps of a chunk that is filmed from a source with so much noise.
    func steps(strength: Float) -> Int {
        guard strength > 0 else { return 0 }
        return NoiseSchedule(steps: filmer.options.steps, shift: filmer.options.shift, strength: strength).stepCount
    }

    /// Called before every step.
    func whenStepping(_ body: @escaping () throws -> Void) { onStep = body }

    /// Forgets what was filmed: the next chunk begins a shot.
    func cut() {
        window.forEach(filmer.recycle)
        window = []
    }

    func forgetFuture() {
        if let future { filmer.recycle(future) }
        future = nil
    }

    private func plan(chunk: Int, numberInShot: Int?) -> ChunkFilmer.Plan {
        let kind: FlowDecoder.ChunkKind =
            chunkFrames < settings.flow.chunkFrames ? .still : numberInShot.map { .numbered($0) } ?? .inside
        return ChunkFilmer.Plan(
            kind: kind,
            firstFrame: chunk * settings.flow.chunkFrames,
            history: (future.map { [$0] } ?? []) + window,
            stream: stream
        )
    }

    /// Films a chunk, and commits it unless it is the last that anything will see.
    ///
    /// - Parameters:
    ///   - chunk: its number in time.
    ///   - numberInShot: how far the shot has come; nil where that is not known.
    func film(
        chunk: Int,
        numberInShot: Int?,
        source: (tokens: ChunkTokens, strength: Float)? = nil,
        known: (tokens: ChunkTokens, frames: Set<Int>, hasSound: Bool)? = nil,
        commits: Bool = true
    ) throws -> FilmedChunk {
        var plan = plan(chunk: chunk, numberInShot: numberInShot)
        plan.source = source
        plan.known = known
        stream += 1
        let filmed = try filmer.film(plan) { _ in try onStep() }
        if commits { try commit(plan, filmed.tokens) }
        return filmed
    }

    /// Takes a chunk that is there already for one that was filmed.
    func adopt(_ tokens: ChunkTokens, chunk: Int, numberInShot: Int?) throws {
        try commit(plan(chunk: chunk, numberInShot: numberInShot), tokens)
    }

    /// Takes a chunk for the one that comes after what is filmed next.
    func foresee(_ tokens: ChunkTokens, chunk: Int) throws {
        let earlier = window
        window = []
        forgetFuture()
        let pages = try filmer.commit(plan(chunk: chunk, numberInShot: nil), tokens)
        window = earlier
        future = pages
    }

    private func commit(_ plan: ChunkFilmer.Plan, _ tokens: ChunkTokens) throws {
        window.append(try filmer.commit(plan, tokens))
        while window.count > settings.flow.historyChunks { filmer.recycle(window.removeFirst()) }
    }

    /// The frames of a chunk.
    func develop(_ filmed: FilmedChunk) -> [FilmFrame] {
        codec.synthesize(filmer.latents(filmed.drawn[0]), count: chunkFrames, into: &pixels)
        if let blend, filmed.drawn.count == 2 {
            codec.synthesize(filmer.latents(filmed.drawn[1]), count: chunkFrames, into: &shiftedPixels)
            blend.blend(&pixels, with: shiftedPixels)
        }
        return (0..<chunkFrames).map { frame in
            let range = frame * codec.frameFloats..<(frame + 1) * codec.frameFloats
            return FilmFrame(width: size.width, height: size.height, pixels: pixels[range].map(Self.byte))
        }
    }

    /// A chunk of frames and a picture of their sound; frames that are missing at the end are the last once more.
    func tokens(_ frames: [FilmFrame], sound: [Float]) -> ChunkTokens {
        var values: [Float] = []
        values.reserveCapacity(chunkFrames * codec.frameFloats)
        for index in 0..<chunkFrames {
            guard let frame = index < frames.count ? frames[index] : frames.last else { break }
            values += frame.pixels.map { Float($0) / 127.5 - 1 }
        }
        values += Array(repeating: 0, count: chunkFrames * codec.frameFloats - values.count)
        var latents = [Float](repeating: 0, count: chunkFrames * codec.latentFloats)
        codec.analyze(values, count: chunkFrames, into: &latents)
        let silence = Array(repeating: Float(-1), count: chunkFrames * settings.soundWidth)
        let padded = Array((sound + silence).prefix(silence.count))
        return filmer.tokens(latents: latents, sound: padded)
    }

    private static func byte(_ value: Float) -> UInt8 {
        guard !value.isNaN else { return 0 }
        return UInt8(((min(1, max(-1, value)) + 1) * 127.5).rounded(.toNearestOrEven))
    }
}

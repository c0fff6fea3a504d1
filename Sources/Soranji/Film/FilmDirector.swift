import Models
import VideoDecoder

/// Films one request: the order of the shots, what each chunk sees, and where its frames and sound go.
final class FilmDirector {
    private let studio: FilmStudio
    private let request: FilmRequest
    private let plan: FilmLimits.Plan
    private let prompts: [[Int32]]
    private let material: OriginMaterial
    private let onPiece: (FilmPiece) throws -> Void
    private let camera: FilmCamera
    private var assembler: FilmAssembler
    private var synthesis: SoundSynthesis
    private var receipt: FilmReceipt
    private let settings: FilmSettings
    /// The first chunk of the film, for loops.
    private var opening: ChunkTokens?
    private let steps: StepCounter
    /// Frames that each shot shares with what is before it.
    private let overlaps: [Int]
    /// Frames of the film at the model's rate that lie before the shot at hand.
    private var framesBefore = 0

    private final class StepCounter {
        var shot = 0
        var done = 0
    }

    init(
        studio: FilmStudio,
        request: FilmRequest,
        plan: FilmLimits.Plan,
        prompts: [[Int32]],
        material: OriginMaterial,
        onProgress: @escaping (FilmProgress) throws -> Void,
        onPiece: @escaping (FilmPiece) throws -> Void
    ) throws {
        self.studio = studio
        self.request = request
        self.plan = plan
        self.prompts = prompts
        self.material = material
        self.onPiece = onPiece
        settings = studio.model.settings
        camera = try FilmCamera(
            studio.model,
            plan: plan,
            request: request,
            promptRows: prompts.map(\.count).max() ?? 1,
            pool: studio.runtime.runner.pool
        )
        synthesis = SoundSynthesis(settings.mel, sampleRate: settings.world.sampleRate)
        let cut = Self.segments(request, plan, material, settings)
        overlaps = cut.overlaps
        assembler = FilmAssembler(
            settings: settings,
            outputFramesPerSecond: plan.framesPerSecond,
            segments: cut.segments
        )
        receipt = FilmReceipt(
            size: plan.size,
            framesPerSecond: plan.framesPerSecond,
            sampleRate: settings.world.sampleRate,
            seed: request.seed
        )
        receipt.warnings = plan.warnings + [material.clip?.note, material.second?.note].compactMap { $0 }
        let steps = StepCounter()
        self.steps = steps
        let chunkFrames = camera.chunkFrames
        let stepsPerChunk = camera.steps(strength: Self.strength(request))
        let chunks = plan.shotFrames.reduce(0) { $0 + ($1 + chunkFrames - 1) / chunkFrames }
        camera.whenStepping {
            let progress = FilmProgress(
                shot: steps.shot + 1,
                shots: plan.shotFrames.count,
                doneSteps: steps.done,
                totalSteps: chunks * stepsPerChunk
            )
            steps.done += 1
            try onProgress(progress)
        }
    }

    /// Shots that run on smoothly are one segment; clips that are shown are segments of their own. Also how many frames each
    /// shot shares with what is before it.
    private static func segments(
        _ request: FilmRequest,
        _ plan: FilmLimits.Plan,
        _ material: OriginMaterial,
        _ settings: FilmSettings
    ) -> (segments: [FilmAssembler.Segment], overlaps: [Int]) {
        var segments: [FilmAssembler.Segment] = []
        var overlaps: [Int] = []
        func show(_ clip: ClipMaterial?) {
            if let clip { segments.append(FilmAssembler.Segment(frames: clip.frames.count, overlap: 0)) }
        }
        switch request.origin {
        case .extend, .join: show(material.clip)
        default: break
        }
        for (index, frames) in plan.shotFrames.enumerated() {
            let transition = index == 0 ? .cut : request.shots[index].transition
            if transition == .smooth {
                segments[segments.count - 1].frames += frames
                overlaps.append(0)
            } else {
                let before = segments.last?.frames ?? 0
                let overlap =
                    transition == .fade
                    ? FilmAssembler.overlap(before, frames, framesPerSecond: settings.world.framesPerSecond) : 0
                segments.append(FilmAssembler.Segment(frames: frames, overlap: overlap))
                overlaps.append(overlap)
            }
        }
        switch request.origin {
        case .extendBefore: show(material.clip)
        case .join: show(material.second)
        default: break
        }
        return (segments, overlaps)
    }

    func run() throws -> FilmReceipt {
        switch request.origin {
        case .extendBefore: try filmBackwards()
        case .extend, .join:
            try show(material.clip)
            try filmShots()
        case .noise, .image, .edit: try filmShots()
        }
        if case .join = request.origin { try show(material.second) }
        return receipt
    }

    // MARK: Shots

    private func filmShots() throws {
        var chunk = 0
        for index in request.shots.indices {
            try beginShot(index)
            let isAfterClip = index == 0 && (material.clip != nil && material.editedFrames == nil)
            let isSmooth = index > 0 && request.shots[index].transition == .smooth
            if !isSmooth {
                if index > 0 { try endSegment() }
                beginSegment()
                if !isAfterClip {
                    camera.cut()
                    chunk = 0
                } else {
                    try adoptEnd()
                }
            }
            let count = (plan.shotFrames[index] + camera.chunkFrames - 1) / camera.chunkFrames
            for number in 0..<count {
                let isLast = number == count - 1
                if isLast { try prepareEnd(shot: index, nextChunk: chunk + 1) }
                let filmed = try camera.film(
                    chunk: chunk,
                    numberInShot: isSmooth || isAfterClip ? nil : number,
                    source: source(number),
                    known: index == 0 && number == 0 ? known() : nil,
                    commits: !(isLast && index == request.shots.count - 1)
                )
                if opening == nil { opening = filmed.tokens }
                try emit(filmed)
                chunk += 1
            }
            camera.forgetFuture()
            framesBefore += plan.shotFrames[index]
        }
        try endSegment()
    }

    private func beginShot(_ index: Int) throws {
        steps.shot = index
        let clock = ContinuousClock()
        let start = clock.now
        try studio.handOver(try studio.readPrompt(prompts[index]), to: camera.filmer)
        receipt.promptSeconds += seconds(start.duration(to: clock.now))
        let shot = request.shots[index]
        // The first frames of a fade are shown while the shot before it ends.
        if index > 0, shot.transition == .fade { framesBefore -= overlaps[index] }
        receipt.shots.append(
            FilmReceipt.Shot(
                title: shot.title ?? shot.prompt,
                prompt: shot.prompt,
                promptTokens: prompts[index].count,
                frames: plan.shotFrames[index],
                startSeconds: Double(framesBefore) / Double(settings.world.framesPerSecond),
                transition: index == 0 ? .cut : shot.transition
            )
        )
    }

    /// The last chunk of a film that is joined to something sees what comes after it.
    private func prepareEnd(shot: Int, nextChunk: Int) throws {
        guard shot == request.shots.count - 1 else { return }
        if let second = material.second {
            try camera.foresee(chunk(of: second, from: 0), chunk: nextChunk)
        } else if request.loops, let opening {
            try camera.foresee(opening, chunk: nextChunk)
        }
    }

    private static func strength(_ request: FilmRequest) -> Float {
        if case .edit(_, let strength) = request.origin { Float(strength) } else { 1 }
    }

    private func source(_ number: Int) -> (tokens: ChunkTokens, strength: Float)? {
        guard case .edit = request.origin, let clip = material.clip else { return nil }
        return (chunk(of: clip, from: number * camera.chunkFrames), Self.strength(request))
    }

    private func known() -> (tokens: ChunkTokens, frames: Set<Int>, hasSound: Bool)? {
        material.picture.map { (camera.tokens([$0], sound: []), [0], false) }
    }

    private func chunk(of clip: ClipMaterial, from frame: Int) -> ChunkTokens {
        let range = frame..<frame + camera.chunkFrames
        let frames = clip.frames(range)
        return camera.tokens(
            frames.isEmpty ? Array(clip.frames.suffix(1)) : frames,
            sound: clip.sound(range, width: settings.soundWidth)
        )
    }

    /// Takes the end of the clip that is gone on from for what was filmed before.
    private func adoptEnd() throws {
        guard let clip = material.clip else { return }
        let f = camera.chunkFrames
        let count = clip.frames.count
        for back in [2, 1] where count >= back * f || back == 1 {
            try camera.adopt(
                chunk(of: clip, from: max(0, count - back * f)),
                chunk: -back,
                numberInShot: count < (back + 1) * f ? 0 : nil
            )
        }
    }

    /// From the clip's beginning towards earlier times; each chunk sees the one after it.
    private func filmBackwards() throws {
        guard let clip = material.clip else { return }
        try beginShot(0)
        let f = camera.chunkFrames
        let frames = plan.shotFrames[0]
        let count = (frames + f - 1) / f
        var next = chunk(of: clip, from: 0)
        var chunks: [FilmedChunk] = []
        for back in 1...count {
            try camera.foresee(next, chunk: 1 - back)
            let filmed = try camera.film(chunk: -back, numberInShot: back == count ? 0 : nil, commits: false)
            next = filmed.tokens
            chunks.append(filmed)
        }
        camera.forgetFuture()
        beginSegment()
        for (index, filmed) in chunks.reversed().enumerated() {
            try emit(filmed, skippingFrames: index == 0 ? count * f - frames : 0)
        }
        try endSegment()
        try show(clip)
    }

    // MARK: Frames and sound

    private func beginSegment() {
        assembler.beginSegment()
        synthesis = SoundSynthesis(settings.mel, sampleRate: settings.world.sampleRate)
    }

    private func endSegment() throws {
        guard request.hasSound else { return }
        try deliver(assembler.add(frames: [], sound: synthesis.finish()))
    }

    private func emit(_ filmed: FilmedChunk, skippingFrames skipped: Int = 0) throws {
        let frames = camera.develop(filmed).dropFirst(skipped)
        var samples: [Float] = []
        if request.hasSound, !request.isStill {
            let picture = camera.filmer.sound(filmed.tokens)
            let bands = settings.mel.bands
            for column in skipped * settings.columnsPerFrame..<picture.count / bands {
                samples += synthesis.push(picture[column * bands..<(column + 1) * bands])
            }
        }
        try deliver(assembler.add(frames: Array(frames), sound: samples))
    }

    /// A clip as it is.
    private func show(_ clip: ClipMaterial?) throws {
        guard let clip else { return }
        assembler.beginSegment()
        framesBefore += clip.frames.count
        try deliver(assembler.add(frames: clip.frames, sound: request.hasSound ? clip.samples : []))
    }

    private func deliver(_ piece: FilmPiece) throws {
        guard !piece.frames.isEmpty || !piece.sound.isEmpty else { return }
        receipt.frames += piece.frames.count
        receipt.soundSamples += piece.sound.count
        try onPiece(piece)
    }
}

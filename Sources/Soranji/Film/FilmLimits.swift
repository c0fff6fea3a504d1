import VideoDecoder

/// What can be filmed, and what is far from what the model was trained for.
struct FilmLimits {
    let settings: FilmSettings

    static let longestSeconds = 600.0
    static let mostShots = 200

    /// A request with everything filled in.
    struct Plan: Equatable {
        var size: FilmRequest.Size
        var framesPerSecond: Int
        /// Frames of each shot at the model's own rate.
        var shotFrames: [Int]
        var warnings: [String] = []
    }

    private var trainedSeconds: Double {
        Double(settings.world.frameCount) / Double(settings.world.framesPerSecond)
    }

    /// - Parameter givenFrames: how long the clip is that is filmed anew, in frames; nil for other requests.
    func plan(_ request: FilmRequest, givenFrames: Int? = nil) throws(FilmRequestError) -> Plan {
        try checkNumbers(request)
        try checkCombination(request)
        let chunkFrames = settings.flow.chunkFrames
        let size = try self.size(request.size)
        guard !request.shots.isEmpty else { throw .emptyPrompt(shot: nil) }
        guard request.shots.count <= Self.mostShots else {
            throw .tooManyShots(request.shots.count, limit: Self.mostShots)
        }
        var plan = Plan(
            size: size,
            framesPerSecond: request.framesPerSecond ?? settings.world.framesPerSecond,
            shotFrames: []
        )
        let trained = settings.world.framePixels
        if size.width != trained || size.height != trained {
            plan.warnings.append(
                "the model was trained on \(trained)x\(trained) pixels; \(size.width)x\(size.height) may come out worse"
            )
        }
        var total = 0.0
        var longest = 0.0
        for (index, shot) in request.shots.enumerated() {
            guard shot.prompt.contains(where: { !$0.isWhitespace }) else {
                throw .emptyPrompt(shot: request.shots.count > 1 ? index + 1 : nil)
            }
            let rate = Double(settings.world.framesPerSecond)
            let seconds = shot.seconds ?? request.seconds ?? givenFrames.map { Double($0) / rate } ?? trainedSeconds
            guard seconds != .infinity else { throw .tooLong(seconds: seconds, limit: Self.longestSeconds) }
            guard seconds.isFinite, seconds >= 1 / rate else {
                throw .badNumber(
                    "the length of a shot",
                    value: "\(seconds) s",
                    range: "at least one frame (\(FixedPoint.text(1 / rate, places: 3)) s)"
                )
            }
            total += seconds
            longest = max(longest, seconds)
            guard total <= Self.longestSeconds else { throw .tooLong(seconds: total, limit: Self.longestSeconds) }
            let frames = max(1, Int((seconds * rate).rounded()))
            plan.shotFrames.append(request.isStill ? 1 : needsWholeChunks(request, index) ? whole(frames) : frames)
        }
        if longest > trainedSeconds, !request.isStill {
            plan.warnings.append(
                "the model was trained on clips of \(FixedPoint.duration(trainedSeconds)); a shot of "
                    + "\(FixedPoint.duration(longest)) goes on from its own last second again and again"
            )
        }
        if request.loops, plan.shotFrames.reduce(0, +) <= chunkFrames {
            throw .badCombination(
                "a loop needs more than \(chunkFrames) frames, and there are \(plan.shotFrames.reduce(0, +))"
            )
        }
        return plan
    }

    /// Whether what follows a shot sees its last chunk to the end.
    private func needsWholeChunks(_ request: FilmRequest, _ shot: Int) -> Bool {
        if case .join = request.origin { return true }
        let isLast = shot + 1 == request.shots.count
        return isLast ? request.loops : request.shots[shot + 1].transition == .smooth
    }

    private func whole(_ frames: Int) -> Int {
        let chunk = settings.flow.chunkFrames
        return (frames + chunk - 1) / chunk * chunk
    }

    private func size(_ asked: FilmRequest.Size?) throws(FilmRequestError) -> FilmRequest.Size {
        let trained = settings.world.framePixels
        guard let asked else { return FilmRequest.Size(width: trained, height: trained) }
        let unit = settings.tokenPixels
        let smallest = max(unit, trained / 2 / unit * unit)
        let largest = trained * 2
        for side in [asked.width, asked.height] {
            guard (smallest...largest).contains(side), side % unit == 0 else {
                throw .badSize(asked, unit: unit, smallest: smallest, largest: largest)
            }
        }
        return asked
    }

    private func checkNumbers(_ request: FilmRequest) throws(FilmRequestError) {
        func check(_ name: String, _ value: Double, _ range: ClosedRange<Double>) throws(FilmRequestError) {
            guard value.isFinite, range.contains(value) else {
                throw .badNumber(
                    name,
                    value: Self.text(value),
                    range: "from \(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))"
                )
            }
        }
        try check("the number of steps", Double(request.steps), 1...1000)
        try check("guidance", request.guidance, 0...50)
        try check("shift", request.shift, 0.1...50)
        if let rate = request.framesPerSecond { try check("frames per second", Double(rate), 1...120) }
        if case .edit(_, let strength) = request.origin { try check("strength", strength, 0...1) }
    }

    /// Whole numbers without a fraction.
    private static func text(_ value: Double) -> String {
        value == value.rounded() && value.magnitude < 1e15 ? "\(Int(value))" : "\(value)"
    }

    private func checkCombination(_ request: FilmRequest) throws(FilmRequestError) {
        let isLong = request.shots.count > 1
        switch request.origin {
        case .noise, .image: break
        case .extend: if request.loops { throw .badCombination("a clip that is extended cannot be closed to a loop") }
        case .extendBefore, .join, .edit:
            if isLong {
                throw .badCombination("several shots are filmed forwards: anew, from a picture, or after a clip")
            }
            if request.loops { throw .badCombination("only what is filmed anew can be closed to a loop") }
        }
        if request.isStill, isLong || request.loops || request.origin != .noise {
            throw .badCombination("a single picture is filmed from one prompt alone")
        }
    }
}

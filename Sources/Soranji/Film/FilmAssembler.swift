import VideoDecoder

/// Puts shots together at the film's own rate: cuts, overlaps, and the tails that wait for an overlap.
///
/// Memory: the frames of one overlap, half a second at most.
struct FilmAssembler {
    /// A shot, or several that run on smoothly.
    struct Segment: Equatable {
        /// Frames at the model's rate.
        var frames: Int
        /// Frames that it shares with the segment before it.
        var overlap: Int
    }

    private let framesPerSecond: Int
    private let outputFramesPerSecond: Int
    private let samplesPerFrame: Int
    private let segments: [Segment]
    private var segment = -1
    private var frame = 0
    private var sample = 0
    /// What the segment before leaves for an overlap, and what this one leaves.
    private var earlier: (frames: [FilmFrame], sound: [Float]) = ([], [])
    private var later: (frames: [FilmFrame], sound: [Float]) = ([], [])
    /// Frames of the film so far, at the model's rate and at the film's.
    private var shown = 0
    private var written = 0

    /// Sound rises and falls over so many samples where it would begin or end with a click.
    static let edgeSamples = 80

    init(settings: FilmSettings, outputFramesPerSecond: Int, segments: [Segment]) {
        framesPerSecond = settings.world.framesPerSecond
        self.outputFramesPerSecond = outputFramesPerSecond
        samplesPerFrame = settings.columnsPerFrame * settings.mel.hop
        self.segments = segments
    }

    /// How many frames two segments share in a fade.
    static func overlap(_ first: Int, _ second: Int, framesPerSecond: Int) -> Int {
        max(0, min(framesPerSecond / 2, first / 2, second / 2))
    }

    mutating func beginSegment() {
        segment += 1
        frame = 0
        sample = 0
        earlier = later
        later = ([], [])
    }

    /// Frames that the next segment shares with this one.
    private var tail: Int { segment + 1 < segments.count ? segments[segment + 1].overlap : 0 }

    /// Adds frames and sound of the segment at hand, and gives what is ready.
    mutating func add(frames: [FilmFrame], sound: [Float]) -> FilmPiece {
        var piece = FilmPiece(frames: [], sound: [])
        let current = segments[segment]
        for image in frames where frame < current.frames {
            let mixed = frame < earlier.frames.count ? mix(earlier.frames[frame], image) : image
            if frame >= current.frames - tail { later.frames.append(mixed) } else { show(mixed, &piece) }
            frame += 1
        }
        let count = current.frames * samplesPerFrame
        for value in sound where sample < count {
            var mixed = value * edge(sample, count)
            if sample < earlier.sound.count {
                let share = (Float(sample) + 0.5) / Float(earlier.sound.count)
                mixed = earlier.sound[sample] * (1 - share) + mixed * share
            }
            if sample >= count - tail * samplesPerFrame { later.sound.append(mixed) } else { piece.sound.append(mixed) }
            sample += 1
        }
        return piece
    }

    private func edge(_ sample: Int, _ count: Int) -> Float {
        let fromEdge = min(sample, count - 1 - sample)
        return fromEdge < Self.edgeSamples ? (Float(fromEdge) + 0.5) / Float(Self.edgeSamples) : 1
    }

    private func mix(_ first: FilmFrame, _ second: FilmFrame) -> FilmFrame {
        let share = (Float(frame) + 1) / Float(earlier.frames.count + 1)
        let pixels = zip(first.pixels, second.pixels).map {
            UInt8((Float($0) * (1 - share) + Float($1) * share).rounded())
        }
        return FilmFrame(width: second.width, height: second.height, pixels: pixels)
    }

    /// Repeats or leaves out a frame, so that the film has its own rate.
    private mutating func show(_ image: FilmFrame, _ piece: inout FilmPiece) {
        shown += 1
        // The film's frame n is the one on the screen at the time n / rate.
        while written * framesPerSecond < shown * outputFramesPerSecond {
            piece.frames.append(image)
            written += 1
        }
    }
}

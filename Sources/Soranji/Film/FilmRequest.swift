import VideoDecoder

/// What is to be filmed, and how.
public struct FilmRequest: Sendable, Equatable {
    /// How one shot follows another.
    public enum Transition: String, Sendable, CaseIterable {
        /// The next shot begins anew.
        case cut
        /// It begins anew, and the two overlap for a moment.
        case fade
        /// It goes on from where the shot before it ended.
        case smooth
    }

    /// One shot of a film.
    public struct Shot: Sendable, Equatable {
        /// What it is called in reports; nil for its prompt.
        public var title: String?
        public var prompt: String
        /// Nil for the request's.
        public var seconds: Double?
        /// From the shot before it; the first shot's is not looked at.
        public var transition: Transition

        public init(prompt: String, title: String? = nil, seconds: Double? = nil, transition: Transition = .cut) {
            self.prompt = prompt
            self.title = title
            self.seconds = seconds
            self.transition = transition
        }
    }

    /// What the first shot begins with.
    public enum Origin: Sendable, Equatable {
        case noise
        /// A picture: the first frame.
        case image(String)
        /// A clip that is shown first, and goes on.
        case extend(String)
        /// A clip that is shown last: what comes before it is filmed.
        case extendBefore(String)
        /// Two clips, and what comes between them.
        case join(String, String)
        /// A clip that is filmed anew: 0 leaves it as it is, 1 keeps nothing of it.
        case edit(String, strength: Double)
    }

    /// Pixels.
    public struct Size: Sendable, Equatable {
        public var width: Int
        public var height: Int

        public init(width: Int, height: Int) {
            self.width = width
            self.height = height
        }
    }

    public enum Sampler: String, Sendable, CaseIterable {
        case euler, unipc
    }

    public var shots: [Shot]
    public var origin = Origin.noise
    /// Nil for the size that the model was trained with.
    public var size: Size?
    /// Of every shot that names no length of its own; nil for the length that the model was trained with.
    public var seconds: Double?
    /// Nil for the rate that the model was trained with. Frames are repeated or left out, none are made up.
    public var framesPerSecond: Int?
    /// The same seed gives the same bytes for any number of threads.
    public var seed: UInt64 = 0
    public var steps = ChunkFilmer.Options().steps
    /// How much more than without the prompt; 1: no guidance, at half the cost.
    public var guidance = Double(ChunkFilmer.Options().guidance)
    /// Above 1 more of the steps are spent on high noise.
    public var shift = Double(ChunkFilmer.Options().shift)
    public var sampler = Sampler.euler
    public var hasSound = true
    /// The end leads back to the beginning.
    public var loops = false
    /// A single picture instead of a clip.
    public var isStill = false

    public init(prompt: String) { shots = [Shot(prompt: prompt)] }
    public init(shots: [Shot]) { self.shots = shots }
}

/// A frame: 8-bit RGB, rows from top to bottom, without gaps.
public struct FilmFrame: Sendable, Equatable {
    public let width: Int
    public let height: Int
    public let pixels: [UInt8]

    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(pixels.count == width * height * 3)
        self.width = width
        self.height = height
        self.pixels = pixels
    }
}

/// A piece of a film as it is there.
public struct FilmPiece: Sendable {
    public var frames: [FilmFrame]
    /// Mono, at ``FilmReceipt/sampleRate``; its end may lie a little before that of the frames.
    public var sound: [Float]
}

/// How far filming is.
public struct FilmProgress: Sendable, Equatable {
    public var shot: Int
    public var shots: Int
    public var doneSteps: Int
    public var totalSteps: Int
}

/// What was filmed.
public struct FilmReceipt: Sendable, Equatable {
    public struct Shot: Sendable, Equatable {
        public var title: String
        public var prompt: String
        public var promptTokens: Int
        public var frames: Int
        /// Where it begins, in seconds of the film.
        public var startSeconds: Double
        public var transition: FilmRequest.Transition
    }

    public var size: FilmRequest.Size
    public var framesPerSecond: Int
    public var frames = 0
    public var sampleRate: Int
    public var soundSamples = 0
    public var seed: UInt64
    public var shots: [Shot] = []
    /// What was asked for that the model was not trained for.
    public var warnings: [String] = []
    /// How long the prompts took to read.
    public var promptSeconds = 0.0

    public var seconds: Double { Double(frames) / Double(framesPerSecond) }
}

import ArgumentParser
import Soranji

/// How a film is made.
struct FilmFlags: ParsableArguments {
    /// Whose settings are the defaults.
    private static let standard = FilmRequest(shots: [])

    @Option(
        help: ArgumentHelp(
            "What films: a folder that Training/ exported. (default: the model's own)",
            valueName: "folder"
        ),
        completion: .directory
    )
    var decoder: String?

    @Option(
        help: ArgumentHelp("Pixels, e.g. 64x64. (default: what the model was trained with)", valueName: "WxH"),
        transform: FilmFlags.size
    )
    var size: FilmRequest.Size?

    @Option(
        name: [.customShort("s"), .long],
        parsing: .unconditional,
        help: ArgumentHelp("Length of a shot. (default: what the model was trained with)", valueName: "seconds")
    )
    var seconds: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Frames per second; frames are repeated, none are made up.", valueName: "rate")
    )
    var fps: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The same seed gives the same film; -1 is another one in every run.", valueName: "number"),
        transform: Seed.parse
    )
    var seed: Seed = .number(0)

    @Option(parsing: .unconditional, help: ArgumentHelp("Steps from noise to picture.", valueName: "count"))
    var steps: Int = FilmFlags.standard.steps

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How closely it follows the prompt; 1 is faster and looser.", valueName: "factor")
    )
    var guidance: Double = FilmFlags.standard.guidance

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Above 1: more of the steps while there is much noise.", valueName: "factor")
    )
    var shift: Double = FilmFlags.standard.shift

    @Option(help: ArgumentHelp("How steps follow each other.", valueName: "name"))
    var sampler: FilmRequest.Sampler = .euler

    @Flag(help: "Without sound.")
    var noSound = false

    @Flag(name: .customLong("loop"), help: "The end leads back to the beginning.")
    var loops = false

    func request(shots: [FilmRequest.Shot]) -> FilmRequest {
        var request = FilmRequest(shots: shots)
        request.size = size
        request.seconds = seconds
        request.framesPerSecond = fps
        request.seed = seed.value()
        request.steps = steps
        request.guidance = guidance
        request.shift = shift
        request.sampler = sampler
        request.hasSound = !noSound
        request.loops = loops
        return request
    }

    private static func size(_ text: String) throws -> FilmRequest.Size {
        let sides = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard sides.count == 2, let width = sides[0], let height = sides[1], width > 0, height > 0 else {
            throw ValidationError("'\(text)' is no size; write it as 64x64")
        }
        return FilmRequest.Size(width: width, height: height)
    }
}

extension FilmRequest.Sampler: ExpressibleByArgument {}

/// What a film begins with instead of noise.
struct OriginFlags: ParsableArguments {
    private static let usualStrength = 0.6

    @Option(help: ArgumentHelp("Begin with this picture.", valueName: "file"), completion: .file())
    var image: String?

    @Option(help: ArgumentHelp("Show this clip, and go on.", valueName: "clip"), completion: .file())
    var extend: String?

    @Flag(help: "With --extend: film what comes before the clip.")
    var before = false

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Two clips: film what comes between them.", valueName: "clip"),
        completion: .file()
    )
    var join: [String] = []

    @Option(help: ArgumentHelp("Film this clip anew, after the prompt.", valueName: "clip"), completion: .file())
    var edit: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "With --edit: 0 leaves the clip as it is, 1 keeps nothing. (default: \(usualStrength))",
            valueName: "share"
        )
    )
    var strength: Double?

    func validate() throws {
        let given = [image != nil, extend != nil, !join.isEmpty, edit != nil].count { $0 }
        if given > 1 { throw ValidationError("--image, --extend, --join and --edit do not go together.") }
        if !join.isEmpty, join.count != 2 { throw ValidationError("--join needs two clips, not \(join.count).") }
        if ([image, extend, edit].compactMap { $0 } + join).contains(where: \.isEmpty) {
            throw ValidationError("The name of a clip or picture is empty.")
        }
        if before, extend == nil { throw ValidationError("--before needs --extend.") }
        if strength != nil, edit == nil { throw ValidationError("--strength needs --edit.") }
    }

    var origin: FilmRequest.Origin {
        get throws {
            if let image { return .image(image) }
            if let extend { return before ? .extendBefore(extend) : .extend(extend) }
            if join.count == 2 { return .join(join[0], join[1]) }
            if let edit { return .edit(edit, strength: strength ?? Self.usualStrength) }
            return .noise
        }
    }
}

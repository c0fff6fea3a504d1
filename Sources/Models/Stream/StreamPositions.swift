import KVCache

/// The media of a prompt as positions need them, each kind in order of appearance.
package struct StreamMedia: Sendable, Equatable {
    package struct Video: Sendable, Equatable {
        package var grid: PatchGrid
        /// Seconds from one grid time to the next.
        package var secondsPerGrid: Double

        package init(grid: PatchGrid, secondsPerGrid: Double) {
            self.grid = grid
            self.secondsPerGrid = secondsPerGrid
        }
    }

    package var images: [PatchGrid] = []
    package var videos: [Video] = []
    /// Tokens of each sound.
    package var sounds: [Int] = []

    package init(images: [PatchGrid] = [], videos: [Video] = [], sounds: [Int] = []) {
        self.images = images
        self.videos = videos
        self.sounds = sounds
    }
}

/// Why ids and media do not go together.
package enum StreamError: Error, CustomStringConvertible, Equatable {
    case notForMedia
    case badGrid(PatchGrid, merge: Int)
    case badSecondsPerGrid(Double)
    case badSound(Int)
    /// More or fewer placeholders than rows.
    case mismatch(kind: String, placeholders: Int, rows: Int)
    /// A piece of media whose placeholders are interrupted.
    case broken(kind: String, index: Int, slot: Int, expected: Int)
    case rowWidth(found: Int, expected: Int)
    /// Rows of media that would have to be computed anew, and were not read again.
    case forgotten(source: String)

    package var description: String {
        switch self {
        case .notForMedia: "the model reads text alone"
        case .badGrid(let grid, let merge):
            "a grid of \(grid.frames) x \(grid.height) x \(grid.width) patches is not a whole number of \(merge) x \(merge) blocks"
        case .badSecondsPerGrid(let seconds): "\(seconds) seconds between frames"
        case .badSound(let count): "a sound of \(count) tokens"
        case .mismatch(let kind, let placeholders, let rows):
            "the tokens have \(placeholders) \(kind) placeholder\(placeholders == 1 ? "" : "s"), but the \(kind) input makes \(rows) row\(rows == 1 ? "" : "s")"
        case .broken(let kind, let index, let slot, let expected):
            "the placeholders of \(kind) \(index + 1), which begin at token \(slot), are not \(expected) in a row"
        case .forgotten(let source): "'\(source)' would have to be looked at again"
        case .rowWidth(let found, let expected):
            "media rows are \(found) wide where the model's embeddings are \(expected)"
        }
    }
}

/// Positions of a stream's tokens on the axes time, row and column.
///
/// The rules are those of the reference implementations (transformers 5.23, `get_rope_index`), with their quirks; time
/// is computed in single precision as there, so positions are equal to the last bit.
package struct StreamPositions {
    package private(set) var positions: [RotaryPosition] = []

    private let configuration: MediaConfiguration
    private let tokens: [Int32]
    private let media: StreamMedia
    /// The position that the next piece begins at.
    private var current: Float = 0
    private var image = 0
    private var video = 0
    private var sound = 0

    /// - Throws: ``StreamError`` when the placeholders among `tokens` are not what `media` needs.
    package init(tokens: [Int32], media: StreamMedia, configuration: MediaConfiguration) throws(StreamError) {
        self.tokens = tokens
        self.media = media
        self.configuration = configuration
        try check()
        positions.reserveCapacity(tokens.count)
        while positions.count < tokens.count { try appendPiece() }
    }

    /// What is added to a slot's number for text that follows: the largest position + 1 - the number of tokens.
    package var delta: Double {
        (positions.reduce(-1) { max($0, $1.largest) }) + 1 - Double(positions.count)
    }

    /// Tokens that a grid makes.
    package static func rowCount(_ grid: PatchGrid, merge: Int) throws(StreamError) -> Int {
        let sides = 1...65_536
        guard sides ~= grid.height, sides ~= grid.width, 1...16_777_216 ~= grid.frames, grid.height % merge == 0,
            grid.width % merge == 0
        else { throw .badGrid(grid, merge: merge) }
        let (count, overflow) = (grid.height / merge * (grid.width / merge)).multipliedReportingOverflow(
            by: grid.frames
        )
        guard !overflow else { throw .badGrid(grid, merge: merge) }
        return count
    }

    private func check() throws(StreamError) {
        let merge = configuration.spatialMerge
        var imageRows = 0
        var videoRows = 0
        var soundRows = 0
        func add(_ value: Int, to sum: inout Int) { sum = sum.addingReportingOverflow(value).partialValue }
        for grid in media.images { add(try Self.rowCount(grid, merge: merge), to: &imageRows) }
        for video in media.videos {
            guard video.secondsPerGrid.isFinite, 0...1e6 ~= video.secondsPerGrid else {
                throw .badSecondsPerGrid(video.secondsPerGrid)
            }
            add(try Self.rowCount(video.grid, merge: merge), to: &videoRows)
        }
        for count in media.sounds {
            guard 0...Int(Int32.max) ~= count else { throw .badSound(count) }
            add(count, to: &soundRows)
        }
        func compare(_ kind: String, _ token: Int32?, _ rows: Int) throws(StreamError) {
            let placeholders = token.map { token in tokens.count { $0 == token } } ?? 0
            guard placeholders == rows else { throw .mismatch(kind: kind, placeholders: placeholders, rows: rows) }
        }
        try compare("image", configuration.imageToken, imageRows)
        try compare("video", configuration.videoToken, videoRows)
        try compare("audio", configuration.audioToken, soundRows)
    }

    private mutating func appendPiece() throws(StreamError) {
        let slot = positions.count
        let token = tokens[slot]
        // A sound too short for a token has no placeholder.
        while sound < media.sounds.count, media.sounds[sound] == 0 { sound += 1 }
        let followsAudioStart =
            slot > 0 && configuration.rule == .aligned && tokens[slot - 1] == configuration.audioStartToken
        if followsAudioStart, token == configuration.audioToken || token == configuration.videoToken,
            sound < media.sounds.count
        {
            let isInVideo = slot > 1 && tokens[slot - 2] == configuration.visionStartToken && video < media.videos.count
            try isInVideo ? appendVideoWithSound() : appendSound()
        } else if token == configuration.imageToken, image < media.images.count {
            try appendImage()
        } else if token == configuration.videoToken, video < media.videos.count {
            try configuration.rule == .aligned ? appendVideo() : appendFrames()
        } else if configuration.isPlaceholder(token) {
            throw .broken(kind: kind(token), index: index(token), slot: slot, expected: 0)
        } else {
            positions.append(RotaryPosition(Double(current)))
            current += 1
        }
    }

    private func kind(_ token: Int32) -> String {
        token == configuration.imageToken ? "image" : token == configuration.videoToken ? "video" : "audio"
    }

    private func index(_ token: Int32) -> Int {
        token == configuration.imageToken ? image : token == configuration.videoToken ? video : sound
    }

    /// Checks that the next `count` tokens are placeholders of the given kinds.
    private func expect(_ count: Int, of allowed: (Int32) -> Bool, _ kind: String, _ index: Int) throws(StreamError) {
        let slot = positions.count
        guard tokens.count - slot >= count, tokens[slot..<slot + count].allSatisfy(allowed) else {
            throw .broken(kind: kind, index: index, slot: slot, expected: count)
        }
    }

    /// Positions of grid times `times`, rows and columns, offset by the current position.
    private func grid(_ grid: PatchGrid, times: Range<Int>, secondsPerGrid: Float) -> [RotaryPosition] {
        let merge = configuration.spatialMerge
        let rows = grid.height / merge
        let columns = grid.width / merge
        var result: [RotaryPosition] = []
        result.reserveCapacity(times.count * rows * columns)
        for time in times {
            // The reference's order of operations and precision.
            let elapsed = Float(time) * secondsPerGrid * Float(configuration.positionsPerSecond)
            for row in 0..<rows {
                for column in 0..<columns {
                    result.append(
                        RotaryPosition(
                            time: Double(elapsed + current),
                            row: Double(Float(row) + current),
                            column: Double(Float(column) + current)
                        )
                    )
                }
            }
        }
        return result
    }

    private mutating func appendImage() throws(StreamError) {
        let entry = media.images[image]
        let token = configuration.imageToken
        let piece = grid(entry, times: 0..<entry.frames, secondsPerGrid: configuration.rule == .aligned ? 1 : 0)
        try expect(piece.count, of: { $0 == token }, "image", image)
        positions += piece
        image += 1
        advance(over: piece, entry)
    }

    private mutating func appendVideo() throws(StreamError) {
        let entry = media.videos[video]
        let token = configuration.videoToken
        let piece = grid(entry.grid, times: 0..<entry.grid.frames, secondsPerGrid: Float(entry.secondsPerGrid))
        try expect(piece.count, of: { $0 == token }, "video", video)
        positions += piece
        video += 1
        advance(over: piece, entry.grid)
    }

    /// After a piece, time goes on one after its largest position; frames that stand as images take up their longer side.
    private mutating func advance(over piece: [RotaryPosition], _ grid: PatchGrid) {
        switch configuration.rule {
        case .aligned: current = Float(piece.reduce(-.infinity) { max($0, $1.largest) }) + 1
        case .framewise: current += Float(max(grid.height, grid.width) / configuration.spatialMerge)
        case .windowed: current += Float(piece.count)
        }
    }

    /// A video whose frames are apart from each other in the text: each is placed like an image.
    private mutating func appendFrames() throws(StreamError) {
        let entry = media.videos[video]
        let token = configuration.videoToken
        for frame in 0..<entry.grid.frames {
            let piece = grid(entry.grid, times: 0..<1, secondsPerGrid: 0)
            try expect(piece.count, of: { $0 == token }, "video", video)
            positions += piece
            advance(over: piece, entry.grid)
            guard frame + 1 < entry.grid.frames else { break }
            while positions.count < tokens.count, !configuration.isPlaceholder(tokens[positions.count]) {
                positions.append(RotaryPosition(Double(current)))
                current += 1
            }
        }
        video += 1
    }

    private mutating func appendSound() throws(StreamError) {
        let count = media.sounds[sound]
        let token = configuration.audioToken
        try expect(count, of: { $0 == token }, "audio", sound)
        for number in 0..<count { positions.append(RotaryPosition(Double(current + Float(number)))) }
        current += Float(count)
        sound += 1
    }

    /// A video and its own sound, merged by time.
    private mutating func appendVideoWithSound() throws(StreamError) {
        let entry = media.videos[video]
        let soundCount = media.sounds[sound]
        let sight = grid(entry.grid, times: 0..<entry.grid.frames, secondsPerGrid: Float(entry.secondsPerGrid))
        try expect(
            sight.count + soundCount,
            of: { [configuration] in $0 == configuration.videoToken || $0 == configuration.audioToken },
            "video",
            video
        )
        var seen = 0
        var heard = 0
        var last = RotaryPosition(Double(current))
        while seen < sight.count, heard < soundCount {
            let next = RotaryPosition(Double(current + Float(heard)))
            if sight[seen].time <= next.time {
                last = sight[seen]
                seen += 1
            } else {
                last = next
                heard += 1
            }
            positions.append(last)
        }
        // The reference goes on from the last piece that it appended: what is left of one kind, or else the last token.
        var largest = last.largest
        if seen < sight.count || heard < soundCount {
            let rest =
                sight[seen...] + (heard..<soundCount).map { RotaryPosition(Double(current + Float($0))) }
            positions += rest
            largest = rest.reduce(-.infinity) { max($0, $1.largest) }
        }
        current = Float(largest) + 1
        video += 1
        sound += 1
    }

    /// Which placeholder each token of a video with its sound is: true for sight. Grid times are merged with sound
    /// tokens by time, sight first where they are equal.
    package static func interleaved(
        grid: PatchGrid,
        secondsPerGrid: Double,
        soundTokens: Int,
        configuration: MediaConfiguration
    ) throws(StreamError) -> [Bool] {
        let count = try rowCount(grid, merge: configuration.spatialMerge)
        let perTime = count / grid.frames
        var result: [Bool] = []
        result.reserveCapacity(count + soundTokens)
        var seen = 0
        var heard = 0
        while seen < count, heard < soundTokens {
            // Double here, as the reference's processor has it; its model computes positions in single precision.
            let time = Double(seen / perTime) * secondsPerGrid * configuration.positionsPerSecond
            let isSight = time <= Double(heard)
            result.append(isSight)
            if isSight { seen += 1 } else { heard += 1 }
        }
        result += Array(repeating: true, count: count - seen)
        result += Array(repeating: false, count: soundTokens - heard)
        return result
    }
}

import Experts
import KVCache
import Tensor

/// The rows that an encoder made of one piece of media.
package final class MediaRows: @unchecked Sendable {
    package let modality: Modality
    package let count: Int
    package let columns: Int
    /// Names what the rows were made from; equal digests mean equal rows.
    package let digest: MediaRun.Digest
    /// When rows were seen or heard, in seconds of their file, ascending; empty for images.
    package let spans: [MediaSpan]
    /// What the rows come from, as the user named it.
    package let source: String
    /// Nil for rows whose values are gone: see ``init(recalling:columns:count:digest:spans:source:)``.
    private let storage: MediaRowsBuilder?

    /// Rows that a stored context holds the keys and values of: what they were is known, their values are not.
    package init(
        recalling modality: Modality,
        columns: Int,
        count: Int,
        digest: MediaRun.Digest,
        spans: [MediaSpan],
        source: String
    ) {
        self.modality = modality
        self.columns = columns
        self.count = count
        self.digest = digest
        self.spans = spans
        self.source = source
        storage = nil
    }

    /// Whether the rows can be computed with.
    package var hasValues: Bool { storage != nil }

    /// Takes over what a builder holds.
    init(
        _ builder: MediaRowsBuilder,
        digest: MediaRun.Digest,
        spans: [MediaSpan],
        source: String
    ) {
        modality = builder.modality
        columns = builder.columns
        count = builder.count
        storage = builder
        self.digest = digest
        self.spans = spans
        self.source = source
    }

    /// Copies `values` (`[count][columns]`) and `deepstack` (the same per depth).
    package convenience init(
        modality: Modality,
        columns: Int,
        values: [Float],
        deepstack: [[Float]] = [],
        digest: MediaRun.Digest,
        spans: [MediaSpan] = [],
        source: String = ""
    ) throws {
        guard columns > 0, values.count % columns == 0, deepstack.allSatisfy({ $0.count == values.count }) else {
            throw StreamError.rowWidth(found: values.count, expected: columns)
        }
        let builder = try MediaRowsBuilder(
            modality: modality,
            columns: columns,
            capacity: values.count / columns,
            depths: deepstack.count
        )
        try builder.append(values, deepstack: deepstack)
        self.init(builder, digest: digest, spans: spans, source: source)
    }

    /// When a row was seen or heard.
    package func span(of row: Int) -> MediaSpan? {
        var low = 0
        var high = spans.count
        while low < high {
            let middle = (low + high) / 2
            if spans[middle].rows.upperBound <= row { low = middle + 1 } else { high = middle }
        }
        return low < spans.count && spans[low].rows.contains(row) ? spans[low] : nil
    }

    /// - Throws: ``StreamError/forgotten(source:)`` when the values are gone.
    func chunkMedia(slots: Range<Int>, firstRow: Int) throws(StreamError) -> StreamChunk.Media {
        guard let storage else { throw .forgotten(source: source) }
        return StreamChunk.Media(
            slots: slots,
            modality: modality,
            rows: UnsafePointer(storage.values.pointer + firstRow * columns),
            deepstack: (0..<storage.depths).map {
                UnsafePointer(storage.deepstack.pointer + ($0 * storage.capacity + firstRow) * columns)
            },
            digest: digest,
            firstRow: firstRow
        )
    }
}

/// When some rows of a piece of media were seen or heard.
package struct MediaSpan: Sendable, Equatable {
    package var rows: Range<Int>
    /// Seconds from the beginning of the file.
    package var seconds: ClosedRange<Double>
    /// Numbers of the frames among those that were sampled; empty for sound.
    package var frames: Range<Int>

    package init(rows: Range<Int>, seconds: ClosedRange<Double>, frames: Range<Int>) {
        self.rows = rows
        self.seconds = seconds
        self.frames = frames
    }
}

/// Where a token came from.
package enum TokenOrigin: Sendable, Equatable {
    case text
    /// A row of one of the stream's media; nil span for images.
    case media(index: Int, row: Int, span: MediaSpan?)
}

/// The tokens of one prompt in order: ids, positions, and rows of media in the place of embeddings.
package struct TokenStream: Sendable {
    /// Consecutive slots that hold consecutive rows of one piece of media.
    package struct Placement: Sendable, Equatable {
        package var slots: Range<Int>
        package var media: Int
        package var firstRow: Int
    }

    package let tokens: [Int32]
    /// Empty for plain text: 0, 1, 2 ...
    package let positions: [RotaryPosition]
    package let media: [MediaRows]
    /// In order of slots.
    package let placements: [Placement]

    /// Plain text.
    package init(text tokens: [Int32]) {
        self.init(tokens: tokens, positions: [], media: [], placements: [])
    }

    /// What a stored context holds, and what follows it.
    ///
    /// - Parameters:
    ///   - media: rows of the stored part, found by their digests.
    ///   - suffix: positions count from its own beginning; they are moved behind the largest one before.
    package init(stored content: ContextContent, media: [MediaRows], followedBy suffix: TokenStream) {
        let first = content.tokens.count
        var positions: [RotaryPosition] = []
        if !content.positions.isEmpty || !suffix.positions.isEmpty {
            positions = (0..<first).map { content.position($0) }
            let start = positions.reduce(-1) { max($0, $1.largest) } + 1
            positions += suffix.tokens.indices.map { index in
                guard !suffix.positions.isEmpty else { return RotaryPosition(start + Double(index)) }
                let position = suffix.positions[index]
                return RotaryPosition(
                    time: position.time + start,
                    row: position.row + start,
                    column: position.column + start
                )
            }
        }
        var placements: [Placement] = []
        for run in content.media {
            guard let index = media.firstIndex(where: { $0.digest == run.digest }) else { continue }
            placements.append(
                Placement(slots: run.first..<run.first + run.count, media: index, firstRow: run.firstRow)
            )
        }
        placements += suffix.placements.map { placement in
            Placement(
                slots: placement.slots.lowerBound + first..<placement.slots.upperBound + first,
                media: placement.media + media.count,
                firstRow: placement.firstRow
            )
        }
        self.init(
            tokens: content.tokens + suffix.tokens,
            positions: positions,
            media: media + suffix.media,
            placements: placements
        )
    }

    /// The first `count` tokens.
    package func prefix(_ count: Int) -> TokenStream {
        TokenStream(
            tokens: Array(tokens.prefix(count)),
            positions: Array(positions.prefix(count)),
            media: media,
            placements: placements.compactMap { placement in
                let slots = placement.slots.clamped(to: 0..<count)
                return slots.isEmpty
                    ? nil : Placement(slots: slots, media: placement.media, firstRow: placement.firstRow)
            }
        )
    }

    /// Text and media: rows fill the placeholders of their kind in order.
    ///
    /// - Parameters:
    ///   - media: in order of appearance within each kind.
    ///   - layout: grids and times of the same.
    /// - Throws: ``StreamError`` when placeholders and rows do not match.
    package init(
        tokens: [Int32],
        media: [MediaRows],
        layout: StreamMedia,
        configuration: DecoderConfiguration
    ) throws(StreamError) {
        guard let settings = configuration.media else {
            guard media.isEmpty else { throw .notForMedia }
            self = TokenStream(text: tokens)
            return
        }
        for rows in media where rows.columns != configuration.hiddenSize {
            throw .rowWidth(found: rows.columns, expected: configuration.hiddenSize)
        }
        let kinds: [(name: String, token: Int32?, modality: Modality)] = [
            ("image", settings.imageToken, .image), ("video", settings.videoToken, .video),
            ("audio", settings.audioToken, .audio),
        ]
        for kind in kinds {
            let placeholders = kind.token.map { token in tokens.count { $0 == token } } ?? 0
            let rows = media.reduce(0) { $0 + ($1.modality == kind.modality ? $1.count : 0) }
            guard placeholders == rows else {
                throw .mismatch(kind: kind.name, placeholders: placeholders, rows: rows)
            }
        }
        let hasMedia = tokens.contains { settings.isPlaceholder($0) }
        self.init(
            tokens: tokens,
            positions: hasMedia && settings.rule != .windowed
                ? try StreamPositions(tokens: tokens, media: layout, configuration: settings).positions : [],
            media: media,
            placements: Self.place(tokens, media, kinds.map { ($0.token, $0.modality) })
        )
    }

    private init(
        tokens: [Int32],
        positions: [RotaryPosition],
        media: [MediaRows],
        placements: [Placement]
    ) {
        self.tokens = tokens
        self.positions = positions
        self.media = media
        self.placements = placements
    }

    /// Each kind's rows go to its placeholders in order.
    private static func place(
        _ tokens: [Int32],
        _ media: [MediaRows],
        _ kinds: [(token: Int32?, modality: Modality)]
    ) -> [Placement] {
        var placements: [Placement] = []
        var next: [(media: Int, row: Int)] = kinds.map { kind in
            (media.firstIndex { $0.modality == kind.modality && $0.count > 0 } ?? media.count, 0)
        }
        for (slot, token) in tokens.enumerated() {
            guard let kind = kinds.firstIndex(where: { $0.token == token }), next[kind].media < media.count else {
                continue
            }
            let (index, row) = next[kind]
            if let last = placements.last, last.media == index, last.slots.upperBound == slot,
                last.firstRow + last.slots.count == row
            {
                placements[placements.count - 1].slots = last.slots.lowerBound..<slot + 1
            } else {
                placements.append(Placement(slots: slot..<slot + 1, media: index, firstRow: row))
            }
            next[kind].row += 1
            if next[kind].row == media[index].count {
                let modality = kinds[kind].modality
                next[kind] = (
                    media[(index + 1)...].firstIndex { $0.modality == modality && $0.count > 0 } ?? media.count, 0
                )
            }
        }
        return placements
    }

    package var count: Int { tokens.count }

    /// Whether a slot holds a row of media.
    package func isMedia(_ slot: Int) -> Bool {
        firstPlacement(endingAfter: slot).map { placements[$0].slots.contains(slot) } ?? false
    }

    /// Tokens by what they came from.
    package var counts: [Modality: Int] {
        var counts: [Modality: Int] = [:]
        for placement in placements { counts[media[placement.media].modality, default: 0] += placement.slots.count }
        counts[.text] = tokens.count - counts.values.reduce(0, +)
        return counts
    }

    /// What other contexts compare with.
    package var content: ContextContent {
        var content = ContextContent(tokens: tokens, positions: positions)
        for placement in placements {
            MediaRun.append(
                MediaRun(
                    first: placement.slots.lowerBound,
                    count: placement.slots.count,
                    digest: media[placement.media].digest,
                    firstRow: placement.firstRow
                ),
                to: &content.media
            )
        }
        return content
    }

    /// Where a token came from.
    package func origin(of slot: Int) -> TokenOrigin {
        guard let index = firstPlacement(endingAfter: slot), placements[index].slots.contains(slot) else {
            return .text
        }
        let placement = placements[index]
        let row = placement.firstRow + slot - placement.slots.lowerBound
        return .media(index: placement.media, row: row, span: media[placement.media].span(of: row))
    }

    /// Lends a range of slots as the decoder takes it.
    ///
    /// - Throws: what `body` throws, and ``StreamError/forgotten(source:)`` for media whose values are gone.
    package func withChunk<Result>(_ range: Range<Int>, _ body: (StreamChunk) throws -> Result) throws -> Result {
        var parts: [StreamChunk.Media] = []
        var index = firstPlacement(endingAfter: range.lowerBound) ?? placements.count
        while index < placements.count, placements[index].slots.lowerBound < range.upperBound {
            let placement = placements[index]
            let slots = placement.slots.clamped(to: range)
            parts.append(
                try media[placement.media].chunkMedia(
                    slots: slots.lowerBound - range.lowerBound..<slots.upperBound - range.lowerBound,
                    firstRow: placement.firstRow + slots.lowerBound - placement.slots.lowerBound
                )
            )
            index += 1
        }
        return try withExtendedLifetime(media) {
            try tokens[range].withUnsafeBufferPointer { tokens in
                var chunk = StreamChunk(tokens: tokens)
                chunk.media = parts
                guard !positions.isEmpty else { return try body(chunk) }
                return try positions[range].withUnsafeBufferPointer { positions in
                    chunk.positions = .listed(positions)
                    return try body(chunk)
                }
            }
        }
    }

    private func firstPlacement(endingAfter slot: Int) -> Int? {
        var low = 0
        var high = placements.count
        while low < high {
            let middle = (low + high) / 2
            if placements[middle].slots.upperBound <= slot { low = middle + 1 } else { high = middle }
        }
        return low < placements.count ? low : nil
    }
}

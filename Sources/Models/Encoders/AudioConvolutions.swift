import Tensor

/// The three convolutions that make 13 rows of a chunk of 100 frames of log-mel: 3 x 3, stride 2, padding 1, GELU each,
/// as products with gathered rows.
///
/// Positions are ordered (time, frequency), channels innermost, so that the last convolution's rows of one time are the
/// row that the projection behind it reads.
final class AudioConvolutions {
    private let configuration: AudioConfiguration
    private let layers: [Linear]
    private let projection: Linear
    private let pool: ThreadPool
    /// Activations before each convolution and behind the last, `[time * bins][channels]`.
    private let stages: [EncoderRows]
    /// Rows of taps, for a tile of positions.
    private let taps: [EncoderRows]
    private let joined: EncoderRows

    private static let tile = 288

    init(_ weights: EncoderWeights, _ configuration: AudioConfiguration, pool: ThreadPool) throws {
        self.configuration = configuration
        self.pool = pool
        let channels = configuration.channels
        layers = try (1...3).map { try weights.linear("conv\($0)", channels, 9 * ($0 == 1 ? 1 : channels)) }
        let joinedWidth = configuration.convolvedBins * channels
        projection = Linear(
            matrix: try weights.matrix("conv_out", configuration.hiddenSize, joinedWidth),
            bias: nil
        )
        var stages: [EncoderRows] = []
        var taps: [EncoderRows] = []
        var (frames, bins) = (configuration.chunkFrames, configuration.melBins)
        for index in 0...3 {
            let reading: [RowReading] = index < 3 ? [layers[index].reading] : []
            let columns = index == 0 ? 1 : channels
            stages.append(try EncoderRows(columns: columns, maximumRows: frames * bins, readings: reading))
            frames = AudioConfiguration.convolved(frames)
            bins = AudioConfiguration.convolved(bins)
            guard index < 3 else { break }
            let rows = min(Self.tile, frames * bins)
            taps.append(try EncoderRows(columns: 9 * columns, maximumRows: rows, readings: reading))
        }
        self.stages = stages
        self.taps = taps
        joined = try EncoderRows(
            columns: joinedWidth,
            maximumRows: AudioConfiguration.tokens(chunkOf: configuration.chunkFrames),
            readings: [projection.reading]
        )
    }

    /// rows[t] += projection of time t, for the first `tokens` times of one chunk.
    ///
    /// - Parameters:
    ///   - value: log-mel at (frame, bin), for frames of the chunk; 0 is taken behind them.
    ///   - frames: of the chunk, and `paddedFrames` to which it is filled up.
    func run(
        frames: Int,
        paddedFrames: Int,
        tokens: Int,
        into target: ProductTarget,
        value: (Int, Int) -> Float
    ) {
        let bins = configuration.melBins
        for frame in 0..<paddedFrames {
            for bin in 0..<bins { stages[0].row(frame * bins + bin)[0] = frame < frames ? value(frame, bin) : 0 }
        }
        var size = (time: paddedFrames, bins: bins)
        for index in 0..<3 { size = convolve(index, size) }
        let width = configuration.channels
        for time in 0..<tokens {
            for bin in 0..<size.bins {
                (joined.row(time) + bin * width).update(from: stages[3].row(time * size.bins + bin), count: width)
            }
        }
        pool.fill(joined, projection.reading, count: tokens)
        pool.apply(projection, joined, rows: tokens, adds: true, into: target)
    }

    /// Convolution `index` of stage `index` into the next one; returns the next one's size.
    private func convolve(_ index: Int, _ size: (time: Int, bins: Int)) -> (time: Int, bins: Int) {
        let next = (
            time: AudioConfiguration.convolved(size.time), bins: AudioConfiguration.convolved(size.bins)
        )
        let layer = layers[index]
        // Where both sides are in fixed point, blocks of channels stay blocks of taps: rows are rounded once, not nine times.
        let gathersFixed = isFixed(index)
        let nextIsFixed = index < 2 && isFixed(index + 1)
        let rows = next.time * next.bins
        let input = taps[index]
        for first in stride(from: 0, to: rows, by: input.maximumRows) {
            let count = min(input.maximumRows, rows - first)
            let work = TapWork(
                source: stages[index],
                sourceSize: size,
                bins: next.bins,
                first: first,
                count: count,
                target: input,
                isFixed: gathersFixed,
                reading: layer.reading
            )
            pool.run(tasks: (count + TapWork.rowsPerTask - 1) / TapWork.rowsPerTask, work)
            let output = stages[index + 1]
            let target: ProductTarget =
                nextIsFixed
                ? .rows(output, first: first, for: .fixedPoint, from: layer.reading)
                : .floats(output.row(first), stride: output.stride)
            pool.apply(layer, input, rows: count, pointwise: .gelu, into: target)
        }
        return next
    }

    /// Whether stage `index` is held in fixed point: made so by the layer before, read so by its own.
    private func isFixed(_ index: Int) -> Bool {
        index > 0 && configuration.channels % 32 == 0 && layers[index].reading == .fixedPoint
            && layers[index - 1].reading == .fixedPoint
    }

    /// Gathers the nine taps of some positions.
    private struct TapWork: ParallelWork {
        let source: EncoderRows
        let sourceSize: (time: Int, bins: Int)
        /// Of the result.
        let bins: Int
        let first: Int
        let count: Int
        let target: EncoderRows
        let isFixed: Bool
        let reading: RowReading
        static let rowsPerTask = 24

        func perform(task: Int, worker: Int) {
            let begin = task * Self.rowsPerTask
            let end = min(count, begin + Self.rowsPerTask)
            withUnsafeTemporaryAllocation(of: Int.self, capacity: 9) { taps in
                for row in begin..<end {
                    let (time, bin) = ((first + row) / bins, (first + row) % bins)
                    for tap in 0..<9 {
                        let (y, x) = (2 * bin + tap / 3 - 1, 2 * time + tap % 3 - 1)
                        let isInside = 0..<sourceSize.bins ~= y && 0..<sourceSize.time ~= x
                        taps[tap] = isInside ? x * sourceSize.bins + y : -1
                    }
                    target.gather(UnsafeBufferPointer(taps), of: source, into: row, isFixed: isFixed)
                }
            }
            if !isFixed { target.fill(reading, first: begin, count: end - begin) }
        }
    }
}

import Tensor

/// Runs the blocks of an encoder over a batch of rows, with the memory that they need.
///
/// Memory: for every row of a batch about 4 + 4 * 5.3 times the hidden size in bytes per value (residual, normed rows,
/// queries, keys and values, packed keys and values), and one tile of rows of the MLP's width.
final class EncoderStack {
    let shape: EncoderShape
    let pool: ThreadPool
    let blocks: [EncoderBlock]
    /// The residual stream, `[rows][stride]`.
    let residual: EncoderRows
    private let normed: EncoderRows
    private let mixed: EncoderRows
    private let inputs: AlignedBuffer<Float>
    private let inputStride: Int
    private let hidden: EncoderRows
    private let attention: SegmentAttention

    /// Rows that go through the MLP together: enough to read its weights once for many, few enough that the hidden rows
    /// stay in the last cache.
    private static let mlpTile = 576

    init(
        shape: EncoderShape,
        blocks: [EncoderBlock],
        maximumRows: Int,
        maximumSegments: Int,
        pool: ThreadPool
    ) throws {
        self.shape = shape
        self.blocks = blocks
        self.pool = pool
        let readings = Array(
            Set(
                blocks.flatMap { block in
                    (block.inputs.layers + [block.output, block.fc1, block.fc2]).map(\.reading)
                }
            )
        )
        let width = shape.hiddenSize
        residual = try EncoderRows(columns: width, maximumRows: maximumRows, readings: [])
        normed = try EncoderRows(columns: width, maximumRows: maximumRows, readings: readings)
        mixed = try EncoderRows(columns: width, maximumRows: maximumRows, readings: readings)
        inputStride = (3 * width + 31) & ~31
        inputs = try AlignedBuffer(count: inputStride * maximumRows)
        hidden = try EncoderRows(
            columns: shape.mlpWidth,
            maximumRows: min(maximumRows, Self.mlpTile),
            readings: readings
        )
        attention = try SegmentAttention(
            headCount: shape.headCount,
            headWidth: shape.headWidth,
            maximumRows: maximumRows,
            maximumSegments: maximumSegments,
            threadCount: pool.threadCount
        )
    }

    /// residual += attention(norm(residual)); residual += mlp(norm(residual)), for rows 0 ..< `rows`.
    func run(_ block: EncoderBlock, rows: Int, segments: [RowSegment], angles: RowAngles?) {
        prepare(residual, block.norm1, for: block.inputs.layers, rows: rows)
        var column = 0
        for layer in block.inputs.layers {
            pool.apply(layer, normed, rows: rows, into: .floats(inputs.pointer + column, stride: inputStride))
            column += layer.matrix.rows
        }
        attention.run(
            inputs.pointer,
            stride: inputStride,
            segments: segments,
            angles: angles,
            into: mixed.pointer,
            outputStride: mixed.stride,
            pool: pool
        )
        let target = ProductTarget.floats(residual.pointer, stride: residual.stride)
        pool.fill(mixed, block.output.reading, count: rows)
        pool.apply(block.output, mixed, rows: rows, adds: true, into: target)
        prepare(residual, block.norm2, for: [block.fc1], rows: rows)
        // Even tiles rather than whole ones and a rest.
        let tiles = (rows + hidden.maximumRows - 1) / hidden.maximumRows
        let tile = (rows + tiles - 1) / tiles
        for first in stride(from: 0, to: rows, by: tile) {
            let count = min(tile, rows - first)
            let middle = ProductTarget.rows(hidden, for: block.fc2.reading, from: block.fc1.reading)
            pool.apply(block.fc1, normed, first: first, rows: count, pointwise: shape.activation, into: middle)
            if !middle.isFixed { pool.fill(hidden, block.fc2.reading, count: count) }
            let target = ProductTarget.floats(residual.row(first), stride: residual.stride)
            pool.apply(block.fc2, hidden, rows: count, adds: true, into: target)
        }
    }

    /// Normalises rows, and fills every twin that one of the layers reads.
    private func prepare(_ x: EncoderRows, _ norm: LayerNorm, for layers: [Linear], rows: Int) {
        let first = layers[0].reading
        pool.normalize(x, norm, rows: rows, into: normed, for: first)
        for other in Set(layers.map(\.reading)) where other != first { pool.fill(normed, other, count: rows) }
    }
}

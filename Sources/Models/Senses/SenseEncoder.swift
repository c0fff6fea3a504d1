import CKernels
import Foundation
import Tensor

/// The eye or the ear: tokens of one window become a direction in the trunk's embedding space for each slot.
///
/// Pre-norm blocks over tokens and queries together; queries and keys are normalised head by head, queries sharpened, both
/// turned by their position. Owns its buffers; not for two threads at once. Cost of the shipped eye: 70 MFLOP a window.
final class SenseEncoder {
    private struct Block {
        let firstNorm: WeightVector
        let secondNorm: WeightVector
        let qkv: WeightMatrix
        let output: WeightMatrix
        let gateUp: WeightMatrix
        let down: WeightMatrix
        /// Per head.
        let sharpness: [Float]
    }

    let sense: SensesConfiguration.Sense
    private let pool: ThreadPool
    private let inlet: Linear
    private let blocks: [Block]
    private let norm: WeightVector
    private let outlet: WeightMatrix
    /// `[tokens][width]`, then `[slots][width]`.
    private let spots: [Float]
    private let queries: [Float]
    /// Of every row, half a head's width.
    private let cosines: [Float]
    private let sines: [Float]

    private let rowCount: Int
    private let input: Activations
    private let stream: Activations
    private let normed: Activations
    private let qkv: Activations
    private let attended: Activations
    private let product: Activations
    private let gates: Activations
    private let hidden: Activations
    private let result: Activations
    private let attention: SegmentAttention

    private static let epsilon: Float = 1e-6
    /// Where queries stand on every axis: far outside of the grid.
    private static let queryPosition = -8.0

    /// - Parameter prefix: "eye." or "ear.".
    init(
        _ weights: EncoderWeights,
        prefix: String,
        sense: SensesConfiguration.Sense,
        outputWidth: Int,
        pool: ThreadPool
    ) throws {
        self.sense = sense
        self.pool = pool
        let (width, hiddenWidth) = (sense.width, sense.hiddenWidth)
        inlet = try weights.linear(prefix + "inlet", width, sense.inputs)
        blocks = try (0..<sense.depth).map { index in
            let name = prefix + EncoderWeights.blockName(index)
            return Block(
                firstNorm: try weights.vector(name + "norm1", width),
                secondNorm: try weights.vector(name + "norm2", width),
                qkv: try weights.matrix(name + "qkv", 3 * width, width),
                output: try weights.matrix(name + "output", width, width),
                gateUp: try weights.matrix(name + "gate_up", 2 * hiddenWidth, width),
                down: try weights.matrix(name + "down", width, hiddenWidth),
                sharpness: try weights.vector(name + "sharpness", sense.headCount).values
            )
        }
        norm = try weights.vector(prefix + "norm", width)
        outlet = try weights.matrix(prefix + "outlet", outputWidth, width)
        spots = try weights.matrix(prefix + "spots", sense.tokens, width).unpacked
        queries = try weights.matrix(prefix + "queries", sense.slots, width).unpacked
        rowCount = sense.tokens + sense.slots
        let turn = AxisTurns(headWidth: sense.headWidth, axisCount: max(2, sense.grid.count))
        (cosines, sines) = turn.table(Self.positions(sense, axisCount: turn.axisCount))
        input = try Activations(columns: sense.inputs, maximumRows: sense.tokens)
        stream = try Activations(columns: width, maximumRows: rowCount)
        normed = try Activations(columns: width, maximumRows: rowCount)
        qkv = try Activations(columns: 3 * width, maximumRows: rowCount)
        attended = try Activations(columns: width, maximumRows: rowCount)
        product = try Activations(columns: width, maximumRows: rowCount)
        gates = try Activations(columns: 2 * hiddenWidth, maximumRows: rowCount)
        hidden = try Activations(columns: hiddenWidth, maximumRows: rowCount)
        result = try Activations(columns: outputWidth, maximumRows: sense.slots)
        attention = try SegmentAttention(
            headCount: sense.headCount,
            headWidth: sense.headWidth,
            maximumRows: rowCount,
            maximumSegments: 1,
            threadCount: pool.threadCount
        )
    }

    private static func positions(_ sense: SensesConfiguration.Sense, axisCount: Int) -> [[Double]] {
        let tokens = (0..<sense.tokens).map { token in
            var position = [Double](repeating: 0, count: axisCount)
            var rest = token
            for axis in sense.grid.indices.reversed() {
                position[axis] = Double(rest % sense.grid[axis])
                rest /= sense.grid[axis]
            }
            return position
        }
        return tokens + Array(repeating: Array(repeating: queryPosition, count: axisCount), count: sense.slots)
    }

    /// Directions of RMS 1, `[slots][output width]`.
    ///
    /// - Parameter fill: called with each token's number and room for its inputs.
    func directions(_ fill: (Int, UnsafeMutablePointer<Float>) -> Void) -> [Float] {
        for token in 0..<sense.tokens { fill(token, input.row(token)) }
        multiply(inlet.matrix, bias: inlet.bias, input, into: stream, rows: sense.tokens)
        let width = sense.width
        for token in 0..<sense.tokens {
            let row = stream.row(token)
            for column in 0..<width { row[column] += spots[token * width + column] }
        }
        for slot in 0..<sense.slots {
            let row = stream.row(sense.tokens + slot)
            for column in 0..<width { row[column] = queries[slot * width + column] }
        }
        var addend: Activations?
        for block in blocks {
            run(block, addend: addend)
            addend = product
        }
        normalize(addend, norm)
        var projection = sk_projection(
            matrix: outlet.kernelMatrix,
            bias: nil,
            out: result.pointer,
            out_stride: Int64(result.stride)
        )
        withUnsafePointer(to: &projection) {
            pool.multiply(
                UnsafeBufferPointer(start: $0, count: 1),
                normed.kernelView(from: sense.tokens),
                tokens: sense.slots
            )
        }
        var output: [Float] = []
        output.reserveCapacity(sense.slots * outlet.rows)
        for slot in 0..<sense.slots {
            let row = result.row(slot)
            Self.normalizeInPlace(row, outlet.rows, factor: 1)
            output += UnsafeBufferPointer(start: row, count: outlet.rows)
        }
        return output
    }

    private func run(_ block: Block, addend: Activations?) {
        normalize(addend, block.firstNorm)
        multiply(block.qkv, normed, into: qkv, rows: rowCount)
        let (head, pairs) = (sense.headWidth, sense.headWidth / 2)
        for row in 0..<rowCount {
            for index in 0..<2 * sense.headCount {
                let x = qkv.row(row) + index * head
                Self.normalizeInPlace(x, head, factor: index < sense.headCount ? block.sharpness[index] : 1)
                for pair in 0..<pairs {
                    let (c, s) = (cosines[row * pairs + pair], sines[row * pairs + pair])
                    let (a, b) = (x[2 * pair], x[2 * pair + 1])
                    x[2 * pair] = a * c - b * s
                    x[2 * pair + 1] = a * s + b * c
                }
            }
        }
        attention.run(
            qkv.pointer,
            stride: qkv.stride,
            segments: [RowSegment(begin: 0, count: rowCount)],
            angles: nil,
            into: attended.pointer,
            outputStride: attended.stride,
            pool: pool
        )
        pool.quantize(attended, rows: rowCount)
        multiply(block.output, attended, into: product, rows: rowCount)
        normalize(product, block.secondNorm)
        multiply(block.gateUp, normed, into: gates, rows: rowCount)
        let width = sense.hiddenWidth
        for row in 0..<rowCount {
            let (gate, target) = (gates.row(row), hidden.row(row))
            for column in 0..<width {
                target[column] = gate[column] / (1 + exp(-gate[column])) * gate[width + column]
            }
        }
        pool.quantize(hidden, rows: rowCount)
        multiply(block.down, hidden, into: product, rows: rowCount)
    }

    /// stream += addend; normed = norm(stream), with the twin that quantized weights read.
    private func normalize(_ addend: Activations?, _ gain: WeightVector) {
        pool.addNormalize(
            residual: stream,
            addend: addend,
            weight: gain.pointer,
            epsilon: Self.epsilon,
            rows: rowCount,
            output: normed,
            quantizes: true
        )
    }

    private func multiply(
        _ matrix: WeightMatrix,
        bias: WeightVector? = nil,
        _ x: Activations,
        into output: Activations,
        rows: Int
    ) {
        if x === input { pool.quantize(x, rows: rows) }
        pool.multiply(matrix, bias: bias, x, into: output, tokens: rows)
    }

    /// x * factor / rms(x)
    private static func normalizeInPlace(_ x: UnsafeMutablePointer<Float>, _ count: Int, factor: Float) {
        var sum = 0.0
        for index in 0..<count { sum += Double(x[index]) * Double(x[index]) }
        let scale = Float(1 / (sum / Double(count) + Double(epsilon)).squareRoot()) * factor
        for index in 0..<count { x[index] *= scale }
    }
}

/// Rotary angles by position along several axes: the pairs (2i, 2i + 1) of a head are shared out to the axes in order.
///
/// Two axes have half of the pairs each; of three, the last two have 3/8 each, rounded down, and the first the rest. Pair i of
/// the m of an axis turns by position * pi / 2 * 64^(-i / max(1, m - 1)).
struct AxisTurns {
    let axisCount: Int
    private let axes: [Int]
    private let speeds: [Double]

    init(headWidth: Int, axisCount: Int) {
        self.axisCount = axisCount
        let pairs = headWidth / 2
        let side = axisCount == 2 ? pairs / 2 : 3 * pairs / 8
        let shares = [pairs - (axisCount - 1) * side] + Array(repeating: side, count: axisCount - 1)
        axes = shares.enumerated().flatMap { Array(repeating: $0.offset, count: $0.element) }
        speeds = shares.flatMap { share in
            (0..<share).map { Double.pi / 2 * pow(64, -Double($0) / Double(max(1, share - 1))) }
        }
    }

    /// Cosines and sines, `[positions][pairs]` each.
    func table(_ positions: [[Double]]) -> (cosines: [Float], sines: [Float]) {
        let angles = positions.flatMap { position in zip(axes, speeds).map { position[$0] * $1 } }
        return (angles.map { Float(cos($0)) }, angles.map { Float(sin($0)) })
    }
}

extension WeightMatrix {
    /// All values, row by row.
    var unpacked: [Float] {
        // Blocks of quantized rows may reach beyond the last column.
        [Float](unsafeUninitializedCapacity: rows * columns + 64) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            var matrix = kernelMatrix
            for row in 0..<rows { sk_unpack_row(&matrix, Int32(row), base + row * columns) }
            count = rows * columns
        }
    }
}

extension WeightVector {
    var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
}

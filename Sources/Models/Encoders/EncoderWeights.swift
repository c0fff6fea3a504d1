import Experts
import ModelFiles
import Tensor

/// What an encoder's file holds.
struct EncoderWeights: NamedWeights {
    let file: EncoderFile

    static func blockName(_ block: Int) -> String {
        let digits = String(block)
        return "B" + String(repeating: "0", count: max(0, 2 - digits.count)) + digits + "."
    }

    func matrix(named name: String) throws(ModelFileError) -> MappedMatrix { try file.matrix(named: name) }
    func vector(named name: String) throws(ModelFileError) -> MappedVector { try file.vector(named: name) }

    func linear(_ name: String, _ rows: Int, _ columns: Int) throws -> Linear {
        Linear(matrix: try matrix(name, rows, columns), bias: try vector(name + ".bias", rows))
    }

    func norm(_ name: String, _ count: Int, epsilon: Float) throws -> LayerNorm {
        LayerNorm(
            weight: try vector(name + ".weight", count),
            bias: try vector(name + ".bias", count),
            epsilon: epsilon
        )
    }
}

/// Sizes of the blocks of an encoder.
struct EncoderShape: Sendable {
    var hiddenSize: Int
    var headCount: Int
    var mlpWidth: Int
    var normEpsilon: Float
    var activation: Pointwise

    var headWidth: Int { hiddenSize / headCount }
}

/// Weights of one block: attention and an MLP, each behind a layer norm and beside a residual.
struct EncoderBlock: Sendable {
    /// Queries, keys and values: one layer, or three side by side.
    enum Inputs: Sendable {
        case fused(Linear)
        case separate([Linear])

        var layers: [Linear] {
            switch self {
            case .fused(let layer): [layer]
            case .separate(let layers): layers
            }
        }
    }

    var norm1: LayerNorm
    var inputs: Inputs
    var output: Linear
    var norm2: LayerNorm
    var fc1: Linear
    var fc2: Linear

    init(_ weights: EncoderWeights, block: Int, shape: EncoderShape, isFused: Bool) throws {
        let name = EncoderWeights.blockName(block)
        let width = shape.hiddenSize
        norm1 = try weights.norm(name + "norm1", width, epsilon: shape.normEpsilon)
        inputs =
            isFused
            ? .fused(try weights.linear(name + "qkv", 3 * width, width))
            : .separate(try ["q", "k", "v"].map { try weights.linear(name + $0, width, width) })
        output = try weights.linear(name + "output", width, width)
        norm2 = try weights.norm(name + "norm2", width, epsilon: shape.normEpsilon)
        fc1 = try weights.linear(name + "fc1", shape.mlpWidth, width)
        fc2 = try weights.linear(name + "fc2", width, shape.mlpWidth)
    }
}

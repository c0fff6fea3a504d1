import ModelFiles
import Synchronization
import Tensor

/// The experts of a bundle. A shard is mapped when it is first used, never copied; its pages come in as they are read.
package final class ExpertStore: Sendable {
    /// What every shard must look like.
    package struct Shape: Sendable {
        package var hiddenSize: Int
        package var expertCount: Int
        package var expertWidth: Int
        /// Per layer; 0 where there is no shared expert.
        package var sharedWidths: [Int]

        package init(hiddenSize: Int, expertCount: Int, expertWidth: Int, sharedWidths: [Int]) {
            self.hiddenSize = hiddenSize
            self.expertCount = expertCount
            self.expertWidth = expertWidth
            self.sharedWidths = sharedWidths
        }
    }

    private let bundle: Bundle
    private let shape: Shape
    /// `[layer][shared, expert 0, expert 1 ...]`
    private let mapped: Mutex<[ExpertWeights?]>

    package init(bundle: Bundle, shape: Shape) {
        self.bundle = bundle
        self.shape = shape
        mapped = Mutex(Array(repeating: nil, count: shape.sharedWidths.count * (shape.expertCount + 1)))
    }

    /// One expert's weights, mapped on first use.
    ///
    /// - Parameter expert: nil for the layer's shared expert.
    /// - Throws: when the shard is missing, damaged or of another shape.
    package func weights(layer: Int, expert: Int?) throws -> ExpertWeights {
        let index = layer * (shape.expertCount + 1) + (expert.map { $0 + 1 } ?? 0)
        if let weights = mapped.withLock({ $0[index] }) { return weights }
        let weights = try load(layer: layer, expert: expert)
        mapped.withLock { $0[index] = weights }
        return weights
    }

    /// Shards mapped so far.
    package var mappedCount: Int { mapped.withLock { $0.count { $0 != nil } } }

    private func load(layer: Int, expert: Int?) throws -> ExpertWeights {
        let shard = try bundle.shard(layer: layer, expert: expert)
        let width = expert == nil ? shape.sharedWidths[layer] : shape.expertWidth
        guard shard.gateUp.rows == width, shard.gateUp.columns == shape.hiddenSize,
            shard.down.rows == shape.hiddenSize, shard.down.columns == width,
            [shard.gateBias, shard.upBias].allSatisfy({ $0.map { $0.count == width } ?? true }),
            shard.downBias.map({ $0.count == shape.hiddenSize }) ?? true
        else {
            throw ShardError.wrongShape(
                path: shard.file.path,
                found: "\(shard.gateUp.rows)x\(shard.gateUp.columns)",
                expected: "\(width)x\(shape.hiddenSize)"
            )
        }
        return ExpertWeights(
            gateUp: WeightMatrix(shard.gateUp),
            down: WeightMatrix(shard.down),
            gateBias: shard.gateBias.map { WeightVector($0) },
            upBias: shard.upBias.map { WeightVector($0) },
            downBias: shard.downBias.map { WeightVector($0) }
        )
    }
}

/// Why a shard cannot be used.
package enum ShardError: Error, CustomStringConvertible {
    case wrongShape(path: String, found: String, expected: String)

    package var description: String {
        switch self {
        case .wrongShape(let path, let found, let expected):
            "shard '\(path)' is \(found) where the bundle's configuration asks for \(expected); import the model again"
        }
    }
}

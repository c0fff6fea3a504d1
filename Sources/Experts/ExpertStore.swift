import ModelFiles
import Synchronization
import Tensor

/// The experts of a bundle. A shard is mapped when it is first used, never copied; its pages come in as they are read.
///
/// With a budget (``limit(toBytes:)``) the store decides which shards stay in memory: as soon as a layer's
/// choices are known, ``announce(layer:experts:isResident:)`` asks the kernel for the missing ones, whole and
/// at once instead of page fault by page fault, and gives back those that were not needed for longest. Without one, all is
/// left to the kernel, and nothing is counted.
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

    /// What the residency of shards cost so far.
    package struct Traffic: Sendable, Equatable {
        /// Announced shards that were in memory, and those that had to come from disk.
        package var hits = 0
        package var misses = 0
        package var readBytes = 0
        package var evictedBytes = 0
        /// Bytes of shards that are in memory now.
        package var residentBytes = 0

        package init() {}
    }

    private struct MappedExpert {
        var weights: ExpertWeights
        var file: MappedFile
    }

    private struct Residency {
        /// Nil: no limit of our own.
        var budgetBytes: Int?
        var list: ResidencyList
        var step: UInt64 = 0
        var traffic = Traffic()
    }

    private let bundle: Bundle
    private let shape: Shape
    /// `[layer][shared, expert 0, expert 1 ...]`
    private let mapped: Mutex<[MappedExpert?]>
    private let residency: Mutex<Residency>

    package init(bundle: Bundle, shape: Shape) {
        self.bundle = bundle
        self.shape = shape
        let slots = shape.sharedWidths.count * (shape.expertCount + 1)
        mapped = Mutex(Array(repeating: nil, count: slots))
        residency = Mutex(Residency(list: ResidencyList(slotCount: slots)))
    }

    /// How many bytes of routed shards may be in memory from now on; nil leaves that to the kernel. One layer's choices are
    /// always there together, so a smaller budget is exceeded by so much. What was run without a budget is not counted.
    package func limit(toBytes bytes: Int?) { residency.withLock { $0.budgetBytes = bytes } }

    package var limitBytes: Int? { residency.withLock { $0.budgetBytes } }

    /// One expert's weights, mapped on first use.
    ///
    /// - Parameter expert: nil for the layer's shared expert.
    /// - Throws: when the shard is missing, damaged or of another shape.
    package func weights(layer: Int, expert: Int?) throws -> ExpertWeights {
        try expertAt(layer: layer, expert: expert).weights
    }

    private func slot(layer: Int, expert: Int?) -> Int {
        layer * (shape.expertCount + 1) + (expert.map { $0 + 1 } ?? 0)
    }

    private func expertAt(layer: Int, expert: Int?) throws -> MappedExpert {
        let index = slot(layer: layer, expert: expert)
        if let known = mapped.withLock({ $0[index] }) { return known }
        let loaded = try load(layer: layer, expert: expert)
        mapped.withLock { $0[index] = loaded }
        return loaded
    }

    /// Shards mapped so far.
    package var mappedCount: Int { mapped.withLock { $0.count { $0 != nil } } }

    /// Hits, misses and bytes since the store was made; zeros without a budget.
    package var traffic: Traffic {
        residency.withLock {
            var traffic = $0.traffic
            traffic.residentBytes = $0.list.residentBytes
            return traffic
        }
    }

    /// Says which experts a layer is about to run, with a budget; does nothing without one.
    ///
    /// The missing ones are asked for, then the oldest of the others leave until the budget holds. Results do not depend
    /// on any of it.
    ///
    /// - Parameters:
    ///   - experts: each once.
    ///   - isResident: told for each expert, in order, whether it was in memory: who runs those first computes while the
    ///     others are read.
    package func announce(
        layer: Int,
        experts: UnsafeBufferPointer<Int32>,
        isResident: UnsafeMutablePointer<Bool>
    ) throws {
        let (budget, step) = residency.withLock { state in
            state.step += 1
            return (state.budgetBytes, state.step)
        }
        guard let budget else {
            isResident.update(repeating: true, count: experts.count)
            return
        }
        let layers = shape.sharedWidths.count
        for (index, expert) in experts.enumerated() {
            let known = try expertAt(layer: layer, expert: Int(expert))
            let slot = slot(layer: layer, expert: Int(expert))
            isResident[index] = residency.withLock { state in
                let bytes = known.file.count
                // Once through the layers with so many experts each: does that leave anything of this layer?
                let passBytes = layers * experts.count * bytes
                let was = state.list.use(slot, bytes: bytes, step: step, passBytes > budget ? .scan : .recent)
                state.traffic.hits += was ? 1 : 0
                state.traffic.misses += was ? 0 : 1
                state.traffic.readBytes += was ? 0 : bytes
                return was
            }
            if !isResident[index] { known.file.advise(.willNeed) }
        }
        while let victim = residency.withLock({ $0.list.evict(beyond: budget, step: step) }) {
            guard let file = mapped.withLock({ $0[victim]?.file }) else { continue }
            file.advise(.pageOut)
            residency.withLock { $0.traffic.evictedBytes += file.count }
        }
    }

    private func load(layer: Int, expert: Int?) throws -> MappedExpert {
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
        return MappedExpert(
            weights: ExpertWeights(
                gateUp: WeightMatrix(shard.gateUp),
                down: WeightMatrix(shard.down),
                gateBias: shard.gateBias.map { WeightVector($0) },
                upBias: shard.upBias.map { WeightVector($0) },
                downBias: shard.downBias.map { WeightVector($0) }
            ),
            file: shard.file
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

import Experts
import Foundation
import KVCache
import ModelFiles
import Models
import Tensor

extension Runtime {
    /// What may be used in all where nothing is said, or what was asked for.
    package static func budget(_ memoryBytes: Int?) -> (bytes: Int, source: String) {
        if let memoryBytes { return (memoryBytes, "--memory") }
        guard let free = FreeMemory.measure() else { return (Int.max, "the system does not say how much is free") }
        return (free.budgetBytes, "what \(free.source) has free, less a reserve")
    }

    /// What a context of some tokens would take.
    ///
    /// - Parameters:
    ///   - element: how keys and values are kept; nil for this runtime's way.
    ///   - memoryBytes: what may be used; nil for what is free.
    package func memoryPlan(
        tokens: Int,
        element: ContextBytes.Element? = nil,
        memoryBytes: Int? = nil
    ) -> MemoryPlan {
        let budget = Self.budget(memoryBytes)
        let layout = runner.layout
        let manifest = bundle.manifest
        return MemoryPlan(
            .init(
                tokens: tokens,
                trunkBytes: manifest.trunkBytes,
                expertBytes: manifest.expertBytes,
                activeExpertBytes: activeExpertBytes,
                encoderBytes: manifest.encoders.reduce(0) { $0 + $1.bytes },
                context: ContextBytes(
                    layerCount: layout.layerCount,
                    kvHeadCount: layout.kvHeadCount,
                    keyWidth: layout.keyWidth,
                    valueWidth: layout.valueWidth,
                    element: element ?? ContextBytes.Element(rawValue: cacheElement.rawValue) ?? .f16
                ),
                scratchBytes: scratchBytes(tokens: tokens),
                budgetBytes: budget.bytes,
                budgetSource: budget.source,
                trainedTokens: trainedContextTokens
            )
        )
    }

    /// Bytes of the experts that one token uses, by the share of all parameters of experts that they have.
    private var activeExpertBytes: Int {
        let configuration = decoder.configuration
        var all = 0.0
        var active = 0.0
        for layer in configuration.layers {
            if layer.hasSharedExpert {
                all += Double(layer.sharedWidth)
                active += Double(layer.sharedWidth)
            }
            if layer.hasRoutedExperts, let router = configuration.router {
                all += Double(router.expertCount) * Double(configuration.expertWidth)
                // Text is not routed where experts belong to other modalities.
                active += Double(router.expertsPerToken) * Double(configuration.expertWidth)
            }
        }
        guard all > 0 else { return 0 }
        return Int(min(1, active / all) * Double(bundle.manifest.expertBytes))
    }

    /// Buffers that a run allocates, about: activations of a chunk, logits, and attention's tables, which grow with the
    /// context.
    private func scratchBytes(tokens: Int) -> Int {
        let configuration = decoder.configuration
        let layout = runner.layout
        let chunk = runner.chunkTokens
        // A float and its 8-bit twin with scale, offset and sum by blocks of 32.
        let rowBytes = 5.4
        let heads = configuration.headCount * (layout.keyWidth + layout.valueStride)
        let widths =
            3 * configuration.hiddenSize + 2 * heads + layout.kvHeadCount * (layout.keyWidth + layout.valueStride)
            + 2 * (configuration.layers.map(\.sharedWidth).max() ?? 0)
            + 2 * (configuration.router?.expertsPerToken ?? 0) * configuration.expertWidth
        let fixed = rowBytes * (Double(widths) * Double(chunk) + 32 * Double(configuration.vocabularySize))
        // Tables of turns for each page, and running states of groups of eight pages.
        let pages = Double(max(0, tokens)) / Double(PageLayout.positions)
        let states = Double(4 * threadCount + layout.kvHeadCount) * (pages / 8 + 1) * 64
        let growing =
            pages * Double(8 * layout.ropeColumns.count / 2 + 64) + states * Double(4 * layout.valueStride + 8)
        let bytes = fixed + growing
        return bytes < 1e18 ? Int(bytes) : Int.max
    }

    /// Refuses a context that does not fit into memory.
    ///
    /// - Parameter heldTokens: what the context holds already.
    func checkMemory(tokens: Int, heldTokens: Int) throws {
        // Small contexts are not worth the question.
        guard runner.bytes(positions: max(0, tokens - heldTokens)) > 64 << 20 else { return }
        let plan = memoryPlan(tokens: tokens, memoryBytes: memoryBytes)
        if memoryBytes != nil {
            guard plan.fits else { throw MemoryRefusal(plan: plan) }
            return
        }
        // What is held already is not free any more; and weights that were read are not either.
        let held = runner.bytes(positions: heldTokens)
        let wanted = plan.request.context.pageBytes(tokens: tokens) - held
        guard wanted <= plan.request.budgetBytes else { throw MemoryRefusal(plan: plan) }
    }
}

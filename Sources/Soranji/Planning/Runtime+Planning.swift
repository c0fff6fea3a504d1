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
    ///   - mappedTokens: of these, whose pages lie in a session's files.
    ///   - mediaRows: of these, rows of media that are held.
    ///   - element: how keys and values are kept; nil for this runtime's way.
    ///   - memoryBytes: what may be used; nil for what is free.
    package func memoryPlan(
        tokens: Int,
        mappedTokens: Int = 0,
        mediaRows: Int = 0,
        element: CacheElement? = nil,
        memoryBytes: Int? = nil
    ) -> MemoryPlan {
        let budget = Self.budget(memoryBytes)
        let manifest = bundle.manifest
        let growth = contextGrowth
        var request = MemoryPlan.Request(
            tokens: tokens,
            mappedTokens: mappedTokens,
            attendedTokens: growth.attendedTokens(of: tokens),
            trunkBytes: manifest.trunkBytes,
            expertBytes: manifest.expertBytes,
            activeExpertBytes: expertShares.active,
            encoderBytes: manifest.encoders.reduce(0) { $0 + $1.bytes },
            layout: runner.layout.with((element ?? cacheElement).page),
            indexBlockBytes: runner.recall == nil
                ? 0 : PageIndexBlock.layerBytes(runner.layout) * runner.layout.layerCount,
            scratchBytes: growth.scratchBytes(tokens: tokens),
            programBytes: Self.programBytes,
            budgetBytes: budget.bytes,
            budgetSource: budget.source,
            trainedTokens: trainedContextTokens
        )
        request.growth = growth
        request.freeBytes = freeBytes
        request.mediaBytes = mediaBytes(rows: mediaRows)
        return MemoryPlan(request)
    }

    /// Floats of rows, and of what goes with them at some depths of the model.
    private func mediaBytes(rows: Int) -> Int {
        let configuration = decoder.configuration
        let depths = configuration.media?.deepstackCount ?? 0
        return (Capped(rows) * Capped(configuration.hiddenSize * (1 + depths) * 4)).value
    }

    /// What tokens see in a context of `tokens`: the first `exact` ones all before them, the others `attended` at most; nil
    /// where each sees all before it.
    package func recalledTokens(of tokens: Int) -> (exact: Int, attended: Int)? {
        guard let recall = runner.recall, tokens > max(recall.firstPosition, recall.attendedPositions) else {
            return nil
        }
        return (recall.firstPosition, recall.attendedPositions)
    }

    /// How long `tokens` tokens would be read, and how fast one is written behind them, by a measured speed.
    package func readingSeconds(tokens: Int, _ speed: SpeedProbe) -> Double {
        speed.prefillSeconds(tokens: tokens, recall: runner.recall)
    }

    package func tokensPerSecond(after tokens: Int, _ speed: SpeedProbe) -> Double {
        speed.decodeTokensPerSecond(depth: tokens, recall: runner.recall)
    }

    /// What the program has in memory before a model is opened, its libraries and a tokenizer, about.
    private static let programBytes = 64 << 20

    /// Bytes of the experts that every token uses, and of all that one token uses, by their share of the parameters.
    private var expertShares: (shared: Int, active: Int) {
        let configuration = decoder.configuration
        var all = 0.0
        var shared = 0.0
        var routed = 0.0
        for layer in configuration.layers {
            if layer.hasSharedExpert { shared += Double(layer.sharedWidth) }
            if layer.hasRoutedExperts, let router = configuration.router {
                all += Double(router.expertCount) * Double(configuration.expertWidth)
                routed += Double(router.expertsPerToken) * Double(configuration.expertWidth)
            }
        }
        all += shared
        guard all > 0 else { return (0, 0) }
        let bytes = Double(bundle.manifest.expertBytes)
        return (Int(shared / all * bytes), Int(min(1, (shared + routed) / all) * bytes))
    }

    /// What grows with a context beside its pages.
    private var contextGrowth: ContextGrowth {
        let configuration = decoder.configuration
        let layout = runner.layout
        // A float and its 8-bit twin with scale, offset and sum by blocks of 32.
        let rowBytes = 5.4
        let heads = configuration.headCount * (layout.keyWidth + layout.valueStride)
        let widths =
            3 * configuration.hiddenSize + 2 * heads + layout.kvHeadCount * (layout.keyWidth + layout.valueStride)
            + 2 * (configuration.layers.map(\.sharedWidth).max() ?? 0)
            + 2 * (configuration.router?.expertsPerToken ?? 0) * configuration.expertWidth
        // Running states of groups of pages.
        let states = Double(4 * threadCount + layout.kvHeadCount) * 64
        return ContextGrowth(
            fixedBytes: rowBytes
                * (Double(widths) * Double(runner.chunkTokens) + 32 * Double(configuration.vocabularySize)),
            bytesPerPage: Double(8 * layout.ropeColumns.count / 2 + 64),
            bytesPerGroup: states * Double(4 * layout.valueStride + 8),
            recall: runner.recall
        )
    }

    /// Refuses, before any work, what the context or the memory has no room for; then leaves to routed experts what the
    /// rest does not need, and to stored pages what experts do not need.
    ///
    /// - Parameters:
    ///   - answerTokens: nil for an answer without a limit: of it only the beginning is sure to come.
    ///   - heldTokens: what the context holds in memory already.
    ///   - mappedTokens: whose pages lie in a session's files.
    ///   - media: what was seen and heard for it.
    /// - Throws: ``RuntimeError/promptTooLong(promptTokens:answerTokens:contextTokens:trainedTokens:)`` or
    ///   ``MemoryRefusal``.
    func checkRoom(
        promptTokens: Int,
        answerTokens: Int?,
        heldTokens: Int = 0,
        mappedTokens: Int = 0,
        media: [MediaRows] = []
    ) throws {
        guard contextTokens - promptTokens >= answerTokens ?? 1 else {
            throw RuntimeError.promptTooLong(
                promptTokens: promptTokens,
                answerTokens: answerTokens ?? 1,
                contextTokens: contextTokens,
                trainedTokens: longestUsefulContext
            )
        }
        let tokens = promptTokens + (answerTokens ?? min(512, contextTokens - promptTokens))
        let rows = media.reduce(0) { $0 + ($1.hasValues ? $1.count : 0) }
        func plan(_ memoryBytes: Int?) -> MemoryPlan {
            let plan = memoryPlan(tokens: tokens, mappedTokens: mappedTokens, mediaRows: rows, memoryBytes: memoryBytes)
            // Whether a session would help is for the disk to say; one that is in use has its room already.
            return mappedTokens > 0 ? plan : plan.changed { $0.disk = .ofSessions }
        }
        if let memoryBytes {
            let plan = plan(memoryBytes)
            guard plan.fits else { throw MemoryRefusal(plan: plan) }
            limitResidents(plan)
            return
        }
        // By what was free at first: what this process has taken since is in the plan itself.
        limitResidents(plan(freeBytes))
        // What is held already is not free any more; and weights that were read are not either. Small contexts are not
        // worth the question.
        let there = max(heldTokens, mappedTokens)
        let wanted = runner.bytes(positions: tokens) - runner.bytes(positions: min(there, tokens))
        guard wanted > 64 << 20 else { return }
        let plan = plan(nil)
        guard wanted <= plan.request.budgetBytes else { throw MemoryRefusal(plan: plan) }
    }

    /// Routed experts and stored pages may take what a plan leaves to them, and no less than one token needs. They are not
    /// limited where it leaves enough for all of them, and where it does not fit without them: then the system decides.
    func limitResidents(_ plan: MemoryPlan) {
        guard plan.fits else {
            decoder.store.limit(toBytes: nil)
            runner.limitStoredPages(toBytes: nil)
            return
        }
        let hasAllExperts = plan.request.expertBytes <= plan.residentExpertBytes
        decoder.store.limit(toBytes: hasAllExperts ? nil : plan.residentExpertBytes - expertShares.shared)
        runner.limitStoredPages(toBytes: plan.holdsStoredPages ? nil : plan.residentStoredBytes)
    }
}

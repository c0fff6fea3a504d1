import CKernels
import Foundation

/// How a layer scores and chooses experts.
package struct RouterConfiguration: Codable, Sendable, Equatable {
    package enum Scoring: String, Codable, Sendable {
        /// Softmax over all experts, then the best k.
        case softmax
        /// The best k logits, then a softmax over those.
        case softmaxOfChosen
        /// A sigmoid per expert.
        case sigmoid
    }

    /// How a group of experts is scored when only some groups may be chosen from.
    package enum GroupScoring: String, Codable, Sendable {
        case maximum, sumOfBestTwo
    }

    package var expertCount: Int
    package var expertsPerToken: Int
    package var scoring: Scoring
    /// Divides the chosen weights by their sum.
    package var renormalizes: Bool
    /// Multiplies the weights at the end.
    package var scale: Float
    package var groupCount: Int
    package var groupsPerToken: Int
    package var groupScoring: GroupScoring
    /// Which experts tokens of a modality choose among; nil: every token chooses among all. Tokens whose modality has no
    /// pool meet no routed expert.
    package var pools: [ExpertPool]?

    package init(
        expertCount: Int,
        expertsPerToken: Int,
        scoring: Scoring,
        renormalizes: Bool,
        scale: Float = 1,
        groupCount: Int = 1,
        groupsPerToken: Int = 1,
        groupScoring: GroupScoring = .maximum,
        pools: [ExpertPool]? = nil
    ) {
        self.expertCount = expertCount
        self.expertsPerToken = expertsPerToken
        self.scoring = scoring
        self.renormalizes = renormalizes
        self.scale = scale
        self.groupCount = groupCount
        self.groupsPerToken = groupsPerToken
        self.groupScoring = groupScoring
        self.pools = pools
    }

    /// The experts that a token chooses among; nil for none.
    package func experts(for modality: Modality) -> Range<Int>? {
        guard let pools else { return 0..<expertCount }
        return pools.first { $0.modalities.contains(modality) }?.experts
    }

    /// What is wrong with the numbers, or nil.
    package var problem: String? {
        if expertCount < 1 || expertCount > 4096 { return "expert count \(expertCount)" }
        if expertsPerToken < 1 || expertsPerToken > expertCount { return "\(expertsPerToken) experts per token" }
        if groupCount < 1 || expertCount % groupCount != 0 { return "\(groupCount) groups of \(expertCount) experts" }
        if groupsPerToken < 1 || groupsPerToken > groupCount { return "\(groupsPerToken) groups per token" }
        if expertsPerToken > expertCount / groupCount * groupsPerToken {
            return "\(expertsPerToken) experts per token out of \(groupsPerToken) groups"
        }
        if !scale.isFinite { return "a scale of \(scale)" }
        return pools.flatMap(problem(of:))
    }

    /// Pools cover the experts in order, without gaps, and a modality has one at most.
    private func problem(of pools: [ExpertPool]) -> String? {
        if groupCount != 1 { return "groups of experts together with pools by modality" }
        var next = 0
        var seen: Set<Modality> = []
        for pool in pools {
            let (end, overflow) = pool.first.addingReportingOverflow(pool.count)
            if overflow || pool.first != next || pool.count < expertsPerToken || end > expertCount {
                return "a pool of \(pool.count) experts from \(pool.first) on"
            }
            if pool.name.isEmpty || pools.count(where: { $0.name == pool.name }) > 1 { return "pools without names" }
            for modality in pool.modalities where !seen.insert(modality).inserted {
                return "two pools of experts for \(modality.name)"
            }
            next = end
        }
        return next == expertCount ? nil : "\(next) of \(expertCount) experts in pools"
    }
}

/// Experts that only tokens of some modalities are routed to, scored by a router of their own.
package struct ExpertPool: Codable, Sendable, Equatable {
    /// Names the router's rows in the trunk: `L02.router.video`.
    package var name: String
    package var modalities: [Modality]
    package var first: Int
    package var count: Int

    package init(name: String, modalities: [Modality], first: Int, count: Int) {
        self.name = name
        self.modalities = modalities
        self.first = first
        self.count = count
    }

    package var experts: Range<Int> { first..<first + count }
}

/// Chooses experts for tokens from the router's logits.
///
/// Ties go to the lower expert; NaN is never preferred. The order of the choices is by falling score.
package struct Router {
    package let configuration: RouterConfiguration
    /// Added to the scores for the choice only, not to the weights (DeepSeek-V3's load balancing).
    package let selectionBias: UnsafePointer<Float>?

    package init(_ configuration: RouterConfiguration, selectionBias: UnsafePointer<Float>?) {
        self.configuration = configuration
        self.selectionBias = selectionBias
    }

    /// What stands in the place of an expert's number where a token has none.
    package static let none: Int32 = -1

    /// Chooses for one token among the experts of its modality; ``none`` where it has no experts.
    package func choose(
        for modality: Modality,
        logits: UnsafeMutablePointer<Float>,
        ranking: UnsafeMutablePointer<Float>,
        experts: UnsafeMutablePointer<Int32>,
        weights: UnsafeMutablePointer<Float>
    ) {
        let perToken = configuration.expertsPerToken
        guard let pool = configuration.experts(for: modality) else {
            experts.update(repeating: Self.none, count: perToken)
            weights.update(repeating: 0, count: perToken)
            return
        }
        choose(
            among: pool,
            logits: logits + pool.lowerBound,
            ranking: ranking,
            experts: experts,
            weights: weights
        )
    }

    /// Chooses for one token among all experts.
    ///
    /// - Parameters:
    ///   - logits: `[experts]`, overwritten with the scores.
    ///   - ranking: `[experts]` of scratch.
    ///   - experts: `[k]`, receives the chosen experts.
    ///   - weights: `[k]`, receives their weights.
    package func choose(
        logits: UnsafeMutablePointer<Float>,
        ranking: UnsafeMutablePointer<Float>,
        experts: UnsafeMutablePointer<Int32>,
        weights: UnsafeMutablePointer<Float>
    ) {
        choose(
            among: 0..<configuration.expertCount,
            logits: logits,
            ranking: ranking,
            experts: experts,
            weights: weights
        )
    }

    /// `logits` begins with the first expert of the pool.
    private func choose(
        among pool: Range<Int>,
        logits: UnsafeMutablePointer<Float>,
        ranking: UnsafeMutablePointer<Float>,
        experts: UnsafeMutablePointer<Int32>,
        weights: UnsafeMutablePointer<Float>
    ) {
        let count = pool.count
        let chosenCount = configuration.expertsPerToken
        switch configuration.scoring {
        case .softmax: sk_softmax(logits, Int32(count))
        case .sigmoid: sk_sigmoid(logits, Int32(count))
        case .softmaxOfChosen: break
        }
        for expert in 0..<count {
            let score = logits[expert] + (selectionBias?[pool.lowerBound + expert] ?? 0)
            ranking[expert] = score.isNaN ? -.infinity : score
        }
        if configuration.groupCount > 1 { maskGroups(ranking) }
        for rank in 0..<chosenCount {
            var best = -1
            for expert in 0..<count where ranking[expert] > (best < 0 ? -.infinity : ranking[best]) { best = expert }
            // Only reachable when scores are NaN or -inf: any expert not yet chosen will do.
            if best < 0 { best = (0..<count).first { !ranking[$0].isNaN } ?? 0 }
            experts[rank] = Int32(pool.lowerBound + best)
            weights[rank] = logits[best]
            ranking[best] = .nan
        }
        finish(weights, chosenCount)
    }

    private func finish(_ weights: UnsafeMutablePointer<Float>, _ count: Int) {
        if configuration.scoring == .softmaxOfChosen { sk_softmax(weights, Int32(count)) }
        if configuration.renormalizes {
            var sum: Float = 0
            for rank in 0..<count { sum += weights[rank] }
            let divisor = configuration.scoring == .sigmoid ? sum + 1e-20 : sum
            if divisor > 0 { for rank in 0..<count { weights[rank] /= divisor } }
        }
        if configuration.scale != 1 { for rank in 0..<count { weights[rank] *= configuration.scale } }
    }

    /// Leaves only the experts of the best groups choosable.
    private func maskGroups(_ ranking: UnsafeMutablePointer<Float>) {
        let size = configuration.expertCount / configuration.groupCount
        func score(_ group: Int) -> Float {
            var best = -Float.infinity
            var second = -Float.infinity
            for expert in group * size..<(group + 1) * size {
                if ranking[expert] > best {
                    second = best
                    best = ranking[expert]
                } else if ranking[expert] > second {
                    second = ranking[expert]
                }
            }
            return configuration.groupScoring == .maximum || size < 2 ? best : best + second
        }
        // A group stays when fewer than `groupsPerToken` groups beat it; ties go to the lower group.
        withUnsafeTemporaryAllocation(of: Float.self, capacity: configuration.groupCount) { scores in
            for group in 0..<configuration.groupCount { scores[group] = score(group) }
            for group in 0..<configuration.groupCount {
                var better = 0
                for other in 0..<configuration.groupCount
                where scores[other] > scores[group] || (scores[other] == scores[group] && other < group) {
                    better += 1
                }
                if better >= configuration.groupsPerToken {
                    for expert in group * size..<(group + 1) * size { ranking[expert] = -.infinity }
                }
            }
        }
    }
}

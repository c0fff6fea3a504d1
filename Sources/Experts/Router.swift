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

    package init(
        expertCount: Int,
        expertsPerToken: Int,
        scoring: Scoring,
        renormalizes: Bool,
        scale: Float = 1,
        groupCount: Int = 1,
        groupsPerToken: Int = 1,
        groupScoring: GroupScoring = .maximum
    ) {
        self.expertCount = expertCount
        self.expertsPerToken = expertsPerToken
        self.scoring = scoring
        self.renormalizes = renormalizes
        self.scale = scale
        self.groupCount = groupCount
        self.groupsPerToken = groupsPerToken
        self.groupScoring = groupScoring
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
        return nil
    }
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

    /// Chooses for one token.
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
        let count = configuration.expertCount
        let chosenCount = configuration.expertsPerToken
        switch configuration.scoring {
        case .softmax: sk_softmax(logits, Int32(count))
        case .sigmoid: sk_sigmoid(logits, Int32(count))
        case .softmaxOfChosen: break
        }
        for expert in 0..<count {
            let score = logits[expert] + (selectionBias?[expert] ?? 0)
            ranking[expert] = score.isNaN ? -.infinity : score
        }
        if configuration.groupCount > 1 { maskGroups(ranking) }
        for rank in 0..<chosenCount {
            var best = -1
            for expert in 0..<count where ranking[expert] > (best < 0 ? -.infinity : ranking[best]) { best = expert }
            // Only reachable when scores are NaN or -inf: any expert not yet chosen will do.
            if best < 0 { best = (0..<count).first { !ranking[$0].isNaN } ?? 0 }
            experts[rank] = Int32(best)
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

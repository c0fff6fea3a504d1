import Experts
import Foundation
import Tensor
import Testing

struct RouterTests {
    private func choose(
        _ configuration: RouterConfiguration,
        _ logits: [Float],
        bias: [Float]? = nil
    ) -> (experts: [Int32], weights: [Float]) {
        var logits = logits
        var ranking = logits
        var experts = [Int32](repeating: -1, count: configuration.expertsPerToken)
        var weights = [Float](repeating: 0, count: configuration.expertsPerToken)
        func run(_ bias: UnsafePointer<Float>?) {
            Router(configuration, selectionBias: bias)
                .choose(logits: &logits, ranking: &ranking, experts: &experts, weights: &weights)
        }
        if let bias { bias.withUnsafeBufferPointer { run($0.baseAddress) } } else { run(nil) }
        return (experts, weights)
    }

    @Test func softmaxThenChoice() {
        let configuration = RouterConfiguration(
            expertCount: 4,
            expertsPerToken: 2,
            scoring: .softmax,
            renormalizes: false
        )
        let (experts, weights) = choose(configuration, [0, 2, 1, -1])
        let total = [0, 2, 1, -1].map { exp(Double($0)) }.reduce(0, +)
        #expect(experts == [1, 2])
        #expect(abs(Double(weights[0]) - exp(2) / total) < 1e-6)
        #expect(abs(Double(weights[1]) - exp(1) / total) < 1e-6)
    }

    @Test func renormalizedWeightsSumToOne() {
        let configuration = RouterConfiguration(
            expertCount: 4,
            expertsPerToken: 2,
            scoring: .softmax,
            renormalizes: true
        )
        #expect(abs(choose(configuration, [0, 2, 1, -1]).weights.reduce(0, +) - 1) < 1e-6)
    }

    @Test func choiceThenSoftmax() {
        let configuration = RouterConfiguration(
            expertCount: 4,
            expertsPerToken: 2,
            scoring: .softmaxOfChosen,
            renormalizes: false
        )
        let (experts, weights) = choose(configuration, [0, 2, 1, -1])
        #expect(experts == [1, 2])
        #expect(abs(Double(weights[0]) - 1 / (1 + exp(-1))) < 1e-6)
    }

    @Test func theBiasSteersTheChoiceOnly() {
        let configuration = RouterConfiguration(
            expertCount: 4,
            expertsPerToken: 1,
            scoring: .sigmoid,
            renormalizes: false,
            scale: 2
        )
        let (experts, weights) = choose(configuration, [0, 2, 1, -1], bias: [0, 0, 0, 10])
        #expect(experts == [3])
        #expect(abs(Double(weights[0]) - 2 / (1 + exp(1))) < 1e-6)
    }

    @Test func groupsLimitTheChoice() {
        // Group 1 holds the best single expert, group 0 the best two together.
        let logits: [Float] = [2, 2, -3, -3, 2.5, -9, -9, -9]
        var configuration = RouterConfiguration(
            expertCount: 8,
            expertsPerToken: 2,
            scoring: .sigmoid,
            renormalizes: false,
            groupCount: 2,
            groupsPerToken: 1,
            groupScoring: .sumOfBestTwo
        )
        #expect(choose(configuration, logits).experts == [0, 1])
        configuration.groupScoring = .maximum
        #expect(choose(configuration, logits).experts[0] == 4)
    }

    @Test func tiesGoToTheLowerExpert() {
        let configuration = RouterConfiguration(
            expertCount: 6,
            expertsPerToken: 3,
            scoring: .softmax,
            renormalizes: false
        )
        #expect(choose(configuration, [1, 1, 1, 1, 1, 1]).experts == [0, 1, 2])
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func hostileLogitsChooseDistinctExperts(value: Float) {
        for scoring in [RouterConfiguration.Scoring.softmax, .sigmoid, .softmaxOfChosen] {
            let configuration = RouterConfiguration(
                expertCount: 5,
                expertsPerToken: 3,
                scoring: scoring,
                renormalizes: true
            )
            for position in 0..<5 {
                var logits: [Float] = [0.5, 0.25, 1, -1, 0]
                logits[position] = value
                let experts = choose(configuration, logits).experts
                #expect(Set(experts).count == 3)
                #expect(experts.allSatisfy { 0..<5 ~= $0 })
            }
            let all = choose(configuration, [Float](repeating: value, count: 5)).experts
            #expect(Set(all).count == 3)
        }
    }

    /// Tokens choose among the experts of their modality alone; text has none.
    @Test func poolsBelongToModalities() {
        var configuration = RouterConfiguration(
            expertCount: 5,
            expertsPerToken: 2,
            scoring: .softmax,
            renormalizes: true,
            pools: [
                .init(name: "video", modalities: [.video, .image], first: 0, count: 3),
                .init(name: "audio", modalities: [.audio], first: 3, count: 2),
            ]
        )
        #expect(configuration.problem == nil)
        func choose(_ modality: Modality) -> (experts: [Int32], weights: [Float]) {
            var logits: [Float] = [1, 3, 2, -1, 9]
            var ranking = [Float](repeating: 0, count: 5)
            var experts = [Int32](repeating: 7, count: 2)
            var weights = [Float](repeating: 7, count: 2)
            Router(configuration, selectionBias: nil).choose(
                for: modality,
                logits: &logits,
                ranking: &ranking,
                experts: &experts,
                weights: &weights
            )
            return (experts, weights)
        }
        #expect(choose(.text).experts == [Router.none, Router.none] && choose(.text).weights == [0, 0])
        #expect(choose(.video).experts == [1, 2] && choose(.image).experts == [1, 2])
        #expect(choose(.audio).experts == [4, 3])
        // Softmax over the pool, the best two renormalised: e^3 and e^2.
        #expect(abs(choose(.video).weights[0] - 0.731_058_6) < 1e-6)
        #expect(abs(choose(.audio).weights[0] - 0.999_954_6) < 1e-6)
        for (first, count) in [(0, 2), (0, 4), (1, 3), (0, 1), (0, Int.max), (Int.max, Int.max), (-1, 4)] {
            configuration.pools?[0].first = first
            configuration.pools?[0].count = count
            #expect(configuration.problem != nil)
        }
        configuration.pools = [.init(name: "all", modalities: [.text, .text], first: 0, count: 5)]
        #expect(configuration.problem != nil)
    }

    @Test func choicesOfNoExpertHaveNoRow() throws {
        let dispatch = try Dispatch(expertCount: 2, expertsPerToken: 2, maximumTokens: 8)
        let choices: [Int32] = [-1, -1, 1, 0, -1, -1, 1, 0]
        for (index, expert) in choices.enumerated() { dispatch.experts.pointer[index] = expert }
        dispatch.group(tokens: 4)
        #expect(dispatch.rowCount == 4)
        #expect(dispatch.rowRange(of: 0) == 0..<2 && dispatch.rowRange(of: 1) == 2..<4)
        #expect((0..<4).map { dispatch.tokenOfRow.pointer[$0] } == [1, 3, 1, 3])
        dispatch.group(tokens: 1)
        #expect(dispatch.rowCount == 0)
    }

    @Test func dispatchGroupsInOrder() throws {
        let dispatch = try Dispatch(expertCount: 4, expertsPerToken: 2, maximumTokens: 8)
        let choices: [Int32] = [3, 0, 0, 1, 3, 1]
        for (index, expert) in choices.enumerated() { dispatch.experts.pointer[index] = expert }
        dispatch.group(tokens: 3)
        #expect(dispatch.rowRange(of: 0) == 0..<2)
        #expect(dispatch.rowRange(of: 1) == 2..<4)
        #expect(dispatch.rowRange(of: 2).isEmpty)
        #expect(dispatch.rowRange(of: 3) == 4..<6)
        #expect((0..<6).map { dispatch.tokenOfRow.pointer[$0] } == [0, 1, 1, 2, 0, 2])
        for (choice, expert) in choices.enumerated() {
            let row = Int(dispatch.rowOfChoice.pointer[choice])
            #expect(dispatch.rowRange(of: Int(expert)).contains(row))
            #expect(dispatch.tokenOfRow.pointer[row] == Int32(choice / 2))
        }
    }
}

import Foundation
import JSONText
import Testing
import Tokenizers

@testable import Soranji

/// Evaluations with the small model.
struct EvaluationRunTests {
    private static let model = UserFolders.variable("SORANJI_TEST_MODEL")

    private func settings(_ tasks: [EvaluationTask], _ lengths: [Int], _ depths: Int) -> EvaluationSettings {
        EvaluationSettings(
            tasks: tasks,
            lengths: lengths,
            depths: EvaluationSettings.depths(depths),
            samples: 1,
            seed: 42,
            style: .raw
        )
    }

    private func run(
        _ runtime: Runtime,
        _ settings: EvaluationSettings,
        known: [EvaluationRecord] = []
    ) throws -> (records: [EvaluationRecord], evaluation: Evaluation) {
        let evaluation = try Evaluation(runtime: runtime, settings: settings)
        var records: [EvaluationRecord] = []
        try evaluation.run(known: known) {
            #expect($0.doneTokens <= $0.totalTokens)
        } onRecord: {
            records.append($0)
        }
        return (records, evaluation)
    }

    /// What was read for one case serves the next, without changing an answer.
    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func sharingChangesNothing() throws {
        let folder = try ModelLocator.bundleFolder(for: Self.model)
        let runtime = try Runtime(bundleFolder: folder)
        let together = try run(runtime, settings([.passkey, .secondQuestion], [1024, 1536, 65_536_000], 3))
        #expect(together.records.count == 2 * 3 + 2 * 5)
        #expect(together.records.contains { $0.cachedTokens > 0 })
        #expect(together.records.allSatisfy { $0.promptTokens <= $0.lengthTokens })
        #expect(Set(together.evaluation.omissions.map(\.lengthTokens)) == [65_536_000])
        // The pass key of a short text is found by this model.
        let found = together.records.filter { $0.task == .passkey && $0.lengthTokens == 1024 }
        #expect(found.reduce(0) { $0 + $1.score } / Double(found.count) > 60)
        // Each alone, without anything to share.
        for record in together.records where record.task == .passkey {
            var alone = settings([.passkey], [record.lengthTokens], 1)
            alone.depths = [record.depth ?? 0]
            let single = try run(runtime, alone).records
            #expect(single.count == 1)
            #expect(single.first?.answer == record.answer)
        }
        // Nothing is left to do.
        #expect(try run(runtime, settings([.passkey], [1024, 1536], 3), known: together.records).records.isEmpty)
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func templatesFrameQuestions() throws {
        let runtime = try Runtime(bundleFolder: try ModelLocator.bundleFolder(for: Self.model))
        let tokenizer = try runtime.requireTokenizer()
        let frame = try EvaluationFrame(.chat, tokenizer: tokenizer, template: runtime.template)
        func text(_ tokens: [Int32]) -> String { tokenizer.decode(tokens, skippingSpecialTokens: false) }
        #expect(text(frame.opening).hasSuffix("<|im_start|>user\n"))
        #expect(text(frame.answering) == "<|im_end|>\n<|im_start|>assistant\n")
        #expect(text(frame.turning) == "<|im_end|>\n<|im_start|>user\n")
        #expect(throws: EvaluationError.noTemplate) {
            try EvaluationFrame(.chat, tokenizer: tokenizer, template: nil)
        }
        let raw = try EvaluationFrame(.raw, tokenizer: tokenizer, template: runtime.template)
        #expect(raw.answering.isEmpty)
    }
}

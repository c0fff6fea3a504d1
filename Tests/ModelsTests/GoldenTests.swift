import Foundation
import KVCache
import ModelFiles
import Models
import Tensor
import Testing

/// Every family against the outputs of `transformers` 5.23.0 (dense ones: of an independent implementation, see
/// Fixtures/generate_dense.py), from the checkpoint's own config.json and model.safetensors, imported as f32.
struct GoldenTests {
    static let cases = [
        "llama", "llama_bias", "qwen3", "mixtral", "mixtral_swa", "olmoe", "qwen3_moe", "deepseek_v2",
        "deepseek_v2_group", "deepseek_v3", "gpt_oss",
        // Odd sizes and rarer switches, see Fixtures/generate_variants.py.
        "llama_yarn", "mixtral_odd", "olmoe_clip", "qwen3_moe_step", "deepseek_v2_odd", "deepseek_v3_odd",
        "gpt_oss_odd",
    ]

    @Test(arguments: cases)
    func logitsExpertsAndGreedyTokens(name: String) throws {
        let folder = try GoldenCase(name)
        #expect(!folder.runs.isEmpty)
        let bundle = try TemporaryBundle(importing: folder.path, weights: .f32)
        let decoder = try Decoder(bundle: Bundle(path: bundle.path))
        for threads in [1, 2] {
            for chunk in [512, 7, 1] {
                let runner = try DecoderRunner(
                    decoder: decoder,
                    pool: ThreadPool(threadCount: threads),
                    element: .f32,
                    maximumPositions: 256,
                    chunkTokens: chunk
                )
                try checkRuns(folder, runner)
            }
        }
        try checkGreedy(folder, decoder)
    }

    private func checkRuns(_ folder: GoldenCase, _ runner: DecoderRunner) throws {
        for run in folder.runs {
            let sequences = try folder.integers("\(run).in.input_ids")
            let length = sequences.shape[1]
            let expected = try folder.floats("\(run).out.logits")
            let vocabulary = expected.shape[2]
            for sequence in 0..<sequences.shape[0] {
                let tokens = sequences.values[sequence * length..<(sequence + 1) * length].map { Int32($0) }
                var choices: [Int: [Int32]] = [:]
                runner.onRouting = { layer, experts in choices[layer, default: []] += experts }
                var largest: Float = 0
                try evaluate(tokens, runner) { position, logits in
                    let first = (sequence * length + position) * vocabulary
                    for index in 0..<vocabulary {
                        largest = max(largest, abs(logits[index] - expected.values[first + index]))
                    }
                }
                #expect(largest < 1e-4, "\(folder.name) \(run) \(sequence): \(largest)")
                try compareChoices(folder, run, sequence, length, choices)
            }
        }
    }

    /// The same experts at every layer; a token's experts are compared as a set, since their order does not matter.
    private func compareChoices(
        _ folder: GoldenCase,
        _ run: String,
        _ sequence: Int,
        _ length: Int,
        _ choices: [Int: [Int32]]
    ) throws {
        for layer in folder.routedLayers(run) {
            let expected = try folder.integers("\(run).out.router.\(layer)#2")
            let perToken = expected.shape[1]
            let got = try #require(choices[layer])
            #expect(got.count == length * perToken)
            for token in 0..<length {
                let first = (sequence * length + token) * perToken
                let want = Set(expected.values[first..<first + perToken].map { Int32($0) })
                let have = Set(got[token * perToken..<(token + 1) * perToken])
                #expect(have == want, "\(folder.name) \(run) layer \(layer) token \(token)")
            }
        }
    }

    private func checkGreedy(_ folder: GoldenCase, _ decoder: Decoder) throws {
        let prompt = try folder.integers("p.in.input_ids").values.map { Int32($0) }
        let expected = try folder.integers("p.out.greedy_ids").values.map { Int32($0) }
        let runner = try DecoderRunner(
            decoder: decoder,
            pool: ThreadPool(threadCount: 2),
            element: .f32,
            maximumPositions: 256
        )
        var table = runner.makeTable()
        var tokens = prompt
        var pending = prompt
        var sampler = Sampler(SamplingSettings(), vocabularySize: decoder.configuration.vocabularySize)
        while tokens.count < expected.count {
            try pending.withUnsafeBufferPointer { chunk in
                try runner.append(chunk, to: &table, logits: .last) { pending = [sampler.sample($1)] }
            }
            tokens += pending
        }
        #expect(tokens == expected)
    }

    private func evaluate(
        _ tokens: [Int32],
        _ runner: DecoderRunner,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) -> Void
    ) throws {
        var table = runner.makeTable()
        var begin = 0
        while begin < tokens.count {
            let end = min(tokens.count, begin + runner.chunkTokens)
            try tokens[begin..<end].withUnsafeBufferPointer { chunk in
                try runner.append(chunk, to: &table, logits: .all) { onLogits(begin + $0, $1) }
            }
            begin = end
        }
    }
}

/// A checkpoint with reference outputs.
struct GoldenCase {
    let name: String
    let path: String
    private let golden: SafetensorsFile

    init(_ name: String) throws {
        self.name = name
        let resources = try #require(Foundation.Bundle.module.resourcePath)
        path = resources + "/Fixtures/goldens/" + name
        golden = try SafetensorsFile(path: path + "/golden.safetensors")
    }

    var runs: [String] {
        Set(golden.tensors.compactMap { $0.name.hasSuffix(".in.input_ids") ? String($0.name.dropLast(13)) : nil })
            .sorted()
    }

    func routedLayers(_ run: String) -> [Int] {
        let prefix = run + ".out.router."
        return golden.tensors.compactMap {
            $0.name.hasPrefix(prefix) && $0.name.hasSuffix("#2")
                ? Int($0.name.dropFirst(prefix.count).dropLast(2)) : nil
        }.sorted()
    }

    func contains(_ name: String) -> Bool { golden.entry(named: name) != nil }

    func isFloat(_ name: String) throws -> Bool { try #require(golden.entry(named: name)).type == .float32 }

    func integers(_ name: String) throws -> (shape: [Int], values: [Int64]) { try values(name) }
    func floats(_ name: String) throws -> (shape: [Int], values: [Float]) { try values(name) }

    private func values<Value: BitwiseCopyable>(_ name: String) throws -> (shape: [Int], values: [Value]) {
        let entry = try #require(golden.entry(named: name))
        let bytes = try #require(golden.bytes(of: entry))
        let size = MemoryLayout<Value>.size
        return (
            entry.shape,
            (0..<bytes.count / size).map { bytes.loadUnaligned(fromByteOffset: $0 * size, as: Value.self) }
        )
    }
}

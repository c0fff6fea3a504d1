import Foundation
import JSONText
import ModelFiles
import Models
import Tensor
import Testing

/// Whisper against the outputs of `transformers` 5.23.0, from its own config.json and model.safetensors.
struct WhisperTests {
    @Test(arguments: [1, 2])
    func statesAndLogitsEqualTheReference(threads: Int) throws {
        let golden = try GoldenCase("whisper")
        let bundle = try TemporaryBundle(importing: golden.path, weights: .f32)
        let model = try Whisper(bundle: Bundle(path: bundle.path))
        let runner = try WhisperRunner(model: model, pool: ThreadPool(threadCount: threads))
        let states = try golden.floats("asr.out.enc#last_hidden_state")
        var largest: Float = 0
        try runner.encode(try Self.window(golden)) { rows, stride in
            for row in 0..<states.shape[1] {
                for column in 0..<states.shape[2] {
                    let difference = rows[row * stride + column] - states.values[row * states.shape[2] + column]
                    largest = max(largest, abs(difference))
                }
            }
        }
        #expect(largest < 1e-4, "encoder: \(largest)")
        let tokens = try golden.integers("asr.in.decoder_input_ids").values.map { Int32($0) }
        let expected = try golden.floats("asr.out.logits")
        for pieces in [[8], [1, 7], [3, 1, 4], [1, 1, 1, 1, 1, 1, 1, 1]] {
            runner.restart()
            var (begin, seen) = (0, 0)
            largest = 0
            for piece in pieces {
                try runner.append(Array(tokens[begin..<begin + piece]), logits: .all) { position, logits in
                    seen += 1
                    for (index, value) in logits.enumerated() {
                        largest = max(largest, abs(value - expected.values[position * logits.count + index]))
                    }
                }
                begin += piece
            }
            #expect(seen == tokens.count)
            #expect(largest < 1e-4, "\(pieces): \(largest)")
        }
    }

    /// The golden window, turned from `[bins][frames]` to frames.
    static func window(_ golden: GoldenCase) throws -> [Float] {
        let mel = try golden.floats("asr.in.input_features")
        let (bins, frames) = (mel.shape[1], mel.shape[2])
        return (0..<frames * bins).map { mel.values[$0 % bins * frames + $0 / bins] }
    }

    /// Narrower weights move logits by their rounding, not by more.
    @Test(arguments: zip([WeightType.bf16, .f16, .q8], [Float(0.15), 0.02, 0.3]))
    func otherWeightTypesComeClose(type: WeightType, bound: Float) throws {
        let golden = try GoldenCase("whisper")
        let bundle = try TemporaryBundle(importing: golden.path, weights: type)
        let runner = try WhisperRunner(
            model: Whisper(bundle: Bundle(path: bundle.path)),
            pool: ThreadPool(threadCount: 2)
        )
        try runner.encode(try Self.window(golden))
        let tokens = try golden.integers("asr.in.decoder_input_ids").values.map { Int32($0) }
        let expected = try golden.floats("asr.out.logits")
        var largest: Float = 0
        try runner.append(tokens, logits: .all) { position, logits in
            for (index, value) in logits.enumerated() {
                largest = max(largest, abs(value - expected.values[position * logits.count + index]))
            }
        }
        #expect(largest < bound, "\(largest)")
    }

    @Test func refusesWhatDoesNotFit() throws {
        let golden = try GoldenCase("whisper")
        let bundle = try TemporaryBundle(importing: golden.path, weights: .f32)
        let runner = try WhisperRunner(
            model: Whisper(bundle: Bundle(path: bundle.path)),
            pool: ThreadPool(threadCount: 1)
        )
        #expect(throws: ModelError.self) { try runner.encode([1, 2, 3]) }
        try runner.encode(try Self.window(golden))
        #expect(throws: ModelError.self) { try runner.append([256], logits: .last) { _, _ in } }
        #expect(throws: ModelError.self) { try runner.append([-1], logits: .last) { _, _ in } }
        #expect(throws: ModelError.self) {
            try runner.append([Int32](repeating: 3, count: 49), logits: .last) { _, _ in }
        }
        try runner.append([Int32](repeating: 3, count: 48), logits: .none) { _, _ in }
        #expect(runner.remainingTokens == 0)
        let other = try TemporaryBundle(importing: GoldenCase("llama").path, weights: .f32)
        #expect(throws: ModelError.self) { try Whisper(bundle: Bundle(path: other.path)) }
    }

    @Test(arguments: [
        ("d_model", "33"), ("encoder_layers", "0"), ("encoder_layers", "9999999"), ("num_mel_bins", "-3"),
        ("eos_token_id", "256"), ("activation_function", "\"relu\""), ("max_source_positions", "1.5"),
    ])
    func hostileConfigurationsAreErrors(key: String, value: String) throws {
        let golden = try GoldenCase("whisper")
        let text = try String(contentsOfFile: golden.path + "/config.json", encoding: .utf8)
        var config = try #require(try JSON.parse(text).objectValue)
        #expect(try WhisperConfiguration(json: .object(config)).windowFrames == 200)
        config[key] = try JSON.parse(value)
        #expect(throws: ModelError.self) { try WhisperConfiguration(json: .object(config)) }
        config[key] = nil
        if !["eos_token_id", "activation_function"].contains(key) {
            #expect(throws: ModelError.self) { try WhisperConfiguration(json: .object(config)) }
        }
    }
}

extension WhisperRunner {
    fileprivate func encode(_ mel: [Float], onStates: (UnsafePointer<Float>, Int) -> Void = { _, _ in }) throws {
        try mel.withUnsafeBufferPointer { try encode($0, onStates: onStates) }
    }
}

import Foundation
import KVCache
import Models
import Tensor

/// Speeds of one model on this machine.
public struct BenchmarkResult: Sendable {
    /// Tokens per second of each repetition.
    public var prefill: [Double] = []
    public var decode: [Double] = []
    public var promptTokens: Int
    public var decodeTokens: Int
    public var depthTokens: Int

    /// Middle value; 0 for nothing.
    public static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}

extension Runtime {
    /// Measures prefill of `promptTokens` and decoding of `decodeTokens` tokens, each after `depthTokens` of context.
    ///
    /// Tokens are pseudo-random and sampling is not counted, as in llama.cpp's bench tool. One repetition more than
    /// asked for is run first and not counted.
    public func benchmark(
        promptTokens: Int,
        decodeTokens: Int,
        depthTokens: Int = 0,
        repetitions: Int,
        onRepetition: (Int) throws -> Void = { _ in }
    ) throws -> BenchmarkResult {
        let longest = depthTokens + max(promptTokens, decodeTokens)
        try checkRoom(promptTokens: longest, answerTokens: 0)
        var result = BenchmarkResult(
            promptTokens: promptTokens,
            decodeTokens: decodeTokens,
            depthTokens: depthTokens
        )
        var generator = SplitMix64(state: 1)
        func draw(_ count: Int) -> [Int32] {
            (0..<count).map { _ in Int32.random(in: 0..<Int32(vocabularySize), using: &generator) }
        }
        var base = makePageTable()
        try prefill(
            TokenStream(text: draw(depthTokens)),
            0..<depthTokens,
            table: &base,
            onProgress: { _ in },
            onLogits: { _ in }
        )
        for repetition in 0...repetitions {
            if promptTokens > 0 {
                var table = base
                let stream = TokenStream(text: draw(promptTokens))
                try table.reserve(positions: depthTokens + promptTokens)
                let start = ContinuousClock.now
                try prefill(stream, 0..<promptTokens, table: &table, onProgress: { _ in }, onLogits: { _ in })
                let time = seconds(start.duration(to: .now))
                if repetition > 0 { result.prefill.append(Double(promptTokens) / time) }
            }
            if decodeTokens > 0 {
                var table = base
                let tokens = draw(decodeTokens)
                try table.reserve(positions: depthTokens + decodeTokens)
                let start = ContinuousClock.now
                for index in tokens.indices {
                    try tokens[index...index].withUnsafeBufferPointer { token in
                        try runner.append(token, to: &table, logits: .last) { _, _ in }
                    }
                }
                let time = seconds(start.duration(to: .now))
                if repetition > 0 { result.decode.append(Double(decodeTokens) / time) }
            }
            try onRepetition(repetition)
        }
        return result
    }
}

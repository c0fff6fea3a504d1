import Experts
import KVCache
import ModelFiles
import Models
import Tensor
import Testing

/// A budget for experts changes what is in memory, never a result.
struct ExpertBudgetTests {
    @Test(arguments: ["mixtral", "olmoe", "deepseek_v3"])
    func resultsDoNotDependOnTheBudget(name: String) throws {
        let folder = try GoldenCase(name)
        let bundle = try TemporaryBundle(importing: folder.path, weights: .q8)
        let opened = try Bundle(path: bundle.path)
        let free = try Decoder(bundle: opened)
        let wanted = try logits(free)
        #expect(free.store.traffic == .init(), "nothing is counted without a budget")

        let shardBytes = try opened.shard(layer: free.configuration.layerCount - 1, expert: 0).file.count
        let perLayer = free.configuration.router?.expertCount ?? 0
        for shards in [0, perLayer + 2, 1000] {
            let decoder = try Decoder(bundle: opened)
            decoder.store.limit(toBytes: shards * shardBytes)
            #expect(try logits(decoder) == wanted)
            let traffic = decoder.store.traffic
            #expect(traffic.misses > 0 && (shards == 0 || traffic.hits > 0))
            #expect(traffic.readBytes - traffic.evictedBytes == traffic.residentBytes)
            // What one layer needs at once is always there.
            let most = max(shards, perLayer) * shardBytes
            #expect(traffic.residentBytes <= most)
            if shards == 1000 { #expect(traffic.evictedBytes == 0) } else { #expect(traffic.evictedBytes > 0) }
        }
    }

    /// A chunk of 40 tokens and then 20 single ones.
    private func logits(_ decoder: Decoder) throws -> [Float] {
        let runner = try DecoderRunner(
            decoder: decoder,
            pool: ThreadPool(threadCount: 2),
            element: .f32,
            maximumPositions: 128
        )
        var table = runner.makeTable()
        var result: [Float] = []
        func run(_ tokens: [Int32]) throws {
            try tokens.withUnsafeBufferPointer { tokens in
                try runner.append(tokens, to: &table, logits: .all) { result += $1 }
            }
        }
        let vocabulary = Int32(decoder.configuration.vocabularySize)
        try run((0..<40).map { ($0 * 7 + 3) % vocabulary })
        for token in 0..<20 { try run([Int32(token * 5 + 1) % vocabulary]) }
        return result
    }
}

import CAllocationCounter
import KVCache
import ModelFiles
import Models
import Tensor
import Testing

/// Decoding allocates nothing per token.
struct AllocationTests {
    @Test func theCounterCounts() {
        let before = allocation_count_of_thread()
        let array = [Int](unsafeUninitializedCapacity: 1000) { buffer, count in
            buffer[0] = 1
            count = 1
        }
        #expect(array.count == 1)
        #expect(allocation_count_of_thread() > before)
    }

    @Test(arguments: ["llama", "olmoe", "deepseek_v3", "gpt_oss"])
    func decodingAllocatesNothing(name: String) throws {
        try decode(name, .f16, nil)
    }

    /// Sealed pages are made when a group of 512 positions is complete; between two of them nothing is.
    @Test(arguments: ["llama", "deepseek_v3"])
    func recallAllocatesNothing(name: String) throws {
        var recall = RecallSettings(firstPosition: 0, localPositions: 640, retrievedPages: 1)
        recall.initialPages = 0
        try decode(name, .q8, recall)
    }

    private func decode(_ name: String, _ element: PageLayout.Element, _ recall: RecallSettings?) throws {
        let folder = try GoldenCase(name)
        let bundle = try TemporaryBundle(importing: folder.path, weights: .q8)
        let decoder = try Decoder(bundle: Bundle(path: bundle.path))
        let runner = try DecoderRunner(
            decoder: decoder,
            pool: ThreadPool(threadCount: 2),
            element: element,
            maximumPositions: 2048,
            recall: recall
        )
        var settings = SamplingSettings()
        settings.temperature = 1
        settings.topP = 0.9
        settings.repetitionPenalty = 1.1
        var sampler = Sampler(settings, vocabularySize: decoder.configuration.vocabularySize)
        var table = runner.makeTable()
        try table.reserve(positions: 1500)
        var token: Int32 = 5

        func step() throws {
            try withUnsafePointer(to: token) { pointer in
                try runner.append(UnsafeBufferPointer(start: pointer, count: 1), to: &table, logits: .last) {
                    let next = sampler.sample($1)
                    sampler.observe(next)
                    token = next
                }
            }
        }

        // Every expert has been mapped by now, and the penalty's window is full.
        for _ in 0..<1030 { try step() }
        let before = allocation_count_of_thread()
        for _ in 0..<400 { try step() }
        #expect(allocation_count_of_thread() - before == 0)
        #expect(table.count == 1430)
    }
}

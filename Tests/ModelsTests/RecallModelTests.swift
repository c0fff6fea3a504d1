import KVCache
import ModelFiles
import Models
import Tensor
import Testing

/// Sealed pages and recall behind whole models.
struct RecallModelTests {
    private func logits(
        _ decoder: Decoder,
        _ tokens: [Int32],
        _ element: PageLayout.Element,
        _ recall: RecallSettings?,
        chunk: Int = 512,
        threads: Int = 2
    ) throws -> [Float] {
        let runner = try DecoderRunner(
            decoder: decoder,
            pool: ThreadPool(threadCount: threads),
            element: element,
            maximumPositions: tokens.count,
            chunkTokens: chunk,
            recall: recall
        )
        var table = runner.makeTable()
        var all: [Float] = []
        var begin = 0
        while begin < tokens.count {
            let end = begin + runner.chunkLength(after: begin, of: tokens.count - begin)
            try tokens[begin..<end].withUnsafeBufferPointer { chunk in
                try runner.append(chunk, to: &table, logits: .all) { all += $1 }
            }
            begin = end
        }
        return all
    }

    private func settings(window: Int) -> RecallSettings {
        RecallSettings(firstPosition: 0, localPositions: window, retrievedPages: 2)
    }

    private func tokens(_ count: Int, below limit: Int) -> [Int32] {
        (0..<count).map { Int32(($0 * $0 + 7 * $0) % min(limit, 97)) }
    }

    @Test(arguments: ["llama", "mixtral_swa", "deepseek_v3", "gpt_oss", "llama_yarn"])
    func exactWhereEverythingFitsAndTheSameInAnyCut(name: String) throws {
        let folder = try GoldenCase(name)
        let bundle = try TemporaryBundle(importing: folder.path, weights: .f32)
        let decoder = try Decoder(bundle: Bundle(path: bundle.path))
        let tokens = tokens(1300, below: decoder.configuration.vocabularySize)
        let exact = try logits(decoder, tokens, .f32, nil)
        #expect(try logits(decoder, tokens, .f32, settings(window: 2048)) == exact)
        for element in [PageLayout.Element.f16, .q8, .q8v4] {
            let recalled = try logits(decoder, tokens, element, settings(window: 640))
            #expect(recalled.allSatisfy { $0.isFinite })
            let other = try logits(decoder, tokens, element, settings(window: 640), chunk: 77, threads: 1)
            #expect(other == recalled)
        }
    }
}

import Foundation
import Tensor
import Testing

@testable import KVCache

struct AttentionMassProbeTests {
    /// Against a look at every key, in doubles.
    @Test(arguments: [3, 32]) func sharesAreThoseOfAllPages(_ retrievedPages: Int) throws {
        let world = RecallWorld(count: 2701, seed: 5)
        let settings = RecallSettings(firstPosition: 0, localPositions: 640, retrievedPages: retrievedPages)
        let attention = try world.attention(threads: 1, recall: settings)
        let pool = ThreadPool(threadCount: 1)
        var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: world.sealing(nil, settings))
        var output = [Float](repeating: 0, count: world.queries.count)
        let position = world.count - 1
        try world.append(0..<position, chunk: 512, to: &table, attention, pool: pool, output: &output)
        try world.append(position..<world.count, chunk: 1, to: &table, attention, pool: pool, output: &output)
        let probe = try AttentionMassProbe(
            layout: world.layout,
            headCount: world.heads,
            rotary: RotaryEmbedding(world.spectrum),
            maximumPositions: world.count
        )
        world.queries.withUnsafeBufferPointer { queries in
            output.withUnsafeMutableBufferPointer { output in
                let request = PagedAttention.Request(
                    layer: 0,
                    firstPosition: position,
                    tokenCount: 1,
                    queries: queries.baseAddress! + position * world.heads * world.width,
                    output: output.baseAddress!,
                    scale: 0.3,
                    window: nil,
                    sinks: nil
                )
                probe.record(request, table: table, attention: attention)
            }
        }
        let selection = try #require(attention.selection)
        let window = settings.firstLocalPage(position: position)
        var far = 0.0
        var listed = 0.0
        for head in 0..<world.heads {
            let kvHead = head / (world.heads / world.kvHeads)
            let list = Set(selection.pages(head: kvHead, position: position, chunk: position))
            let masses = (0...position / 128).map { page in
                (page * 128..<min(page * 128 + 128, world.count)).reduce(0.0) { sum, key in
                    let turn = page < window ? Double(settings.localPositions - 1) : Double(position - key)
                    return sum + exp(score(world, head, kvHead, position, key, turn))
                }
            }
            let all = masses.reduce(0, +)
            for page in 1..<window {
                far += masses[page] / all
                if list.contains(Int32(page)) { listed += masses[page] / all }
            }
        }
        #expect(probe.shares.rows == world.heads)
        #expect(abs(probe.shares.far - far) < 2e-3 && abs(probe.shares.listed - listed) < 2e-3)
        // Some of the pages get some of it, all of them all.
        let share = try #require(probe.shares.farShare)
        #expect(retrievedPages == 32 ? share == 1 : share > 0.15 && share < 0.9)
    }

    private func score(_ world: RecallWorld, _ head: Int, _ kvHead: Int, _ position: Int, _ key: Int, _ turn: Double)
        -> Double
    {
        let query = (position * world.heads + head) * world.width
        let place = (key * world.kvHeads + kvHead) * world.width
        let pairs = world.width / 2
        return (0..<pairs).reduce(0.0) { sum, pair in
            let angle = turn * pow(10_000, -2 * Double(pair) / Double(world.width))
            let (a, b) = (Double(world.queries[query + pair]), Double(world.queries[query + pair + pairs]))
            let (c, d) = (Double(world.keys[place + pair]), Double(world.keys[place + pair + pairs]))
            return sum + (a * cos(angle) - b * sin(angle)) * c + (b * cos(angle) + a * sin(angle)) * d
        } * 0.3
    }

    @Test func whatSeesEverythingIsNotLookedAt() throws {
        let world = RecallWorld(count: 300, seed: 6)
        let settings = RecallSettings(firstPosition: 0, localPositions: 640, retrievedPages: 3)
        let attention = try world.attention(threads: 1, recall: settings)
        let table = PageTable(layout: world.layout, spectrum: world.spectrum)
        let probe = try AttentionMassProbe(
            layout: world.layout,
            headCount: world.heads,
            rotary: RotaryEmbedding(world.spectrum),
            maximumPositions: world.count
        )
        var output = [Float](repeating: 0, count: world.heads * world.width)
        world.queries.withUnsafeBufferPointer { queries in
            output.withUnsafeMutableBufferPointer { output in
                let request = PagedAttention.Request(
                    layer: 0,
                    firstPosition: 299,
                    tokenCount: 1,
                    queries: queries.baseAddress!,
                    output: output.baseAddress!,
                    scale: 0.3,
                    window: nil,
                    sinks: nil
                )
                probe.record(request, table: table, attention: attention)
            }
        }
        #expect(probe.shares == AttentionMassProbe.Shares() && probe.shares.share == nil)
    }
}

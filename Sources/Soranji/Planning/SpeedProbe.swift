import JSONText
import KVCache
import Models
import Tensor

/// How fast a model runs on this machine: seconds for a token as straight lines over the context before it, measured in
/// about two seconds with the real kernels.
package struct SpeedProbe: Sendable, Equatable {
    /// Seconds to read a token in a chunk with nothing before it, and more for each position before it.
    package var prefillBase: Double
    package var prefillSlope: Double
    /// The same for a token that is written.
    package var decodeBase: Double
    package var decodeSlope: Double
    /// Seconds that ranking adds for each position before a token that is read, and one that is written.
    package var prefillRanking = 0.0
    package var decodeRanking = 0.0
    /// Bytes in a second that one thread reads of memory.
    package var memoryBytesPerSecond: Double

    /// Seconds to read `tokens` tokens from an empty context.
    ///
    /// - Parameter recall: how tokens attend beyond what they see all of; nil where all see all.
    package func prefillSeconds(tokens: Int, recall: RecallSettings? = nil) -> Double {
        let count = Double(max(0, tokens))
        var area = count * count / 2
        var ranked = 0.0
        if let recall {
            let limit = Double(recall.attendedPositions)
            // Positions that `count` tokens see which see no more than `limit` each.
            func limited(_ count: Double) -> Double {
                count <= limit ? count * count / 2 : limit * limit / 2 + limit * (count - limit)
            }
            let exact = min(count, Double(recall.firstPosition))
            area = exact * exact / 2 + limited(count) - limited(exact)
            ranked = (count * count - exact * exact) / 2
        }
        return count * prefillBase + area * prefillSlope + ranked * prefillRanking
    }

    package func decodeTokensPerSecond(depth: Int, recall: RecallSettings? = nil) -> Double {
        var seconds = decodeBase + Double(Self.attendedPositions(at: depth, recall)) * decodeSlope
        if let recall, depth >= recall.firstPosition { seconds += Double(depth) * decodeRanking }
        return seconds > 0 ? 1 / seconds : 0
    }

    static func attendedPositions(at depth: Int, _ recall: RecallSettings?) -> Int {
        guard let recall, depth >= recall.firstPosition else { return max(0, depth) }
        return max(0, min(depth, recall.attendedPositions))
    }

    package var json: JSON {
        [
            "prefill_seconds_per_token": .number(prefillBase),
            "prefill_seconds_per_token_and_position": .number(prefillSlope),
            "decode_seconds_per_token": .number(decodeBase),
            "decode_seconds_per_token_and_position": .number(decodeSlope),
            "prefill_ranking_seconds_per_token_and_position": .number(prefillRanking),
            "decode_ranking_seconds_per_token_and_position": .number(decodeRanking),
            "memory_bytes_per_second": .number(memoryBytesPerSecond),
        ]
    }

    /// A straight line through points, by least squares. The slope is nil for fewer than two different abscissae.
    static func line(_ points: [(x: Double, y: Double)]) -> (base: Double, slope: Double?) {
        guard !points.isEmpty else { return (0, nil) }
        let count = Double(points.count)
        let meanX = points.reduce(0) { $0 + $1.x } / count
        let meanY = points.reduce(0) { $0 + $1.y } / count
        let spread = points.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
        guard spread > 0 else { return (meanY, nil) }
        let slope = points.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / spread
        return (meanY - slope * meanX, slope)
    }
}

extension Runtime {
    /// Measures for about `seconds` seconds: chunks one after the other, then tokens at the end and at the beginning.
    ///
    /// A model that is too slow for several chunks gets the slope from its arithmetic: work of attention beside the
    /// work of the weights.
    package func probeSpeed(seconds limit: Double = 2) throws -> SpeedProbe {
        var generator = SplitMix64(state: 7)
        func tokens(_ count: Int) -> [Int32] {
            (0..<count).map { _ in Int32(generator.next() % UInt64(max(1, vocabularySize))) }
        }
        var table = makePageTable()
        func append(_ tokens: [Int32], to table: inout PageTable) throws -> Double {
            let stream = TokenStream(text: tokens)
            let start = ContinuousClock.now
            try self.append(
                stream,
                tokens.indices,
                table: &table,
                request: { _ in .none },
                onProgress: { _ in },
                onLogits: { _, _ in }
            )
            return seconds(start.duration(to: .now))
        }
        // The first touch of the weights reads them from disk: a few tokens warm them.
        let clock = ContinuousClock.now
        _ = try append(tokens(min(8, contextTokens)), to: &table)
        var chunk = min(64, max(1, contextTokens / 4))
        table = makePageTable()
        let first = try append(tokens(chunk), to: &table)
        if first < limit / 8, contextTokens >= 2 * runner.chunkTokens { chunk = runner.chunkTokens }
        table = makePageTable()
        var points: [(x: Double, y: Double)] = []
        while seconds(clock.duration(to: .now)) < limit * 0.6, table.count + chunk + 16 <= contextTokens {
            let depth = Double(SpeedProbe.attendedPositions(at: table.count + chunk / 2, runner.recall))
            points.append((depth, try append(tokens(chunk), to: &table) / Double(chunk)))
        }
        if points.isEmpty { points.append((Double(chunk) / 2, first / Double(chunk))) }
        let line = SpeedProbe.line(points)
        let decode = try probeDecode(&table, until: clock, limit: limit)
        let bandwidth = Self.memoryBandwidth()
        let configuration = decoder.configuration
        let attentionWork = 4 * Double(configuration.headCount * runner.layout.keyWidth * layerCount)
        let weightWork = 2 * Double(configuration.parameterCounts.active)
        let mean = points.reduce(0) { $0 + $1.y } / Double(points.count)
        let byWork = mean * attentionWork / max(weightWork, 1)
        // A measured slope that is not positive, or far from what the work says, was noise of a busy machine.
        func sensible(_ slope: Double?, _ expected: Double) -> Double {
            guard let slope, slope > expected / 4, slope < expected * 16 else { return expected }
            return slope
        }
        let prefillSlope = sensible(line.slope, byWork)
        let meanDepth = points.reduce(0) { $0 + $1.x } / Double(points.count)
        let byBytes = Double(cacheBytesPerToken) / max(bandwidth, 1e8)
        let decodeSlope = sensible(decode.slope, byBytes)
        var probe = SpeedProbe(
            prefillBase: max(mean - prefillSlope * meanDepth, mean / 10),
            prefillSlope: prefillSlope,
            decodeBase: max(decode.mean - decodeSlope * decode.depth, decode.mean / 10),
            decodeSlope: decodeSlope,
            memoryBytesPerSecond: bandwidth
        )
        if let recall = runner.recall { try probeRanking(recall, &probe) }
        return probe
    }

    /// Lists of a chunk are made by all threads; those of one token by one thread for each KV head.
    private func probeRanking(_ recall: RecallSettings, _ probe: inout SpeedProbe) throws {
        let layout = runner.layout
        let heads = decoder.configuration.headCount
        let layers = decoder.configuration.layers.count { $0.window == nil }
        let listsPerToken = Double(layers) / Double(recall.rankingStep)
        let pages = 1 / Double(PageLayout.positions)
        // A long context's index is in no cache: it comes from memory, once for all lists that are made together.
        let pageBytes = Double(PageIndexBlock.layerBytes(layout)) / Double(layout.kvHeadCount * PageIndexBlock.pages)
        let reading = pageBytes / max(probe.memoryBytesPerSecond, 1e8)
        let lists = RankingProbe.promptLists
        let together = max(
            try RankingProbe.secondsPerPage(layout, headCount: heads, lists: lists),
            reading / Double(lists)
        )
        let alone = max(try RankingProbe.secondsPerPage(layout, headCount: heads, lists: 1), reading)
        let rounds = (layout.kvHeadCount + threadCount - 1) / threadCount
        probe.prefillRanking = together * pages * listsPerToken * Double(layout.kvHeadCount) / Double(threadCount)
        probe.decodeRanking = alone * pages * listsPerToken * Double(rounds)
    }

    /// Single tokens at the context's end and at a depth of next to nothing.
    private func probeDecode(
        _ table: inout PageTable,
        until clock: ContinuousClock.Instant,
        limit: Double
    ) throws -> (mean: Double, depth: Double, slope: Double?) {
        var points: [(x: Double, y: Double)] = []
        func measure(_ table: inout PageTable, count: Int, upTo share: Double) throws {
            var token: Int32 = 1
            for _ in 0..<count where table.count < contextTokens {
                let start = ContinuousClock.now
                try withUnsafePointer(to: &token) {
                    try runner.append(UnsafeBufferPointer(start: $0, count: 1), to: &table, logits: .last) { _, _ in }
                }
                let depth = SpeedProbe.attendedPositions(at: table.count, runner.recall)
                points.append((Double(depth), seconds(start.duration(to: .now))))
                if seconds(clock.duration(to: .now)) > limit * share { break }
            }
        }
        var short = makePageTable()
        try measure(&short, count: 12, upTo: 0.8)
        if table.count > 512 { try measure(&table, count: 12, upTo: 1) }
        // The first token at each depth finds cold caches.
        let line = SpeedProbe.line(points)
        let count = Double(max(points.count, 1))
        return (points.reduce(0) { $0 + $1.y } / count, points.reduce(0) { $0 + $1.x } / count, line.slope)
    }

    /// Bytes in a second, of a sum over more than the caches hold.
    private static func memoryBandwidth() -> Double {
        let words = [UInt64](repeating: 1, count: 8 << 20)
        let start = ContinuousClock.now
        var sum: UInt64 = 0
        for word in words { sum &+= word }
        let time = seconds(start.duration(to: .now))
        // The sum is used, so that it is computed.
        return sum > 0 && time > 0 ? Double(words.count * 8) / time : 0
    }
}

import Foundation
import KVCache
import Tensor

/// Queries, keys and values of one layer, and attention over them in any cut.
struct RecallWorld {
    let heads = 6
    let kvHeads = 2
    let width = 16
    let count: Int
    var queries: [Float]
    var keys: [Float]
    var values: [Float]
    var sinks: [Float]?

    init(count: Int, seed: UInt64) {
        self.count = count
        var state = seed
        func next() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
        }
        queries = (0..<count * heads * width).map { _ in next() * 2 }
        keys = (0..<count * kvHeads * width).map { _ in next() * 2 }
        values = (0..<count * kvHeads * width).map { _ in next() }
    }

    var layout: PageLayout {
        PageLayout(
            layerCount: 1,
            kvHeadCount: kvHeads,
            keyWidth: width,
            valueWidth: width,
            ropeColumns: 0..<width,
            element: .f16
        )
    }

    var spectrum: RotarySpectrum {
        RotarySpectrum(frequencies: (0..<width / 2).map { pow(10_000, -2 * Double($0) / Double(width)) })
    }

    func attention(threads: Int, recall: RecallSettings?) throws -> PagedAttention {
        try PagedAttention(
            layout: layout,
            headCount: heads,
            rotary: RotaryEmbedding(spectrum),
            pool: ThreadPool(threadCount: threads),
            maximumTokens: 512,
            maximumPositions: count,
            recall: recall
        )
    }

    func sealing(_ element: PageLayout.Element?, _ recall: RecallSettings?) -> PageSealing? {
        guard element != nil || recall != nil else { return nil }
        return PageSealing(layout: element.map { layout.with($0) }, recall: recall)
    }

    /// Appends positions `range` to a context, in chunks of `chunk` that keep to the grid.
    func append(
        _ range: Range<Int>,
        chunk: Int,
        to table: inout PageTable,
        _ attention: PagedAttention,
        pool: ThreadPool,
        output: inout [Float]
    ) throws {
        var first = range.lowerBound
        while first < range.upperBound {
            let room = table.sealing == nil ? 512 : PageSealing.groupEnd(after: first) - first
            let length = min(chunk, room, range.upperBound - first)
            try table.prepareAppend((first..<first + length).map { Int32($0) })
            attention.prepare(firstPosition: first, tokenCount: length, table: table)
            keys.withUnsafeBufferPointer { keys in
                values.withUnsafeBufferPointer { values in
                    attention.store(
                        layer: 0,
                        firstPosition: first,
                        tokenCount: length,
                        keys: keys.baseAddress! + first * kvHeads * width,
                        keyStride: kvHeads * width,
                        values: values.baseAddress! + first * kvHeads * width,
                        valueStride: kvHeads * width,
                        into: table
                    )
                }
            }
            try queries.withUnsafeBufferPointer { queries in
                try (sinks ?? []).withUnsafeBufferPointer { sinks in
                    try output.withUnsafeMutableBufferPointer { output in
                        try attention.attend(
                            .init(
                                layer: 0,
                                firstPosition: first,
                                tokenCount: length,
                                queries: queries.baseAddress! + first * heads * width,
                                output: output.baseAddress! + first * heads * width,
                                scale: 0.3,
                                window: nil,
                                sinks: self.sinks == nil ? nil : sinks.baseAddress
                            ),
                            table: table
                        )
                    }
                }
            }
            table.commitAppend()
            table.completeGroup(pool: pool)
            first += length
        }
    }

    /// The same with a question at the end of which a chunk ends, and single tokens after it.
    func run(
        question: Range<Int>,
        _ lock: QuestionLock?,
        naming pages: [Int] = [],
        _ recall: RecallSettings,
        chunk: Int,
        threads: Int
    ) throws -> (output: [Float], attention: PagedAttention) {
        let pool = ThreadPool(threadCount: threads)
        let attention = try attention(threads: threads, recall: recall)
        var table = PageTable(layout: layout, spectrum: spectrum, sealing: sealing(.q8, recall))
        var output = [Float](repeating: 0, count: count * heads * width)
        try append(0..<question.lowerBound, chunk: 512, to: &table, attention, pool: pool, output: &output)
        try attention.beginQuestion(RecallQuestion(positions: question, lock: lock, namedPages: pages))
        try append(question, chunk: chunk, to: &table, attention, pool: pool, output: &output)
        try append(question.upperBound..<count, chunk: 1, to: &table, attention, pool: pool, output: &output)
        return (output, attention)
    }

    /// `[count][heads * width]`
    func run(
        _ element: PageLayout.Element? = nil,
        _ recall: RecallSettings? = nil,
        chunk: Int = 512,
        threads: Int = 2
    ) throws -> [Float] {
        let pool = ThreadPool(threadCount: threads)
        let attention = try attention(threads: threads, recall: recall)
        var table = PageTable(layout: layout, spectrum: spectrum, sealing: sealing(element, recall))
        var output = [Float](repeating: 0, count: count * heads * width)
        try append(0..<count, chunk: chunk, to: &table, attention, pool: pool, output: &output)
        return output
    }

    func difference(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } }
}

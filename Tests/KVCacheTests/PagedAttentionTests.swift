import Foundation
import KVCache
import Tensor
import Testing

/// Attention over pages against the textbook formula in double, and against itself in other cuts.
struct PagedAttentionTests {
    struct Shape: Sendable {
        var heads = 4
        var kvHeads = 2
        var width = 12
        var window: Int?
        var sinks = false
        var ropeColumns: Range<Int>
        var sections: [Int]?
        /// Text, two frames and text again, over and over, instead of 0, 1, 2 ...
        var seesFrames = false
    }

    static let shapes: [Shape] = [
        Shape(ropeColumns: 0..<12), Shape(window: 8, ropeColumns: 0..<12), Shape(sinks: true, ropeColumns: 0..<12),
        Shape(heads: 6, kvHeads: 1, width: 20, window: 150, sinks: true, ropeColumns: 12..<20),
        Shape(heads: 3, kvHeads: 3, width: 16, ropeColumns: 0..<0),
        Shape(heads: 4, kvHeads: 2, width: 16, ropeColumns: 0..<16, sections: [4, 2, 2], seesFrames: true),
    ]

    private struct Numbers {
        var state: UInt64 = 42
        mutating func next() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
        }
    }

    /// Runs `count` positions in chunks and returns `[count][heads * width]`.
    private func run(
        _ shape: Shape,
        _ queries: [Float],
        _ keys: [Float],
        _ values: [Float],
        sinks: [Float],
        chunks: [Int],
        threads: Int
    ) throws -> [Float] {
        let count = chunks.reduce(0, +)
        let layout = PageLayout(
            layerCount: 1,
            kvHeadCount: shape.kvHeads,
            keyWidth: shape.width,
            valueWidth: shape.width,
            ropeColumns: shape.ropeColumns,
            element: .f32
        )
        let attention = try PagedAttention(
            layout: layout,
            headCount: shape.heads,
            rotary: RotaryEmbedding(spectrum(shape)),
            pool: ThreadPool(threadCount: threads),
            maximumTokens: 512,
            maximumPositions: count
        )
        var table = PageTable(layout: layout, spectrum: spectrum(shape))
        var output = [Float](repeating: 0, count: count * shape.heads * shape.width)
        var first = 0
        for chunk in chunks {
            try positions(shape, first..<first + chunk).withUnsafeBufferPointer {
                try table.prepareAppend([Int32](repeating: 1, count: chunk), positions: .listed($0))
            }
            attention.prepare(firstPosition: first, tokenCount: chunk, table: table)
            let keyWidth = shape.kvHeads * shape.width
            let queryWidth = shape.heads * shape.width
            keys.withUnsafeBufferPointer { keys in
                values.withUnsafeBufferPointer { values in
                    attention.store(
                        layer: 0,
                        firstPosition: first,
                        tokenCount: chunk,
                        keys: keys.baseAddress! + first * keyWidth,
                        keyStride: keyWidth,
                        values: values.baseAddress! + first * keyWidth,
                        valueStride: keyWidth,
                        into: table
                    )
                }
            }
            try queries.withUnsafeBufferPointer { queries in
                try sinks.withUnsafeBufferPointer { sinks in
                    try output.withUnsafeMutableBufferPointer { output in
                        try attention.attend(
                            .init(
                                layer: 0,
                                firstPosition: first,
                                tokenCount: chunk,
                                queries: queries.baseAddress! + first * queryWidth,
                                output: output.baseAddress! + first * queryWidth,
                                scale: 0.3,
                                window: shape.window,
                                sinks: shape.sinks ? sinks.baseAddress : nil
                            ),
                            table: table
                        )
                    }
                }
            }
            table.commitAppend()
            first += chunk
        }
        return output
    }

    private func frequencies(_ shape: Shape) -> [Double] {
        (0..<shape.ropeColumns.count / 2).map { pow(10_000, -2 * Double($0) / Double(shape.ropeColumns.count)) }
    }

    private func spectrum(_ shape: Shape) -> RotarySpectrum {
        RotarySpectrum(frequencies: frequencies(shape), sections: shape.sections)
    }

    /// Positions of slots: long runs of text that page boundaries fall into, frames of 3 x 5 at fractions of seconds.
    private func positions(_ shape: Shape, _ slots: Range<Int>) -> [RotaryPosition] {
        guard shape.seesFrames else { return slots.map { RotaryPosition(Double($0)) } }
        return slots.map { slot in
            let (round, place) = (slot / 400, slot % 400)
            let base = Double(round) * 380.3
            guard 150..<180 ~= place else { return RotaryPosition(base + Double(place < 150 ? place : place - 20)) }
            let (frame, cell) = ((place - 150) / 15, (place - 150) % 15)
            return RotaryPosition(
                time: base + 150 + Double(frame) * 4.3,
                row: base + 150 + Double(cell / 5),
                column: base + 150 + Double(cell % 5)
            )
        }
    }

    private func rotated(_ row: ArraySlice<Float>, _ position: Int, _ shape: Shape) -> [Double] {
        var result = row.map(Double.init)
        let half = shape.ropeColumns.count / 2
        let place = positions(shape, position..<position + 1)[0]
        for (pair, frequency) in frequencies(shape).enumerated() {
            // Interleaved sections, as the definition has them.
            var number = place.time
            if let sections = shape.sections {
                if pair % 3 == 1, pair < 3 * sections[1] { number = place.row }
                if pair % 3 == 2, pair < 3 * sections[2] { number = place.column }
            }
            let angle = number * frequency
            let a = shape.ropeColumns.lowerBound + pair
            let b = a + half
            let (x, y) = (result[a], result[b])
            result[a] = x * cos(angle) - y * sin(angle)
            result[b] = y * cos(angle) + x * sin(angle)
        }
        return result
    }

    private func naive(
        _ shape: Shape,
        _ queries: [Float],
        _ keys: [Float],
        _ values: [Float],
        sinks: [Float],
        position: Int
    ) -> [Double] {
        let group = shape.heads / shape.kvHeads
        var output: [Double] = []
        for head in 0..<shape.heads {
            let kv = head / group
            let width = shape.width
            let queryStart = (position * shape.heads + head) * width
            let query = rotated(queries[queryStart..<queryStart + width], position, shape)
            let begin = shape.window.map { max(0, position - $0 + 1) } ?? 0
            var weights: [Double] = []
            for other in begin...position {
                let start = (other * shape.kvHeads + kv) * width
                let key = rotated(keys[start..<start + width], other, shape)
                weights.append(0.3 * zip(query, key).reduce(0) { $0 + $1.0 * $1.1 })
            }
            let top = max(weights.max() ?? 0, shape.sinks ? Double(sinks[head]) : -.infinity)
            weights = weights.map { exp($0 - top) }
            let total = weights.reduce(0, +) + (shape.sinks ? exp(Double(sinks[head]) - top) : 0)
            for column in 0..<width {
                var sum = 0.0
                for (offset, weight) in weights.enumerated() {
                    sum += weight * Double(values[((begin + offset) * shape.kvHeads + kv) * width + column])
                }
                output.append(sum / total)
            }
        }
        return output
    }

    @Test(arguments: shapes)
    func equalsTheFormulaInAnyCut(shape: Shape) throws {
        // Three pages groups' worth of positions, so that groups are merged.
        let count = 2300
        var numbers = Numbers()
        let queries = (0..<count * shape.heads * shape.width).map { _ in numbers.next() * 2 }
        let keys = (0..<count * shape.kvHeads * shape.width).map { _ in numbers.next() * 2 }
        let values = (0..<count * shape.kvHeads * shape.width).map { _ in numbers.next() }
        let sinks = (0..<shape.heads).map { _ in numbers.next() }
        let reference = try run(
            shape,
            queries,
            keys,
            values,
            sinks: sinks,
            chunks: [512, 512, 512, 512, 252],
            threads: 1
        )
        for position in [0, 1, 7, 8, 127, 128, 129, 511, 1023, 1024, 1500, 2048, 2299] {
            let expected = naive(shape, queries, keys, values, sinks: sinks, position: position)
            for (index, value) in expected.enumerated() {
                let got = reference[position * shape.heads * shape.width + index]
                #expect(abs(Double(got) - value) < 2e-6, "position \(position), output \(index)")
            }
        }
        // Other chunks and threads: the same bytes.
        let chunks = [1, 130, 300, 512, 512, 512] + Array(repeating: 1, count: 33) + [300]
        for threads in [1, 2, 3] {
            let other = try run(shape, queries, keys, values, sinks: sinks, chunks: chunks, threads: threads)
            #expect(other == reference)
        }
    }
}

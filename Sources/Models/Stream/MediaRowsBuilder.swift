import Experts
import KVCache
import Tensor

/// Collects the rows of one piece of media as an encoder makes them, each written once to where it stays.
///
/// A class, since it owns its memory. Not for use by several threads at once; what is finished is only read.
package final class MediaRowsBuilder: @unchecked Sendable {
    let modality: Modality
    let columns: Int
    /// Rows that there is room for.
    let capacity: Int
    let depths: Int
    /// `[capacity][columns]`
    let values: AlignedBuffer<Float>
    /// `[depths][capacity][columns]`
    let deepstack: AlignedBuffer<Float>
    /// Rows that are there.
    package private(set) var count = 0

    /// - Throws: ``StreamError`` for sizes that are not positive or do not fit into memory.
    package init(modality: Modality, columns: Int, capacity: Int, depths: Int = 0) throws {
        let (floats, overflow) = columns.multipliedReportingOverflow(by: capacity)
        let (deep, deepOverflow) = floats.multipliedReportingOverflow(by: depths)
        guard columns > 0, capacity >= 0, depths >= 0, !overflow, !deepOverflow, deep <= 1 << 44, floats <= 1 << 44
        else {
            throw StreamError.rowWidth(found: capacity, expected: columns)
        }
        self.modality = modality
        self.columns = columns
        self.capacity = capacity
        self.depths = depths
        values = try AlignedBuffer(count: floats)
        deepstack = try AlignedBuffer(count: deep)
    }

    /// Adds rows (`[rows][columns]`) and what goes with them at every depth.
    ///
    /// - Throws: ``StreamError`` when they are no whole rows, more than there is room for, or of other depths.
    package func append(_ rows: [Float], deepstack deeper: [[Float]] = []) throws {
        let added = rows.count / columns
        guard rows.count == added * columns, added <= capacity - count, deeper.count == depths,
            deeper.allSatisfy({ $0.count == rows.count })
        else {
            throw StreamError.rowWidth(found: rows.count, expected: columns)
        }
        Self.copy(rows, to: values.pointer + count * columns)
        for (depth, rows) in deeper.enumerated() {
            Self.copy(rows, to: deepstack.pointer + (depth * capacity + count) * columns)
        }
        count += added
    }

    private static func copy(_ rows: [Float], to target: UnsafeMutablePointer<Float>) {
        rows.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { target.update(from: base, count: source.count) }
        }
    }

    /// - Parameters:
    ///   - digest: of what the rows were made from.
    ///   - spans: see ``MediaRows/spans``.
    package func finish(digest: MediaRun.Digest, spans: [MediaSpan] = [], source: String = "") -> MediaRows {
        MediaRows(self, digest: digest, spans: spans, source: source)
    }
}

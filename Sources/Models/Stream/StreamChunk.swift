import Experts
import KVCache

/// Consecutive tokens of a stream as the decoder takes them: ids, positions, and rows that stand in for embeddings.
package struct StreamChunk {
    /// Rows of one piece of media at consecutive slots of the chunk.
    package struct Media {
        /// Slots of the chunk.
        package var slots: Range<Int>
        package var modality: Modality
        /// `[slots][hidden]`
        package var rows: UnsafePointer<Float>
        /// For each of the first layers, `[slots][hidden]` to be added to its output; empty for sound.
        package var deepstack: [UnsafePointer<Float>]
        package var digest: MediaRun.Digest
        /// The first row's number within its piece of media.
        package var firstRow: Int
    }

    /// Ids; placeholders where media stand.
    package var tokens: UnsafeBufferPointer<Int32>
    package var positions: AppendedPositions = .following
    /// In order of slots, not overlapping.
    package var media: [Media] = []

    package init(tokens: UnsafeBufferPointer<Int32>) { self.tokens = tokens }

    var mediaRuns: [MediaRun] {
        media.map {
            MediaRun(first: $0.slots.lowerBound, count: $0.slots.count, digest: $0.digest, firstRow: $0.firstRow)
        }
    }
}

/// Rows of one piece of media that stand in a context one after the other.
package struct MediaRun: Sendable, Equatable {
    /// Names what the rows were made from: a cryptographic digest, so that equal digests mean equal rows.
    package typealias Digest = SIMD4<UInt64>

    /// The first slot, counted from wherever the owner counts (a context's beginning, a page's).
    package var first: Int
    package var count: Int
    package var digest: Digest
    /// The first row's number within its piece of media.
    package var firstRow: Int

    package init(first: Int, count: Int, digest: Digest, firstRow: Int) {
        self.first = first
        self.count = count
        self.digest = digest
        self.firstRow = firstRow
    }

    /// Appends a run, as a part of the last one where it continues it.
    package static func append(_ run: MediaRun, to runs: inout [MediaRun]) {
        guard run.count > 0 else { return }
        if let last = runs.last, last.digest == run.digest, last.first + last.count == run.first,
            last.firstRow + last.count == run.firstRow
        {
            runs[runs.count - 1].count += run.count
        } else {
            runs.append(run)
        }
    }

    /// The runs within a range of slots, counted from its beginning.
    ///
    /// - Complexity: O(log n) to find the first one, then O(1) per run.
    package static func clipped(_ runs: [MediaRun], to range: Range<Int>) -> [MediaRun] {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].first + runs[middle].count <= range.lowerBound { low = middle + 1 } else { high = middle }
        }
        var result: [MediaRun] = []
        while low < runs.count, runs[low].first < range.upperBound {
            let run = runs[low]
            let slots = (run.first..<run.first + run.count).clamped(to: range)
            result.append(
                MediaRun(
                    first: slots.lowerBound - range.lowerBound,
                    count: slots.count,
                    digest: run.digest,
                    firstRow: run.firstRow + slots.lowerBound - run.first
                )
            )
            low += 1
        }
        return result
    }
}

/// What makes two contexts the same: token ids, positions, and the identity of media rows.
package struct ContextContent: Sendable, Equatable {
    package var tokens: [Int32]
    /// One per token; empty: 0, 1, 2 ...
    package var positions: [RotaryPosition]
    /// In order, not overlapping; slots count from the context's beginning.
    package var media: [MediaRun]

    package init(tokens: [Int32], positions: [RotaryPosition] = [], media: [MediaRun] = []) {
        self.tokens = tokens
        self.positions = positions
        self.media = media
    }

    package func position(_ slot: Int) -> RotaryPosition {
        positions.isEmpty ? RotaryPosition(Double(slot)) : positions[slot]
    }

    func media(in range: Range<Int>) -> [MediaRun] { MediaRun.clipped(media, to: range) }

    /// How many tokens from the beginning on are the same.
    package func commonPrefix(with other: ContextContent, limit: Int) -> Int {
        let bound = min(limit, min(tokens.count, other.tokens.count))
        var common = 0
        while common < bound, tokens[common] == other.tokens[common],
            position(common) == other.position(common)
        {
            common += 1
        }
        // Runs of media are compared piece by piece; a page boundary may cut one of them into two.
        var slot = 0
        var mine = media[...]
        var theirs = other.media[...]
        while slot < common {
            let here = Self.row(at: slot, &mine)
            let there = Self.row(at: slot, &theirs)
            guard here?.digest == there?.digest, here?.row == there?.row else { return slot }
            slot =
                if let here, let there { min(here.end, there.end) } else {
                    min(mine.first?.first ?? .max, theirs.first?.first ?? .max)
                }
        }
        return common
    }

    private static func row(
        at slot: Int,
        _ runs: inout ArraySlice<MediaRun>
    ) -> (digest: MediaRun.Digest, row: Int, end: Int)? {
        while let run = runs.first, run.first + run.count <= slot { runs.removeFirst() }
        guard let run = runs.first, run.first <= slot else { return nil }
        return (run.digest, run.firstRow + slot - run.first, run.first + run.count)
    }
}

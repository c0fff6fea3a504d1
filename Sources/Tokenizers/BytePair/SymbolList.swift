/// The symbols of one word while they merge, reused from word to word.
struct SymbolList {
    /// Token ids and how many bytes of the word each covers.
    private(set) var ids: [Int32] = []
    private(set) var counts: [Int32] = []
    private(set) var endsWithUnknown = false
    /// Bytes at the start of the word that no symbol stands for.
    private(set) var skippedAtStart = 0

    // Scratch of the merging, by symbol.
    private var ranks: [UInt32] = []
    private var results: [Int32] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    private var queue = MergeQueue()

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        counts.removeAll(keepingCapacity: true)
        endsWithUnknown = false
        skippedAtStart = 0
    }

    @inline(__always)
    mutating func append(_ id: Int32, count: Int, isUnknown: Bool = false) {
        ids.append(id)
        counts.append(Int32(truncatingIfNeeded: count))
        endsWithUnknown = isUnknown
    }

    mutating func extendLast(by count: Int) {
        if !counts.isEmpty { counts[counts.count - 1] += Int32(truncatingIfNeeded: count) }
    }

    /// Bytes that the vocabulary cannot say: the symbol before them covers them.
    mutating func skip(_ count: Int) {
        if counts.isEmpty { skippedAtStart += count } else { extendLast(by: count) }
    }

    /// Merges until no neighbours merge: always the lowest rank, the leftmost of equals.
    ///
    /// - Complexity: O(n²) with a tiny constant up to 64 symbols, O(n log n) beyond.
    mutating func merge(_ table: MergeTable) {
        if ids.count < 2 { return }
        if ids.count <= 64 { mergeByScanning(table) } else { mergeByQueue(table) }
    }

    private mutating func mergeByScanning(_ table: MergeTable) {
        var count = ids.count
        ranks.removeAll(keepingCapacity: true)
        results.removeAll(keepingCapacity: true)
        for index in 0..<count - 1 {
            let merge = table[ids[index], ids[index + 1]]
            ranks.append(merge.rank)
            results.append(merge.result)
        }
        while count > 1 {
            var best = MergeTable.none
            var place = 0
            for index in 0..<count - 1 where ranks[index] < best {
                best = ranks[index]
                place = index
            }
            if best == MergeTable.none { break }
            ids[place] = results[place]
            counts[place] += counts[place + 1]
            count -= 1
            for index in place + 1..<max(count, place + 1) {
                ids[index] = ids[index + 1]
                counts[index] = counts[index + 1]
            }
            if place < count - 1 {
                for index in place..<count - 1 {
                    ranks[index] = ranks[index + 1]
                    results[index] = results[index + 1]
                }
                let merge = table[ids[place], ids[place + 1]]
                ranks[place] = merge.rank
                results[place] = merge.result
            }
            if place > 0 {
                let merge = table[ids[place - 1], ids[place]]
                ranks[place - 1] = merge.rank
                results[place - 1] = merge.result
            }
        }
        ids.removeSubrange(count...)
        counts.removeSubrange(count...)
    }

    private mutating func mergeByQueue(_ table: MergeTable) {
        let count = ids.count
        ranks = [UInt32](repeating: MergeTable.none, count: count)
        results = [Int32](repeating: -1, count: count)
        previous = (0..<Int32(count)).map { $0 - 1 }
        next = (1...Int32(count)).map { $0 }
        queue.removeAll()
        for index in 0..<count - 1 { enqueue(index, table) }
        queue.order()
        while let entry = queue.pop() {
            let place = entry.place
            // Overtaken: the symbol is gone, or its right neighbour has changed.
            guard ranks[place] == entry.rank else { continue }
            let right = Int(next[place])
            ids[place] = results[place]
            counts[place] += counts[right]
            let after = next[right]
            next[place] = after
            if after < count { previous[Int(after)] = Int32(place) }
            ranks[right] = MergeTable.none
            counts[right] = -1
            enqueue(place, table)
            if previous[place] >= 0 { enqueue(Int(previous[place]), table) }
        }
        var kept = 0
        for index in 0..<count where counts[index] >= 0 {
            ids[kept] = ids[index]
            counts[kept] = counts[index]
            kept += 1
        }
        ids.removeSubrange(kept...)
        counts.removeSubrange(kept...)
    }

    private mutating func enqueue(_ place: Int, _ table: MergeTable) {
        let right = Int(next[place])
        ranks[place] = MergeTable.none
        guard right < ids.count else { return }
        let merge = table[ids[place], ids[right]]
        guard merge.rank != MergeTable.none else { return }
        ranks[place] = merge.rank
        results[place] = merge.result
        queue.append(rank: merge.rank, place: place)
    }
}

/// A binary heap of merges: lowest rank first, then leftmost.
private struct MergeQueue {
    /// rank << 32 | place
    private var entries: [UInt64] = []
    private var isOrdered = false

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        isOrdered = false
    }

    mutating func append(rank: UInt32, place: Int) {
        entries.append(UInt64(rank) << 32 | UInt64(UInt32(truncatingIfNeeded: place)))
        if isOrdered { siftUp(entries.count - 1) }
    }

    /// Makes the heap out of what was appended so far.
    mutating func order() {
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
        isOrdered = true
    }

    mutating func pop() -> (rank: UInt32, place: Int)? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        if !entries.isEmpty {
            entries[0] = last
            siftDown(0)
        }
        return (UInt32(first >> 32), Int(first & 0xFFFF_FFFF))
    }

    private mutating func siftUp(_ start: Int) {
        let value = entries[start]
        var index = start
        while index > 0, entries[(index - 1) / 2] > value {
            entries[index] = entries[(index - 1) / 2]
            index = (index - 1) / 2
        }
        entries[index] = value
    }

    private mutating func siftDown(_ start: Int) {
        let value = entries[start]
        var index = start
        while true {
            var child = 2 * index + 1
            if child >= entries.count { break }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            if entries[child] >= value { break }
            entries[index] = entries[child]
            index = child
        }
        entries[index] = value
    }
}

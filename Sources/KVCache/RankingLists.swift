import Tensor

/// The lists of pages that the last tokens of a context attended with, by layer and KV head.
///
/// Tokens of one block share a list, see ``RecallSettings/rankingStep``: a context that ends within a block goes on with
/// the list that the block's first token made. Forks share them; ``PageTable`` copies what someone else holds before a
/// chunk writes to it.
final class RankingLists: @unchecked Sendable {
    private let layerCount: Int
    private let headCount: Int
    private let capacity: Int
    private let step: Int
    /// `[layers]`: numbers of blocks of tokens; -1 where nothing was listed.
    private let blocks: AlignedBuffer<Int>
    /// `[layers][heads]`
    private let counts: AlignedBuffer<Int32>
    /// `[layers][heads][capacity]`, ascending.
    private let pages: AlignedBuffer<Int32>

    init(layout: PageLayout, settings: RecallSettings) throws(AllocationError) {
        layerCount = layout.layerCount
        headCount = layout.kvHeadCount
        capacity = settings.listCapacity
        step = settings.rankingStep
        blocks = try AlignedBuffer(count: layerCount)
        counts = try AlignedBuffer(count: layerCount * headCount)
        pages = try AlignedBuffer(count: layerCount * headCount * capacity)
        clear()
    }

    convenience init(copying other: RankingLists, layout: PageLayout, settings: RecallSettings) throws(AllocationError)
    {
        try self.init(layout: layout, settings: settings)
        blocks.pointer.update(from: other.blocks.pointer, count: layerCount)
        counts.pointer.update(from: other.counts.pointer, count: counts.count)
        pages.pointer.update(from: other.pages.pointer, count: pages.count)
    }

    func clear() {
        for layer in 0..<layerCount { blocks.pointer[layer] = -1 }
    }

    /// The block of tokens whose lists a layer holds; -1 for none.
    func block(_ layer: Int) -> Int { blocks.pointer[layer] }

    /// Whether every layer that lists pages at all has those of a block.
    func hold(block: Int) -> Bool {
        var holdsAny = false
        for layer in 0..<layerCount where blocks.pointer[layer] != -1 {
            guard blocks.pointer[layer] == block else { return false }
            holdsAny = true
        }
        return holdsAny
    }

    func setBlock(_ block: Int, layer: Int) { blocks.pointer[layer] = block }

    func list(layer: Int, head: Int) -> UnsafeBufferPointer<Int32> {
        let index = layer * headCount + head
        return UnsafeBufferPointer(start: pages.pointer + index * capacity, count: Int(counts.pointer[index]))
    }

    func setList(_ list: UnsafeBufferPointer<Int32>, layer: Int, head: Int) {
        precondition(list.count <= capacity)
        let index = layer * headCount + head
        counts.pointer[index] = Int32(list.count)
        guard let base = list.baseAddress else { return }
        (pages.pointer + index * capacity).update(from: base, count: list.count)
    }
}

extension RankingLists {
    private static let version: Int32 = 1

    /// As numbers that can be stored: what they were made with, and for each layer its block and lists.
    func encoded() -> [Int32] {
        var numbers = [Self.version, Int32(step), Int32(capacity), Int32(layerCount), Int32(headCount)]
        for layer in 0..<layerCount {
            numbers.append(Int32(clamping: block(layer)))
            guard block(layer) >= 0 else { continue }
            for head in 0..<headCount {
                let list = list(layer: layer, head: head)
                numbers.append(Int32(list.count))
                numbers.append(contentsOf: list)
            }
        }
        return numbers
    }

    /// Lists that were stored for a context of `count` tokens.
    ///
    /// - Returns: nil where they were made with other settings, or cannot be lists of such a context.
    convenience init?(
        decoding numbers: [Int32],
        layout: PageLayout,
        settings: RecallSettings,
        count: Int
    ) throws(AllocationError) {
        try self.init(layout: layout, settings: settings)
        var rest = numbers[...]
        for expected in [Self.version, Int32(step), Int32(capacity), Int32(layerCount), Int32(headCount)] {
            guard rest.popFirst() == expected else { return nil }
        }
        let block = count / step
        let end = settings.firstLocalPage(position: block * step)
        for layer in 0..<layerCount {
            guard let number = rest.popFirst(), number == -1 || Int(number) == block else { return nil }
            guard number >= 0 else { continue }
            for head in 0..<headCount {
                guard let length = rest.popFirst(), (0...capacity).contains(Int(length)), rest.count >= length else {
                    return nil
                }
                let list = rest.prefix(Int(length))
                rest = rest.dropFirst(Int(length))
                guard list.allSatisfy({ $0 >= 0 && $0 < end }), zip(list, list.dropFirst()).allSatisfy({ $0 < $1 })
                else { return nil }
                list.withUnsafeBufferPointer { setList($0, layer: layer, head: head) }
            }
            setBlock(block, layer: layer)
        }
        guard rest.isEmpty else { return nil }
    }
}

extension PageTable {
    /// Whether the tokens that follow the first `count` ones need lists that were made before them.
    func needsLists(at count: Int) -> Bool {
        guard let recall = sealing?.recall, count % recall.rankingStep != 0 else { return false }
        return recall.firstLocalPage(position: count - 1) > 0
    }

    /// Makes the lists writable, and forgets those of tokens that never became part of the context.
    mutating func prepareLists() throws(AllocationError) {
        guard let recall = sealing?.recall else { return }
        if lists == nil {
            lists = try RankingLists(layout: layout, settings: recall)
        } else if !isKnownUniquelyReferenced(&lists), let shared = lists {
            lists = try RankingLists(copying: shared, layout: layout, settings: recall)
        }
        if listedCount != count { lists?.clear() }
    }

    /// What beside pages the next token needs: numbers to store; nil where it needs nothing.
    package var encodedLists: [Int32]? {
        guard needsLists(at: count), listedCount == count, let lists, let step = sealing?.recall?.rankingStep,
            lists.hold(block: count / step)
        else { return nil }
        return lists.encoded()
    }

    /// Takes over what ``encodedLists`` gave for a context with the same tokens. Numbers that do not fit are left alone:
    /// the next token then makes a list of its own.
    package mutating func decodeLists(_ numbers: [Int32]) throws(AllocationError) {
        guard needsLists(at: count), let recall = sealing?.recall else { return }
        guard let found = try RankingLists(decoding: numbers, layout: layout, settings: recall, count: count) else {
            return
        }
        lists = found
        listedCount = count
    }
}

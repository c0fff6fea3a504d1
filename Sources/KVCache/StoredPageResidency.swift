import Tensor

/// Keeps what is in memory of stored pages within a limit: parts that attention did not come to for longest go first.
///
/// A part is one layer of one page. Parts lie in mapped files, so nothing is lost: they are read again when attention
/// comes back to them.
final class StoredPageResidency {
    /// Bytes that may be in memory. What one layer reads for one chunk is always there together.
    var limitBytes: Int
    private let maximumPages: Int
    /// Slots `[layers][pages]`.
    private var list: ResidencyList
    /// Which page each place of the context holds: contexts take turns.
    private var owners: [UInt64]
    private let layerCount: Int
    private var step: UInt64 = 0
    private(set) var traffic = Traffic()

    /// What came and went.
    struct Traffic: Equatable {
        var hits = 0
        var misses = 0
        var releasedParts = 0
    }

    init(limitBytes: Int, layerCount: Int, maximumPages: Int) {
        self.limitBytes = limitBytes
        self.layerCount = layerCount
        self.maximumPages = maximumPages
        list = ResidencyList(slotCount: layerCount * maximumPages)
        owners = Array(repeating: 0, count: maximumPages)
    }

    var residentBytes: Int { list.residentBytes }

    /// Notes which pages a context has; once per chunk.
    func prepare(_ pages: some Sequence<Page>) {
        for (index, page) in pages.enumerated() where owners[index] != page.identity {
            if owners[index] != 0 {
                for layer in 0..<layerCount { list.remove(layer * maximumPages + index) }
            }
            owners[index] = page.identity
        }
    }

    /// Brings in what a layer reads for a chunk, and lets go of what was not read for longest.
    ///
    /// - Parameters:
    ///   - far: pages before the window, each once.
    ///   - pages: those of the context.
    func use(layer: Int, far: [Int], window: Range<Int>, of pages: [Page]) {
        step += 1
        var layerBytes = 0
        for index in far { layerBytes += pages[index].record.isReadOnly ? pages[index].layout.layerBytes : 0 }
        for index in window { layerBytes += pages[index].record.isReadOnly ? pages[index].layout.layerBytes : 0 }
        // Once through all layers: does that leave anything of this one?
        let use: ResidencyList.Use = layerBytes * layerCount > limitBytes ? .scan : .recent
        for index in far { bring(index, layer, pages[index], use) }
        for index in window { bring(index, layer, pages[index], use) }
        while let victim = list.evict(beyond: limitBytes, step: step) {
            let index = victim % maximumPages
            guard index < pages.count else { continue }
            pages[index].record.release(layer: victim / maximumPages)
            traffic.releasedParts += 1
        }
    }

    private func bring(_ index: Int, _ layer: Int, _ page: Page, _ use: ResidencyList.Use) {
        guard page.record.isReadOnly else { return }
        let slot = layer * maximumPages + index
        if list.use(slot, bytes: page.layout.layerBytes, step: step, use) {
            traffic.hits += 1
        } else {
            traffic.misses += 1
            // A part that was never read is read when it is checked.
            if page.record.isKnownIntact(layer: layer) { page.record.prefetch(layer: layer) }
        }
    }
}

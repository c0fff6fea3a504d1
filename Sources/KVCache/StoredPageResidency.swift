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
    private var owners: [Owner]
    private let layerCount: Int
    private var step: UInt64 = 0
    private(set) var traffic = Traffic()

    /// Records are held until another context takes their place: a file's memory outlives its pages.
    private struct Owner {
        var identity: UInt64 = 0
        var record: (any PageRecord)?
    }

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
        owners = Array(repeating: Owner(), count: maximumPages)
    }

    var residentBytes: Int { list.residentBytes }

    /// Notes which pages a context has; once per chunk.
    func prepare(_ pages: some Sequence<Page>) {
        for (index, page) in pages.enumerated() where owners[index].identity != page.identity {
            for layer in 0..<layerCount {
                let slot = layer * maximumPages + index
                guard list.isResident(slot) else { continue }
                list.remove(slot)
                owners[index].record?.release(layer: layer)
            }
            owners[index] = Owner(identity: page.identity, record: page.record.isReadOnly ? page.record : nil)
        }
    }

    /// Brings in what a layer reads for a chunk, and lets go of what was not read for longest.
    ///
    /// - Parameter indices: what is read of `pages`, each once.
    func use(layer: Int, _ indices: [Int], of pages: [Page]) {
        step += 1
        let stored = indices.lazy.filter { pages[$0].record.isReadOnly }
        let layerBytes = stored.reduce(0) { $0 + pages[$1].layout.layerBytes }
        // Once through all layers: does that leave anything of this one?
        let use: ResidencyList.Use = layerBytes * layerCount > limitBytes ? .scan : .recent
        for index in stored {
            let page = pages[index]
            if list.use(layer * maximumPages + index, bytes: page.layout.layerBytes, step: step, use) {
                traffic.hits += 1
            } else {
                traffic.misses += 1
                // A part that was never read is read when it is checked.
                if page.record.isKnownIntact(layer: layer) { page.record.prefetch(layer: layer) }
            }
        }
        while let victim = list.evict(beyond: limitBytes, step: step) {
            owners[victim % maximumPages].record?.release(layer: victim / maximumPages)
            traffic.releasedParts += 1
        }
    }
}

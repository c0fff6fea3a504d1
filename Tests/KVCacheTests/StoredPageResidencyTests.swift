import Synchronization
import Tensor
import Testing

@testable import KVCache

/// A page's bytes that tell what is asked of them, as those in a file do.
private final class NotedRecord: PageRecord, @unchecked Sendable {
    private let record: AlignedBuffer<UInt8>
    private let log = Mutex<(fetched: [Int], released: [Int])>(([], []))

    init(_ page: Page) throws {
        record = try AlignedBuffer(count: page.layout.recordBytes)
        record.pointer.update(from: page.record.bytes, count: page.layout.recordBytes)
    }

    var bytes: UnsafeMutablePointer<UInt8> { record.pointer }
    var isReadOnly: Bool { true }
    func isKnownIntact(layer: Int) -> Bool { true }
    func isIntact(layer: Int) -> Bool { true }
    func announce(layer: Int) {}
    func prefetch(layer: Int) { log.withLock { $0.fetched.append(layer) } }
    func release(layer: Int) { log.withLock { $0.released.append(layer) } }
    var fetched: Int { log.withLock { $0.fetched.count } }
    var released: Int { log.withLock { $0.released.count } }
}

struct StoredPageResidencyTests {
    private static let world = RecallWorld(count: 128 * 40, seed: 21)
    private var world: RecallWorld { Self.world }

    /// The first 36 pages in "files", the rest appended by single tokens under a limit.
    private func run(limitPages: Int?, _ recall: RecallSettings?) throws
        -> (output: [Float], records: [NotedRecord], residency: StoredPageResidency?)
    {
        let pool = ThreadPool(threadCount: 2)
        let attention = try world.attention(threads: 2, recall: recall)
        let sealing = world.sealing(nil, recall)
        var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: sealing)
        var output = [Float](repeating: 0, count: world.queries.count)
        let stored = 36 * PageLayout.positions
        try world.append(0..<stored, chunk: 512, to: &table, attention, pool: pool, output: &output)
        let content = table.content
        var records: [NotedRecord] = []
        let pages = try table.pages.enumerated().map { index, page in
            let record = try NotedRecord(page)
            records.append(record)
            return try Page(
                layout: page.layout,
                record: record,
                content: content,
                from: index * PageLayout.positions,
                count: PageLayout.positions,
                spectrum: world.spectrum
            )
        }
        var reopened = try PageTable(
            layout: world.layout,
            spectrum: world.spectrum,
            sealing: sealing,
            pages: pages,
            count: stored,
            pool: pool
        )
        attention.limitStoredPages(toBytes: limitPages.map { $0 * world.layout.layerBytes })
        try world.append(stored..<stored + 160, chunk: 1, to: &reopened, attention, pool: pool, output: &output)
        return (Array(output[(stored * 96)..<((stored + 160) * 96)]), records, attention.residency)
    }

    @Test func limitsChangeNothingButMemory() throws {
        let recall = RecallSettings(firstPosition: 0, localPositions: 640, retrievedPages: 3)
        for recall in [recall, nil] {
            let free = try run(limitPages: nil, recall)
            #expect(free.residency == nil && free.records.allSatisfy { $0.fetched + $0.released == 0 })
            for limit in [100, 14, 2, 0] {
                let limited = try run(limitPages: limit, recall)
                #expect(limited.output == free.output)
                let residency = try #require(limited.residency)
                let released = limited.records.reduce(0) { $0 + $1.released }
                #expect(released == residency.traffic.releasedParts)
                #expect(limited.records.reduce(0) { $0 + $1.fetched } == residency.traffic.misses)
                if recall == nil {
                    // What one layer reads is there together, and this world has one.
                    #expect(released == 0 && residency.traffic.misses == 36)
                } else if limit == 100 {
                    #expect(released == 0)
                } else {
                    #expect(residency.residentBytes <= max(limit, 5 + 4 * 2) * world.layout.layerBytes)
                }
            }
        }
    }

    /// A window and its lists fit: nothing is fetched twice while lists stay.
    @Test func whatIsUsedAgainStays() throws {
        let recall = RecallSettings(firstPosition: 0, localPositions: 640, retrievedPages: 3)
        let roomy = try run(limitPages: 20, recall)
        let tight = try run(limitPages: 8, recall)
        let (a, b) = (try #require(roomy.residency).traffic, try #require(tight.residency).traffic)
        #expect(a.hits + a.misses == b.hits + b.misses)
        #expect(a.misses < b.misses && a.hits > a.misses)
    }

    @Test func contextsThatTakeTurnsAreToldApart() throws {
        let residency = StoredPageResidency(limitBytes: .max, layerCount: 2, maximumPages: 8)
        func pages(_ count: Int) throws -> [Page] {
            try (0..<count).map { _ in
                let page = try Page(layout: world.layout)
                return try Page(
                    layout: world.layout,
                    record: NotedRecord(page),
                    content: ContextContent(tokens: Array(repeating: 1, count: 128)),
                    from: 0,
                    count: 128,
                    spectrum: world.spectrum
                )
            }
        }
        let (one, other) = (try pages(4), try pages(6))
        for (pages, misses) in [(one, 8), (one, 8), (other, 20), (one, 28)] {
            residency.prepare(pages)
            for layer in 0..<2 { residency.use(layer: layer, Array(pages.indices), of: pages) }
            #expect(residency.traffic.misses == misses)
        }
        // Places five and six are the other's still: nothing reads them.
        #expect(residency.residentBytes == 12 * world.layout.layerBytes)
    }
}

import Tensor

/// The bytes of one page, wherever they lie: in memory of the page's own, or in a file that is mapped.
package protocol PageRecord: AnyObject, Sendable {
    /// The first byte, aligned to 64.
    var bytes: UnsafeMutablePointer<UInt8> { get }
    /// Whether nothing may be written to it: who appends makes a copy.
    var isReadOnly: Bool { get }
    /// Whether a layer's part is known to be what was written, so that nothing has to be read for it.
    func isKnownIntact(layer: Int) -> Bool
    /// Whether a layer's part is what was written. The first call reads the part; several layers may be asked at once.
    func isIntact(layer: Int) -> Bool
    /// Says that a layer's part is needed soon, so that the disk reads it while others are waited for.
    func announce(layer: Int)
    /// Reads a layer's part ahead of its use, where it lies in a file.
    func prefetch(layer: Int)
    /// A layer's part is not needed for a while: its memory may be given back, where it lies in a file.
    func release(layer: Int)
}

/// Memory of a page's own.
final class OwnedRecord: PageRecord, @unchecked Sendable {
    private let buffer: AlignedBuffer<UInt8>

    init(count: Int) throws(AllocationError) { buffer = try AlignedBuffer(count: count) }

    var bytes: UnsafeMutablePointer<UInt8> { buffer.pointer }
    var isReadOnly: Bool { false }
    func isKnownIntact(layer: Int) -> Bool { true }
    func isIntact(layer: Int) -> Bool { true }
    func announce(layer: Int) {}
    func prefetch(layer: Int) {}
    func release(layer: Int) {}
}

/// A stored page that is not what was written. It was not used.
package struct PageDamage: Error, Equatable, CustomStringConvertible {
    /// The page's place in its context.
    package var page: Int
    package var layer: Int

    package init(page: Int, layer: Int) {
        self.page = page
        self.layer = layer
    }

    package var description: String { "page \(page), layer \(layer) of the stored context is damaged" }
}

/// Reads parts of pages for the first time, one task per page.
struct IntactWork: ParallelWork {
    let pages: [Page]
    let indices: [Int]
    let layer: Int

    func perform(task: Int, worker: Int) { _ = pages[indices[task]].record.isIntact(layer: layer) }
}

extension PageTable {
    /// Checks a layer's part of some pages, those that were not read yet by several threads.
    package func checkIntact(layer: Int, pages indices: some Sequence<Int>, pool: ThreadPool) throws(PageDamage) {
        let unread = indices.filter { !pages[$0].record.isKnownIntact(layer: layer) }
        guard !unread.isEmpty else { return }
        for index in unread { pages[index].record.announce(layer: layer) }
        pool.run(tasks: unread.count, IntactWork(pages: pages, indices: unread, layer: layer))
        for index in unread where !pages[index].record.isIntact(layer: layer) {
            throw PageDamage(page: index, layer: layer)
        }
    }

    /// Checks every layer of one page.
    package func checkIntact(page index: Int) throws(PageDamage) {
        for layer in 0..<layout.layerCount where !pages[index].record.isIntact(layer: layer) {
            throw PageDamage(page: index, layer: layer)
        }
    }
}

import CKernels
import Tensor

/// What ranking knows of up to 16 pages, without their keys: for each layer and KV head their records in columns, see
/// `sk_rank.h`.
///
/// Blocks are shared by forks like pages; ``PageTable`` copies one that someone else holds before it writes to it.
package final class PageIndexBlock: @unchecked Sendable {
    /// Pages per block.
    package static let pages = 16
    /// What the bytes mean: stored blocks of another form are of no use.
    package static let form = 2

    private let shape: Shape
    /// Where the bytes lie.
    private let storage: any PageRecord

    /// Where records lie.
    struct Shape: Sendable {
        let kvHeadCount: Int
        let layerCount: Int
        /// Bytes of one layer's KV head.
        let headBytes: Int

        init(_ layout: PageLayout) {
            kvHeadCount = layout.kvHeadCount
            layerCount = layout.layerCount
            headBytes = Int(sk_rank_block_bytes(Int32(layout.keyWidth)))
        }

        var layerBytes: Int { headBytes * kvHeadCount }
        var byteCount: Int { layerBytes * layerCount }
    }

    init(layout: PageLayout) throws(AllocationError) {
        shape = Shape(layout)
        storage = try OwnedRecord(count: shape.byteCount)
    }

    init(copying other: PageIndexBlock) throws(AllocationError) {
        shape = other.shape
        storage = try OwnedRecord(count: shape.byteCount)
        storage.bytes.update(from: other.storage.bytes, count: shape.byteCount)
    }

    /// A block whose bytes lie in `record`, which is known to be intact.
    package init(layout: PageLayout, record: any PageRecord) {
        shape = Shape(layout)
        storage = record
    }

    /// Bytes of one layer's part of a block; the parts lie one after the other.
    package static func layerBytes(_ layout: PageLayout) -> Int { Shape(layout).layerBytes }

    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage.bytes, count: shape.byteCount) }
    var isReadOnly: Bool { storage.isReadOnly }

    /// The columns of a layer and KV head.
    func columns(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(storage.bytes + (layer * shape.kvHeadCount + head) * shape.headBytes)
    }

    /// Describes a full page's KV head. Several pages of a block may be described at once.
    ///
    /// - Parameter number: the page's place in the block.
    func describe(_ page: Page, layer: Int, head: Int, page number: Int) {
        let width = Int32(page.layout.keyWidth)
        let columns = columns(layer: layer, head: head)
        guard !page.holdsIndexRecords else {
            return sk_rank_place(width, page.indexRecord(layer: layer, head: head), Int32(number), columns)
        }
        withUnsafeTemporaryAllocation(byteCount: page.layout.indexRecordBytes, alignment: 16) { record in
            var kernelLayout = page.layout.kernelLayout
            sk_rank_describe(&kernelLayout, page.keys(layer: layer, head: head), record.baseAddress)
            sk_rank_place(width, record.baseAddress, Int32(number), columns)
        }
    }
}

extension PageTable {
    /// Bytes of the records for ranking that the context holds.
    package var indexBytes: Int {
        let shape = PageIndexBlock.Shape(layout)
        return blocks.count * shape.byteCount
    }

    /// Makes the block that holds page `index` writable.
    mutating func prepareBlock(of index: Int) throws(AllocationError) {
        let number = index / PageIndexBlock.pages
        while blocks.count <= number { blocks.append(try PageIndexBlock(layout: layout)) }
        if blocks[number].isReadOnly || !isKnownUniquelyReferenced(&blocks[number]) {
            blocks[number] = try PageIndexBlock(copying: blocks[number])
        }
    }

    /// What ranking knows of pages `number * 16` and those after it, and how many of them it describes.
    package func indexBlock(_ number: Int) -> (block: PageIndexBlock, pages: Int)? {
        let described = min(PageIndexBlock.pages, completedPages - number * PageIndexBlock.pages)
        return blocks.indices.contains(number) && described > 0 ? (blocks[number], described) : nil
    }

    /// Puts a block with the same content in the place of one, such as one that was stored meanwhile.
    package mutating func replaceIndexBlock(_ number: Int, with block: PageIndexBlock) {
        precondition(blocks.indices.contains(number))
        blocks[number] = block
    }
}

/// Blocks that were stored, for the first pages of a context.
package struct StoredPageIndex: Sendable {
    /// Sixteen pages each; the last one may describe fewer.
    package var blocks: [PageIndexBlock] = []
    /// Pages that they describe: whole groups.
    package var pages = 0

    package init() {}

    package mutating func append(_ block: PageIndexBlock, pages count: Int) {
        precondition(pages == blocks.count * PageIndexBlock.pages && count <= PageIndexBlock.pages)
        blocks.append(block)
        pages += count / PageSealing.groupPages * PageSealing.groupPages
    }
}

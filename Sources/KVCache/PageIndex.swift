import CKernels
import Tensor

/// What ranking knows of up to 16 pages, without their keys: for each layer and KV head a cover and 16 records, one
/// after the other, see `sk_rank.h`. A search reads the covers of a context and opens only blocks that can hold a page
/// that is wanted.
///
/// Blocks are shared by forks like pages; ``PageTable`` copies one that someone else holds before it writes to it.
final class PageIndexBlock: @unchecked Sendable {
    /// Pages per block.
    static let pages = 16

    private let shape: Shape
    private let bytes: AlignedBuffer<UInt8>

    /// Where records lie.
    struct Shape: Sendable {
        let kvHeadCount: Int
        let layerCount: Int
        let recordBytes: Int
        let coverBytes: Int

        init(_ layout: PageLayout) {
            kvHeadCount = layout.kvHeadCount
            layerCount = layout.layerCount
            recordBytes = layout.indexRecordBytes
            coverBytes = Int(sk_rank_cover_bytes(Int32(layout.keyWidth)))
        }

        var headBytes: Int { coverBytes + PageIndexBlock.pages * recordBytes }
    }

    init(layout: PageLayout) throws(AllocationError) {
        shape = Shape(layout)
        bytes = try AlignedBuffer(count: shape.headBytes * shape.kvHeadCount * shape.layerCount)
    }

    init(copying other: PageIndexBlock) throws(AllocationError) {
        shape = other.shape
        bytes = try AlignedBuffer(count: other.bytes.count)
        bytes.pointer.update(from: other.bytes.pointer, count: bytes.count)
    }

    /// The cover of a layer and KV head; its records follow it.
    func cover(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(bytes.pointer + (layer * shape.kvHeadCount + head) * shape.headBytes)
    }

    func record(layer: Int, head: Int, page: Int) -> UnsafeMutableRawPointer {
        cover(layer: layer, head: head) + shape.coverBytes + page * shape.recordBytes
    }
}

extension PageTable {
    /// Bytes of the records for ranking that the context holds.
    package var indexBytes: Int {
        let shape = PageIndexBlock.Shape(layout)
        return blocks.count * shape.headBytes * shape.kvHeadCount * shape.layerCount
    }

    /// Makes the block that holds page `index` writable.
    mutating func prepareBlock(of index: Int) throws(AllocationError) {
        let number = index / PageIndexBlock.pages
        while blocks.count <= number { blocks.append(try PageIndexBlock(layout: layout)) }
        if !isKnownUniquelyReferenced(&blocks[number]) { blocks[number] = try PageIndexBlock(copying: blocks[number]) }
    }
}

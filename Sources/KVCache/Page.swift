import Foundation
import Tensor

/// 128 positions of every layer's keys and values, and the tokens they belong to.
///
/// Pages are shared by reference (forks, equal prefixes); ``PageTable`` copies a shared page before it writes to it.
/// A page is written by one thread at a time and never after it is full.
package final class Page: @unchecked Sendable {
    package let layout: PageLayout
    private let storage: AlignedBuffer<UInt8>
    /// Token ids of the filled positions.
    package fileprivate(set) var tokens: [Int32]
    /// Hash of the tokens of all pages up to and including this one; set when the page is full.
    package internal(set) var chainHash: UInt64?
    /// Tells this page from every other one, also after it is gone.
    package let identity = UInt64.random(in: 1...UInt64.max)
    /// Identity of the page before this one once the page can be shared (0: none): it proves the whole prefix.
    package internal(set) var predecessorIdentity: UInt64?

    package init(layout: PageLayout) throws(AllocationError) {
        self.layout = layout
        storage = try AlignedBuffer(count: layout.pageBytes)
        tokens = []
        tokens.reserveCapacity(PageLayout.positions)
    }

    /// A private copy with the first `count` positions' tokens.
    package init(copying other: Page, count: Int) throws(AllocationError) {
        layout = other.layout
        storage = try AlignedBuffer(count: layout.pageBytes)
        memcpy(storage.pointer, other.storage.pointer, layout.pageBytes)
        tokens = []
        tokens.reserveCapacity(PageLayout.positions)
        tokens.append(contentsOf: other.tokens.prefix(count))
    }

    package func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(storage.pointer + layer * layout.layerBytes + head * layout.headBytes)
    }

    package func values(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        keys(layer: layer, head: head) + layout.keyBytes
    }

    package var isFull: Bool { tokens.count == PageLayout.positions }

    func append(_ token: Int32) { tokens.append(token) }

    func truncate(to count: Int) {
        tokens.removeLast(tokens.count - count)
        chainHash = nil
        predecessorIdentity = nil
    }
}

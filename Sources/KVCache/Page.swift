import Foundation
import Tensor

/// 128 positions of every layer's keys and values, and the tokens they belong to.
///
/// Pages are shared by reference (forks, equal prefixes); ``PageTable`` copies a shared page before it writes to it.
/// A page is written by one thread at a time and never after it is full.
package final class Page: @unchecked Sendable {
    package let layout: PageLayout
    /// Where the bytes lie.
    package let record: any PageRecord
    private let storage: UnsafeMutablePointer<UInt8>
    /// Token ids of the filled positions.
    package fileprivate(set) var tokens: [Int32]
    /// Where rows of media stand in the page, in order.
    package private(set) var media: [MediaRun] = []
    /// Position of the page's first token.
    package private(set) var anchor = RotaryPosition(0)
    /// The turns of the page's keys; nil while positions count up by one from ``anchor``: the shared table serves then.
    private(set) var angles: PageAngles?
    /// Hash of the tokens of all pages up to and including this one; set when the page is full.
    package internal(set) var chainHash: UInt64?
    /// Tells this page from every other one, also after it is gone.
    package private(set) var identity = UInt64.random(in: 1...UInt64.max)
    /// Identity of the page before this one once the page can be shared (0: none): it proves the whole prefix.
    package internal(set) var predecessorIdentity: UInt64?

    package init(layout: PageLayout) throws(AllocationError) {
        self.layout = layout
        record = try OwnedRecord(count: layout.recordBytes)
        storage = record.bytes
        tokens = []
        tokens.reserveCapacity(PageLayout.positions)
    }

    /// A page whose bytes lie in `record`: slots `first ..< first + count` of `content`.
    ///
    /// Nothing is read but what `content` tells. A record that may not be written is copied before tokens are appended.
    package init(
        layout: PageLayout,
        record: any PageRecord,
        content: ContextContent,
        from first: Int,
        count: Int,
        spectrum: RotarySpectrum
    ) throws(AllocationError) {
        precondition(count <= PageLayout.positions && first + count <= content.tokens.count)
        self.layout = layout
        self.record = record
        storage = record.bytes
        tokens = Array(content.tokens[first..<first + count])
        media = content.media(in: first..<first + count)
        anchor = content.position(first)
        // Where positions count up by one there is nothing more to set.
        guard !content.positions.isEmpty else { return }
        for offset in 0..<count { try setPosition(offset, content.position(first + offset), spectrum) }
    }

    /// A private copy with the first `count` positions' tokens.
    package init(copying other: Page, count: Int) throws(AllocationError) {
        layout = other.layout
        record = try OwnedRecord(count: layout.recordBytes)
        storage = record.bytes
        memcpy(storage, other.storage, layout.recordBytes)
        tokens = []
        tokens.reserveCapacity(PageLayout.positions)
        tokens.append(contentsOf: other.tokens.prefix(count))
        media = MediaRun.clipped(other.media, to: 0..<count)
        anchor = other.anchor
        angles = try other.angles.map { angles throws(AllocationError) in try PageAngles(copying: angles) }
    }

    package func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(storage + layer * layout.layerBytes + head * layout.headBytes)
    }

    package func values(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        keys(layer: layer, head: head) + layout.keyBytes
    }

    /// Whether the page's memory ends with its records for ranking: files keep those elsewhere.
    var holdsIndexRecords: Bool { isSealed && !record.isReadOnly }

    /// A record for ranking of a sealed page that holds them, `[layers][heads]`.
    func indexRecord(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        let number = layer * layout.kvHeadCount + head
        return UnsafeMutableRawPointer(storage + layout.pageBytes + number * layout.indexRecordBytes)
    }

    package var isSealed: Bool { layout.element.isSealed }
    package var isFull: Bool { tokens.count == PageLayout.positions }

    func append(_ token: Int32) { tokens.append(token) }

    func append(_ run: MediaRun) { MediaRun.append(run, to: &media) }

    func truncate(to count: Int) {
        tokens.removeLast(tokens.count - count)
        media = MediaRun.clipped(media, to: 0..<count)
        chainHash = nil
        predecessorIdentity = nil
    }

    /// Makes an unused page stand for what `other` holds, in another form of the same keys and values.
    func adopt(_ other: Page) {
        tokens.removeAll(keepingCapacity: true)
        tokens.append(contentsOf: other.tokens)
        media = other.media
        anchor = other.anchor
        angles = other.angles
        chainHash = nil
        predecessorIdentity = nil
    }

    /// Makes a page that nobody else holds as new, without allocating.
    func reset() {
        truncate(to: 0)
        angles = nil
        identity = .random(in: 1...UInt64.max)
    }

    // MARK: Positions

    /// The position of a filled or announced offset.
    package func position(_ offset: Int) -> RotaryPosition {
        if let angles { return angles.positions[offset] }
        let distance = Double(offset)
        return .init(
            time: anchor.time + distance,
            row: anchor.row + distance,
            column: anchor.column + distance
        )
    }

    /// The largest number that the first `count` positions have on any axis.
    func largestPosition(count: Int) -> Double {
        guard count > 0 else { return -1 }
        guard let angles else { return position(count - 1).largest }
        return angles.positions[..<count].reduce(-.infinity) { max($0, $1.largest) }
    }

    /// Announces the position of the token at `offset`, the first one that is not filled yet or the one after it.
    func setPosition(_ offset: Int, _ position: RotaryPosition, _ spectrum: RotarySpectrum) throws(AllocationError) {
        if offset == 0 {
            anchor = position
            angles = nil
            return
        }
        if angles == nil {
            // Counting up in double is exact for every position below 2^52, so this also compares equal after fractions.
            if position == self.position(offset) { return }
            try makeAngles(filled: offset, spectrum)
        }
        angles?.set(offset, position, anchor: anchor, spectrum)
    }

    /// Gives the page tables of its own, so that any position can follow without allocating.
    func makeAngles(filled: Int, _ spectrum: RotarySpectrum) throws(AllocationError) {
        guard angles == nil else { return }
        let own = try PageAngles(pairCount: spectrum.pairCount, anchor: anchor)
        for offset in 0..<filled { own.set(offset, position(offset), anchor: anchor, spectrum) }
        angles = own
    }

    /// Whether two pages hold the same tokens at the same positions, and the same media rows.
    func holdsSame(as content: ContextContent, from first: Int) -> Bool {
        let range = first..<first + tokens.count
        guard content.tokens[range].elementsEqual(tokens), content.media(in: range) == media else { return false }
        for offset in tokens.indices where position(offset) != content.position(first + offset) { return false }
        return true
    }

    func holdsSame(as other: Page) -> Bool {
        guard tokens == other.tokens, media == other.media else { return false }
        return tokens.indices.allSatisfy { position($0) == other.position($0) }
    }
}

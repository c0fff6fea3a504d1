import Glibc
import KVCache

/// A page's record in a mapped file. Every part is checked before it is used for the first time.
final class StoredRecord: PageRecord, @unchecked Sendable {
    private let region: MappedRegion
    private let offset: Int
    private let form: RecordForm
    private let checksums: [UInt32]
    /// `[parts]`; 0: not read yet, 1: intact, 2: damaged. A part is only checked by one thread at a time.
    private let states: UnsafeMutablePointer<UInt8>

    /// - Parameter isFresh: whether this process wrote it a moment ago, so that it needs no reading.
    init(
        region: MappedRegion,
        offset: Int,
        form: RecordForm,
        checksums: [UInt32],
        isFresh: Bool = false
    ) {
        precondition(offset >= 0 && offset + form.recordBytes <= region.count)
        self.region = region
        self.offset = offset
        self.form = form
        self.checksums = checksums
        states = .allocate(capacity: checksums.count)
        states.initialize(repeating: isFresh ? 1 : 0, count: checksums.count)
    }

    deinit { states.deallocate() }

    // Nothing writes: the page table copies a page first whose record is read-only.
    var bytes: UnsafeMutablePointer<UInt8> { (region.base + offset).assumingMemoryBound(to: UInt8.self) }
    var isReadOnly: Bool { true }

    func isKnownIntact(layer: Int) -> Bool { layer < checksums.count && states[layer] == 1 }

    func isIntact(layer: Int) -> Bool {
        guard layer < checksums.count else { return false }
        if states[layer] == 0 {
            let range = form.range(layer)
            region.populate(offset + range.lowerBound, count: range.count)
            let part = UnsafeRawBufferPointer(start: region.base + offset + range.lowerBound, count: range.count)
            states[layer] = Checksum.of(part) == checksums[layer] ? 1 : 2
        }
        return states[layer] == 1
    }

    func announce(layer: Int) {
        guard layer < checksums.count, states[layer] == 0 else { return }
        region.willNeed(offset + form.range(layer).lowerBound, count: form.range(layer).count)
    }

    func prefetch(layer: Int) {
        guard layer < checksums.count else { return }
        region.populate(offset + form.range(layer).lowerBound, count: form.range(layer).count)
    }

    func release(layer: Int) {
        guard layer < checksums.count else { return }
        region.release(offset + form.range(layer).lowerBound, count: form.range(layer).count)
    }

    /// The first part that is damaged; what follows the layers is the part after the last of them.
    func firstDamagedPart() -> Int? { checksums.indices.first { !isIntact(layer: $0) } }
}

extension MappedRegion {
    /// Reads a range in one go instead of a few pages per fault; where the kernel knows no such request, faults do.
    func populate(_ offset: Int, count: Int) {
        let begin = offset & ~4095
        // MADV_POPULATE_READ, since Linux 5.14
        if madvise(base + begin, offset + count - begin, 22) != 0 { willNeed(offset, count: count) }
    }

    /// Gives the memory of a range back, as far as it holds whole pages of the system; they are read again when they are
    /// needed. What the system has cached of the file stays until it wants the room.
    func release(_ offset: Int, count: Int) {
        let begin = (offset + 4095) & ~4095
        let end = (offset + count) & ~4095
        if begin < end { madvise(base + begin, end - begin, MADV_DONTNEED) }
    }
}

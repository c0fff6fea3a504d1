/// Which parts of files are in memory, in the order of their use: the one that was not needed for longest goes first.
///
/// A doubly linked list in arrays of fixed size, so that using it allocates nothing. Every operation is O(1).
package struct ResidencyList: Sendable {
    /// What a use says about the next one.
    package enum Use {
        /// What was chosen lately is likely to be chosen again.
        case recent
        /// One of a pass through more of them than there is room for: a long chunk that uses most of them, or a very small
        /// budget. By recency nothing would be left of a layer when its turn comes again; so what such a pass brings in is
        /// the first to go, and what was there before it stays.
        case scan
    }

    private static let none: Int32 = -1
    /// `[slots]` towards the more and the less recently used; the slot itself where it is not resident.
    private var newer: [Int32]
    private var older: [Int32]
    private var bytes: [Int]
    private var lastStep: [UInt64]
    private var newest = none
    private var oldest = none
    /// Bytes of all slots that count as resident.
    package private(set) var residentBytes = 0

    package init(slotCount: Int) {
        newer = (0..<Int32(slotCount)).map { $0 }
        older = newer
        bytes = Array(repeating: 0, count: slotCount)
        lastStep = Array(repeating: 0, count: slotCount)
    }

    package func isResident(_ slot: Int) -> Bool { newer[slot] != Int32(slot) }

    /// Notes that a slot is needed now.
    ///
    /// - Parameter step: slots of the same step are never evicted for one another.
    /// - Returns: whether it was resident.
    package mutating func use(_ slot: Int, bytes slotBytes: Int, step: UInt64, _ use: Use) -> Bool {
        lastStep[slot] = step
        let wasResident = isResident(slot)
        if wasResident {
            guard use == .recent else { return true }
            unlink(slot)
        } else {
            bytes[slot] = slotBytes
            residentBytes += slotBytes
        }
        switch use {
        case .recent: pushNewest(slot)
        case .scan: pushOldest(slot)
        }
        return wasResident
    }

    /// Takes the slot that goes next out of the list while more than `budgetBytes` are resident; nil when no slot needs to
    /// or may go.
    package mutating func evict(beyond budgetBytes: Int, step: UInt64) -> Int? {
        guard residentBytes > budgetBytes else { return nil }
        var slot = oldest
        while slot != Self.none, lastStep[Int(slot)] == step { slot = newer[Int(slot)] }
        guard slot != Self.none else { return nil }
        remove(Int(slot))
        return Int(slot)
    }

    /// Takes a slot out of the list, if it is in it.
    package mutating func remove(_ slot: Int) {
        guard isResident(slot) else { return }
        unlink(slot)
        newer[slot] = Int32(slot)
        older[slot] = Int32(slot)
        residentBytes -= bytes[slot]
    }

    private mutating func unlink(_ slot: Int) {
        let (after, before) = (newer[slot], older[slot])
        if after == Self.none { newest = before } else { older[Int(after)] = before }
        if before == Self.none { oldest = after } else { newer[Int(before)] = after }
    }

    private mutating func pushNewest(_ slot: Int) {
        newer[slot] = Self.none
        older[slot] = newest
        if newest == Self.none { oldest = Int32(slot) } else { newer[Int(newest)] = Int32(slot) }
        newest = Int32(slot)
    }

    private mutating func pushOldest(_ slot: Int) {
        older[slot] = Self.none
        newer[slot] = oldest
        if oldest == Self.none { newest = Int32(slot) } else { older[Int(oldest)] = Int32(slot) }
        oldest = Int32(slot)
    }
}

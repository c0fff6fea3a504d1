/// The tokens of recent short words: a direct-mapped table, one per call of encode, so nothing is shared or locked.
struct WordCache: ~Copyable {
    private struct Entry {
        var low: UInt64
        var high: UInt64
        /// Bytes of the word; 0 is a free entry.
        var length: Int32
        var count: Int32
        var ids: (Int32, Int32, Int32, Int32, Int32, Int32)
    }

    static let maximumLength = 16
    static let maximumTokens = 6

    private let entries: UnsafeMutablePointer<Entry>
    private let mask: Int

    /// - Parameter textCount: bytes that will be encoded; short texts get a small table (at most 1.5 MB).
    init(textCount: Int) {
        var capacity = 64
        while capacity < textCount / 8, capacity < 1 << 15 { capacity *= 2 }
        entries = .allocate(capacity: capacity)
        let free = Entry(low: 0, high: 0, length: 0, count: 0, ids: (0, 0, 0, 0, 0, 0))
        entries.initialize(repeating: free, count: capacity)
        mask = capacity - 1
    }

    deinit { entries.deallocate() }

    struct Key {
        fileprivate var low: UInt64
        fileprivate var high: UInt64
        fileprivate var length: Int32

        /// nil for words that are too long.
        @inline(__always)
        init?(_ word: UnsafeBufferPointer<UInt8>) {
            guard word.count <= maximumLength, let base = UnsafeRawPointer(word.baseAddress) else { return nil }
            length = Int32(truncatingIfNeeded: word.count)
            if word.count >= 8 {
                low = base.loadUnaligned(as: UInt64.self)
                // Overlaps the first half; with the length it still tells all words apart.
                high = base.loadUnaligned(fromByteOffset: word.count - 8, as: UInt64.self)
            } else if word.count >= 4 {
                low = UInt64(base.loadUnaligned(as: UInt32.self))
                high = UInt64(base.loadUnaligned(fromByteOffset: word.count - 4, as: UInt32.self))
            } else {
                low = 0
                high = 0
                for byte in word { low = low << 8 | UInt64(byte) }
            }
        }

        @inline(__always)
        fileprivate var hash: UInt64 { ByteHash.mix(low ^ ByteHash.mix(high ^ UInt64(length) << 56)) }
    }

    /// Appends the word's tokens; false when it is not here.
    @inline(__always)
    func append(_ key: Key, to ids: inout [Int32]) -> Bool {
        let entry = entries + (Int(truncatingIfNeeded: key.hash) & mask)
        guard entry.pointee.length == key.length, entry.pointee.low == key.low, entry.pointee.high == key.high
        else { return false }
        let (a, b, c, d, e, f) = entry.pointee.ids
        let count = entry.pointee.count
        if count > 0 { ids.append(a) }
        if count > 1 { ids.append(b) }
        if count > 2 { ids.append(c) }
        if count > 3 { ids.append(d) }
        if count > 4 { ids.append(e) }
        if count > 5 { ids.append(f) }
        return true
    }

    func store(_ key: Key, _ ids: [Int32]) {
        guard ids.count <= Self.maximumTokens else { return }
        func id(_ index: Int) -> Int32 { index < ids.count ? ids[index] : 0 }
        entries[Int(truncatingIfNeeded: key.hash) & mask] = Entry(
            low: key.low,
            high: key.high,
            length: key.length,
            count: Int32(truncatingIfNeeded: ids.count),
            ids: (id(0), id(1), id(2), id(3), id(4), id(5))
        )
    }
}

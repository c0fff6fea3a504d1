/// Which pairs of tokens merge, in which order, into what.
struct MergeTable: Sendable {
    struct Merge: Sendable {
        /// Lower ranks merge first.
        var rank: UInt32
        var result: Int32
    }

    static let none = UInt32.max

    private var keys: [UInt64] = []
    private var merges: [Merge] = []
    private let mask: Int

    private static let free = UInt64.max

    /// - Parameter pairs: (left, right, result) in the order of their ranks; of a repeated pair the last rank counts,
    ///   as in the dictionary that others read them into.
    init(_ pairs: [(left: Int32, right: Int32, result: Int32)]) {
        var capacity = 16
        while capacity < pairs.count * 2 { capacity *= 2 }
        mask = capacity - 1
        keys = [UInt64](repeating: Self.free, count: capacity)
        merges = [Merge](repeating: Merge(rank: Self.none, result: -1), count: capacity)
        for (rank, pair) in pairs.enumerated() {
            let key = Self.key(pair.left, pair.right)
            let slot = find(key)
            keys[slot] = key
            merges[slot] = Merge(rank: UInt32(rank), result: pair.result)
        }
    }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func find(_ key: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: ByteHash.mix(key)) & mask
        while keys[slot] != key, keys[slot] != Self.free { slot = (slot + 1) & mask }
        return slot
    }

    /// The merge of two neighbours; rank ``none`` where they do not merge.
    @inline(__always)
    subscript(left: Int32, right: Int32) -> Merge { merges[find(Self.key(left, right))] }
}

import Glibc

/// The texts of a vocabulary by id, and ids by text.
///
/// All texts lie in one buffer; the table of ids is open-addressed, so that a vocabulary of 200,000 tokens costs a few
/// megabytes and no allocation per token.
struct Vocabulary: Sendable {
    private var text: [UInt8] = []
    /// Start of each text, and one more; ids without a token are empty.
    private var offsets: [UInt32] = [0]
    /// 32 bits of the text's hash in the upper half, which also choose the slot; id + 1 in the lower half; 0 is free.
    private var slots: [UInt64] = []

    var count: Int { offsets.count - 1 }

    /// - Parameter entries: (id, text); of two texts for one id the last counts. Ids must be below `count`.
    init(entries: [(id: Int32, text: String)], count: Int) {
        var order = [Int32](repeating: -1, count: count)
        var size = 0
        for (index, entry) in entries.enumerated() {
            order[Int(entry.id)] = Int32(index)
            size += entry.text.utf8.count
        }
        text.reserveCapacity(size)
        offsets.reserveCapacity(count + 1)
        for index in order {
            if index >= 0 { text.append(contentsOf: entries[Int(index)].text.utf8) }
            offsets.append(UInt32(truncatingIfNeeded: text.count))
        }
        slots = [UInt64](repeating: 0, count: Self.capacity(for: count))
        for id in 0..<count where offsets[id] < offsets[id + 1] {
            let range = Int(offsets[id])..<Int(offsets[id + 1])
            text.withUnsafeBufferPointer { buffer in
                let key = UnsafeBufferPointer(rebasing: buffer[range])
                let slot = find(key)
                // The lowest id of a repeated text keeps it.
                if slots[slot] == 0 { slots[slot] = Self.entry(id, ByteHash.hash(key)) }
            }
        }
    }

    private static func capacity(for count: Int) -> Int {
        var capacity = 16
        while capacity < count * 2 { capacity *= 2 }
        return capacity
    }

    /// The text of an id; empty for ids without a token.
    func withText<Result>(of id: Int32, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        guard id >= 0, Int(id) < count else { return body(UnsafeBufferPointer(start: nil, count: 0)) }
        return text.withUnsafeBufferPointer { buffer in
            body(UnsafeBufferPointer(rebasing: buffer[Int(offsets[Int(id)])..<Int(offsets[Int(id) + 1])]))
        }
    }

    func bytes(of id: Int32) -> [UInt8] { withText(of: id) { Array($0) } }

    func contains(_ id: Int32) -> Bool {
        id >= 0 && Int(id) < count && offsets[Int(id)] < offsets[Int(id) + 1]
    }

    func id(of text: UnsafeBufferPointer<UInt8>) -> Int32? {
        guard !text.isEmpty else { return nil }
        let slot = slots[find(text)]
        return slot == 0 ? nil : Int32(truncatingIfNeeded: slot & 0xFFFF_FFFF) - 1
    }

    /// The id of a text of which one is likely; a repeated text may have any of its ids.
    func id(of bytes: [UInt8], expected: Int32) -> Int32? {
        if !bytes.isEmpty, withText(of: expected, { $0.elementsEqual(bytes) }) { return expected }
        return id(of: bytes)
    }

    func id(of text: String) -> Int32? {
        var text = text
        return text.withUTF8 { id(of: $0) }
    }

    func id(of bytes: [UInt8]) -> Int32? { bytes.withUnsafeBufferPointer { id(of: $0) } }

    /// The slot that holds the text, or the free one where it would go.
    private func find(_ key: UnsafeBufferPointer<UInt8>) -> Int {
        let mask = slots.count - 1
        let tag = ByteHash.hash(key) >> 32
        var slot = Int(tag) & mask
        return text.withUnsafeBufferPointer { buffer in
            while slots[slot] != 0 {
                if slots[slot] >> 32 == tag {
                    let id = Int(slots[slot] & 0xFFFF_FFFF) - 1
                    let lower = Int(offsets[id])
                    let count = Int(offsets[id + 1]) - lower
                    if count == key.count, let left = buffer.baseAddress, let right = key.baseAddress,
                        memcmp(left + lower, right, count) == 0
                    {
                        return slot
                    }
                }
                slot = (slot + 1) & mask
            }
            return slot
        }
    }

    /// What a slot holds for an id whose text has this hash.
    private static func entry(_ id: Int, _ hash: UInt64) -> UInt64 { (hash & 0xFFFF_FFFF_0000_0000) | UInt64(id + 1) }
}

/// A fast hash of short byte strings. Tables built from files keep at most half of their slots full, and a file made to
/// collide can only slow its own loading.
enum ByteHash {
    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }

    static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let raw = UnsafeRawBufferPointer(bytes)
        var hash = UInt64(raw.count)
        var position = 0
        while position + 8 <= raw.count {
            hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            position += 8
        }
        var tail: UInt64 = 0
        while position < raw.count {
            tail = tail << 8 | UInt64(raw[position])
            position += 1
        }
        return mix(hash ^ tail &+ 0x2545_F491_4F6C_DD1D)
    }
}

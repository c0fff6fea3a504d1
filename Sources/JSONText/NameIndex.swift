/// Positions of names in an object: an open-addressed table of hashes.
///
/// A vocabulary is an object of 150,000 members; the dictionary of the standard library takes three times as long here.
struct NameIndex: Sendable {
    /// 32 bits of hash in the upper half, which also choose the slot; position + 1 in the lower half; 0 is free.
    private var slots: [UInt64] = []
    private var count = 0

    var isEmpty: Bool { count == 0 }

    /// Differs from run to run, so that no file can be made to collide.
    private static let seed = UInt64.random(in: .min ... .max)

    private static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }

    private static func hash(_ name: String) -> UInt64 {
        var name = name
        return name.withUTF8 { bytes in
            let raw = UnsafeRawBufferPointer(bytes)
            var hash = seed ^ UInt64(raw.count)
            var position = 0
            while position + 8 <= raw.count {
                hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)) &+ seed
                position += 8
            }
            var tail: UInt64 = 0
            while position < raw.count {
                tail = tail << 8 | UInt64(raw[position])
                position += 1
            }
            return mix(hash ^ tail)
        }
    }

    /// The position of a name, given the name at each position.
    func find(_ name: String, _ nameAt: (Int) -> String) -> Int? {
        let hash = Self.hash(name)
        let mask = slots.count - 1
        var slot = Int(hash >> 32) & mask
        while slots[slot] != 0 {
            if slots[slot] >> 32 == hash >> 32 {
                let position = Int(slots[slot] & 0xFFFF_FFFF) - 1
                if nameAt(position).utf8.elementsEqual(name.utf8) { return position }
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Adds a name that is not in the table. Positions must be below 2³² - 1.
    mutating func add(_ name: String, at position: Int) {
        if slots.count < 2 * (count + 1) { grow() }
        insert(Self.hash(name), position + 1)
        count += 1
    }

    private mutating func insert(_ hash: UInt64, _ entry: Int) {
        let mask = slots.count - 1
        var slot = Int(hash >> 32) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = (hash & 0xFFFF_FFFF_0000_0000) | UInt64(entry)
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt64](repeating: 0, count: max(32, old.count * 2))
        for slot in old where slot != 0 { insert(slot, Int(slot & 0xFFFF_FFFF)) }
    }
}

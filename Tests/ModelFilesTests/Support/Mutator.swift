/// Damages a valid file: flipped bytes, truncation, lengths blown up, pieces repeated, removed or swapped.
struct Mutator {
    var generator: SeededGenerator

    /// Numbers that break sums and products.
    private static let numbers: [UInt64] = [
        0, 1, 7, 31, 255, 65_535, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, 1 << 60, (1 << 61) + 1, 1 << 62,
        (1 << 63) - 1, 1 << 63, .max - 7, .max,
    ]

    mutating func mutate(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            guard !bytes.isEmpty else { return bytes }
            step(&bytes)
        }
        return bytes
    }

    private mutating func position(_ bytes: [UInt8]) -> Int {
        // The descriptions stand at the beginning, and matter most.
        let limit = Bool.random(using: &generator) ? min(bytes.count, 1024) : bytes.count
        return Int.random(in: 0..<limit, using: &generator)
    }

    private mutating func step(_ bytes: inout [UInt8]) {
        let at = position(bytes)
        switch Int.random(in: 0..<10, using: &generator) {
        case 0, 1: bytes[at] ^= 1 << UInt8.random(in: 0...7, using: &generator)
        case 2: bytes[at] = UInt8.random(in: 0...255, using: &generator)
        case 3: bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
        case 4, 5:
            // A length, or the low half of one.
            let number = Self.numbers.randomElement(using: &generator) ?? 0
            let size = Bool.random(using: &generator) ? 8 : 4
            for index in 0..<min(size, bytes.count - at) {
                bytes[at + index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * index))
            }
        case 6: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...40, using: &generator)))
        case 7:
            let piece = Array(bytes[at..<min(bytes.count, at + Int.random(in: 1...80, using: &generator))])
            bytes.insert(contentsOf: piece, at: position(bytes))
        case 8:
            // A digit of a JSON number: sizes and offsets.
            guard let digit = bytes[at...].firstIndex(where: { (0x30...0x39).contains($0) }) else { return }
            let texts = ["9", "0", "-1", "99999999999", "1e30", "4611686018427387904", "0.5", "null", "[", "{"]
            bytes.replaceSubrange(digit...digit, with: (texts.randomElement(using: &generator) ?? "").utf8)
        default:
            let other = position(bytes)
            bytes.swapAt(at, other)
        }
    }
}

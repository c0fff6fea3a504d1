import Foundation

/// Damages a valid file, the same way on every run: flipped bits, lengths blown up, pieces repeated, removed or swapped,
/// the end cut off.
struct ByteMutator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    private static let numbers: [UInt32] = [
        0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 24,
    ]

    private mutating func random(_ limit: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) >> 1) % max(1, limit)
    }

    mutating func mutate(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<1 + random(6) {
            guard bytes.count > 8 else { return bytes }
            // Headers stand at the beginning or at the end, and matter most.
            let zone = random(3)
            let window = min(bytes.count, 700)
            let at = zone == 0 ? random(window) : zone == 1 ? bytes.count - 1 - random(window) : random(bytes.count)
            switch random(8) {
            case 0, 1: bytes[at] ^= 1 << UInt8(random(8))
            case 2: bytes[at] = UInt8(random(256))
            case 3, 4:
                let number = Self.numbers[random(Self.numbers.count)]
                for index in 0..<min(4, bytes.count - at) {
                    bytes[at + index] = UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32(index)))
                }
            case 5: bytes.removeSubrange(at..<min(bytes.count, at + 1 + random(40)))
            case 6:
                bytes.insert(
                    contentsOf: Array(bytes[at..<min(bytes.count, at + 1 + random(80))]),
                    at: random(bytes.count)
                )
            default:
                if random(4) == 0 {
                    bytes.removeLast(random(bytes.count))
                } else {
                    bytes.swapAt(at, random(bytes.count))
                }
            }
        }
        return bytes
    }
}

/// What this process occupies.
enum ResidentMemory {
    static var bytes: Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * 4096
    }
}

import Models
import Tensor

/// Random numbers of evaluations: the same for the same seed and purpose, whatever else was drawn before.
///
/// Nothing of the standard library's own algorithms is used, so that a seed means the same text with every toolchain.
struct EvaluationRandom {
    private var generator: SplitMix64

    /// - Parameters:
    ///   - purpose: what is drawn; other purposes of one seed are independent.
    ///   - numbers: what tells several draws of one purpose apart, such as the sample.
    init(seed: UInt64, _ purpose: String, _ numbers: Int...) {
        // FNV-1a over everything, then SplitMix64's own mixing.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ value: UInt64) {
            for shift in stride(from: 0, to: 64, by: 8) {
                hash = (hash ^ (value >> UInt64(shift) & 0xFF)) &* 0x100_0000_01B3
            }
        }
        add(seed)
        for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for number in numbers { add(UInt64(bitPattern: Int64(number))) }
        generator = SplitMix64(state: hash)
    }

    /// A number from 0 to `bound` - 1; 0 for bounds below 2.
    mutating func below(_ bound: Int) -> Int {
        guard bound > 1 else { return 0 }
        return Int(generator.next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A number from 0 up to but not including 1.
    mutating func fraction() -> Double { Double(generator.next() >> 11) * 0x1p-53 }

    mutating func chance(_ probability: Double) -> Bool { fraction() < probability }

    /// One of a list that is not empty.
    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }

    /// Fisher and Yates.
    mutating func shuffle<Element>(_ list: inout [Element]) {
        for index in stride(from: list.count - 1, to: 0, by: -1) { list.swapAt(index, below(index + 1)) }
    }

    /// Different members of a list in random order; all of them where there are not more.
    mutating func sample<Element>(_ list: [Element], _ count: Int) -> [Element] {
        var list = list
        shuffle(&list)
        return Array(list.prefix(count))
    }

    /// A number of exactly `count` digits.
    mutating func digits(_ count: Int) -> String {
        (0..<count).map { String($0 == 0 ? 1 + below(9) : below(10)) }.joined()
    }
}

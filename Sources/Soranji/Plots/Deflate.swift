/// A small zlib compressor (RFC 1950, RFC 1951): one block with the fixed Huffman codes, matches found by a hash of
/// three bytes. Pictures of few colours shrink a hundredfold, which is all that plots need.
enum Deflate {
    /// - Complexity: O(n); memory O(n).
    static func zlib(_ bytes: [UInt8]) -> [UInt8] {
        var writer = BitWriter()
        // 0x78: deflate with a window of 32 KiB; 0x01 makes the pair a multiple of 31.
        writer.output = [0x78, 0x01]
        writer.put(0b011, bits: 3)
        compress(bytes, into: &writer)
        writer.putSymbol(256)
        writer.finishByte()
        let checksum = Checksums.adler32(bytes)
        for shift in [24, 16, 8, 0] as [UInt32] { writer.output.append(UInt8(truncatingIfNeeded: checksum >> shift)) }
        return writer.output
    }

    private static let window = 32768
    private static let longest = 258

    /// 15 bits of a multiplicative hash.
    private static func hash(_ first: UInt8, _ second: UInt8, _ third: UInt8) -> Int {
        let value = UInt32(first) << 16 | UInt32(second) << 8 | UInt32(third)
        return Int((value &* 0x9E37_79B1) >> 17)
    }

    private static func compress(_ bytes: [UInt8], into writer: inout BitWriter) {
        var lastSeen = [Int](repeating: -1, count: 1 << 15)
        var position = 0
        while position < bytes.count {
            var length = 0
            var distance = 0
            if position + 3 <= bytes.count {
                let key = hash(bytes[position], bytes[position + 1], bytes[position + 2])
                let candidate = lastSeen[key]
                lastSeen[key] = position
                if candidate >= 0, position - candidate <= window {
                    distance = position - candidate
                    let limit = min(longest, bytes.count - position)
                    while length < limit, bytes[candidate + length] == bytes[position + length] { length += 1 }
                }
            }
            if length >= 3 {
                writer.putMatch(length: length, distance: distance)
                position += length
            } else {
                writer.putSymbol(Int(bytes[position]))
                position += 1
            }
        }
    }
}

private struct BitWriter {
    var output: [UInt8] = []
    private var pending: UInt32 = 0
    private var pendingBits: UInt32 = 0

    /// Appends the low `bits` bits of `value`, lowest first.
    mutating func put(_ value: UInt32, bits: UInt32) {
        pending |= value << pendingBits
        pendingBits += bits
        while pendingBits >= 8 {
            output.append(UInt8(truncatingIfNeeded: pending))
            pending >>= 8
            pendingBits -= 8
        }
    }

    mutating func finishByte() {
        if pendingBits > 0 { put(0, bits: 8 - pendingBits) }
    }

    /// A Huffman code goes out highest bit first.
    private mutating func putCode(_ code: UInt32, bits: UInt32) {
        var reversed: UInt32 = 0
        for bit in 0..<bits where code >> bit & 1 == 1 { reversed |= 1 << (bits - 1 - bit) }
        put(reversed, bits: bits)
    }

    /// A literal (0...255), the end (256) or a length code (257...285), by the fixed table of RFC 1951, 3.2.6.
    mutating func putSymbol(_ symbol: Int) {
        let code = UInt32(symbol)
        switch symbol {
        case ..<144: putCode(0x30 + code, bits: 8)
        case ..<256: putCode(0x190 + code - 144, bits: 9)
        case ..<280: putCode(code - 256, bits: 7)
        default: putCode(0xC0 + code - 280, bits: 8)
        }
    }

    mutating func putMatch(length: Int, distance: Int) {
        if length == 258 {
            putSymbol(285)
        } else {
            // Lengths double their step every four codes: 257... for 3, 4, 5, ...
            let (code, extraBits, extra) = Self.split(length - 3, codesPerStep: 4)
            putSymbol(257 + code)
            put(UInt32(extra), bits: extraBits)
        }
        let (code, extraBits, extra) = Self.split(distance - 1, codesPerStep: 2)
        putCode(UInt32(code), bits: 5)
        put(UInt32(extra), bits: extraBits)
    }

    /// The code, and how many extra bits with what value, of a number in the staircase of RFC 1951: the first
    /// 2 x `codesPerStep` numbers have a code each, then every `codesPerStep` codes span twice as much as before.
    private static func split(_ value: Int, codesPerStep: Int) -> (code: Int, bits: UInt32, extra: Int) {
        guard value >= 2 * codesPerStep else { return (value, 0, 0) }
        let stepBits = codesPerStep.trailingZeroBitCount
        let bits = Int.bitWidth - 1 - value.leadingZeroBitCount - stepBits
        let code = codesPerStep * bits + value >> bits
        return (code, UInt32(bits), value & ((1 << bits) - 1))
    }
}

/// The printable alphabet of byte-level vocabularies (GPT-2): 188 bytes stand for themselves, the other 68 for
/// U+0100…U+0143 in byte order.
enum ByteAlphabet {
    /// The scalar that stands for each byte.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<256).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return UInt32(byte)
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The byte that each scalar below U+0144 stands for; -1 for none.
    private static let bytes: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = Int16(byte) }
        return table
    }()

    static func byte(of scalar: UInt32) -> UInt8? {
        guard scalar < 0x144 else { return nil }
        return UInt8(exactly: bytes[Int(scalar)])
    }

    /// The bytes that the text stands for; nil where a scalar is not of the alphabet (added tokens).
    static func decode(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) -> Bool {
        let mark = output.count
        var position = 0
        while position < text.count {
            let scalar = UTF8Scanning.scalar(text, at: position)
            guard let byte = byte(of: scalar.value) else {
                output.removeSubrange(mark...)
                return false
            }
            output.append(byte)
            position += scalar.count
        }
        return true
    }

    /// The text that stands for the bytes.
    static func encode(_ bytes: some Sequence<UInt8>, into output: inout [UInt8]) {
        for byte in bytes { UTF8Scanning.append(scalars[Int(byte)], to: &output) }
    }
}

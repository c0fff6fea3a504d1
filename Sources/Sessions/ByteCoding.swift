import CKernels

/// Puts numbers and texts one after the other, little-endian.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ value: Double) { put(value.bitPattern) }

    mutating func put(_ values: [Int32]) {
        put(UInt32(values.count))
        bytes.reserveCapacity(bytes.count + 4 * values.count)
        for value in values { put(value) }
    }

    mutating func put(_ values: [UInt32]) { put(values.map { Int32(bitPattern: $0) }) }

    mutating func put(_ text: [UInt8]) {
        put(UInt64(text.count))
        bytes.append(contentsOf: text)
    }

    mutating func put(_ text: String) { put(Array(text.utf8)) }
}

/// Takes them out again; nil where the bytes end before.
struct ByteReader {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var left: Int { bytes.count - offset }

    mutating func number<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard left >= size else { return nil }
        defer { offset += size }
        return bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)) }
    }

    /// A number that may stand for a count, a place or a size.
    mutating func count(_ type: (some FixedWidthInteger & UnsignedInteger).Type, limit: Int = 1 << 52) -> Int? {
        number(type).flatMap { Int(exactly: $0) }.flatMap { $0 <= limit ? $0 : nil }
    }

    mutating func double() -> Double? { number(UInt64.self).map(Double.init(bitPattern:)) }

    mutating func integers() -> [Int32]? {
        guard let count = count(UInt32.self), count <= left / 4 else { return nil }
        return (0..<count).compactMap { _ in number(Int32.self) }
    }

    mutating func unsignedIntegers() -> [UInt32]? { integers()?.map { UInt32(bitPattern: $0) } }

    mutating func text() -> [UInt8]? {
        guard let count = count(UInt64.self), count <= left else { return nil }
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    mutating func string() -> String? { text().map { String(decoding: $0, as: UTF8.self) } }
}

enum Checksum {
    /// CRC-32C.
    static func of(_ bytes: [UInt8], after before: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { of($0, after: before) }
    }

    static func of(_ bytes: UnsafeRawBufferPointer, after before: UInt32 = 0) -> UInt32 {
        sk_crc32c(before, bytes.baseAddress, bytes.count)
    }

    /// Eight lower-case hexadecimal digits.
    static func text(_ checksum: UInt32) -> String { hexadecimal(UInt64(checksum), digits: 8) }

    static func hexadecimal(_ value: UInt64, digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}

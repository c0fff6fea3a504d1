import CKernels

/// SHA-256 (FIPS 180-4) of what is added, in order.
package struct Digest: Sendable {
    private var state = sk_sha256()

    package init() { sk_sha256_begin(&state) }

    /// Adds bytes as they are.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        if let base = bytes.baseAddress { sk_sha256_update(&state, base, bytes.count) }
    }

    /// Adds bytes as one item: told apart from the next by its length.
    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { update($0) }
        update(bytes)
    }

    /// Adds a text as one item.
    package mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    }

    /// Of all that was added so far, 32 bytes.
    package var bytes: [UInt8] {
        var state = state
        var digest = [UInt8](repeating: 0, count: 32)
        sk_sha256_finish(&state, &digest)
        return digest
    }

    /// The same in lower-case digits.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

import CKernels
import Testing

@Suite struct SHA256Tests {
    static func digest(_ parts: [[UInt8]]) -> String {
        var hash = sk_sha256()
        sk_sha256_begin(&hash)
        for part in parts { sk_sha256_update(&hash, part, part.count) }
        var digest = [UInt8](repeating: 0, count: 32)
        sk_sha256_finish(&hash, &digest)
        return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    // The examples of FIPS 180-2, appendix B, and of the NIST test files.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
                + "nopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
    ]) func publishedVectors(_ text: String, _ expected: String) {
        #expect(Self.digest([Array(text.utf8)]) == expected)
    }

    @Test func aMillionTimesA() {
        let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        #expect(Self.digest([[UInt8](repeating: 97, count: 1_000_000)]) == expected)
        // In ragged pieces, so that every fill of the buffer occurs.
        var pieces: [[UInt8]] = []
        var left = 1_000_000
        var size = 0
        while left > 0 {
            size = size % 131 + 1
            pieces.append([UInt8](repeating: 97, count: min(size, left)))
            left -= min(size, left)
        }
        #expect(Self.digest(pieces) == expected)
    }

    @Test func everyLengthIsTheSameInOnePieceAndInBytes() {
        var seen: Set<String> = []
        for length in 0..<200 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
            let whole = Self.digest([bytes])
            #expect(whole == Self.digest(bytes.map { [$0] }))
            seen.insert(whole)
        }
        #expect(seen.count == 200)
    }
}

import CKernels
import Testing

@Suite struct CRC32CTests {
    // RFC 3720, appendix B.4, and the check value of the catalogue of parametrised CRC algorithms.
    private static let vectors: [(bytes: [UInt8], checksum: UInt32)] = [
        (Array("123456789".utf8), 0xE306_9283),
        ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        ([UInt8](0..<32), 0x46DD_794E),
        ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
        ([], 0),
    ]

    @Test func publishedVectors() {
        for (bytes, checksum) in Self.vectors {
            #expect(sk_crc32c(0, bytes, bytes.count) == checksum)
            #expect(sk_crc32c_scalar(0, bytes, bytes.count) == checksum)
        }
    }

    @Test func bothKernelsAgreeAtRaggedSizesAndPlaces() {
        var state: UInt64 = 7
        let bytes = (0..<20_000).map { _ -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
        let sizes = Array(0..<80) + [1023, 1024, 3071, 3072, 3073, 3080, 6143, 6144, 6151, 9216, 16_383, 19_900]
        bytes.withUnsafeBytes { buffer in
            for size in sizes {
                for offset in [0, 1, 7, 64] {
                    let base = buffer.baseAddress.map { $0 + offset }
                    let before = UInt32(truncatingIfNeeded: size &* 2_654_435_761)
                    #expect(sk_crc32c(before, base, size) == sk_crc32c_scalar(before, base, size))
                }
            }
        }
    }

    @Test func piecesAreAsTheWhole() {
        let bytes = (0..<7000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 5) }
        let whole = sk_crc32c(0, bytes, bytes.count)
        bytes.withUnsafeBytes { buffer in
            for cut in [0, 1, 511, 3072, 3500, 6999, 7000] {
                let first = sk_crc32c(0, buffer.baseAddress, cut)
                #expect(sk_crc32c(first, buffer.baseAddress.map { $0 + cut }, 7000 - cut) == whole)
            }
        }
    }
}

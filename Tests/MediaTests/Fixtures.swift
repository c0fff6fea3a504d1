import Foundation
import JSONText
import Testing

/// Reference values: a minimal reader of safetensors, so that these tests need no other room.
struct TensorFixture {
    private let bytes: [UInt8]
    private let header: JSON
    private let begin: Int

    /// - Parameter name: of a file in Fixtures/reference.
    init(_ name: String) throws {
        bytes = try fixtureBytes(name)
        let length = Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        begin = 8 + length
        header = try JSON.parse(Array(bytes[8..<begin]))
    }

    func shape(_ name: String) throws -> [Int] {
        try #require(header[name]?["shape"]?.arrayValue).compactMap(\.intValue)
    }

    func values<Value: BitwiseCopyable>(_ name: String, as type: Value.Type = Value.self) throws -> [Value] {
        let range = try #require(header[name]?["data_offsets"]?.arrayValue).compactMap(\.intValue)
        let size = MemoryLayout<Value>.size
        return bytes.withUnsafeBytes { raw in
            (0..<(range[1] - range[0]) / size).map {
                raw.loadUnaligned(fromByteOffset: begin + range[0] + $0 * size, as: Value.self)
            }
        }
    }
}

func fixtureBytes(_ name: String) throws -> [UInt8] {
    let resources = try #require(Bundle.module.resourcePath)
    return Array(try Data(contentsOf: URL(fileURLWithPath: resources + "/Fixtures/reference/" + name)))
}

/// Values that repeat with the seed (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

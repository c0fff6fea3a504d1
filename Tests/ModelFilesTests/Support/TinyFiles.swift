import Foundation
import JSONText

/// A seeded generator (SplitMix64): the same tests on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Floats in -1 ... 1.
    mutating func floats(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float.random(in: -1...1, using: &self) }
    }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
}

/// A folder that is removed with its last reference.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("model-files-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let file = path + "/" + name
        // The fuzzers write thousands of files: neither through Data, which waits for the disk, nor by truncating the
        // old one, which makes ext4 wait for it.
        unlink(file)
        guard let stream = fopen(file, "w") else { throw CocoaError(.fileWriteUnknown) }
        defer { fclose(stream) }
        guard fwrite(bytes, 1, bytes.count, stream) == bytes.count else { throw CocoaError(.fileWriteOutOfSpace) }
        return file
    }

    func write(_ text: String, _ name: String) throws -> String { try write(Array(text.utf8), name) }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

extension Array where Element == UInt8 {
    mutating func append<Value: FixedWidthInteger>(number value: Value) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    init(floats: [Float]) {
        self = []
        for value in floats { append(number: value.bitPattern) }
    }
}

/// Writes safetensors files, valid or deliberately not.
struct SafetensorsWriter {
    var tensors: [(name: String, type: String, shape: [Int], bytes: [UInt8])] = []
    var metadata: [(String, String)] = []

    mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
        tensors.append((name, "F32", shape, Array(floats: values)))
    }

    var bytes: [UInt8] {
        var members: [(String, JSON)] = []
        if !metadata.isEmpty {
            members.append(("__metadata__", .object(.init(metadata.map { ($0.0, .string($0.1)) }))))
        }
        var data: [UInt8] = []
        for tensor in tensors {
            let begin = Int64(data.count)
            data += tensor.bytes
            members.append(
                (
                    tensor.name,
                    [
                        "dtype": .string(tensor.type), "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
                        "data_offsets": [.integer(begin), .integer(Int64(data.count))],
                    ]
                )
            )
        }
        return Self.file(header: JSON.object(.init(members)).text(), data: data)
    }

    static func file(header: String, data: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.append(number: UInt64(header.utf8.count))
        return result + Array(header.utf8) + data
    }
}

/// Writes GGUF files.
struct GGUFWriter {
    enum Value {
        case uint32(UInt32), int32(Int32), float32(Float), bool(Bool), string(String), uint64(UInt64)
        case strings([String]), floats([Float]), integers([Int32])
        case raw(type: UInt32, bytes: [UInt8])
    }

    var version: UInt32 = 3
    var alignment = 32
    var metadata: [(String, Value)] = []
    /// Shapes outermost dimension first, as everywhere else; the file has them reversed.
    var tensors: [(name: String, type: UInt32, shape: [Int], bytes: [UInt8])] = []

    var bytes: [UInt8] {
        var result = Array("GGUF".utf8)
        result.append(number: version)
        result.append(number: UInt64(tensors.count))
        result.append(number: UInt64(metadata.count))
        for (key, value) in metadata {
            Self.append(key, to: &result)
            Self.append(value, to: &result)
        }
        var offset = 0
        for tensor in tensors {
            Self.append(tensor.name, to: &result)
            result.append(number: UInt32(tensor.shape.count))
            for length in tensor.shape.reversed() { result.append(number: UInt64(bitPattern: Int64(length))) }
            result.append(number: tensor.type)
            result.append(number: UInt64(offset))
            offset += (tensor.bytes.count + alignment - 1) / alignment * alignment
        }
        for tensor in tensors {
            while result.count % alignment != 0 { result.append(0) }
            result += tensor.bytes
        }
        if tensors.isEmpty { while result.count % alignment != 0 { result.append(0) } }
        return result
    }

    static func append(_ text: String, to result: inout [UInt8]) {
        result.append(number: UInt64(text.utf8.count))
        result += Array(text.utf8)
    }

    private static func append(_ value: Value, to result: inout [UInt8]) {
        switch value {
        case .uint32(let number):
            result.append(number: UInt32(4))
            result.append(number: number)
        case .int32(let number):
            result.append(number: UInt32(5))
            result.append(number: number)
        case .float32(let number):
            result.append(number: UInt32(6))
            result.append(number: number.bitPattern)
        case .bool(let flag):
            result.append(number: UInt32(7))
            result.append(flag ? 1 : 0)
        case .string(let text):
            result.append(number: UInt32(8))
            append(text, to: &result)
        case .uint64(let number):
            result.append(number: UInt32(10))
            result.append(number: number)
        case .strings(let texts):
            array(8, texts.count, to: &result)
            for text in texts { append(text, to: &result) }
        case .floats(let numbers):
            array(6, numbers.count, to: &result)
            for number in numbers { result.append(number: number.bitPattern) }
        case .integers(let numbers):
            array(5, numbers.count, to: &result)
            for number in numbers { result.append(number: number) }
        case .raw(let type, let bytes):
            result.append(number: type)
            result += bytes
        }
    }

    private static func array(_ type: UInt32, _ count: Int, to result: inout [UInt8]) {
        result.append(number: UInt32(9))
        result.append(number: type)
        result.append(number: UInt64(count))
    }
}

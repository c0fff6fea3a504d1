import MediaFixtures
import ModelFiles
import Testing

/// The reference's inputs and outputs.
struct Reference {
    private let file: SafetensorsFile

    init(path: String) throws { file = try SafetensorsFile(path: path) }

    /// A run's of a checkpoint.
    init(model: String) throws { try self.init(path: MediaModel.fixture(model) + "/golden.safetensors") }

    /// Of the end-to-end clip.
    static func clip() throws -> Reference {
        try Reference(path: testsFolder + "/MediaTests/Fixtures/reference/clip.safetensors")
    }

    func values<Value: BitwiseCopyable>(_ name: String) throws -> [Value] {
        let entry = try #require(file.entry(named: name))
        let bytes = try #require(file.bytes(of: entry))
        let size = MemoryLayout<Value>.size
        return (0..<bytes.count / size).map { bytes.loadUnaligned(fromByteOffset: $0 * size, as: Value.self) }
    }

    func tokens(_ name: String) throws -> [Int32] {
        let values: [Int64] = try values(name)
        return values.map { Int32($0) }
    }
}

import JSONText
import ModelFiles

extension Families {
    /// The plan that turns a checkpoint into a bundle.
    ///
    /// - Throws: ``ModelError`` when the architecture is unknown or a setting is missing or absurd.
    package static func plan(for source: CheckpointSource) throws -> ImportPlan {
        var shapes: [String: [Int]] = [:]
        for tensor in source.tensors { shapes[tensor.name] = tensor.shape }
        let inventory = TensorInventory(shapes: shapes) { try floats($0, in: source) }
        guard let gguf = source.gguf else { return try plan(huggingFace: source.configuration, inventory) }
        // Arrays of numbers per layer stay; vocabularies are the tokenizer's.
        var metadata = JSON.Object()
        for (key, value) in gguf.first.metadata where !key.hasPrefix("tokenizer.") {
            if let array = value.arrayValue, array.count > 4096 { continue }
            metadata[key] = value.json
        }
        return try plan(gguf: .object(metadata), inventory)
    }

    /// A small tensor of floats, e.g. frequency divisors.
    private static func floats(_ name: String, in source: CheckpointSource) throws -> [Float] {
        let values = source.tensor(named: name).flatMap { tensor in
            tensor.type != .float32 || tensor.byteCount > 1_048_576
                ? nil
                : tensor.withRawBytes { bytes in
                    (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
                }
        }
        guard let values else { throw ModelError.unsupported("tensor '\(name)' is not a small F32 vector") }
        return values
    }
}

import CKernels
import Foundation
import JSONText
import ModelFiles
import Models
import Testing

/// PyTorch's tiny default model (`soranji_training.goldens`) as files: a trunk's folder and the parts that were grown on it.
final class GrownFixture {
    let folder: String
    let grown: GoldenTensors
    let senses: GoldenTensors
    let codec: GoldenTensors
    /// As `export.py` writes it, but for the codec's sizes, whose golden has another.
    let dims: JSON
    /// Of images, video and sound.
    let placeholders: [Int32]

    var trunk: String { folder + "/trunk" }
    var parts: String { folder + "/parts" }
    /// The trunk with the parts, and the trunk alone.
    var bundle: String { folder + "/bundle" }
    var plain: String { folder + "/plain" }

    init() throws {
        folder = NSTemporaryDirectory() + "soranji-grown-\(UUID().uuidString)"
        grown = try GoldenTensors("grown")
        senses = try GoldenTensors("senses")
        codec = try GoldenTensors("codec")
        guard case .object(var object) = try JSON.parse(Array(grown.config.utf8)) else {
            throw ModelError.missingSetting("config")
        }
        // Ids that the golden's text does not have.
        let used = Set(try grown.integers("in.ids"))
        placeholders = (0..<64).filter { !used.contains($0) }.suffix(3).map { Int32($0) }
        object["placeholders"] = [
            "image": .integer(Int64(placeholders[0])), "video": .integer(Int64(placeholders[1])),
            "audio": .integer(Int64(placeholders[2])),
        ]
        object["video_slots"] = .array((0..<8).map { .string("v\($0)") })
        object["audio_slots"] = .array((0..<3).map { .string("a\($0)") })
        dims = .object(object)
        try writeTrunk()
        try writeParts()
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func assemble(weights: WeightType? = .f32) throws {
        let parts = try GrownParts(root: parts)
        try parts.verify()
        let trunk = try CheckpointSource(path: trunk)
        let (plan, source) = try GrownModel.plan(trunk: trunk, parts: parts)
        try BundleImporter(weights: weights).run(plan, from: source, to: bundle)
        try BundleImporter(weights: weights).run(Families.plan(for: trunk), from: trunk, to: plain)
    }

    private func writeTrunk() throws {
        var tensors: [(String, [Int], [Float])] = [
            ("model.embed_tokens.weight", [64, 32], try grown.floats("w.trunk.emb")),
            ("model.norm.weight", [32], try grown.floats("w.trunk.norm")),
        ]
        for layer in 0..<4 {
            let name = "model.layers.\(layer)."
            func part(_ key: String) throws -> [Float] { try grown.floats("w.trunk.\(layer).\(key)") }
            let (qkv, gateUp) = (try part("qkv"), try part("gate_up"))
            tensors += [
                (name + "self_attn.q_proj.weight", [32, 32], Array(qkv[..<1024])),
                (name + "self_attn.k_proj.weight", [16, 32], Array(qkv[1024..<1536])),
                (name + "self_attn.v_proj.weight", [16, 32], Array(qkv[1536...])),
                (name + "self_attn.o_proj.weight", [32, 32], try part("o")),
                (name + "mlp.gate_proj.weight", [48, 32], Array(gateUp[..<1536])),
                (name + "mlp.up_proj.weight", [48, 32], Array(gateUp[1536...])),
                (name + "mlp.down_proj.weight", [32, 48], try part("down")),
                (name + "input_layernorm.weight", [32], try part("n1")),
                (name + "post_attention_layernorm.weight", [32], try part("n2")),
            ]
        }
        try Self.write(tensors, to: trunk + "/model.safetensors")
        let config: JSON = [
            "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48, "rms_norm_eps": 1e-5,
            "rope_theta": 100_000, "vocab_size": 64, "tie_word_embeddings": true, "max_position_embeddings": 256,
            "hidden_act": "silu",
        ]
        try Data(config.text().utf8).write(to: URL(fileURLWithPath: trunk + "/config.json"))
    }

    private func writeParts() throws {
        var files = JSON.Object()
        func add(_ name: String, _ tensors: [(String, [Int], [Float])]) throws {
            let path = parts + "/Experts/" + name
            try Self.write(tensors, to: path)
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            files[name] = ["bytes": .integer(Int64(bytes.count)), "sha256": .string(Self.sha256(bytes))]
        }
        func tensor(_ golden: GoldenTensors, _ name: String) throws -> (String, [Int], [Float]) {
            (String(name.dropFirst(2)), try golden.shape(name), try golden.floats(name))
        }
        try add(
            "encoders/senses.safetensors",
            senses.names.filter { $0.hasPrefix("w.") }.map { try tensor(senses, $0) }
        )
        try add("decoder/codec.safetensors", codec.names.filter { $0.hasPrefix("w.") }.map { try tensor(codec, $0) })
        var routers = [try tensor(grown, "w.marks"), try tensor(grown, "w.gains")]
        for layer in [0, 2] {
            for (number, modality) in ["video", "audio"].enumerated() {
                let name = "w.\(modality).\(layer)."
                routers.append(try tensor(grown, name + "router"))
                let (gateUp, down) = (try grown.floats(name + "gate_up"), try grown.floats(name + "down"))
                for expert in 0..<4 {
                    try add(
                        "L0\(layer)/E00\(4 * number + expert).safetensors",
                        [
                            ("gate_up", [16, 32], Array(gateUp[expert * 512..<(expert + 1) * 512])),
                            ("down", [32, 8], Array(down[expert * 256..<(expert + 1) * 256])),
                        ]
                    )
                }
            }
        }
        try add("routers.safetensors", routers)
        let manifest: JSON = ["format": "soranji-parts", "version": 1, "files": .object(files), "dims": dims]
        try Data(manifest.text().utf8).write(to: URL(fileURLWithPath: parts + "/Experts/model.json"))
    }

    private static func sha256(_ bytes: [UInt8]) -> String {
        var state = sk_sha256()
        sk_sha256_begin(&state)
        sk_sha256_update(&state, bytes, bytes.count)
        var digest = [UInt8](repeating: 0, count: 32)
        sk_sha256_finish(&state, &digest)
        return digest.map { String(format: "%02x", $0) }.joined()
    }

    private static func write(_ tensors: [(String, [Int], [Float])], to path: String) throws {
        var header = JSON.Object()
        var offset = 0
        for (name, shape, values) in tensors {
            header[name] = [
                "dtype": "F32", "shape": .array(shape.map { .integer(Int64($0)) }),
                "data_offsets": [.integer(Int64(offset)), .integer(Int64(offset + 4 * values.count))],
            ]
            offset += 4 * values.count
        }
        let text = Array(JSON.object(header).text().utf8)
        var data = Data(withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) })
        data.append(contentsOf: text)
        for (_, _, values) in tensors { values.withUnsafeBytes { data.append(contentsOf: $0) } }
        let url = URL(fileURLWithPath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: url)
    }
}

/// A file of `soranji_training.goldens`.
struct GoldenTensors {
    private let file: SafetensorsFile

    init(_ name: String) throws {
        let resources = try #require(Foundation.Bundle.module.resourcePath)
        file = try SafetensorsFile(path: resources + "/Fixtures/grown/\(name).safetensors")
    }

    var names: [String] { file.tensors.map(\.name) }
    var config: String { file.metadata["config"] ?? "" }

    func shape(_ name: String) throws -> [Int] { try #require(file.entry(named: name)).shape }
    func floats(_ name: String) throws -> [Float] { try values(name) }
    func integers(_ name: String) throws -> [Int] { try (values(name) as [Int64]).map { Int($0) } }

    private func values<Value: BitwiseCopyable>(_ name: String) throws -> [Value] {
        let entry = try #require(file.entry(named: name))
        let bytes = try #require(file.bytes(of: entry))
        defer { withExtendedLifetime(file) {} }
        let size = MemoryLayout<Value>.size
        return (0..<bytes.count / size).map { bytes.loadUnaligned(fromByteOffset: $0 * size, as: Value.self) }
    }
}

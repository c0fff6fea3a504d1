import CKernels
import Foundation
import JSONText
import Testing

@testable import ModelFiles

/// Thousands of damaged files: each is read or refused with an error that names it; none ends the process, and none
/// makes it allocate more than the file's own size class.
@Suite(.serialized) struct FuzzTests {
    private static let cases = 5_000

    private func gguf() -> [UInt8] {
        var generator = SeededGenerator(seed: 4)
        var writer = GGUFWriter()
        writer.metadata = [
            ("general.architecture", .string("llama")), ("general.alignment", .uint32(32)),
            ("llama.block_count", .uint32(1)), ("llama.expert_count", .uint32(2)),
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.tokens", .strings(["a", "bc", "def", ""])),
            ("tokenizer.ggml.scores", .floats([0, 1, 2, 3])), ("tokenizer.ggml.token_type", .integers([1, 2, 3, 4])),
            ("x", .bool(true)), ("y", .uint64(1 << 40)), ("tokenizer.chat_template", .string("{{ a }}")),
        ]
        writer.tensors = [
            ("a", 0, [2, 3], Array(floats: generator.floats(6))),
            ("b", 2, [2, 32], Blocks.random(2, weights: 64, &generator)),
            ("c", 12, [256], Blocks.random(12, weights: 256, &generator)), ("d", 99, [5], [1, 2, 3]),
            ("e", 39, [2, 1, 32], Blocks.random(39, weights: 64, &generator)),
        ]
        return writer.bytes
    }

    private func safetensors() -> [UInt8] {
        var generator = SeededGenerator(seed: 5)
        var writer = SafetensorsWriter()
        writer.metadata = [("format", "pt"), ("m", "q4 20x40")]
        writer.add("a", [2, 3], generator.floats(6))
        writer.tensors.append(("b", "BF16", [4], generator.bytes(8)))
        writer.tensors.append(("w_blocks", "U8", [2, 1, 16], generator.bytes(32)))
        writer.tensors.append(("w_scales", "U8", [2, 1], generator.bytes(2)))
        writer.tensors.append(("m", "U8", [64], generator.bytes(64)))
        return writer.bytes
    }

    /// Reads all that a source offers; every pointer must stay inside its file.
    private func exhaust(_ source: CheckpointSource) throws(ModelFileError) {
        let blocks = ScratchBuffer()
        defer { withExtendedLifetime(blocks) {} }
        for tensor in source.tensors {
            #expect(tensor.byteCount <= source.weightFiles.reduce(0) { $0 + $1.count })
            guard tensor.type.isReadable, let rowBytes = tensor.bytesPerRow, tensor.byteCount > 0 else { continue }
            let scratch = blocks.reserve(rowBytes)
            var row = [Float](repeating: 0, count: tensor.columns)
            for number in 0..<min(tensor.rowCount, 100) {
                #expect(tensor.read(row: number, scratch: scratch, into: &row))
            }
        }
        guard let gguf = source.gguf?.first else { return }
        // Every key and tensor took its share of the file.
        #expect(gguf.keys.count * 13 + gguf.tensors.count * 24 <= gguf.file.count)
        for value in gguf.metadata.values {
            guard let array = value.arrayValue else { continue }
            #expect(array.count * array.kind.minimumByteCount <= gguf.file.count)
            #expect(array.values.count == array.count)
        }
        _ = try TokenizerFiles.json(of: gguf)
    }

    private static func peakMegabytes() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss / 1024
    }

    private func fuzz(_ original: [UInt8], _ name: String, seed: UInt64) throws {
        let folder = try TemporaryFolder()
        var mutator = Mutator(generator: SeededGenerator(seed: seed))
        var (read, refused) = (0, 0)
        let before = Self.peakMegabytes()
        for _ in 0..<Self.cases {
            let path = try folder.write(mutator.mutate(original), name)
            do throws(ModelFileError) {
                let source = try CheckpointSource(path: path)
                try exhaust(source)
                _ = try Inspection(source: source).text(listsTensors: true)
                read += 1
            } catch {
                #expect(error.path.hasPrefix(folder.path))
                refused += 1
            }
        }
        // Both must happen often, or the mutations test nothing.
        #expect(read > Self.cases / 50, "\(read) of \(Self.cases) were read")
        #expect(refused > Self.cases / 4, "\(refused) of \(Self.cases) were refused")
        // Generous enough for a sanitizer's quarantine; claimed lengths run to 2^63.
        #expect(Self.peakMegabytes() - before < 512)
    }

    @Test(.timeLimit(.minutes(3))) func damagedGGUF() throws { try fuzz(gguf(), "m.gguf", seed: 100) }

    @Test(.timeLimit(.minutes(3))) func damagedSafetensors() throws {
        try fuzz(safetensors(), "model.safetensors", seed: 200)
    }

    @Test(.timeLimit(.minutes(3))) func damagedBundles() throws {
        let folder = try TemporaryFolder()
        let target = folder.path + "/model"
        var plan = ImportPlan(architecture: "test", configuration: ["router": ["expertsPerToken": 2]])
        plan.trunkMatrices = [.init("w", .init("model.layers.0.self_attn.q_proj.weight"))]
        plan.trunkVectors = [.init("v", .init("model.norm.weight"))]
        let prefix = "model.layers.0.block_sparse_moe.experts.0."
        plan.experts = [
            .init(
                layer: 0,
                expert: 0,
                gate: .init(prefix + "w1.weight"),
                up: .init(prefix + "w3.weight"),
                down: .init(prefix + "w2.weight")
            )
        ]
        let source = try Mixtral.source()
        plan.ignoredTensors = Set(source.names)
        try BundleImporter(weights: .q4).run(plan, from: source, to: target)
        let names = ["bundle.json", "trunk.safetensors", "experts/L00/E000.safetensors"]
        let originals = try names.map { name in
            try MappedFile(path: target + "/" + name).withBytes { Array($0) }
        }
        var mutator = Mutator(generator: SeededGenerator(seed: 300))
        var read = 0
        for number in 0..<3_000 {
            let which = number % names.count
            _ = try folder.write(mutator.mutate(originals[which]), "model/" + names[which])
            do throws(ModelFileError) {
                let bundle = try ModelFiles.Bundle(path: target)
                for name in bundle.matrixNames { _ = try bundle.matrix(named: name).values() }
                for name in bundle.vectorNames { _ = try bundle.vector(named: name).array }
                let shard = try bundle.shard(layer: 0, expert: 0)
                _ = shard.gateUp.values(part: 1, of: 2) + shard.down.values()
                _ = try Inspection(bundle: bundle).json.text()
                read += 1
            } catch {
                #expect(error.path.hasPrefix(target))
            }
            _ = try folder.write(originals[which], "model/" + names[which])
        }
        #expect(read > 100)
    }
}

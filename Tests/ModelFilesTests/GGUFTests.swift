import CKernels
import Foundation
import JSONText
import Testing

@testable import ModelFiles

struct GGUFTests {
    private func open(_ bytes: [UInt8], _ name: String = "a.gguf") throws -> GGUFFile {
        let folder = try TemporaryFolder()
        return try GGUFFile(path: try folder.write(bytes, name))
    }

    private func sample() -> GGUFWriter {
        var generator = SeededGenerator(seed: 1)
        var writer = GGUFWriter()
        writer.metadata = [
            ("general.architecture", .string("llama")), ("llama.block_count", .uint32(2)),
            ("llama.rope.freq_base", .float32(10_000)), ("tokenizer.ggml.add_bos_token", .bool(true)),
            ("tokenizer.ggml.tokens", .strings(["a", "é", ""])), ("tokenizer.ggml.scores", .floats([0, -1.5, 2])),
            ("llama.attention.head_count_kv", .integers([2, 4])), ("big", .uint64(.max)), ("small", .int32(-3)),
        ]
        writer.tensors = [
            ("m", 0, [2, 3], Array(floats: [1, 2, 3, 4, 5, 6])),
            ("q", 8, [3, 64], Blocks.random(8, weights: 192, &generator)),
            ("strange", 23, [256], [1, 2, 3]),
        ]
        return writer
    }

    @Test(arguments: [UInt32(2), 3]) func readsMetadataAndTensors(_ version: UInt32) throws {
        var writer = sample()
        writer.version = version
        let file = try open(writer.bytes)
        #expect(file.string("general.architecture") == "llama")
        #expect(file.integer("llama.block_count") == 2)
        #expect(file.double("llama.rope.freq_base") == 10_000)
        #expect(file.double("llama.block_count") == 2)
        #expect(file.bool("tokenizer.ggml.add_bos_token") == true)
        #expect(file.strings("tokenizer.ggml.tokens") == ["a", "é", ""])
        #expect(file.doubles("tokenizer.ggml.scores") == [0, -1.5, 2])
        #expect(file.integers("llama.attention.head_count_kv") == [2, 4])
        #expect(file.integers("llama.block_count") == [2])
        #expect(file.integer("big") == nil)
        #expect(file.integer("small") == -3)
        #expect(file.integer("general.architecture") == nil)
        #expect(file.strings("tokenizer.ggml.scores") == nil)
        #expect(file.tensors.map(\.shape) == [[2, 3], [3, 64], [256]])
        #expect(file.tensors.map(\.type.name) == ["F32", "Q8_0", "IQ4_XS"])
        #expect(file.tensors.map(\.byteCount) == [24, 204, nil])
        #expect(file.tensors.allSatisfy { $0.offset % 32 == 0 })
        #expect(file.file.number(UInt32.self, at: file.tensors[0].offset + 20) == Float(6).bitPattern)
    }

    @Test func exportsTheTokenizerAsPlainJSON() throws {
        var writer = sample()
        writer.metadata.append(("tokenizer.chat_template", .string("{{ x }}")))
        let json = try TokenizerFiles.json(of: try open(writer.bytes))
        let expected: JSON = [
            "add_bos_token": true, "tokens": ["a", "é", ""], "scores": [.number(0), .number(-1.5), .number(2)],
            "chat_template": "{{ x }}",
        ]
        #expect(json == expected)
    }

    @Test func otherAlignmentsAndNestedArrays() throws {
        var writer = sample()
        writer.alignment = 256
        writer.metadata.append(("general.alignment", .uint32(256)))
        var nested: [UInt8] = []
        nested.append(number: UInt32(9))
        nested.append(number: UInt64(1))
        nested.append(number: UInt32(0))
        nested.append(number: UInt64(2))
        nested += [7, 9]
        writer.metadata.append(("nested", .raw(type: 9, bytes: nested)))
        let file = try open(writer.bytes)
        #expect(file.tensors.allSatisfy { $0.offset % 256 == 0 })
        #expect(file.metadata["nested"]?.json == [[7, 9]])
    }

    @Test(arguments: [UInt64.max, 1 << 62, 1 << 32, 1 << 20])
    func countsAreCheckedBeforeAnythingIsAllocated(_ claimed: UInt64) throws {
        // Tensors, keys, and the elements of an array of strings and of an array of bytes.
        let plain = sample().bytes
        for offset in [8, 16] {
            var bytes = plain
            withUnsafeBytes(of: claimed) { bytes.replaceSubrange(offset..<offset + 8, with: $0) }
            #expect { try open(bytes) } throws: { "\($0)".contains("cannot fit in the") }
        }
        for type in [UInt32(8), 0, 12, 9] {
            var array: [UInt8] = []
            array.append(number: type)
            array.append(number: claimed)
            var writer = GGUFWriter()
            writer.metadata = [("x", .raw(type: 9, bytes: array))]
            #expect { try open(writer.bytes) } throws: { "\($0)".contains("cannot fit in the") }
        }
        var text: [UInt8] = []
        text.append(number: claimed)
        var writer = GGUFWriter()
        writer.metadata = [("x", .raw(type: 8, bytes: text))]
        #expect { try open(writer.bytes) } throws: { "\($0)".contains("cannot fit in the") }
    }

    @Test func refusesWhatDoesNotHold() throws {
        func refused(_ reason: String, _ change: (inout GGUFWriter) -> Void) {
            var writer = sample()
            change(&writer)
            #expect { try open(writer.bytes) } throws: {
                guard "\($0)".contains(reason) else {
                    Issue.record("'\($0)' does not say '\(reason)'")
                    return false
                }
                return true
            }
        }
        refused("version 1") { $0.version = 1 }
        refused("big-endian") { $0.version = 0x0300_0000 }
        refused("appears twice") { $0.metadata.append(("big", .bool(true))) }
        refused("'m' appears twice") { $0.tensors.append(("m", 0, [1], [0, 0, 0, 0])) }
        refused("power of two") { $0.metadata.append(("general.alignment", .uint32(24))) }
        refused("power of two") { $0.metadata.append(("general.alignment", .uint32(0))) }
        refused("unknown value type 13") { $0.metadata.append(("x", .raw(type: 13, bytes: [0]))) }
        refused("not a truth value") { $0.metadata.append(("x", .raw(type: 7, bytes: [2]))) }
        refused("impossible shape") { $0.tensors[1].shape = [3, 63] }
        refused("impossible shape") { $0.tensors[0].shape = [1 << 40, 1 << 40] }
        refused("impossible dimension") { $0.tensors[0].shape = [-1] }
        refused("5 dimensions") { $0.tensors[0].shape = [1, 1, 1, 1, 6] }
        refused("claims") { $0.tensors[1].shape = [4096, 64] }
        refused("overlap") { $0.tensors[0].shape = [12, 3] }
        var deep: [UInt8] = []
        for _ in 0..<100 {
            deep.append(number: UInt32(9))
            deep.append(number: UInt64(1))
        }
        refused("nested too deep") { $0.metadata.append(("x", .raw(type: 9, bytes: deep))) }
        #expect { try open(Array("GGML".utf8) + [0, 0, 0, 0]) } throws: { "\($0)".contains("not a GGUF file") }
    }

    @Test func joinsSplitFiles() throws {
        let folder = try TemporaryFolder()
        let generator = SeededGenerator(seed: 3)
        for part in 0..<3 {
            var writer = GGUFWriter()
            writer.metadata = [
                ("split.no", .uint32(UInt32(part))), ("split.count", .uint32(3)), ("split.tensors.count", .int32(2)),
            ]
            if part == 0 { writer.metadata.append(("general.architecture", .string("olmoe"))) }
            if part > 0 {
                var copy = generator
                writer.tensors = [("t\(part)", 0, [2], Array(floats: copy.floats(2)))]
            }
            _ = try folder.write(writer.bytes, "m-0000\(part + 1)-of-00003.gguf")
        }
        for part in 1...3 {
            let source = try CheckpointSource(path: folder.path + "/m-0000\(part)-of-00003.gguf")
            #expect(source.names == ["t1", "t2"])
            #expect(source.gguf?.first.string("general.architecture") == "olmoe")
            #expect(source.weightFiles.count == 3)
        }
        #expect(rename(folder.path + "/m-00002-of-00003.gguf", folder.path + "/alone.gguf") == 0)
        #expect { try GGUFCheckpoint(path: folder.path + "/m-00001-of-00003.gguf") } throws: {
            "\($0)".contains("part 2 of 3 is not there")
        }
        #expect { try GGUFCheckpoint(path: folder.path + "/alone.gguf") } throws: {
            "\($0)".contains("a part of a model split in 3")
        }
        #expect(rename(folder.path + "/alone.gguf", folder.path + "/m-00003-of-00003.gguf") == 0)
        #expect(throws: ModelFileError.self) { try GGUFCheckpoint(path: folder.path + "/m-00003-of-00003.gguf") }
    }

    @Test(arguments: [
        "a-00000-of-00003.gguf", "a-00004-of-00003.gguf", "a-0001-of-0003.gguf", "a-00001_of_00003.gguf", "x.gguf",
        "-0000a-of-00003.gguf",
    ])
    func otherNamesAreWholeModels(_ name: String) { #expect(GGUFCheckpoint.partPaths(name) == [name]) }

    @Test func readsExponentsAndBlocksAsOneTensor() throws {
        // Two rows of 64: value = e2m1 * 2^(scale - 127), low nibble first.
        let table: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6]
        var generator = SeededGenerator(seed: 9)
        let blocks = generator.bytes(2 * 2 * 16)
        let scales: [UInt8] = [120, 127, 130, 118]
        var writer = SafetensorsWriter()
        writer.tensors = [
            ("w_blocks", "U8", [1, 2, 2, 16], blocks), ("w_scales", "U8", [1, 2, 2], scales),
            ("lonely_blocks", "U8", [1, 2, 2, 16], blocks), ("other_scales", "U8", [4], scales),
        ]
        let folder = try TemporaryFolder()
        let source = try CheckpointSource(path: try folder.write(writer.bytes, "model.safetensors"))
        #expect(source.names == ["w", "lonely_blocks", "other_scales"])
        let tensor = try #require(source.tensor(named: "w"))
        #expect(tensor.shape == [1, 2, 64])
        #expect(tensor.type == .mxfp4)
        #expect(tensor.byteCount == 68)
        let buffer = ScratchBuffer()
        let scratch = buffer.reserve(34)
        defer { withExtendedLifetime(buffer) {} }
        for row in 0..<2 {
            var values = [Float](repeating: 9, count: 64)
            #expect(tensor.read(row: row, scratch: scratch, into: &values))
            for column in 0..<64 {
                let byte = blocks[row * 32 + column / 2]
                let nibble = column % 2 == 0 ? byte & 15 : byte >> 4
                let exponent = Int(scales[row * 2 + column / 32]) - 127
                #expect(values[column] == table[Int(nibble)] * Float(sign: .plus, exponent: exponent, significand: 1))
            }
        }
        #expect(tensor.blocks(row: 2, scratch: scratch) == nil)
    }
}

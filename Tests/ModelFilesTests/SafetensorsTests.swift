import Foundation
import JSONText
import Testing

@testable import ModelFiles

struct SafetensorsTests {
    private func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
        let folder = try TemporaryFolder()
        return try SafetensorsFile(path: try folder.write(bytes, "a.safetensors"))
    }

    private func open(header: String, data: Int = 64) throws -> SafetensorsFile {
        try open(SafetensorsWriter.file(header: header, data: [UInt8](repeating: 0, count: data)))
    }

    @Test func readsShapesTypesAndBytes() throws {
        var writer = SafetensorsWriter()
        writer.metadata = [("format", "pt")]
        writer.add("a", [2, 3], [1, 2, 3, 4, 5, 6])
        writer.tensors.append(("b", "BF16", [2], [0x80, 0x3F, 0, 0x40]))
        writer.tensors.append(("nothing", "I64", [0, 7], []))
        writer.tensors.append(("odd", "F4", [3], [1, 2]))
        let file = try open(writer.bytes)
        #expect(file.metadata == ["format": "pt"])
        #expect(file.tensors.map(\.name) == ["a", "b", "nothing", "odd"])
        let a = try #require(file.entry(named: "a"))
        #expect(a.shape == [2, 3])
        #expect(a.type == .float32)
        #expect(file.file.number(UInt32.self, at: a.offset + 20) == Float(6).bitPattern)
        #expect(file.entry(named: "b")?.type == .bfloat16)
        #expect(file.entry(named: "odd")?.type.isReadable == false)
        #expect(file.entry(named: "c") == nil)
    }

    @Test(arguments: [
        // Beyond the data, backwards, negative.
        #"{"a":{"dtype":"F32","shape":[20],"data_offsets":[0,80]}}"#,
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#,
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#,
        // Size and shape disagree, overflow, nonsense.
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
        #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
        #"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,6]}}"#,
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#,
        #"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#,
        #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#,
        #"{"a":7}"#, "[]", "{", "",
        // Overlap, duplicate, metadata that is not text.
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        #"{"__metadata__":{"a":1}}"#,
    ])
    func refusesHeadersThatLie(_ header: String) {
        #expect { try open(header: header) } throws: { ($0 as? ModelFileError)?.kind == .malformed }
    }

    @Test(arguments: [UInt64(0xFFFF_FFFF_FFFF_FFFF), 1 << 63, 100_000_001, 65, 1 << 40])
    func refusesHeaderLengthsBeyondTheFile(_ length: UInt64) throws {
        var bytes: [UInt8] = []
        bytes.append(number: length)
        bytes += [UInt8](repeating: 0x20, count: 64)
        #expect { try open(bytes) } throws: { "\($0)".contains("the header claims \(length)") }
    }

    @Test func tablesOfManySmallTensorsAreReadFloodsOfNumbersAreNot() throws {
        var writer = SafetensorsWriter()
        writer.metadata = [("list", (0..<2_000).map { "\($0 % 10)" }.joined(separator: ",") + "\"[[[")]
        for number in 0..<500 { writer.add("\(number)", [1, 1, 1, 1], [1]) }
        #expect(try open(writer.bytes).tensors.count == 500)
        let flood = #"{"a":["# + String(repeating: "0,", count: 10_000) + "0]}"
        #expect { try open(header: flood) } throws: { "\($0)".contains("not a table of tensors") }
    }

    @Test func namesTheFileInEveryError() throws {
        let folder = try TemporaryFolder()
        #expect { try SafetensorsFile(path: folder.path + "/none.safetensors") } throws: {
            "\($0)".contains("/none.safetensors") && ($0 as? ModelFileError)?.kind == .missing
        }
        #expect { try SafetensorsFile(path: folder.path) } throws: { "\($0)".contains("not a regular file") }
        let empty = try folder.write([], "empty.safetensors")
        #expect { try SafetensorsFile(path: empty) } throws: { "\($0)".contains("/empty.safetensors: 0 bytes") }
        #expect(mkfifo(folder.path + "/pipe", 0o600) == 0)
        #expect { try SafetensorsFile(path: folder.path + "/pipe") } throws: { "\($0)".contains("not a regular file") }
    }

    @Test func slicesStayInsideTheFile() throws {
        let folder = try TemporaryFolder()
        let file = try MappedFile(path: try folder.write([1, 2, 3, 4], "a"))
        #expect(file.withBytes { Array($0) } == [1, 2, 3, 4])
        #expect(file.slice(offset: 1, length: 3)?.count == 3)
        #expect(file.slice(offset: 4, length: 0)?.count == 0)
        #expect(file.slice(offset: 1, length: 4) == nil)
        #expect(file.slice(offset: -1, length: 2) == nil)
        #expect(file.slice(offset: 1, length: -1) == nil)
        #expect(file.slice(offset: .max, length: .max) == nil)
        file.advise(.willNeed)
        file.advise(.dontNeed, offset: 3, length: 1)
        file.advise(.dontNeed, offset: 3, length: 100)
    }

    @Test func noticesFilesThatChange() throws {
        let folder = try TemporaryFolder()
        let file = try MappedFile(path: try folder.write([1, 2, 3, 4], "a"))
        try file.verifyUnchanged()
        _ = try folder.write([1, 2, 3, 4, 5], "a")
        #expect { try file.verifyUnchanged() } throws: { ($0 as? ModelFileError)?.kind == .changed }
    }
}

struct SafetensorsCheckpointTests {
    private func tensors(_ names: [String]) -> [UInt8] {
        var writer = SafetensorsWriter()
        for (number, name) in names.enumerated() { writer.add(name, [2], [Float(number), 1]) }
        return writer.bytes
    }

    @Test func joinsShardsByTheirIndex() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(tensors(["a", "b"]), "model-00001-of-00002.safetensors")
        _ = try folder.write(tensors(["c", "unlisted"]), "model-00002-of-00002.safetensors")
        _ = try folder.write(
            #"""
            {"metadata":{"total_size":24},"weight_map":{"a":"model-00001-of-00002.safetensors",
            "c":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors"}}
            """#,
            "model.safetensors.index.json"
        )
        let checkpoint = try SafetensorsCheckpoint(folder: folder.path)
        #expect(checkpoint.files.count == 2)
        #expect(checkpoint.tensors.map(\.entry.name) == ["a", "c", "b"])
        #expect(checkpoint.tensors.map(\.file) == [0, 1, 0])
    }

    @Test(arguments: ["../model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", ".", "", "a\u{0}b"])
    func shardNamesStayInTheFolder(_ name: String) throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(tensors(["a"]), "model.safetensors")
        let escaped = name.replacingOccurrences(of: "\u{0}", with: "\\u0000")
        _ = try folder.write("{\"weight_map\":{\"a\":\"\(escaped)\"}}", "model.safetensors.index.json")
        #expect { try SafetensorsCheckpoint(folder: folder.path) } throws: {
            "\($0)".contains("not a plain file name")
        }
    }

    @Test func namesWhatIsMissing() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(#"{"weight_map":{"a":"one.safetensors"}}"#, "model.safetensors.index.json")
        #expect { try SafetensorsCheckpoint(folder: folder.path) } throws: { "\($0)".contains("/one.safetensors") }
        _ = try folder.write(tensors(["b"]), "one.safetensors")
        #expect { try SafetensorsCheckpoint(folder: folder.path) } throws: { "\($0)".contains("no tensor 'a'") }
        let other = try TemporaryFolder()
        _ = try other.write("x", "pytorch_model.bin")
        #expect { try SafetensorsCheckpoint(folder: other.path) } throws: { "\($0)".contains("Pickled") }
    }

    @Test func readsConfigurationTemplateAndLicence() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(tensors(["a"]), "model.safetensors")
        _ = try folder.write(#"{"model_type":"olmoe"}"#, "config.json")
        _ = try folder.write(
            "---\nlanguage: en\nlicense: apache-2.0 # see below\n---\n# Model\nlicense: mit\n",
            "README.md"
        )
        _ = try folder.write(#"{"chat_template":"{{ messages }}"}"#, "tokenizer_config.json")
        let source = try CheckpointSource(path: folder.path + "/")
        #expect(source.configuration["model_type"]?.stringValue == "olmoe")
        #expect(source.licence == "apache-2.0")
        #expect(try source.chatTemplate() == "{{ messages }}")
        #expect(try source.json("generation_config.json") == nil)
        #expect(source.shape("a") == [2])
        _ = try folder.write("new", "chat_template.jinja")
        #expect(try source.chatTemplate() == "new")
    }

    @Test func damagedConfigurationIsAnErrorThatNamesIt() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(tensors(["a"]), "model.safetensors")
        _ = try folder.write("{", "config.json")
        #expect { try CheckpointSource(path: folder.path) } throws: { "\($0)".contains("config.json: invalid JSON") }
    }
}

import Foundation
import JSONText
import Testing

@testable import ModelFiles

struct InspectionTests {
    @Test func describesAFolderAndTheBundleMadeOfIt() throws {
        let folder = try TemporaryFolder()
        let source = try Inspection(path: try Mixtral.folder())
        #expect(source.kind == "safetensors")
        #expect(source.architecture == "mixtral")
        #expect(source.layerCount == 3 && source.hiddenSize == 48 && source.contextLength == 2048)
        #expect(
            source.router
                == .init(expertCount: 8, expertsPerToken: 2, layerCount: 3, sharedLayerCount: 0, scoring: nil)
        )
        #expect(source.tokenizer == nil)
        #expect(source.parts.map(\.name) == ["embedding", "attention", "router", "experts", "norms", "output"])
        #expect(source.parts.map(\.tensors) == [1, 12, 3, 72, 7, 1])
        #expect(source.total.weights == 185_040)

        var plan = Mixtral.plan()
        plan.configuration = [
            "hiddenSize": 48, "contextLength": 2048, "layers": [[:], [:], [:]],
            "router": ["expertsPerToken": 2, "scoring": "softmax"],
        ]
        let path = folder.path + "/model"
        try BundleImporter(weights: .q4).run(plan, from: try Mixtral.source(), to: path)
        let bundle = try Inspection(path: path)
        #expect(bundle.kind == "bundle")
        #expect(bundle.router?.scoring == "softmax" && bundle.router?.expertsPerToken == 2)
        #expect(bundle.layerCount == 3 && bundle.hiddenSize == 48)
        #expect(bundle.total.weights == source.total.weights)
        #expect(bundle.types.map(\.name) == ["q4", "f32"])
        let experts = try #require(bundle.parts.first { $0.name == "experts" })
        #expect(experts.tensors == 48)
        #expect(experts.weights == 24 * 3 * 40 * 48)
        #expect(bundle.provenance?.source == "mixtral")
    }

    @Test func describesGGUF() throws {
        let folder = try TemporaryFolder()
        var generator = SeededGenerator(seed: 8)
        var writer = GGUFWriter()
        writer.metadata = [
            ("general.architecture", .string("deepseek2")), ("general.license", .string("mit")),
            ("deepseek2.block_count", .uint32(2)), ("deepseek2.embedding_length", .uint32(32)),
            ("deepseek2.context_length", .uint32(512)), ("deepseek2.expert_count", .uint32(4)),
            ("deepseek2.expert_used_count", .uint32(2)), ("deepseek2.expert_gating_func", .uint32(2)),
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("deepseek-v3")),
            ("tokenizer.ggml.tokens", .strings(["a", "b", "c"])), ("tokenizer.chat_template", .string("x")),
        ]
        for (name, shape) in [
            ("token_embd.weight", [3, 32]), ("blk.0.attn_q.weight", [32, 32]), ("blk.0.ffn_gate.weight", [64, 32]),
            ("blk.1.ffn_gate_inp.weight", [4, 32]), ("blk.1.exp_probs_b.bias", [4]),
            ("blk.1.ffn_up_exps.weight", [4, 64, 32]),
            ("blk.1.ffn_gate_shexp.weight", [64, 32]), ("blk.1.attn_kv_a_norm.weight", [32]),
            ("output_norm.weight", [32]),
            ("output.weight", [3, 32]),
        ] {
            writer.tensors.append((name, 0, shape, Array(floats: generator.floats(shape.reduce(1, *)))))
        }
        let inspection = try Inspection(path: try folder.write(writer.bytes, "m.gguf"))
        #expect(
            inspection.tensors.map(\.part) == [
                "embedding", "attention", "mlp", "router", "router", "experts", "shared experts", "norms", "norms",
                "output",
            ]
        )
        #expect(
            inspection.router
                == .init(expertCount: 4, expertsPerToken: 2, layerCount: 1, sharedLayerCount: 1, scoring: "sigmoid")
        )
        #expect(
            inspection.tokenizer
                == .init(
                    model: "byte-level BPE",
                    preTokenizer: "deepseek-v3",
                    vocabularySize: 3,
                    hasChatTemplate: true,
                    files: []
                )
        )
        #expect(inspection.licence == "mit")
        let text = inspection.text(listsTensors: true)
        #expect(text.hasPrefix("m.gguf: deepseek2, 13.7 k weights in 54.8 kB (GGUF)\n"))
        #expect(text.contains("routers    2 of 4 experts in 1 layers, sigmoid, shared experts in 1\n"))
        #expect(text.contains("tokenizer  byte-level BPE (deepseek-v3), 3 tokens, with a chat template\n"))
        #expect(text.contains("blk.1.ffn_up_exps.weight"))
        #expect(text.split(separator: "\n").allSatisfy { !$0.hasSuffix(" ") })
        let json = try JSON.parse(inspection.json.text())
        #expect(json["router"]?["experts"]?.intValue == 4)
        #expect(json["tensors"]?.arrayValue?.count == 10)
        #expect(json["tokenizer"]?["pre_tokenizer"]?.stringValue == "deepseek-v3")
    }

    @Test func countsTheTokensOfATokenizerFile() throws {
        let folder = try TemporaryFolder()
        var writer = SafetensorsWriter()
        writer.add("a", [1], [1])
        _ = try folder.write(writer.bytes, "model.safetensors")
        _ = try folder.write(
            #"""
            {"model":{"type":"BPE","vocab":{"a":0,"b":1,"<s>":2}},"added_tokens":[{"content":"<s>"},{"content":"<new>"}],
            "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split"},{"type":"ByteLevel"}]}}
            """#,
            "tokenizer.json"
        )
        let tokenizer = try #require(try Inspection(path: folder.path).tokenizer)
        #expect(tokenizer.model == "byte-level BPE")
        #expect(tokenizer.vocabularySize == 4)
        #expect(!tokenizer.hasChatTemplate)
    }

    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (9_999, "10.00 kB"), (12_345, "12.3 kB"),
        (98_362_432, "98.4 MB"),
        (1_995_000_000, "2.00 GB"), (4_000_000_000_000, "4000.0 GB"),
    ])
    func sizesAreReadable(_ bytes: Int, _ text: String) { #expect(Inspection.size(bytes) == text) }

    @Test func doubtsWhatCannotBeTrue() throws {
        var inspection = try Inspection(path: try Mixtral.folder())
        #expect(inspection.doubts.isEmpty && inspection.json["doubts"] == nil)
        inspection.layerCount = -1
        inspection.contextLength = .max
        inspection.router?.expertsPerToken = 9
        #expect(
            inspection.doubts == [
                "a layer count of -1 cannot be true", "a context of \(Int.max) cannot be true",
                "9 of 8 experts cannot be chosen",
            ]
        )
        #expect(inspection.text().contains("note: a layer count of -1 cannot be true"))
        #expect(inspection.json["doubts"]?.arrayValue?.count == 3)
    }
}

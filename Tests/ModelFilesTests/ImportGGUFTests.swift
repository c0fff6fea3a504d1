import CKernels
import JSONText
import Testing

@testable import ModelFiles

/// Every block type that is read, through a GGUF file, into every packed type.
struct ImportGGUFTests {
    private static let rows = 21
    private static let columns = 512

    private func source(_ type: Int32, _ folder: TemporaryFolder) throws -> (CheckpointSource, [Float]) {
        var generator = SeededGenerator(seed: UInt64(type) + 77)
        let count = Self.rows * Self.columns
        let bytes = Blocks.random(type, weights: count, &generator)
        var writer = GGUFWriter()
        writer.metadata = [
            ("general.architecture", .string("test")), ("general.license", .string("mit")),
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.tokens", .strings(["a", "b"])),
        ]
        writer.tensors = [
            ("w", UInt32(type), [Self.rows, Self.columns], bytes),
            ("stack", UInt32(type), [3, 7, Self.columns], bytes),
        ]
        let path = try folder.write(writer.bytes, "model.gguf")
        return (try CheckpointSource(path: path), Blocks.values(type, bytes, weights: count))
    }

    /// Packed type, and how far from the source's own values, for an import that asks for nothing.
    private static let native: [Int32: WeightType] = [
        0: .f32, 1: .f16, 30: .bf16, 2: .q4, 3: .q4, 12: .q4, 6: .q8, 8: .q8, 7: .q8, 13: .q8, 14: .q8, 39: .mxfp4,
    ]

    @Test(arguments: Blocks.types) func nativeImportsKeepTheSourcesQuants(_ type: Int32) throws {
        let folder = try TemporaryFolder()
        let (source, expected) = try source(type, folder)
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.trunkMatrices = [
            .init("w", .init("w")), .init("full", .init("w"), keepsFullPrecision: true),
            .init("turned", .init("w", isTransposed: true, columns: 2..<19)),
            .init("narrow", .init("w", rows: .list([20, 3]), columns: 100..<300)),
        ]
        plan.experts = (0..<3).map { expert in
            .init(
                layer: 0,
                expert: expert,
                gate: .init("stack", leadingIndex: expert, rows: .range(0..<5)),
                up: .init("stack", leadingIndex: expert, rows: .range(2..<7)),
                down: .init("stack", leadingIndex: expert, isTransposed: true, columns: 0..<5)
            )
        }
        try BundleImporter().run(plan, from: source, to: folder.path + "/model")
        let bundle = try ModelFiles.Bundle(path: folder.path + "/model")
        let view = try bundle.matrix(named: "w")
        #expect(view.type == Self.native[type])
        let bounds: [Float]
        switch type {
        // Exact: the same quants and scales.
        case 0, 1, 2, 6, 8, 30, 39: bounds = expected.map { abs($0) * 1e-6 }
        case 3: bounds = expected.map { abs($0) * 1e-6 + 1e-6 }
        // Scale and minimum are rounded to half precision.
        case 12: bounds = expected.map { _ in 15 * 0.02 / 2048 * 3 }
        default: bounds = tolerances(expected, columns: Self.columns, .q8)
        }
        expectClose(view.values(), expected, within: bounds, "type \(type)")
        #expect(try bundle.matrix(named: "full").values() == expected)

        let turned = try bundle.matrix(named: "turned")
        #expect(turned.rows == Self.columns && turned.columns == 17)
        let turnedExpected = (0..<Self.columns).flatMap { row in
            (2..<19).map { expected[$0 * Self.columns + row] }
        }
        let turnedBounds = tolerances(turnedExpected, columns: 17, turned.type)
        expectClose(turned.values(), turnedExpected, within: turnedBounds, "turned \(type)")

        let narrow = try bundle.matrix(named: "narrow")
        let narrowExpected = [20, 3].flatMap { expected[$0 * Self.columns + 100..<$0 * Self.columns + 300] }
        let narrowBounds = tolerances(Array(narrowExpected), columns: 200, narrow.type)
        expectClose(narrow.values(), Array(narrowExpected), within: narrowBounds, "narrow \(type)")

        for expert in 0..<3 {
            let shard = try bundle.shard(layer: 0, expert: expert)
            for (part, first) in [(0, 0), (1, 2)] {
                let range = (expert * 7 + first) * Self.columns..<(expert * 7 + first + 5) * Self.columns
                expectClose(
                    shard.gateUp.values(part: part, of: 2),
                    Array(expected[range]),
                    within: Array(bounds[range]),
                    "expert \(expert) part \(part)"
                )
            }
        }
        #expect(bundle.manifest.provenance.licence == "mit")
        #expect(bundle.manifest.tokenizerFiles == ["tokenizer.gguf.json"])
        let tokenizer = try #require(bundle.tokenizerFile("tokenizer.gguf.json"))
        let json = try MappedFile(path: tokenizer).json()
        #expect(json == ["model": "gpt2", "tokens": ["a", "b"]])
    }

    @Test(arguments: Blocks.types, [WeightType.f32, .q8, .q4, .bf16])
    func requestedTypesAreWithinTheirRounding(_ type: Int32, _ weights: WeightType) throws {
        let folder = try TemporaryFolder()
        let (source, expected) = try source(type, folder)
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.trunkMatrices = [.init("w", .init("w"))]
        plan.ignoredTensors = ["stack"]
        try BundleImporter(weights: weights).run(plan, from: source, to: folder.path + "/model")
        let view = try ModelFiles.Bundle(path: folder.path + "/model").matrix(named: "w")
        #expect(view.type == weights)
        var bounds = tolerances(expected, columns: Self.columns, weights)
        // Quants that fit the requested type are not rounded again.
        if [2, 3].contains(type), weights == .q4 { bounds = expected.map { abs($0) * 1e-6 + 1e-6 } }
        if [6, 8].contains(type), weights == .q8 { bounds = expected.map { abs($0) * 1e-6 } }
        expectClose(view.values(), expected, within: bounds, "type \(type) as \(weights)")
    }

    @Test func pairsOfBlocksAndScalesImportAsTheyAre() throws {
        var generator = SeededGenerator(seed: 21)
        let (experts, rows, columns) = (2, 12, 64)
        let blocks = generator.bytes(experts * rows * columns / 2)
        let scales = (0..<experts * rows * columns / 32).map { _ in UInt8.random(in: 115...126, using: &generator) }
        var writer = SafetensorsWriter()
        writer.tensors = [
            ("gate_up_blocks", "U8", [experts, rows, columns / 32, 16], blocks),
            ("gate_up_scales", "U8", [experts, rows, columns / 32], scales),
        ]
        writer.add("down", [experts, columns, 6], generator.floats(experts * columns * 6))
        let folder = try TemporaryFolder()
        let source = try CheckpointSource(path: try folder.write(writer.bytes, "model.safetensors"))
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.experts = (0..<experts).map { expert in
            .init(
                layer: 0,
                expert: expert,
                gate: .init("gate_up", leadingIndex: expert, rows: .strided(first: 0, step: 2, count: 6)),
                up: .init("gate_up", leadingIndex: expert, rows: .strided(first: 1, step: 2, count: 6)),
                down: .init("down", leadingIndex: expert)
            )
        }
        try BundleImporter().run(plan, from: source, to: folder.path + "/model")
        let bundle = try ModelFiles.Bundle(path: folder.path + "/model")
        let table: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]
        for expert in 0..<experts {
            let shard = try bundle.shard(layer: 0, expert: expert)
            #expect(shard.gateUp.type == .mxfp4)
            #expect(shard.down.type == .f32)
            for part in 0..<2 {
                let actual = shard.gateUp.values(part: part, of: 2)
                for row in 0..<6 {
                    for column in 0..<columns {
                        let source = expert * rows + 2 * row + part
                        let byte = blocks[source * columns / 2 + column / 2]
                        let exponent = Int(scales[source * columns / 32 + column / 32]) - 127
                        let value = table[Int(column % 2 == 0 ? byte & 15 : byte >> 4)]
                        #expect(
                            actual[row * columns + column]
                                == value * Float(sign: .plus, exponent: exponent, significand: 1)
                        )
                    }
                }
            }
        }
    }

    @Test func gateAndUpOfTwoTypesMeetInOneThatHoldsBoth() throws {
        var generator = SeededGenerator(seed: 23)
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        let gate = Blocks.random(2, weights: 16 * 256, &generator)
        let up = Blocks.random(14, weights: 16 * 256, &generator)
        writer.tensors = [
            ("gate", 2, [16, 256], gate), ("up", 14, [16, 256], up),
            ("down", 0, [256, 16], Array(floats: generator.floats(4096))),
        ]
        let source = try CheckpointSource(path: try folder.write(writer.bytes, "m.gguf"))
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.experts = [.init(layer: 4, expert: nil, gate: .init("gate"), up: .init("up"), down: .init("down"))]
        try BundleImporter().run(plan, from: source, to: folder.path + "/model")
        let bundle = try ModelFiles.Bundle(path: folder.path + "/model")
        #expect(bundle.manifest.expertLayers == [.init(layer: 4, routed: 0, hasShared: true)])
        let shard = try bundle.shard(layer: 4, expert: nil)
        #expect(shard.gateUp.type == .q8)
        for (part, type, bytes) in [(0, Int32(2), gate), (1, 14, up)] {
            let expected = Blocks.values(type, bytes, weights: 4096)
            expectClose(
                shard.gateUp.values(part: part, of: 2),
                expected,
                within: tolerances(expected, columns: 256, .q8),
                "part \(part)"
            )
        }
    }
}

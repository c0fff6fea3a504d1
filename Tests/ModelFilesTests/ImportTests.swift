import CKernels
import Foundation
import JSONText
import Testing

@testable import ModelFiles

/// Checkpoints go in, bundles come out, and every row reads back.
struct ImportTests {
    @Test(arguments: [WeightType.f32, .f16, .bf16, .q8, .q4])
    func everyWeightReadsBack(_ type: WeightType) throws {
        let folder = try TemporaryFolder()
        let source = try Mixtral.source()
        let target = folder.path + "/model"
        try BundleImporter(weights: type).run(Mixtral.plan(), from: source, to: target)
        let bundle = try ModelFiles.Bundle(path: target)
        for matrix in Mixtral.plan().trunkMatrices {
            let view = try bundle.matrix(named: matrix.name)
            #expect(view.type == (matrix.keepsFullPrecision ? .f32 : type))
            let expected = try Mixtral.values(matrix.source.tensor, of: source)
            let bounds = tolerances(expected, columns: view.columns, view.type)
            expectClose(view.values(), expected, within: bounds, matrix.name)
        }
        for vector in Mixtral.plan().trunkVectors {
            #expect(try bundle.vector(named: vector.name).array == Mixtral.values(vector.source.tensor, of: source))
        }
        for expert in Mixtral.plan().experts {
            let shard = try bundle.shard(layer: expert.layer, expert: expert.expert)
            #expect(shard.gateUp.type == type)
            #expect(shard.width == 40)
            #expect(shard.gateBias == nil && shard.upBias == nil && shard.downBias == nil)
            for (actual, slice, columns) in [
                (shard.gateUp.values(part: 0, of: 2), expert.gate, 48),
                (shard.gateUp.values(part: 1, of: 2), expert.up, 48), (shard.down.values(), expert.down, 40),
            ] {
                let expected = try Mixtral.values(slice.tensor, of: source)
                let bounds = tolerances(expected, columns: columns, type)
                expectClose(actual, expected, within: bounds, slice.tensor)
            }
        }
    }

    @Test func theManifestSaysWhatTheBundleHolds() throws {
        let folder = try TemporaryFolder()
        let target = folder.path + "/model"
        var importer = BundleImporter(weights: .q8)
        importer.importer = "soranji test"
        let written = try importer.run(Mixtral.plan(), from: try Mixtral.source(), to: target)
        let manifest = try ModelFiles.Bundle(path: target + "/").manifest
        #expect(manifest.json == written.json)
        #expect(manifest.architecture == "mixtral")
        #expect(manifest.configuration["hidden"]?.intValue == 48)
        #expect(manifest.requestedWeights == .q8)
        #expect(manifest.weights[.q8]?.matrices == 2 + 3 * 4 + 24 * 3)
        #expect(manifest.weights[.f32]?.matrices == 3)
        #expect(manifest.expertLayers == (0..<3).map { .init(layer: $0, routed: 8, hasShared: false) })
        #expect(manifest.provenance.importer == "soranji test")
        #expect(manifest.provenance.source == "mixtral")
        #expect(manifest.provenance.kind == "safetensors")
        let weights = try #require(manifest.provenance.files.first)
        #expect(weights.name == "model.safetensors")
        #expect(weights.bytes == 751_072)
        // sha256sum of the fixture.
        #expect(weights.sha256 == "8983a57ab69335663061d1bebabc5ba373e2e4c08e150c95fac930470df1db0b")
        #expect(manifest.provenance.files.map(\.name) == ["model.safetensors", "config.json"])
        var sizes = 0
        for expert in Mixtral.plan().experts { sizes += Paths.byteCount(target + "/" + expert.path) ?? 0 }
        #expect(manifest.expertBytes == sizes)
        #expect(manifest.trunkBytes == Paths.byteCount(target + "/trunk.safetensors"))
    }

    /// The container is one that any safetensors reader accepts: data on a page, no gaps, matrices aligned.
    @Test func filesAreLaidOutForMapping() throws {
        let folder = try TemporaryFolder()
        let target = folder.path + "/model"
        try BundleImporter(weights: .q4).run(Mixtral.plan(), from: try Mixtral.source(), to: target)
        for name in ["trunk.safetensors", "experts/L02/E007.safetensors"] {
            let file = try SafetensorsFile(path: target + "/" + name)
            var end = file.tensors[0].offset
            #expect(end % 4096 == 0)
            for tensor in file.tensors {
                #expect(tensor.offset == end)
                if tensor.type.name == "U8" { #expect(tensor.offset % 64 == 0) }
                end = tensor.offset + tensor.byteCount
            }
            #expect(end == file.file.count)
        }
        let shard = try SafetensorsFile(path: target + "/experts/L02/E007.safetensors")
        #expect(shard.metadata["gate_up"] == "q4 40x48 gated")
        #expect(shard.metadata["down"] == "q4 48x40")
    }

    @Test func anyNumberOfThreadsWritesTheSameBytes() throws {
        let folder = try TemporaryFolder()
        var contents: [[Data]] = []
        for threads in [1, 3] {
            var importer = BundleImporter(weights: .q4)
            importer.threadCount = threads
            let target = folder.path + "/model-\(threads)"
            try importer.run(Mixtral.plan(), from: try Mixtral.source(), to: target)
            let files = ["bundle.json", "trunk.safetensors"] + Mixtral.plan().experts.map(\.path)
            contents.append(try files.map { try Data(contentsOf: URL(fileURLWithPath: target + "/" + $0)) })
        }
        #expect(contents[0] == contents[1])
    }

    @Test func selectsRowsColumnsAndParts() throws {
        var generator = SeededGenerator(seed: 5)
        // [parts, rows, columns] and the transposed [parts, columns, rows].
        let (parts, rows, columns) = (3, 50, 70)
        let stacked = generator.floats(parts * rows * columns)
        var transposed = stacked
        for part in 0..<parts {
            for row in 0..<rows {
                for column in 0..<columns {
                    transposed[(part * columns + column) * rows + row] = stacked[(part * rows + row) * columns + column]
                }
            }
        }
        var writer = SafetensorsWriter()
        writer.add("stacked", [parts, rows, columns], stacked)
        writer.add("transposed", [parts, columns, rows], transposed)
        writer.add("bias", [parts, rows], Array(stacked[..<(parts * rows)]))
        let folder = try TemporaryFolder()
        let source = try CheckpointSource(path: try folder.write(writer.bytes, "model.safetensors"))
        let shuffled = Array(0..<rows).shuffled(using: &generator)
        let selections: [(String, ImportPlan.RowSelection?)] = [
            ("all", nil), ("range", .range(17..<43)), ("strided", .strided(first: 1, step: 2, count: 25)),
            ("list", .list(shuffled)), ("backwards", .strided(first: 49, step: -3, count: 17)),
        ]
        var plan = ImportPlan(architecture: "test", configuration: [:])
        for (name, selection) in selections {
            for (kind, isTransposed) in [("stacked", false), ("transposed", true)] {
                for range in [nil, 5..<64] as [Range<Int>?] {
                    plan.trunkMatrices.append(
                        .init(
                            "\(kind) \(name) \(range == nil ? "whole" : "part")",
                            .init(kind, leadingIndex: 2, rows: selection, isTransposed: isTransposed, columns: range)
                        )
                    )
                }
            }
            plan.trunkVectors.append(.init("bias \(name)", .init("bias", leadingIndex: 1, rows: selection)))
        }
        try BundleImporter().run(plan, from: source, to: folder.path + "/model")
        let bundle = try ModelFiles.Bundle(path: folder.path + "/model")
        for matrix in plan.trunkMatrices {
            let range = matrix.source.columns ?? 0..<columns
            let count = matrix.source.rows?.count ?? rows
            let expected = (0..<count).flatMap { row -> ArraySlice<Float> in
                let start = (2 * rows + (matrix.source.rows?[row] ?? row)) * columns
                return stacked[start + range.lowerBound..<start + range.upperBound]
            }
            #expect(try bundle.matrix(named: matrix.name).values() == expected, "\(matrix.name)")
        }
        for vector in plan.trunkVectors {
            let expected = (0..<(vector.source.rows?.count ?? rows)).map {
                stacked[rows + (vector.source.rows?[$0] ?? $0)]
            }
            #expect(try bundle.vector(named: vector.name).array == expected, "\(vector.name)")
        }
    }

    @Test(arguments: [
        ImportPlan.Slice("m", rows: .range(0..<5)), .init("m", rows: .range(-1..<2)),
        .init("m", rows: .strided(first: 0, step: 3, count: 3)),
        .init("m", rows: .strided(first: 3, step: -2, count: 3)),
        .init("m", rows: .strided(first: 0, step: .max, count: 4)),
        .init("m", rows: .strided(first: 0, step: 1, count: -1)),
        .init("m", rows: .list([0, 4])), .init("m", rows: .list([])), .init("m", columns: 0..<7),
        .init("m", columns: 3..<3),
        .init("m", columns: -1..<3), .init("m", rows: .range(0..<5), isTransposed: true, columns: 0..<5),
        .init("m", leadingIndex: 4), .init("m", leadingIndex: -1), .init("cube"), .init("cube", leadingIndex: 2),
        .init("vector", leadingIndex: 0),
    ])
    func refusesSlicesThatDoNotFit(_ slice: ImportPlan.Slice) throws {
        var writer = SafetensorsWriter()
        writer.add("m", [4, 6], [Float](repeating: 1, count: 24))
        writer.add("cube", [2, 3, 4], [Float](repeating: 1, count: 24))
        writer.add("vector", [24], [Float](repeating: 1, count: 24))
        let folder = try TemporaryFolder()
        let source = try CheckpointSource(path: try folder.write(writer.bytes, "model.safetensors"))
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.trunkMatrices = [.init("x", slice)]
        plan.ignoredTensors = Set(source.names)
        #expect { try BundleImporter().run(plan, from: source, to: folder.path + "/model") } throws: {
            ($0 as? ModelFileError)?.kind == .mismatch && "\($0)".contains("'\(slice.tensor)'")
        }
        #expect(folder.names == ["model.safetensors"])
    }
}

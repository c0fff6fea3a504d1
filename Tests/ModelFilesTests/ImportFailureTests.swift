import Foundation
import JSONText
import Testing

@testable import ModelFiles

/// Whatever goes wrong, nothing is left under the final name, and the error says what to look at.
struct ImportFailureTests {
    private func checkpoint(_ folder: TemporaryFolder, _ tensors: [(String, [Int], [Float])]) throws -> CheckpointSource
    {
        var writer = SafetensorsWriter()
        for (name, shape, values) in tensors { writer.add(name, shape, values) }
        return try CheckpointSource(path: try folder.write(writer.bytes, "model.safetensors"))
    }

    private func plan(_ names: String...) -> ImportPlan {
        var plan = ImportPlan(architecture: "olmoe", configuration: [:])
        plan.trunkMatrices = names.map { .init($0, .init($0)) }
        return plan
    }

    @Test func namesMissingAndLeftOverTensorsAtOnce() throws {
        let folder = try TemporaryFolder()
        let extra = (0..<12).map { ("extra\($0)", [1], [Float(1)]) }
        let source = try checkpoint(folder, [("a", [2, 2], [1, 2, 3, 4])] + extra)
        var plan = plan("a", "b", "c")
        plan.ignoredTensors = ["extra3"]
        #expect { try BundleImporter().run(plan, from: source, to: folder.path + "/model") } throws: {
            let text = "\($0)"
            return ($0 as? ModelFileError)?.kind == .missing && text.contains("olmoe")
                && text.contains("missing tensors: b, c;") && text.contains("not used: extra0, extra1, extra2, extra4")
                && text.contains("extra10 and 1 more") && !text.contains("extra3,")
        }
        #expect(folder.names == ["model.safetensors"])
    }

    @Test func namesTypesThatAreNotSupported() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        writer.tensors = [
            ("a", 20, [32, 32], [UInt8](repeating: 0, count: 576)), ("b", 27, [1], [UInt8](repeating: 0, count: 8)),
        ]
        let source = try CheckpointSource(path: try folder.write(writer.bytes, "m.gguf"))
        #expect { try BundleImporter().run(plan("a", "b"), from: source, to: folder.path + "/model") } throws: {
            ($0 as? ModelFileError)?.kind == .unsupported && "\($0)".contains("a (IQ4_NL), b (I64)")
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity], [WeightType.f32, .q8, .q4, .bf16])
    func namesTensorAndRowOfWeightsThatAreNotFinite(_ value: Float, _ type: WeightType) throws {
        let folder = try TemporaryFolder()
        var values = [Float](repeating: 0.5, count: 40 * 33)
        values[37 * 33 + 32] = value
        let source = try checkpoint(folder, [("a", [40, 33], values)])
        for (plan, row) in [(plan("a"), "row 37"), (transposedPlan(), "row 32")] {
            #expect { try BundleImporter(weights: type).run(plan, from: source, to: folder.path + "/model") } throws: {
                let text = "\($0)"
                return ($0 as? ModelFileError)?.kind == .nonFinite && text.contains("'a'") && text.contains(row)
            }
        }
        #expect(folder.names == ["model.safetensors"])
    }

    private func transposedPlan() -> ImportPlan {
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.trunkMatrices = [.init("a", .init("a", isTransposed: true))]
        return plan
    }

    @Test func blocksWithScalesThatAreNotFiniteAreRefused() throws {
        var generator = SeededGenerator(seed: 2)
        for type in [Int32(2), 3, 8, 12, 14] {
            let folder = try TemporaryFolder()
            var bytes = Blocks.random(type, weights: 32 * 256, &generator)
            // The last block's scale, which Q6_K keeps at its end.
            let at = type == 14 ? bytes.count - 2 : bytes.count - bytes.count / (type == 12 ? 32 : 256)
            bytes[at] = 0x00
            bytes[at + 1] = 0x7C
            var writer = GGUFWriter()
            writer.tensors = [("a", UInt32(type), [32, 256], bytes)]
            let source = try CheckpointSource(path: try folder.write(writer.bytes, "m.gguf"))
            #expect { try BundleImporter().run(plan("a"), from: source, to: folder.path + "/model") } throws: {
                ($0 as? ModelFileError)?.kind == .nonFinite && "\($0)".contains("row 31")
            }
            #expect(folder.names == ["m.gguf"])
        }
    }

    @Test func vectorsMustBeFinite() throws {
        let folder = try TemporaryFolder()
        let source = try checkpoint(folder, [("v", [3], [1, .nan, 2])])
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.trunkVectors = [.init("v", .init("v"))]
        #expect { try BundleImporter().run(plan, from: source, to: folder.path + "/model") } throws: {
            "\($0)".contains("'v' holds nan at element 1")
        }
    }

    @Test func valuesTooLargeForTheTypeAreNamed() throws {
        let folder = try TemporaryFolder()
        let source = try checkpoint(folder, [("a", [1, 2], [1, 1e30])])
        #expect { try BundleImporter(weights: .f16).run(plan("a"), from: source, to: folder.path + "/model") } throws: {
            "\($0)".contains("'a' holds values too large for f16")
        }
    }

    @Test func shapesOfAnExpertMustAgree() throws {
        let folder = try TemporaryFolder()
        let ones = [Float](repeating: 1, count: 24)
        let source = try checkpoint(folder, [("g", [4, 6], ones), ("u", [4, 6], ones), ("d", [4, 6], ones)])
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.experts = [.init(layer: 1, expert: 0, gate: .init("g"), up: .init("u"), down: .init("d"))]
        #expect { try BundleImporter().run(plan, from: source, to: folder.path + "/model") } throws: {
            "\($0)".contains("experts/L01/E000.safetensors: gate is 4x6, up 4x6, down 4x6")
        }
    }

    @Test func replacesOnlyBundlesAndOnlyWhenAsked() throws {
        let folder = try TemporaryFolder()
        let source = try checkpoint(folder, [("a", [1, 2], [1, 2])])
        let elsewhere = try TemporaryFolder()
        let other = try checkpoint(elsewhere, [("a", [1, 2], [3, 4])])
        let target = folder.path + "/model"
        // An empty folder may be filled.
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
        try BundleImporter().run(plan("a"), from: source, to: target)
        #expect { try BundleImporter().run(plan("a"), from: other, to: target) } throws: {
            ($0 as? ModelFileError)?.kind == .exists && "\($0)".contains("--force")
        }
        #expect(try ModelFiles.Bundle(path: target).matrix(named: "a").values() == [1, 2])
        var importer = BundleImporter()
        importer.replacesExisting = true
        let view = try ModelFiles.Bundle(path: target).matrix(named: "a")
        try importer.run(plan("a"), from: other, to: target)
        #expect(try ModelFiles.Bundle(path: target).matrix(named: "a").values() == [3, 4])
        // Whoever had the old one mapped keeps it.
        #expect(view.values() == [1, 2])
        // What is no bundle stays, force or not.
        for name in ["precious", "file"] {
            if name == "precious" {
                try FileManager.default.createDirectory(
                    atPath: folder.path + "/precious",
                    withIntermediateDirectories: false
                )
                _ = try folder.write("x", "precious/letter")
            } else {
                _ = try folder.write("x", "file")
            }
            #expect { try importer.run(plan("a"), from: source, to: folder.path + "/" + name) } throws: {
                ($0 as? ModelFileError)?.kind == .exists && "\($0)".contains("not a bundle")
            }
        }
        #expect(folder.names == ["file", "model", "model.safetensors", "precious"])
    }

    @Test func cancellingLeavesNothing() throws {
        let folder = try TemporaryFolder()
        var calls = 0
        #expect {
            try BundleImporter(weights: .q4).run(
                Mixtral.plan(),
                from: try Mixtral.source(),
                to: folder.path + "/deep/er/model",
                isCancelled: {
                    calls += 1
                    return true
                }
            )
        } throws: { ($0 as? ModelFileError)?.kind == .cancelled }
        #expect(calls > 0)
        // Nor the folders that were made for it.
        #expect(folder.names.isEmpty)
    }

    @Test func progressEndsAtTheTotal() throws {
        let folder = try TemporaryFolder()
        var reports: [ImportProgress] = []
        try BundleImporter(weights: .q4).run(
            Mixtral.plan(),
            from: try Mixtral.source(),
            to: folder.path + "/model",
            progress: { reports.append($0) }
        )
        let last = try #require(reports.last)
        #expect(last.bytesDone == last.bytesTotal)
        #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.bytesDone <= $1.bytesDone })
        #expect(last.name.hasPrefix("experts/"))
    }

    @Test func aFullDiskIsSaidBeforeAnythingIsWritten() throws {
        let folder = try TemporaryFolder()
        // A gigabyte of one repeated row is a small file here and far too large a bundle.
        let source = try checkpoint(folder, [("a", [1, 1024], [Float](repeating: 1, count: 1024))])
        var plan = ImportPlan(architecture: "test", configuration: [:])
        plan.trunkMatrices = (0..<64).map {
            .init("a\($0)", .init("a", rows: .strided(first: 0, step: 0, count: 2_000_000_000)))
        }
        #expect { try BundleImporter().run(plan, from: source, to: folder.path + "/model") } throws: {
            ($0 as? ModelFileError)?.kind == .full && "\($0)".contains("are free")
        }
        #expect(folder.names == ["model.safetensors"])
    }

    @Test func leftOversOfDeadImportsAreRemovedLiveOnesAreNot() throws {
        let folder = try TemporaryFolder()
        let source = try checkpoint(folder, [("a", [1, 2], [1, 2])])
        let target = folder.path + "/model"
        for name in ["model.partial-\(getpid())/experts/L00", "model.partial-4194000", "model2.partial-1"] {
            try FileManager.default.createDirectory(
                atPath: folder.path + "/" + name,
                withIntermediateDirectories: true
            )
        }
        _ = try folder.write("half", "model.partial-4194000/trunk.safetensors")
        let live = try StagingFolder(target: folder.path + "/model")
        #expect(folder.names == [Paths.name(live.path), "model.safetensors", "model2.partial-1"])
        try BundleImporter().run(plan("a"), from: source, to: target)
        #expect(FileManager.default.fileExists(atPath: live.path))
        #expect(try ModelFiles.Bundle(path: target).matrix(named: "a").values() == [1, 2])
    }

    @Test func foldersAboveAreMadeAndGoWithAnImportThatFails() throws {
        let folder = try TemporaryFolder()
        let source = try checkpoint(folder, [("a", [1, 2], [1, 2])])
        let target = folder.path + "/new/deeper/model"
        var importer = BundleImporter()
        #expect(throws: ModelFileError.self) {
            try importer.run(plan("a"), from: source, to: target, isCancelled: { true })
        }
        #expect(folder.names == ["model.safetensors"])
        // No folder of its own name is in what it says.
        importer.threadCount = 1
        #expect { try importer.run(plan("a"), from: source, to: target, isCancelled: { true }) } throws: {
            let error = $0 as? ModelFileError
            return error?.kind == .cancelled && error?.path == target && !"\($0)".contains(".partial-")
        }
        try importer.run(plan("a"), from: source, to: target)
        #expect(ModelFiles.Bundle.exists(at: target))
    }

    @Test func bundlesAreFoundAndRemoved() throws {
        let folder = try TemporaryFolder()
        let source = try checkpoint(folder, [("a", [1, 2], [1, 2])])
        for name in ["one", "two"] { try BundleImporter().run(plan("a"), from: source, to: "\(folder.path)/\(name)") }
        try FileManager.default.createDirectory(
            atPath: folder.path + "/three.partial-4194000",
            withIntermediateDirectories: false
        )
        _ = try folder.write("half", "three.partial-4194000/trunk.safetensors")
        #expect(try BundleFolder.bundles(in: folder.path) == ["one", "two"])
        #expect(BundleFolder.byteCount(folder.path + "/one") >= 8)
        try BundleFolder.remove(folder.path + "/one")
        #expect(BundleFolder.removeLeftovers(in: folder.path) == 1)
        #expect(folder.names == ["model.safetensors", "two"])
        #expect(throws: ModelFileError.self) { try BundleFolder.remove(folder.path + "/model.safetensors") }
        #expect(try BundleFolder.bundles(in: folder.path + "/nowhere").isEmpty)
    }
}

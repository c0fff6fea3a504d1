import Foundation
import JSONText
import Testing

@testable import ModelFiles

/// Bundles that are not what they should be are refused with the file's name and what to do.
struct BundleTests {
    private func bundle(_ folder: TemporaryFolder) throws -> String {
        try BundleImporter(weights: .q8).run(Mixtral.plan(), from: try Mixtral.source(), to: folder.path + "/model")
        return folder.path + "/model"
    }

    private func expectError(_ texts: String..., performing body: () throws -> Void) {
        #expect {
            try body()
        } throws: { error in
            for text in texts where !"\(error)".contains(text) {
                Issue.record("'\(error)' does not say '\(text)'")
            }
            return error is ModelFileError
        }
    }

    @Test func namesTheFileThatIsMissing() throws {
        let folder = try TemporaryFolder()
        let path = try bundle(folder)
        let bundle = try ModelFiles.Bundle(path: path)
        expectError("no matrix 'nothing'", "trunk.safetensors") { _ = try bundle.matrix(named: "nothing") }
        expectError("no vector 'nothing'") { _ = try bundle.vector(named: "nothing") }
        expectError("experts/L07/E001.safetensors: no such file") { _ = try bundle.shard(layer: 7, expert: 1) }
        expectError("experts/L00/shared.safetensors") { _ = try bundle.shard(layer: 0, expert: nil) }
        #expect(unlink(path + "/trunk.safetensors") == 0)
        expectError("trunk.safetensors: no such file") { _ = try ModelFiles.Bundle(path: path) }
        #expect(unlink(path + "/bundle.json") == 0)
        expectError("bundle.json: no such file", "soranji import") { _ = try ModelFiles.Bundle(path: path) }
    }

    @Test func tellsMatricesFromVectors() throws {
        let folder = try TemporaryFolder()
        let bundle = try ModelFiles.Bundle(path: try bundle(folder))
        #expect(bundle.hasMatrix(named: "embedding") && !bundle.hasVector(named: "embedding"))
        #expect(bundle.hasVector(named: "norm") && !bundle.hasMatrix(named: "norm"))
        #expect(bundle.matrixNames.count == 17 && bundle.vectorNames.count == 7)
        expectError("'norm'") { _ = try bundle.matrix(named: "norm") }
        expectError("'embedding'") { _ = try bundle.vector(named: "embedding") }
        #expect(bundle.tokenizerFile("tokenizer.json") == nil)
    }

    @Test(arguments: [
        ("\"version\": 1", "\"version\": 2", "has version 2"), ("soranji-bundle", "other", "not the manifest"),
        ("\"layer\": 0", "\"layer\": -1", "unreadable experts"),
        ("\"layer\": 0", "\"layer\": 99999", "unreadable experts"),
        ("\"layer\": 1", "\"layer\": 0", "unreadable experts"),
        ("\"routed\": 8,\n        \"sh", "\"routed\": 1e9, \"sh", "unreadable"),
        ("\"files\": []", "\"files\": [\"../../etc/passwd\"]", "not a plain name"),
        ("\"configuration\": {", "\"configuration\": 3, \"x\": {", "no configuration"),
        ("\"sha256\"", "\"md5\"", "provenance"),
        ("\"q8\"", "\"q9\"", "weight type 'q9'"), ("{", "[", "invalid JSON"),
    ])
    func refusesManifests(_ old: String, _ new: String, _ reason: String) throws {
        let folder = try TemporaryFolder()
        let path = try bundle(folder)
        let text = try MappedFile(path: path + "/bundle.json").text
        let range = try #require(
            reason.contains("'q9'") ? text.range(of: old, options: .backwards) : text.range(of: old),
            "the manifest has no \(old)"
        )
        _ = try folder.write(text.replacingCharacters(in: range, with: new), "model/bundle.json")
        expectError("bundle.json", reason, "Import the model again") { _ = try ModelFiles.Bundle(path: path) }
    }

    /// A packed matrix must have the bytes of its layout, lie on 64 bytes, and fit its neighbours.
    @Test func refusesShardsWhoseLayoutDoesNotHold() throws {
        let folder = try TemporaryFolder()
        let path = try bundle(folder)
        let name = "model/experts/L00/E000.safetensors"
        let bytes = try MappedFile(path: folder.path + "/" + name).withBytes { Array($0) }
        func replace(_ old: String, _ new: String) throws {
            let text = String(decoding: bytes[8..<4096], as: UTF8.self)
            #expect(text.contains(old) && old.utf8.count == new.utf8.count)
            let header = text.replacingOccurrences(of: old, with: new)
            _ = try folder.write(Array(bytes[..<8]) + Array(header.utf8) + Array(bytes[4096...]), name)
        }
        let bundle = try ModelFiles.Bundle(path: path)
        for (old, new, reason) in [
            ("q8 40x48 gated", "q8 40x65 gated", "which is not 'q8 40x65 gated'"),
            ("q8 40x48 gated", "q4 40x48 gated", "which is not 'q4 40x48 gated'"),
            ("q8 40x48 gated", "q8 40x48 gatex", "no readable layout"),
            ("q8 48x40\"", "q8 0x40\" ", "no readable layout"),
            ("q8 48x40\"", "q8 -8x40\"", "no readable layout"), ("q8 48x40\"", "q8 47x33\"", "47x33"),
            ("\"down\":{", "\"town\":{", "no matrix 'down'"),
        ] {
            try replace(old, new)
            expectError("E000.safetensors", reason, "Import the model again") {
                _ = try bundle.shard(layer: 0, expert: 0)
            }
        }
        _ = try folder.write(Array(bytes.dropLast(64)), name)
        expectError("E000.safetensors") { _ = try bundle.shard(layer: 0, expert: 0) }
        // One byte more in the header, and nothing is aligned any more.
        var shifted = bytes
        shifted.insert(0x20, at: 4096)
        shifted.replaceSubrange(0..<2, with: [0xF9, 0x0F])
        _ = try folder.write(shifted, name)
        expectError("multiple of 64 bytes") { _ = try bundle.shard(layer: 0, expert: 0) }
        _ = try folder.write(bytes, name)
        #expect(try bundle.shard(layer: 0, expert: 0).byteCount == bytes.count)
    }

    /// Views outlive the bundle and every other reference to their file.
    @Test func viewsKeepTheirMappingAlive() throws {
        let folder = try TemporaryFolder()
        let path = try bundle(folder)
        func view() throws -> (MappedMatrix, MappedVector) {
            let bundle = try ModelFiles.Bundle(path: path)
            return (try bundle.shard(layer: 1, expert: 3).down, try bundle.vector(named: "norm"))
        }
        let (matrix, vector) = try view()
        let values = matrix.values()
        for _ in 0..<50 { _ = try view() }
        #expect(matrix.values() == values)
        #expect(try vector.array == Mixtral.values("model.norm.weight", of: try Mixtral.source()))
        matrix.advise(.willNeed)
    }

    /// Opening maps; it does not look at experts.
    @Test func openingTouchesNoShard() throws {
        let folder = try TemporaryFolder()
        let path = try bundle(folder)
        try FileManager.default.removeItem(atPath: path + "/experts")
        #expect(try ModelFiles.Bundle(path: path).matrix(named: "output").rows == 256)
    }
}

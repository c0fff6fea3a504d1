import CKernels
import JSONText

/// A model as a folder: manifest, trunk, one file per expert, tokenizer. Opened by mapping; nothing is copied.
///
/// Opening reads `bundle.json` and the header of `trunk.safetensors`, so it takes milliseconds whatever the model's size;
/// experts are mapped one by one when they are asked for.
package struct Bundle: Sendable {
    /// The folder.
    package let path: String
    package let manifest: BundleManifest
    /// `trunk.safetensors`, mapped.
    package let trunk: SafetensorsFile

    package static let manifestName = "bundle.json"
    package static let trunkName = "trunk.safetensors"
    package static let format = "soranji-bundle"
    package static let version = 1

    /// Opens the bundle in folder `path`.
    ///
    /// - Throws: ``ModelFileError`` naming the file that is missing, malformed or of another version.
    package init(path: String) throws(ModelFileError) {
        let folder = Paths.trimmed(path)
        manifest = try BundleManifest(path: folder + "/" + Self.manifestName)
        trunk = try SafetensorsFile(path: folder + "/" + Self.trunkName)
        self.path = folder
    }

    /// Whether the folder looks like a bundle: it has a manifest.
    package static func exists(at path: String) -> Bool {
        Paths.isRegularFile(Paths.trimmed(path) + "/" + manifestName)
    }

    package var architecture: String { manifest.architecture }
    /// The family's normalised configuration.
    package var configuration: JSON { manifest.configuration }

    /// Names of the trunk's packed matrices, in the order of the file.
    package var matrixNames: [String] { trunk.tensors.map(\.name).filter { trunk.metadata[$0] != nil } }
    /// Names of the trunk's vectors, in the order of the file.
    package var vectorNames: [String] { trunk.tensors.map(\.name).filter { trunk.metadata[$0] == nil } }

    package func hasMatrix(named name: String) -> Bool {
        trunk.metadata[name] != nil && trunk.entry(named: name) != nil
    }

    package func hasVector(named name: String) -> Bool {
        trunk.metadata[name] == nil && trunk.entry(named: name) != nil
    }

    /// A packed matrix of the trunk; sizes and alignment are checked against the mapping.
    package func matrix(named name: String) throws(ModelFileError) -> MappedMatrix {
        try trunk.packedMatrix(named: name)
    }

    /// A vector of the trunk.
    package func vector(named name: String) throws(ModelFileError) -> MappedVector {
        guard let vector = try trunk.vectorIfPresent(named: name) else {
            throw ModelFileError(.missing, trunk.file.path, "no vector '\(name)'", hint: "Import the model again.")
        }
        return vector
    }

    /// Path of an expert's shard; `expert` nil is the layer's shared (or only, dense) expert.
    package func shardPath(layer: Int, expert: Int?) -> String {
        path + "/" + ImportPlan.Expert.path(layer: layer, expert: expert)
    }

    /// Maps one expert's shard: a few system calls and a header of one page; weights are read on first touch.
    package func shard(layer: Int, expert: Int?) throws(ModelFileError) -> MappedShard {
        let file = try SafetensorsFile(path: shardPath(layer: layer, expert: expert))
        let gateUp = try file.packedMatrix(named: "gate_up", gated: true)
        let down = try file.packedMatrix(named: "down")
        func malformed(_ reason: String) -> ModelFileError {
            ModelFileError(.malformed, file.file.path, reason, hint: "Import the model again.")
        }
        guard down.columns == gateUp.rows, down.rows == gateUp.columns else {
            throw malformed(
                "gate_up is \(gateUp.rows)x\(gateUp.columns) but down is \(down.rows)x\(down.columns)"
            )
        }
        func bias(_ name: String, _ count: Int) throws(ModelFileError) -> MappedVector? {
            guard let vector = try file.vectorIfPresent(named: name) else { return nil }
            guard vector.count == count else { throw malformed("\(name) has \(vector.count) elements, not \(count)") }
            return vector
        }
        return MappedShard(
            gateUp: gateUp,
            down: down,
            gateBias: try bias("gate_bias", gateUp.rows),
            upBias: try bias("up_bias", gateUp.rows),
            downBias: try bias("down_bias", down.rows),
            file: file.file
        )
    }

    /// Maps an encoder's file, e.g. "vision"; nil when the bundle has none of that name.
    package func encoder(named name: String) throws(ModelFileError) -> EncoderFile? {
        guard let entry = manifest.encoders.first(where: { $0.name == name }) else { return nil }
        let file = try SafetensorsFile(path: path + "/" + ImportPlan.Encoder.path(name))
        return EncoderFile(configuration: entry.configuration, file: file)
    }

    /// Path of a tokenizer file of the bundle, e.g. "tokenizer.json" or "tokenizer.gguf.json"; nil when it has none.
    package func tokenizerFile(_ name: String) -> String? {
        manifest.tokenizerFiles.contains(name) ? path + "/" + name : nil
    }
}

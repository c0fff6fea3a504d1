import JSONText

/// What `bundle.json` says, checked.
package struct BundleManifest: Sendable {
    package var architecture: String
    /// The family's normalised configuration: its own affair, an object.
    package var configuration: JSON
    /// The weight type that was asked for; nil: as in the source.
    package var requestedWeights: WeightType?
    /// Packed matrices and their bytes by type.
    package var weights: [WeightType: Count]
    package var trunkBytes: Int
    /// Encoders of images, video and sound, by name.
    package var encoders: [Encoder] = []
    /// Layers that have experts, ascending.
    package var expertLayers: [ExpertLayer]
    package var expertBytes: Int
    /// Names of tokenizer files beside the manifest.
    package var tokenizerFiles: [String]
    package var provenance: Provenance

    package struct Count: Sendable, Equatable {
        package var matrices: Int
        package var bytes: Int
    }

    /// The experts of one layer.
    package struct ExpertLayer: Sendable, Equatable {
        package var layer: Int
        /// Routed experts, numbered from 0.
        package var routed: Int
        /// Whether there is a shared (or only, dense) expert.
        package var hasShared: Bool
    }

    /// An encoder: `encoders/NAME.safetensors`.
    package struct Encoder: Sendable, Equatable {
        package var name: String
        package var bytes: Int
        /// The checkpoint's own settings (`vision_config`, `audio_config`), an object.
        package var configuration: JSON
    }

    /// Where the weights come from.
    package struct Provenance: Sendable, Equatable {
        /// Name of the file or folder that was imported.
        package var source: String
        /// "gguf" or "safetensors".
        package var kind: String
        package var files: [SourceFile]
        package var licence: String?
        package var importer: String
    }

    package struct SourceFile: Sendable, Equatable {
        package var name: String
        package var bytes: Int
        /// Lower-case hexadecimal.
        package var sha256: String
    }

    /// Bounds that no model comes near; beyond them a manifest is damaged or hostile.
    static let maximumLayers = 10_000
    static let maximumExperts = 100_000
    static let maximumManifestBytes = 16_000_000
}

extension BundleManifest {
    /// Reads and checks the manifest at `path`.
    init(path: String) throws(ModelFileError) {
        func malformed(_ reason: String) -> ModelFileError {
            ModelFileError(.malformed, path, reason, hint: "Import the model again.")
        }
        let file: MappedFile
        do throws(ModelFileError) {
            file = try MappedFile(path: path)
        } catch {
            guard error.kind == .missing else { throw error }
            throw ModelFileError(.missing, path, "no such file", hint: "A bundle is made with 'soranji import'.")
        }
        guard file.count <= Self.maximumManifestBytes else { throw malformed("\(file.count) bytes are no manifest") }
        let json: JSON
        do throws(JSONError) {
            json = try file.json(maximumDepth: 64)
        } catch {
            throw malformed("\(error)")
        }
        guard json["format"]?.stringValue == Bundle.format else { throw malformed("not the manifest of a bundle") }
        guard let version = json["version"]?.intValue else { throw malformed("no version") }
        guard version == Bundle.version else {
            throw ModelFileError(
                .unsupported,
                path,
                "the bundle has version \(version); this program reads version \(Bundle.version)",
                hint: "Import the model again."
            )
        }
        guard let architecture = json["architecture"]?.stringValue else { throw malformed("no architecture") }
        guard let configuration = json["configuration"], configuration.objectValue != nil else {
            throw malformed("no configuration")
        }
        guard let provenance = Self.provenance(json["provenance"]) else { throw malformed("unreadable provenance") }
        guard let encoders = Self.encoders(json["encoders"]) else { throw malformed("unreadable encoders") }
        guard let layers = Self.expertLayers(json["experts"]?["layers"]) else { throw malformed("unreadable experts") }
        let tokenizerFiles = (json["tokenizer"]?["files"]?.arrayValue ?? []).compactMap(\.stringValue)
        guard tokenizerFiles.allSatisfy(Paths.isPlainName) else {
            throw malformed("a tokenizer file is not a plain name")
        }
        var weights: [WeightType: Count] = [:]
        for member in json["weights"]?["types"]?.objectValue?.members ?? [] {
            guard let type = WeightType(rawValue: member.key), let matrices = Self.count(member.value["matrices"]),
                let bytes = Self.count(member.value["bytes"])
            else { throw malformed("unreadable weight type '\(member.key)'") }
            weights[type] = Count(matrices: matrices, bytes: bytes)
        }
        self.init(
            architecture: architecture,
            configuration: configuration,
            requestedWeights: json["weights"]?["requested"]?.stringValue.flatMap(WeightType.init(rawValue:)),
            weights: weights,
            trunkBytes: Self.count(json["trunk"]?["bytes"]) ?? 0,
            encoders: encoders,
            expertLayers: layers,
            expertBytes: Self.count(json["experts"]?["bytes"]) ?? 0,
            tokenizerFiles: tokenizerFiles,
            provenance: provenance
        )
    }

    private static func count(_ value: JSON?) -> Int? { value?.intValue.flatMap { $0 >= 0 ? $0 : nil } }

    private static func expertLayers(_ value: JSON?) -> [ExpertLayer]? {
        guard let entries = value?.arrayValue, entries.count <= maximumLayers else { return nil }
        var layers: [ExpertLayer] = []
        for entry in entries {
            guard let layer = count(entry["layer"]), layer < maximumLayers, layer > layers.last?.layer ?? -1,
                let routed = count(entry["routed"]), routed <= maximumExperts, let shared = entry["shared"]?.boolValue
            else { return nil }
            layers.append(ExpertLayer(layer: layer, routed: routed, hasShared: shared))
        }
        return layers
    }

    /// None in bundles of models of text.
    private static func encoders(_ value: JSON?) -> [Encoder]? {
        guard let value else { return [] }
        guard let members = value.objectValue?.members, members.count <= 16 else { return nil }
        var encoders: [Encoder] = []
        for member in members {
            guard Paths.isPlainName(member.key), let bytes = count(member.value["bytes"]),
                let configuration = member.value["configuration"], configuration.objectValue != nil
            else { return nil }
            encoders.append(Encoder(name: member.key, bytes: bytes, configuration: configuration))
        }
        return encoders
    }

    private static func provenance(_ value: JSON?) -> Provenance? {
        guard let source = value?["source"]?.stringValue, let kind = value?["kind"]?.stringValue,
            let entries = value?["files"]?.arrayValue
        else { return nil }
        var files: [SourceFile] = []
        for entry in entries {
            guard let name = entry["name"]?.stringValue, let bytes = count(entry["bytes"]),
                let hash = entry["sha256"]?.stringValue
            else { return nil }
            files.append(SourceFile(name: name, bytes: bytes, sha256: hash))
        }
        return Provenance(
            source: source,
            kind: kind,
            files: files,
            licence: value?["licence"]?.stringValue,
            importer: value?["importer"]?.stringValue ?? "unknown"
        )
    }

    /// The manifest as it is written.
    var json: JSON {
        var types = JSON.Object()
        for type in WeightType.allCases {
            guard let count = weights[type] else { continue }
            types[type.rawValue] = ["matrices": .integer(Int64(count.matrices)), "bytes": .integer(Int64(count.bytes))]
        }
        let layers = expertLayers.map { layer -> JSON in
            [
                "layer": .integer(Int64(layer.layer)), "routed": .integer(Int64(layer.routed)),
                "shared": .bool(layer.hasShared),
            ]
        }
        var members = JSON.Object()
        for encoder in encoders {
            members[encoder.name] = [
                "file": .string(ImportPlan.Encoder.path(encoder.name)), "bytes": .integer(Int64(encoder.bytes)),
                "configuration": encoder.configuration,
            ]
        }
        var json: JSON = [
            "format": .string(Bundle.format),
            "version": .integer(Int64(Bundle.version)),
            "architecture": .string(architecture),
            "configuration": configuration,
            "weights": [
                "requested": requestedWeights.map { .string($0.rawValue) } ?? "native",
                "types": .object(types),
            ],
            "trunk": ["file": .string(Bundle.trunkName), "bytes": .integer(Int64(trunkBytes))],
            "experts": [
                "routed": .integer(Int64(expertLayers.reduce(0) { $0 + $1.routed })),
                "shared": .integer(Int64(expertLayers.reduce(0) { $0 + ($1.hasShared ? 1 : 0) })),
                "bytes": .integer(Int64(expertBytes)),
                "layers": .array(layers),
            ],
            "tokenizer": ["files": .array(tokenizerFiles.map { .string($0) })],
            "provenance": provenance.json,
        ]
        if !encoders.isEmpty, case .object(var object) = json {
            object["encoders"] = .object(members)
            json = .object(object)
        }
        return json
    }
}

extension BundleManifest.Provenance {
    var json: JSON {
        let files = files.map { file -> JSON in
            ["name": .string(file.name), "bytes": .integer(Int64(file.bytes)), "sha256": .string(file.sha256)]
        }
        return [
            "source": .string(source),
            "kind": .string(kind),
            "files": .array(files),
            "licence": licence.map { .string($0) } ?? .null,
            "importer": .string(importer),
        ]
    }
}

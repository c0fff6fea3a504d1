import JSONText

/// What was grown on a frozen trunk, as `Training/` exports it: `Experts/model.json`, which names every other file with its hash,
/// and beside `Experts` the tokenizer's chat template. Together with the trunk they make the default model's bundle.
///
/// ```
/// Experts/model.json                   dimensions, files, hashes
/// Experts/routers.safetensors          routers of every modality and layer, marks, gains
/// Experts/L02/E005.safetensors         an expert: gate_up (gate first), down
/// Experts/encoders/senses.safetensors  eye and ear
/// Experts/decoder/codec.safetensors    what films; flow.safetensors may be missing
/// Tokenizers/chat_template.jinja
/// ```
package struct GrownParts: Sendable {
    /// The folder that holds `Experts`.
    package let root: String
    /// Sizes, slots, word lists: `dims` of `model.json`.
    package let dims: JSON
    package let files: [File]
    private let manifest: MappedFile

    package struct File: Sendable, Equatable {
        /// Below `Experts`.
        package var path: String
        package var bytes: Int
        /// Lower-case hexadecimal.
        package var sha256: String
    }

    static let folderName = "Experts"
    static let templateName = "Tokenizers/chat_template.jinja"
    private static let maximumFiles = 100_000

    /// Whether a folder has grown parts.
    package static func exist(in root: String) -> Bool {
        Paths.isRegularFile(Paths.trimmed(root) + "/\(folderName)/model.json")
    }

    static let manifestName = "model.json"
    private static let flowName = "decoder/flow.safetensors"

    /// Reads what there should be; nothing but `model.json` is looked at.
    package init(root: String) throws(ModelFileError) {
        let root = Paths.trimmed(root)
        try self.init(root: root, manifestPath: root + "/\(Self.folderName)/\(Self.manifestName)")
    }

    /// The parts that a bundle was made of, by their names and hashes; the files are elsewhere.
    package init(bundle: String) throws(ModelFileError) {
        let folder = Paths.trimmed(bundle)
        try self.init(root: folder, manifestPath: folder + "/" + Self.manifestName)
    }

    private init(root: String, manifestPath path: String) throws(ModelFileError) {
        self.root = root
        func malformed(_ reason: String) -> ModelFileError {
            ModelFileError(.malformed, path, reason, hint: "Export the parts again (Training/README.md).")
        }
        let manifest = try MappedFile(path: path)
        self.manifest = manifest
        guard manifest.count <= BundleManifest.maximumManifestBytes else {
            throw malformed("\(manifest.count) bytes are no manifest")
        }
        let json: JSON
        do throws(JSONError) {
            json = try manifest.json(maximumDepth: 16)
        } catch {
            throw malformed("\(error)")
        }
        guard json["format"]?.stringValue == "soranji-parts", json["version"]?.intValue == 1 else {
            throw malformed("not the parts of a model that this program reads")
        }
        guard let dims = json["dims"], dims.objectValue != nil else { throw malformed("no dims") }
        guard let members = json["files"]?.objectValue?.members, members.count <= Self.maximumFiles else {
            throw malformed("no files")
        }
        var files: [File] = []
        for member in members {
            let components = member.key.split(separator: "/", omittingEmptySubsequences: false)
            guard (1...3).contains(components.count), components.allSatisfy({ Paths.isPlainName(String($0)) }),
                let bytes = member.value["bytes"]?.intValue, let hash = member.value["sha256"]?.stringValue
            else { throw malformed("unreadable file '\(member.key)'") }
            files.append(File(path: member.key, bytes: bytes, sha256: hash))
        }
        self.dims = dims
        self.files = files
    }

    package func path(_ name: String) -> String { root + "/\(Self.folderName)/" + name }
    package func has(_ name: String) -> Bool { files.contains { $0.path == name } }
    package var manifestPath: String { manifest.path }

    /// The chat template, where there is one.
    package var templatePath: String? {
        let path = root + "/" + Self.templateName
        return Paths.isRegularFile(path) ? path : nil
    }

    /// Changes whenever a part does: over the manifest, which has every file's hash, and the template.
    package func fingerprint() throws(ModelFileError) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        var mapped = [manifest]
        if let templatePath { mapped.append(try MappedFile(path: templatePath)) }
        for file in mapped {
            file.withBytes { bytes in
                for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            }
        }
        return hash
    }

    /// Dimensions and files that have a say in what is read: all but the flow decoder, which only films.
    package var reading: (dims: JSON, files: [File]) {
        let members = dims.objectValue?.members ?? []
        return (
            .object(JSON.Object(members.filter { $0.key != "flow" }.map { ($0.key, $0.value) })),
            files.filter { $0.path != Self.flowName }
        )
    }

    /// Whether a file that a bundle was made of is known by ``reading``, or has no say there.
    package static func coversReading(_ name: String) -> Bool {
        name == manifestName || name == Paths.name(flowName)
    }

    /// Reads every file and compares it with its hash. Cost: about 2 GB a second.
    package func verify() throws(ModelFileError) {
        for file in files {
            let found = try SourceHasher.hash(path(file.path)) { _ in true }
            guard found.bytes == file.bytes, found.sha256 == file.sha256 else {
                throw ModelFileError(
                    .mismatch,
                    path(file.path),
                    "not the file that \(manifestPath) names (\(found.bytes) bytes instead of \(file.bytes))",
                    hint: "Fetch or export all parts again; they belong together."
                )
            }
        }
    }

    package func open(_ name: String) throws(ModelFileError) -> SafetensorsFile {
        guard has(name) else {
            throw ModelFileError(.missing, manifestPath, "names no '\(name)'", hint: "Export all parts.")
        }
        return try SafetensorsFile(path: path(name))
    }
}

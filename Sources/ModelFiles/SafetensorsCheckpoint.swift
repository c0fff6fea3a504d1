import JSONText

/// The weights of a Hugging Face folder: one safetensors file, or several with an index that says which tensor is where.
package struct SafetensorsCheckpoint: Sendable {
    package let folder: String
    /// The files, in the order of their names; just one unless the checkpoint is sharded.
    package let files: [SafetensorsFile]
    /// The index file, when there is one.
    package let indexPath: String?
    /// Tensors with the number of the file that holds them.
    package let tensors: [(file: Int, entry: SafetensorsFile.Entry)]

    static let indexName = "model.safetensors.index.json"
    static let singleName = "model.safetensors"
    private static let maximumIndexBytes = 256_000_000

    /// Opens the checkpoint in a folder: `model.safetensors.index.json`, `model.safetensors`, or the only safetensors file.
    package init(folder: String) throws(ModelFileError) {
        let folder = Paths.trimmed(folder)
        if Paths.isRegularFile(folder + "/" + Self.indexName) {
            try self.init(folder: folder, index: folder + "/" + Self.indexName)
            return
        }
        if Paths.isRegularFile(folder + "/" + Self.singleName) {
            try self.init(folder: folder, single: folder + "/" + Self.singleName)
            return
        }
        let names = try Paths.list(folder)
        let candidates = names.filter { $0.hasSuffix(".safetensors") }
        if candidates.count == 1 {
            try self.init(folder: folder, single: folder + "/" + candidates[0])
            return
        }
        if candidates.count > 1 {
            throw ModelFileError(
                .missing,
                folder,
                "\(candidates.count) safetensors files but no \(Self.indexName) that says what is where",
                hint: "Complete the download, or name one of the files."
            )
        }
        let hint: String
        if let gguf = names.first(where: { $0.hasSuffix(".gguf") }) {
            hint = "It holds a GGUF file: name \(folder)/\(gguf)."
        } else if names.contains(where: { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasSuffix(".pth") }) {
            hint = "Pickled PyTorch weights are not read: convert them to safetensors."
        } else {
            hint = "A folder needs \(Self.singleName), or shards with \(Self.indexName)."
        }
        throw ModelFileError(.missing, folder, "no safetensors file in the folder", hint: hint)
    }

    /// Opens one file as a whole checkpoint.
    package init(folder: String, single path: String) throws(ModelFileError) {
        let file = try SafetensorsFile(path: path)
        self.folder = folder
        files = [file]
        indexPath = nil
        tensors = file.tensors.map { (0, $0) }
    }

    private init(folder: String, index path: String) throws(ModelFileError) {
        let mapped = try MappedFile(path: path)
        func malformed(_ reason: String) -> ModelFileError {
            ModelFileError(.malformed, path, reason, hint: "Complete the download.")
        }
        guard mapped.count <= Self.maximumIndexBytes else { throw malformed("\(mapped.count) bytes are no index") }
        let json: JSON
        do throws(JSONError) {
            json = try mapped.json(maximumDepth: 16, rejectingDuplicateKeys: true)
        } catch {
            throw malformed("\(error)")
        }
        guard let map = json["weight_map"]?.objectValue else { throw malformed("no weight_map") }
        var names: Set<String> = []
        for member in map.members {
            guard let name = member.value.stringValue else { throw malformed("'\(member.key)' names no file") }
            guard Paths.isPlainName(name) else {
                throw malformed("'\(member.key)' is said to be in '\(name)', which is not a plain file name")
            }
            names.insert(name)
        }
        let ordered = names.sorted()
        var numbers: [String: Int] = [:]
        var files: [SafetensorsFile] = []
        for (number, name) in ordered.enumerated() {
            numbers[name] = number
            files.append(try SafetensorsFile(path: folder + "/" + name))
        }
        // Only what the index lists counts: consolidated duplicates in a shard are not read twice.
        var tensors: [(file: Int, entry: SafetensorsFile.Entry)] = []
        for member in map.members {
            guard let name = member.value.stringValue, let number = numbers[name] else { continue }
            guard let entry = files[number].entry(named: member.key) else {
                throw ModelFileError(
                    .missing,
                    folder + "/" + name,
                    "no tensor '\(member.key)', which the index says is here",
                    hint: "Complete the download."
                )
            }
            tensors.append((number, entry))
        }
        self.folder = folder
        self.files = files
        self.indexPath = path
        self.tensors = tensors
    }
}

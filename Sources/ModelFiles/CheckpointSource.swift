import JSONText

/// A checkpoint to import, GGUF or a folder of safetensors, under one face.
package struct CheckpointSource: Sendable {
    /// The file or folder.
    package let path: String
    package let container: Container
    package let tensors: [SourceTensor]
    /// `config.json` of a folder; null for GGUF, whose settings are in ``gguf``'s metadata.
    package let configuration: JSON
    /// As the checkpoint names it ("apache-2.0"), or the name of its licence file.
    package let licence: String?
    private let index: [String: Int]
    /// Files whose tensors were added.
    private var added: [MappedFile] = []

    package enum Container: Sendable {
        case gguf(GGUFCheckpoint)
        case safetensors(SafetensorsCheckpoint)
    }

    private static let maximumTextBytes = 64_000_000

    /// Opens a GGUF file, a folder, or one safetensors file (with what stands beside it).
    ///
    /// - Throws: ``ModelFileError`` naming the file.
    package init(path: String) throws(ModelFileError) {
        let path = Paths.trimmed(path)
        if Paths.isFolder(path) {
            guard !Bundle.exists(at: path) else {
                throw ModelFileError(.unsupported, path, "a bundle already", hint: "Use it as it is.")
            }
            try self.init(path: path, checkpoint: try SafetensorsCheckpoint(folder: path))
            return
        }
        let file = try MappedFile(path: path)
        if GGUFFile.hasMagic(file) {
            try self.init(path: path, checkpoint: try GGUFCheckpoint(path: path))
        } else if path.hasSuffix(".safetensors") {
            let folder = Paths.folder(path)
            try self.init(path: path, checkpoint: try SafetensorsCheckpoint(folder: folder, single: path))
        } else {
            throw ModelFileError(
                .unsupported,
                path,
                "neither GGUF nor safetensors",
                hint: "Name a .gguf file, a .safetensors file or a folder with config.json and model.safetensors."
            )
        }
    }

    private init(path: String, checkpoint: GGUFCheckpoint) throws(ModelFileError) {
        self.path = path
        container = .gguf(checkpoint)
        configuration = .null
        licence = checkpoint.first.string("general.license")
        tensors = checkpoint.tensors.map { part, entry in
            let file = checkpoint.parts[part].file
            let region = SourceTensor.Region(file: file, offset: entry.offset, byteCount: entry.byteCount ?? 0)
            return SourceTensor(name: entry.name, shape: entry.shape, type: entry.type, storage: .contiguous(region))
        }
        index = Self.index(tensors)
    }

    private init(path: String, checkpoint: SafetensorsCheckpoint) throws(ModelFileError) {
        self.path = path
        container = .safetensors(checkpoint)
        configuration = try Self.json(checkpoint.folder + "/config.json") ?? .null
        licence = Self.licence(folder: checkpoint.folder)
        tensors = Self.tensors(of: checkpoint)
        index = Self.index(tensors)
    }

    private init(_ other: CheckpointSource, tensors: [SourceTensor], files: [MappedFile]) {
        path = other.path
        container = other.container
        configuration = other.configuration
        licence = other.licence
        self.tensors = other.tensors + tensors
        index = Self.index(self.tensors)
        added = other.added + files
    }

    /// The same with tensors of other files: what was grown on a checkpoint.
    ///
    /// - Parameter files: each with the name that a tensor of it gets; nil leaves it out.
    /// - Throws: `.mismatch` when a name is there already.
    package func adding(
        _ files: [(file: SafetensorsFile, name: (String) -> String?)]
    ) throws(ModelFileError) -> CheckpointSource {
        var names = Set(self.names)
        var tensors: [SourceTensor] = []
        for (file, name) in files {
            for entry in file.tensors {
                guard let name = name(entry.name) else { continue }
                guard names.insert(name).inserted else {
                    throw ModelFileError(.mismatch, file.file.path, "tensor '\(name)' is there twice")
                }
                let region = SourceTensor.Region(file: file.file, offset: entry.offset, byteCount: entry.byteCount)
                tensors.append(
                    SourceTensor(name: name, shape: entry.shape, type: entry.type, storage: .contiguous(region))
                )
            }
        }
        return CheckpointSource(self, tensors: tensors, files: files.map(\.file.file))
    }

    private static func index(_ tensors: [SourceTensor]) -> [String: Int] {
        var index: [String: Int] = [:]
        for (position, tensor) in tensors.enumerated() { index[tensor.name] = position }
        return index
    }

    package var names: [String] { tensors.map(\.name) }

    package func tensor(named name: String) -> SourceTensor? { index[name].map { tensors[$0] } }
    package func has(_ name: String) -> Bool { index[name] != nil }
    /// Shape of a tensor, outermost dimension first.
    package func shape(_ name: String) -> [Int]? { tensor(named: name)?.shape }

    /// The GGUF model, for its metadata; nil for safetensors.
    package var gguf: GGUFCheckpoint? {
        if case .gguf(let checkpoint) = container { return checkpoint }
        return nil
    }

    /// The folder of a safetensors checkpoint.
    package var folder: String? {
        if case .safetensors(let checkpoint) = container { return checkpoint.folder }
        return nil
    }

    package var kind: String { gguf == nil ? "safetensors" : "gguf" }

    /// A JSON file beside the weights ("generation_config.json", "tokenizer_config.json"); nil when there is none.
    package func json(_ name: String) throws(ModelFileError) -> JSON? {
        guard let folder, Paths.isPlainName(name) else { return nil }
        return try Self.json(folder + "/" + name)
    }

    /// The template that turns a conversation into a prompt, when the checkpoint has one.
    package func chatTemplate() throws(ModelFileError) -> String? {
        if let gguf { return gguf.first.string("tokenizer.chat_template") }
        guard let folder else { return nil }
        let path = folder + "/chat_template.jinja"
        if Paths.isRegularFile(path) {
            let file = try MappedFile(path: path)
            guard file.count <= Self.maximumTextBytes else {
                throw ModelFileError(.malformed, path, "\(file.count) bytes are no template")
            }
            return file.text
        }
        return try json("tokenizer_config.json")?["chat_template"]?.stringValue
    }

    /// The mapped files that hold weights.
    package var weightFiles: [MappedFile] { ownFiles + added }

    /// Those of the checkpoint itself.
    var ownFiles: [MappedFile] {
        switch container {
        case .gguf(let checkpoint): checkpoint.parts.map(\.file)
        case .safetensors(let checkpoint): checkpoint.files.map(\.file)
        }
    }

    private static func json(_ path: String) throws(ModelFileError) -> JSON? {
        guard Paths.isRegularFile(path) else { return nil }
        let file = try MappedFile(path: path)
        guard file.count <= maximumTextBytes else {
            throw ModelFileError(.malformed, path, "\(file.count) bytes are no configuration")
        }
        do throws(JSONError) {
            return try file.json()
        } catch {
            throw ModelFileError(
                .malformed,
                path,
                "\(error)",
                hint: "Fetch the file again, or undo what was changed in it."
            )
        }
    }

    // MARK: - MXFP4 pairs

    /// The tensors of a checkpoint, with each pair X_blocks and X_scales of MXFP4 as one tensor X.
    private static func tensors(of checkpoint: SafetensorsCheckpoint) -> [SourceTensor] {
        typealias Located = (file: Int, entry: SafetensorsFile.Entry)
        func region(_ located: Located) -> SourceTensor.Region {
            SourceTensor.Region(
                file: checkpoint.files[located.file].file,
                offset: located.entry.offset,
                byteCount: located.entry.byteCount
            )
        }
        var byName: [String: Located] = [:]
        for located in checkpoint.tensors { byName[located.entry.name] = located }
        var result: [SourceTensor] = []
        for located in checkpoint.tensors {
            let entry = located.entry
            if let base = stem(entry.name, "_scales"), let blocks = byName[base + "_blocks"], byName[base] == nil,
                pairShape(blocks: blocks.entry, scales: entry) != nil
            {
                continue  // It comes with its blocks.
            }
            if let base = stem(entry.name, "_blocks"), let scales = byName[base + "_scales"], byName[base] == nil,
                let shape = pairShape(blocks: entry, scales: scales.entry)
            {
                let storage = SourceTensor.Storage.blocksAndScales(blocks: region(located), scales: region(scales))
                result.append(SourceTensor(name: base, shape: shape, type: .mxfp4, storage: storage))
                continue
            }
            let storage = SourceTensor.Storage.contiguous(region(located))
            result.append(SourceTensor(name: entry.name, shape: entry.shape, type: entry.type, storage: storage))
        }
        return result
    }

    private static func stem(_ name: String, _ suffix: String) -> String? {
        name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : nil
    }

    /// [..., rows, columns] of the pair [..., rows, columns / 32, 16] and [..., rows, columns / 32].
    private static func pairShape(blocks: SafetensorsFile.Entry, scales: SafetensorsFile.Entry) -> [Int]? {
        guard blocks.type.name == "U8", scales.type.name == "U8", blocks.shape.count >= 3, blocks.shape.last == 16,
            Array(blocks.shape.dropLast()) == scales.shape, let count = scales.shape.last
        else { return nil }
        let (columns, overflow) = count.multipliedReportingOverflow(by: 32)
        return overflow ? nil : Array(scales.shape.dropLast()) + [columns]
    }

    // MARK: - Licence

    /// `license:` of README.md's front matter, else the name of a licence file.
    private static func licence(folder: String) -> String? {
        if let file = try? MappedFile(path: folder + "/README.md") {
            let text = file.withBytes { String(decoding: $0.prefix(65_536), as: UTF8.self) }
            let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
            if lines.first == "---" {
                for line in lines.dropFirst().prefix(while: { $0 != "---" }) where line.hasPrefix("license:") {
                    let value = line.dropFirst("license:".count).filter { $0 != "\"" && $0 != "'" }
                    let name = value.drop { $0 == " " }.prefix { $0 != " " && $0 != "#" }
                    if !name.isEmpty { return String(name) }
                }
            }
        }
        return ["LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING"].first {
            Paths.isRegularFile(folder + "/" + $0)
        }
    }
}

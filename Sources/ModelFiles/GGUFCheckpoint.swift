/// A GGUF model: one file, or the parts `NAME-00001-of-00003.gguf` of a split one. Metadata is that of the first part.
package struct GGUFCheckpoint: Sendable {
    package let parts: [GGUFFile]
    /// Tensors with the number of the part that holds them.
    package let tensors: [(part: Int, entry: GGUFFile.Entry)]

    /// Opens the model that `path` belongs to: any part of a split model stands for all of them.
    package init(path: String) throws(ModelFileError) {
        let paths = Self.partPaths(path)
        var parts: [GGUFFile] = []
        for (number, partPath) in paths.enumerated() {
            let part: GGUFFile
            do throws(ModelFileError) {
                part = try GGUFFile(path: partPath)
            } catch {
                guard error.kind == .missing, paths.count > 1 else { throw error }
                throw ModelFileError(
                    .missing,
                    partPath,
                    "part \(number + 1) of \(paths.count) is not there",
                    hint: "Put all parts into one folder."
                )
            }
            try Self.check(part, number: number, of: paths.count)
            parts.append(part)
        }
        var tensors: [(part: Int, entry: GGUFFile.Entry)] = []
        var names: Set<String> = []
        for (number, part) in parts.enumerated() {
            for entry in part.tensors {
                guard names.insert(entry.name).inserted else {
                    throw ModelFileError(
                        .malformed,
                        part.file.path,
                        "tensor '\(entry.name)' is in an earlier part too",
                        hint: "Are the parts of one model?"
                    )
                }
                tensors.append((number, entry))
            }
        }
        if paths.count > 1, let total = parts.first?.integer("split.tensors.count"), total != tensors.count {
            throw ModelFileError(
                .malformed,
                path,
                "the parts hold \(tensors.count) tensors; the first part announces \(total)",
                hint: "Are the parts of one model, and complete?"
            )
        }
        self.parts = parts
        self.tensors = tensors
    }

    /// The first part, which has the metadata.
    package var first: GGUFFile { parts[0] }

    private static func check(_ part: GGUFFile, number: Int, of count: Int) throws(ModelFileError) {
        let announced = part.integer("split.count") ?? 0
        if count == 1, announced > 1 {
            throw ModelFileError(
                .missing,
                part.file.path,
                "a part of a model split in \(announced), but its name does not say which",
                hint: "Name the parts NAME-00001-of-0000N.gguf, as they were published."
            )
        }
        guard count > 1 else { return }
        guard announced == count, part.integer("split.no") == number else {
            throw ModelFileError(
                .malformed,
                part.file.path,
                "does not say that it is part \(number + 1) of \(count)",
                hint: "Are the parts of one model, under their published names?"
            )
        }
    }

    /// The paths of all parts when the name ends in "-00001-of-00003.gguf"; else just the path.
    static func partPaths(_ path: String) -> [String] {
        let suffix = Array(path.utf8.suffix(20))
        guard suffix.count == 20, suffix[0] == UInt8(ascii: "-"), suffix[6...9].elementsEqual("-of-".utf8),
            suffix[15...].elementsEqual(".gguf".utf8), let number = digits(suffix[1...5]),
            let count = digits(suffix[10...14]), count > 0, number > 0, number <= count
        else { return [path] }
        let prefix = String(decoding: path.utf8.dropLast(20), as: UTF8.self)
        return (1...count).map { "\(prefix)-\(ImportPlan.padded($0, 5))-of-\(ImportPlan.padded(count, 5)).gguf" }
    }

    private static func digits(_ bytes: ArraySlice<UInt8>) -> Int? {
        bytes.reduce(Int?.some(0)) { value, byte in
            guard let value, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            return value * 10 + Int(byte - UInt8(ascii: "0"))
        }
    }
}

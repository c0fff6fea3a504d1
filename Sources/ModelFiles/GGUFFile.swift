/// One mapped GGUF file, version 2 or 3: typed metadata, tensor descriptions, and the tensors' bytes.
///
/// Everything that the file claims is checked when it is opened: counts and lengths against the bytes that are left before
/// anything is allocated, dimensions for overflow, tensors for lying inside the file and not on top of each other. Tensors
/// of a type that is not supported are listed and refused only where they would be used.
package struct GGUFFile: Sendable {
    package let file: MappedFile
    package let version: UInt32
    /// Keys in the order of the file.
    package let keys: [String]
    package let metadata: [String: GGUFValue]
    /// Tensors in the order of the file.
    package let tensors: [Entry]

    package struct Entry: Sendable, Equatable {
        package var name: String
        package var type: ElementType
        /// Outermost dimension first: the reverse of the file's order.
        package var shape: [Int]
        /// Position of the first byte in the file.
        package var offset: Int
        /// Nil when the size of the type is not known.
        package var byteCount: Int?
    }

    static let magic: UInt32 = 0x4655_4747
    private static let maximumTensors = 1 << 18
    private static let maximumKeys = 1 << 16
    private static let maximumKeyBytes = 65_535
    private static let maximumNameBytes = 1_024

    /// Whether a file begins as GGUF does.
    package static func hasMagic(_ file: MappedFile) -> Bool {
        file.number(UInt32.self, at: 0) == magic
    }

    /// - Throws: ``ModelFileError`` naming the file, the key or tensor, and where in the file.
    package init(path: String) throws(ModelFileError) {
        try self.init(file: try MappedFile(path: path))
    }

    package init(file: MappedFile) throws(ModelFileError) {
        self.file = file
        guard Self.hasMagic(file) else {
            throw ModelFileError(.malformed, file.path, "not a GGUF file: it does not begin with 'GGUF'")
        }
        var reader = GGUFReader(file: file, position: 4, end: file.count)
        version = try reader.integer(UInt32.self)
        guard version == 2 || version == 3 else {
            let swapped = version.byteSwapped
            throw ModelFileError(
                .unsupported,
                file.path,
                swapped == 3 ? "a big-endian GGUF file" : "GGUF version \(version); versions 2 and 3 are read",
                hint: "Convert the model again with a current converter."
            )
        }
        // Fewest bytes: a tensor has a name length, a dimension count, a type and an offset; a key its length, a type, a byte.
        let tensorCount = try reader.count(of: "tensors", minimum: 24)
        let keyCount = try reader.count(of: "metadata keys", minimum: 13)
        // Far beyond any model, and what keeps the tables small beside a hostile file.
        guard tensorCount <= Self.maximumTensors, keyCount <= Self.maximumKeys else {
            throw reader.malformed("\(tensorCount) tensors and \(keyCount) metadata keys are more than any model has")
        }
        var keys: [String] = []
        var metadata: [String: GGUFValue] = [:]
        for _ in 0..<keyCount {
            let name = try reader.string(limit: Self.maximumKeyBytes, "a key")
            let value = try reader.value(try reader.kind())
            guard metadata.updateValue(value, forKey: name) == nil else {
                throw reader.malformed("metadata key '\(name)' appears twice")
            }
            keys.append(name)
        }
        self.keys = keys
        self.metadata = metadata
        let alignment = try Self.alignment(metadata, reader)
        var tensors = try Self.entries(count: tensorCount, alignment: alignment, &reader)
        try Self.place(&tensors, alignment: alignment, reader)
        self.tensors = tensors
    }

    private static func alignment(
        _ metadata: [String: GGUFValue],
        _ reader: GGUFReader
    ) throws(ModelFileError) -> Int {
        guard let value = metadata["general.alignment"] else { return 32 }
        guard let alignment = value.intValue, alignment > 0, alignment <= 1 << 24, alignment & (alignment - 1) == 0
        else {
            throw reader.malformed("general.alignment is not a power of two")
        }
        return alignment
    }

    /// Reads the descriptions; `offset` is still relative to the data.
    private static func entries(
        count: Int,
        alignment: Int,
        _ reader: inout GGUFReader
    ) throws(ModelFileError) -> [Entry] {
        var entries: [Entry] = []
        var names: Set<String> = []
        for _ in 0..<count {
            let name = try reader.string(limit: maximumNameBytes, "a tensor's name")
            guard names.insert(name).inserted else { throw reader.malformed("tensor '\(name)' appears twice") }
            let rank = try reader.integer(UInt32.self)
            guard rank <= 4 else {
                throw reader.malformed("tensor '\(name)' has \(rank) dimensions; at most 4 are allowed")
            }
            var shape: [Int] = []
            for _ in 0..<rank {
                guard let length = Int(exactly: try reader.integer(UInt64.self)) else {
                    throw reader.malformed("tensor '\(name)' has an impossible dimension")
                }
                shape.append(length)
            }
            shape.reverse()
            let type = ElementType(ggml: Int32(truncatingIfNeeded: try reader.integer(UInt32.self)))
            let offset = try reader.integer(UInt64.self)
            guard offset % UInt64(alignment) == 0, let position = Int(exactly: offset) else {
                throw reader.malformed("tensor '\(name)' begins at \(offset), which is not aligned to \(alignment)")
            }
            let byteCount = type.byteCount(shape: shape)
            if byteCount == nil, ElementType.product(shape) == nil || type.isReadable || type.scalarBytes != nil {
                throw reader.malformed("tensor '\(name)' has an impossible shape \(shape) for \(type)")
            }
            entries.append(Entry(name: name, type: type, shape: shape, offset: position, byteCount: byteCount))
        }
        return entries
    }

    /// Makes offsets absolute; checks that tensors lie inside the file and do not overlap.
    private static func place(_ entries: inout [Entry], alignment: Int, _ reader: GGUFReader) throws(ModelFileError) {
        let (sum, overflow) = reader.position.addingReportingOverflow(alignment - 1)
        guard !overflow else { throw reader.malformed("the description is too long") }
        let start = sum & ~(alignment - 1)
        // A file without tensors (the first part of a split may be one) need not be padded to the data's beginning.
        guard start <= reader.end || entries.isEmpty else { throw reader.malformed("the file ends before its data") }
        for index in entries.indices {
            let entry = entries[index]
            let available = reader.end - start
            guard entry.offset <= available, (entry.byteCount ?? 0) <= available - entry.offset else {
                throw reader.malformed(
                    "tensor '\(entry.name)' claims \(entry.byteCount ?? 0) bytes at \(entry.offset) of \(available)"
                )
            }
            entries[index].offset = start + entry.offset
        }
        let placed = entries.filter { ($0.byteCount ?? 0) > 0 }.sorted { $0.offset < $1.offset }
        for (first, second) in zip(placed, placed.dropFirst())
        where second.offset < first.offset + (first.byteCount ?? 0) {
            throw reader.malformed("tensors '\(first.name)' and '\(second.name)' overlap")
        }
    }
}

extension GGUFFile {
    package func integer(_ key: String) -> Int? { metadata[key]?.intValue }
    package func double(_ key: String) -> Double? { metadata[key]?.doubleValue }
    package func bool(_ key: String) -> Bool? { metadata[key]?.boolValue }
    package func string(_ key: String) -> String? { metadata[key]?.stringValue }
    /// Strings of an array; O(n) at each call.
    package func strings(_ key: String) -> [String]? { metadata[key]?.arrayValue?.strings }
    /// Integers of an array (per-layer settings); a single integer counts as an array of one.
    package func integers(_ key: String) -> [Int]? {
        if let single = metadata[key]?.intValue { return [single] }
        return metadata[key]?.arrayValue?.integers
    }
    package func doubles(_ key: String) -> [Double]? { metadata[key]?.arrayValue?.doubles }
}

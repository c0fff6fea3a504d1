import JSONText

/// A mapped safetensors file: a JSON header that names tensors, and their bytes.
///
/// Layout: the length of the header as 8 bytes, little-endian; the header; the data. Everything the header claims is
/// checked when the file is opened, so the accessors cannot leave the file: offsets lie inside it, sizes equal the product
/// of the shape, no two tensors overlap. Opening reads the header only.
package struct SafetensorsFile: Sendable {
    package let file: MappedFile
    /// The strings of `__metadata__`.
    package let metadata: [String: String]
    /// Tensors in the order of the header.
    package let tensors: [Entry]
    private let index: [String: Int]

    package struct Entry: Sendable, Equatable {
        package var name: String
        package var type: ElementType
        /// Outermost dimension first.
        package var shape: [Int]
        /// Position of the first byte in the file.
        package var offset: Int
        package var byteCount: Int
    }

    /// Longest header that is read, in bytes: a safeguard of the format's reference implementation too.
    package static let maximumHeaderBytes = 100_000_000

    /// - Throws: ``ModelFileError`` naming the file, and the tensor where one is to blame.
    package init(path: String) throws(ModelFileError) {
        try self.init(file: try MappedFile(path: path))
    }

    package init(file: MappedFile) throws(ModelFileError) {
        self.file = file
        func malformed(_ reason: String) -> ModelFileError {
            ModelFileError(.malformed, file.path, reason, hint: "Is it a complete safetensors file?")
        }
        guard let claimed = file.number(UInt64.self, at: 0) else {
            throw malformed("\(file.count) bytes are too few for a safetensors file")
        }
        guard claimed <= UInt64(Self.maximumHeaderBytes), let header = file.slice(offset: 8, length: Int(claimed))
        else {
            throw malformed("the header claims \(claimed) bytes; the file has \(file.count)")
        }
        defer { withExtendedLifetime(file) {} }
        guard Self.isPlausible(header) else { throw malformed("the header is not a table of tensors") }
        let json: JSON
        do throws(JSONError) {
            json = try JSON.parse(header, maximumDepth: 16, rejectingDuplicateKeys: true)
        } catch {
            throw malformed("the header is \(error)")
        }
        guard case .object(let members) = json else { throw malformed("the header is not a JSON object") }
        let dataStart = 8 + header.count
        let dataCount = file.count - dataStart
        var metadata: [String: String] = [:]
        var tensors: [Entry] = []
        for member in members.members {
            if member.key == "__metadata__" {
                guard case .object(let strings) = member.value else { throw malformed("__metadata__ is not an object") }
                for entry in strings.members {
                    guard let text = entry.value.stringValue else {
                        throw malformed("__metadata__ entry '\(entry.key)' is not a string")
                    }
                    metadata[entry.key] = text
                }
                continue
            }
            do throws(EntryError) {
                let entry = try Self.entry(member.key, member.value, dataStart: dataStart, dataCount: dataCount)
                tensors.append(entry)
            } catch {
                throw malformed("tensor '\(member.key)' \(error.reason)")
            }
        }
        // Sorted by position, neighbours must not share bytes. Empty tensors occupy none.
        let placed = tensors.filter { $0.byteCount > 0 }.sorted { $0.offset < $1.offset }
        for (first, second) in zip(placed, placed.dropFirst()) where second.offset < first.offset + first.byteCount {
            throw malformed("tensors '\(first.name)' and '\(second.name)' overlap")
        }
        self.metadata = metadata
        self.tensors = tensors
        var index: [String: Int] = [:]
        for (position, tensor) in tensors.enumerated() { index[tensor.name] = position }
        self.index = index
    }

    /// Whether a text has no more JSON values than a table of tensors can have: a tensor with the shortest name has four
    /// commas in 50 bytes. Parsed values take more memory than their text, so 100 MB of "[0,0,0..." are refused unparsed.
    private static func isPlausible(_ header: UnsafeRawBufferPointer) -> Bool {
        var values = 0
        var isInString = false
        var isEscaped = false
        for byte in header {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == UInt8(ascii: ",") || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") {
                values += 1
            }
        }
        return values <= 64 + header.count / 4
    }

    private struct EntryError: Error {
        var reason: String
    }

    private static func entry(
        _ name: String,
        _ value: JSON,
        dataStart: Int,
        dataCount: Int
    ) throws(EntryError) -> Entry {
        guard let typeName = value["dtype"]?.stringValue else { throw EntryError(reason: "has no dtype") }
        guard let dimensions = value["shape"]?.arrayValue else { throw EntryError(reason: "has no shape") }
        guard dimensions.count <= 16 else { throw EntryError(reason: "has \(dimensions.count) dimensions") }
        var shape: [Int] = []
        for dimension in dimensions {
            guard let length = dimension.intValue, length >= 0 else {
                throw EntryError(reason: "has a dimension that is not a count")
            }
            shape.append(length)
        }
        guard let offsets = value["data_offsets"]?.arrayValue, offsets.count == 2,
            let begin = offsets[0].intValue, let end = offsets[1].intValue
        else { throw EntryError(reason: "has no data_offsets") }
        guard begin >= 0, begin <= end, end <= dataCount else {
            throw EntryError(reason: "claims bytes \(begin) to \(end) of \(dataCount)")
        }
        let type = ElementType(safetensors: typeName)
        // Types of unknown width are listed, and refused where they would be used.
        if let expected = type.byteCount(shape: shape) {
            guard expected == end - begin else {
                throw EntryError(reason: "has \(end - begin) bytes; \(typeName) of shape \(shape) needs \(expected)")
            }
        } else if type.code != nil || type.scalarBytes != nil {
            throw EntryError(reason: "has an impossible shape \(shape)")
        }
        return Entry(name: name, type: type, shape: shape, offset: dataStart + begin, byteCount: end - begin)
    }

    package func entry(named name: String) -> Entry? { index[name].map { tensors[$0] } }

    /// The bytes of a tensor of this file. Valid while ``file`` lives.
    package func bytes(of entry: Entry) -> UnsafeRawBufferPointer? {
        file.slice(offset: entry.offset, length: entry.byteCount)
    }
}

import JSONText

/// A value of GGUF's metadata.
package enum GGUFValue: Sendable {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case bool(Bool)
    case string(String)
    case array(GGUFArray)

    package var intValue: Int? {
        switch self {
        case .unsigned(let value): Int(exactly: value)
        case .signed(let value): Int(exactly: value)
        default: nil
        }
    }

    /// A float, or an integer as a float.
    package var doubleValue: Double? {
        switch self {
        case .unsigned(let value): Double(value)
        case .signed(let value): Double(value)
        case .float(let value): value
        default: nil
        }
    }

    package var boolValue: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    package var stringValue: String? {
        if case .string(let value) = self { return value }
        return nil
    }

    package var arrayValue: GGUFArray? {
        if case .array(let value) = self { return value }
        return nil
    }

    package var json: JSON {
        switch self {
        case .unsigned(let value): Int64(exactly: value).map { .integer($0) } ?? .number(Double(value))
        case .signed(let value): .integer(value)
        case .float(let value): .number(value)
        case .bool(let value): .bool(value)
        case .string(let value): .string(value)
        case .array(let value): .array(value.values.map(\.json))
        }
    }

    /// The value types of the format, by number.
    package enum Kind: UInt32, Sendable {
        case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

        /// Bytes of a value; nil where it has no fixed size.
        var byteCount: Int? {
            switch self {
            case .uint8, .int8, .bool: 1
            case .uint16, .int16: 2
            case .uint32, .int32, .float32: 4
            case .uint64, .int64, .float64: 8
            case .string, .array: nil
            }
        }

        /// The fewest bytes that a value can take: what a claimed count is checked against.
        var minimumByteCount: Int {
            switch self {
            case .string: 8
            case .array: 12
            default: byteCount ?? 1
            }
        }
    }
}

/// An array in GGUF's metadata, still in the file: vocabularies are large, and most are never asked for.
///
/// Its bounds and every length in it were checked when the file was opened.
package struct GGUFArray: Sendable {
    package let kind: GGUFValue.Kind
    package let count: Int
    /// Where the elements begin in the file.
    let offset: Int
    let byteCount: Int
    let file: MappedFile

    /// The elements. O(n).
    package var values: [GGUFValue] {
        var reader = GGUFReader(file: file, position: offset, end: offset + byteCount)
        var result: [GGUFValue] = []
        result.reserveCapacity(count)
        for _ in 0..<count {
            // Checked when the file was opened; a failure here means the file changed, and the rest is left out.
            guard let value = try? reader.value(kind, depth: 1) else { break }
            result.append(value)
        }
        return result
    }

    /// The elements as strings, nil if they are something else.
    package var strings: [String]? { kind == .string ? values.compactMap(\.stringValue) : nil }
    /// The elements as integers, nil if one is not.
    package var integers: [Int]? { converted(\.intValue) }
    /// The elements as floats, nil if one is not a number.
    package var doubles: [Double]? { converted(\.doubleValue) }
    package var bools: [Bool]? { converted(\.boolValue) }

    private func converted<Value>(_ convert: (GGUFValue) -> Value?) -> [Value]? {
        let values = values
        let result = values.compactMap(convert)
        return result.count == values.count ? result : nil
    }
}

/// Reads GGUF's primitives; every length is checked against the bytes that are left before anything is allocated.
struct GGUFReader {
    let file: MappedFile
    var position: Int
    let end: Int

    var remaining: Int { end - position }

    func malformed(_ reason: String) -> ModelFileError {
        ModelFileError(.malformed, file.path, reason + " (at byte \(position))", hint: "Is the download complete?")
    }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws(ModelFileError) -> Value {
        let size = MemoryLayout<Value>.size
        guard remaining >= size, let value = file.number(Value.self, at: position) else {
            throw malformed("the file ends inside a number")
        }
        position += size
        return value
    }

    /// A length or count, at most what `minimum` bytes each leaves room for.
    mutating func count(of what: String, minimum: Int) throws(ModelFileError) -> Int {
        let claimed = try integer(UInt64.self)
        guard claimed <= UInt64(remaining / max(1, minimum)) else {
            throw malformed("\(claimed) \(what) cannot fit in the \(remaining) bytes that are left")
        }
        return Int(claimed)
    }

    /// Passes over a string; returns its length in bytes.
    @discardableResult
    mutating func skipString() throws(ModelFileError) -> Int {
        let length = try count(of: "bytes of a string", minimum: 1)
        position += length
        return length
    }

    /// A string of at most `limit` bytes. Bytes that are not UTF-8 become U+FFFD.
    mutating func string(limit: Int = .max, _ what: String = "a string") throws(ModelFileError) -> String {
        let length = try skipString()
        guard length <= limit else { throw malformed("\(what) of \(length) bytes") }
        let start = position - length
        return file.withBytes { String(decoding: $0[start..<start + length], as: UTF8.self) }
    }

    mutating func kind() throws(ModelFileError) -> GGUFValue.Kind {
        let number = try integer(UInt32.self)
        guard let kind = GGUFValue.Kind(rawValue: number) else { throw malformed("unknown value type \(number)") }
        return kind
    }

    mutating func value(_ kind: GGUFValue.Kind, depth: Int = 0) throws(ModelFileError) -> GGUFValue {
        switch kind {
        case .uint8: return .unsigned(UInt64(try integer(UInt8.self)))
        case .int8: return .signed(Int64(try integer(Int8.self)))
        case .uint16: return .unsigned(UInt64(try integer(UInt16.self)))
        case .int16: return .signed(Int64(try integer(Int16.self)))
        case .uint32: return .unsigned(UInt64(try integer(UInt32.self)))
        case .int32: return .signed(Int64(try integer(Int32.self)))
        case .uint64: return .unsigned(try integer(UInt64.self))
        case .int64: return .signed(try integer(Int64.self))
        case .float32: return .float(Double(Float(bitPattern: try integer(UInt32.self))))
        case .float64: return .float(Double(bitPattern: try integer(UInt64.self)))
        case .bool:
            let byte = try integer(UInt8.self)
            guard byte <= 1 else { throw malformed("\(byte) is not a truth value") }
            return .bool(byte == 1)
        case .string: return .string(try string())
        case .array: return .array(try array(depth: depth))
        }
    }

    private mutating func array(depth: Int) throws(ModelFileError) -> GGUFArray {
        guard depth < 4 else { throw malformed("arrays nested too deep") }
        let kind = try kind()
        let count = try count(of: "array elements", minimum: kind.minimumByteCount)
        let start = position
        if let size = kind.byteCount {
            // count x size is at most what remains, so this cannot overflow.
            if kind == .bool {
                for _ in 0..<count { _ = try value(.bool) }
            } else {
                position += count * size
            }
        } else if kind == .string {
            for _ in 0..<count { try skipString() }
        } else {
            for _ in 0..<count { _ = try array(depth: depth + 1) }
        }
        return GGUFArray(kind: kind, count: count, offset: start, byteCount: position - start, file: file)
    }
}

/// One field after another of a protobuf message.
struct ProtobufReader {
    enum Value {
        case integer(UInt64)
        case fixed32(UInt32)
        case fixed64(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>

    init(_ message: ArraySlice<UInt8>) { rest = message }

    /// The next field, nil at the end.
    mutating func next() throws(SentencePieceProto.Malformed) -> (number: UInt64, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let tag = try varint()
        switch tag & 7 {
        case 0: return (tag >> 3, .integer(try varint()))
        case 1: return (tag >> 3, .fixed64(try fixed(8)))
        case 2: return (tag >> 3, .bytes(try take(try varint())))
        case 5: return (tag >> 3, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
        default: throw SentencePieceProto.Malformed(description: "not a protobuf message")
        }
    }

    private mutating func varint() throws(SentencePieceProto.Malformed) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = rest.popFirst() else { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw SentencePieceProto.Malformed(description: "a truncated protobuf message")
    }

    private mutating func take(_ count: UInt64) throws(SentencePieceProto.Malformed) -> ArraySlice<UInt8> {
        guard count <= UInt64(rest.count) else {
            throw SentencePieceProto.Malformed(description: "a truncated protobuf message")
        }
        let taken = rest.prefix(Int(count))
        rest = rest.dropFirst(Int(count))
        return taken
    }

    private mutating func fixed(_ count: UInt64) throws(SentencePieceProto.Malformed) -> UInt64 {
        try take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Writes the fields of a protobuf message.
struct ProtobufWriter {
    private(set) var output: [UInt8] = []

    mutating func integer(_ number: UInt64, _ value: UInt64) {
        varint(number << 3)
        varint(value)
    }

    mutating func bytes(_ number: UInt64, _ value: [UInt8]) {
        varint(number << 3 | 2)
        varint(UInt64(value.count))
        output.append(contentsOf: value)
    }

    mutating func float(_ number: UInt64, _ value: Float) {
        varint(number << 3 | 5)
        for shift in stride(from: UInt32(0), to: 32, by: 8) {
            output.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
        }
    }

    private mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        output.append(UInt8(truncatingIfNeeded: value))
    }
}

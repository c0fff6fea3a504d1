extension JSON {
    /// The value as text: compact, or indented by two spaces. Numbers that JSON cannot hold (NaN, infinities) become null.
    public func text(indented: Bool = false) -> String {
        var output: [UInt8] = []
        write(into: &output, indentation: indented ? 0 : nil)
        return String(decoding: output, as: UTF8.self)
    }

    private func write(into output: inout [UInt8], indentation: Int?) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): output.append(contentsOf: String(value).utf8)
        case .number(let value):
            output.append(contentsOf: (value.isFinite ? "\(value)" : "null").utf8)
        case .string(let value): Self.write(value, into: &output)
        case .array(let elements):
            Self.write(elements.map { (nil, $0) }, open: "[", close: "]", into: &output, indentation: indentation)
        case .object(let object):
            let entries = object.members.map { (Optional($0.key), $0.value) }
            Self.write(entries, open: "{", close: "}", into: &output, indentation: indentation)
        }
    }

    private static func write(
        _ entries: [(String?, JSON)],
        open: Unicode.Scalar,
        close: Unicode.Scalar,
        into output: inout [UInt8],
        indentation: Int?
    ) {
        output.append(UInt8(ascii: open))
        for (offset, entry) in entries.enumerated() {
            if offset > 0 { output.append(UInt8(ascii: ",")) }
            if let indentation { newLine(indentation + 2, into: &output) }
            if let key = entry.0 {
                write(key, into: &output)
                output.append(UInt8(ascii: ":"))
                if indentation != nil { output.append(UInt8(ascii: " ")) }
            }
            entry.1.write(into: &output, indentation: indentation.map { $0 + 2 })
        }
        if let indentation, !entries.isEmpty { newLine(indentation, into: &output) }
        output.append(UInt8(ascii: close))
    }

    private static func newLine(_ indentation: Int, into output: inout [UInt8]) {
        output.append(0x0A)
        output.append(contentsOf: repeatElement(0x20, count: indentation))
    }

    private static func write(_ string: String, into output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): output.append(contentsOf: "\\\"".utf8)
            case UInt8(ascii: "\\"): output.append(contentsOf: "\\\\".utf8)
            case 0x0A: output.append(contentsOf: "\\n".utf8)
            case 0x0D: output.append(contentsOf: "\\r".utf8)
            case 0x09: output.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                output.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

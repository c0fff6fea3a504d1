import CKernels

/// How the elements of a source tensor are stored: a plain number type or GGUF blocks.
package struct ElementType: Sendable, Hashable, CustomStringConvertible {
    /// As the format spells it: "F32", "BF16", "Q4_K", "U8".
    package var name: String
    /// Number of the type in GGUF; nil for types that only safetensors has.
    package var code: Int32?
    /// Bytes of one element, where elements have whole bytes of their own.
    package var scalarBytes: Int?

    package static let float32 = ElementType(ggml: 0)
    package static let float16 = ElementType(ggml: 1)
    package static let bfloat16 = ElementType(ggml: 30)
    package static let mxfp4 = ElementType(ggml: 39)
    package static let float64 = ElementType(ggml: 28)

    private init(name: String, code: Int32?, scalarBytes: Int?) {
        self.name = name
        self.code = code
        self.scalarBytes = scalarBytes
    }

    package init(ggml code: Int32) {
        let known = Self.ggmlTypes.first { $0.code == code }
        self.init(name: known?.name ?? "type \(code)", code: code, scalarBytes: known?.bytes)
    }

    package init(safetensors name: String) {
        if let known = Self.ggmlTypes.first(where: { $0.name == name && $0.bytes != nil }) {
            self.init(ggml: known.code)
            return
        }
        let bytes: Int? =
            switch name {
            case "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0": 1
            case "U16": 2
            case "U32": 4
            case "U64", "C64": 8
            default: nil
            }
        self.init(name: name, code: nil, scalarBytes: bytes)
    }

    /// Weights can be read from it as floats.
    package var isReadable: Bool { weightsPerBlock != nil }

    /// Weights in one block (1 for plain numbers), or nil for a type that cannot be read as weights.
    package var weightsPerBlock: Int? {
        if self == .float64 { return 1 }
        guard let code else { return nil }
        let weights = sk_ggml_block_weights(code)
        return weights > 0 ? Int(weights) : nil
    }

    /// Bytes of one block of ``weightsPerBlock`` weights.
    package var bytesPerBlock: Int? {
        if self == .float64 { return 8 }
        guard let code else { return nil }
        let bytes = sk_ggml_block_bytes(code)
        return bytes > 0 ? Int(bytes) : nil
    }

    /// Bytes of a tensor (outermost dimension first), or nil when the type's size is not known, the innermost dimension
    /// is not a whole number of blocks, or the product overflows.
    package func byteCount(shape: [Int]) -> Int? {
        guard let count = Self.product(shape) else { return nil }
        if let scalarBytes {
            let (bytes, overflow) = count.multipliedReportingOverflow(by: scalarBytes)
            return overflow ? nil : bytes
        }
        guard let weights = weightsPerBlock, let blockBytes = bytesPerBlock, (shape.last ?? 1) % weights == 0 else {
            return nil
        }
        let (bytes, overflow) = (count / weights).multipliedReportingOverflow(by: blockBytes)
        return overflow ? nil : bytes
    }

    /// Product of the dimensions (none negative), nil on overflow.
    package static func product(_ shape: [Int]) -> Int? {
        var result = 1
        var isZero = false
        for length in shape {
            guard length >= 0 else { return nil }
            if length == 0 {
                isZero = true
                continue
            }
            let (next, overflow) = result.multipliedReportingOverflow(by: length)
            guard !overflow else { return nil }
            result = next
        }
        return isZero ? 0 : result
    }

    package var description: String { name }

    /// The types that weights are read from, for messages.
    package static let supportedNames =
        "F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K and MXFP4"

    private static let ggmlTypes: [(code: Int32, name: String, bytes: Int?)] = [
        (0, "F32", 4), (1, "F16", 2), (2, "Q4_0", nil), (3, "Q4_1", nil), (6, "Q5_0", nil), (7, "Q5_1", nil),
        (8, "Q8_0", nil), (9, "Q8_1", nil), (10, "Q2_K", nil), (11, "Q3_K", nil), (12, "Q4_K", nil), (13, "Q5_K", nil),
        (14, "Q6_K", nil), (15, "Q8_K", nil), (16, "IQ2_XXS", nil), (17, "IQ2_XS", nil), (18, "IQ3_XXS", nil),
        (19, "IQ1_S", nil), (20, "IQ4_NL", nil), (21, "IQ3_S", nil), (22, "IQ2_S", nil), (23, "IQ4_XS", nil),
        (24, "I8", 1), (25, "I16", 2), (26, "I32", 4), (27, "I64", 8), (28, "F64", 8), (29, "IQ1_M", nil),
        (30, "BF16", 2), (34, "TQ1_0", nil), (35, "TQ2_0", nil), (39, "MXFP4", nil),
    ]
}

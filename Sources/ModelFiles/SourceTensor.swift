import CKernels

/// A tensor of a checkpoint, whatever its container: name, shape, element type, bytes.
package struct SourceTensor: Sendable {
    package let name: String
    /// Outermost dimension first.
    package let shape: [Int]
    package let type: ElementType
    let storage: Storage

    enum Storage: Sendable {
        case contiguous(Region)
        /// MXFP4 as checkpoints of gpt-oss have it: blocks of 16 bytes, byte j holding elements 2j (low nibble) and
        /// 2j + 1 (high), and the blocks' exponents apart.
        case blocksAndScales(blocks: Region, scales: Region)
    }

    struct Region: Sendable {
        var file: MappedFile
        var offset: Int
        var byteCount: Int

        var bytes: UnsafeRawBufferPointer {
            file.slice(offset: offset, length: byteCount) ?? UnsafeRawBufferPointer(start: nil, count: 0)
        }
    }

    /// The file that holds it.
    package var path: String {
        switch storage {
        case .contiguous(let region), .blocksAndScales(let region, _): region.file.path
        }
    }

    /// Bytes in the source.
    package var byteCount: Int {
        switch storage {
        case .contiguous(let region): region.byteCount
        case .blocksAndScales(let blocks, let scales): blocks.byteCount + scales.byteCount
        }
    }

    /// Calls `body` with the bytes as they lie in the file, which must not escape; nil for a tensor that is stored in two
    /// parts.
    package func withRawBytes<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value? {
        guard case .contiguous(let region) = storage else { return nil }
        return withExtendedLifetime(region.file) { body(region.bytes) }
    }

    /// Length of the innermost dimension; 1 for a scalar.
    package var columns: Int { shape.last ?? 1 }
    /// Product of the other dimensions.
    package var rowCount: Int { ElementType.product(Array(shape.dropLast())) ?? 0 }

    /// Bytes of one row as GGUF stores rows of the type; nil for a type that cannot be read.
    var bytesPerRow: Int? {
        guard let weights = type.weightsPerBlock, let bytes = type.bytesPerBlock, columns % weights == 0 else {
            return nil
        }
        // A tensor without elements may claim any width.
        let (size, overflow) = (columns / weights).multipliedReportingOverflow(by: bytes)
        return overflow ? nil : size
    }

    /// The blocks of row `row` (counted over all outer dimensions) in GGUF's order, or nil when there is no such row.
    /// They lie in the file, or in `scratch` (of `bytesPerRow` bytes) when they had to be put in order.
    func blocks(row: Int, scratch: UnsafeMutableRawBufferPointer) -> UnsafeRawPointer? {
        guard row >= 0, row < rowCount, let size = bytesPerRow else { return nil }
        switch storage {
        case .contiguous(let region):
            let bytes = region.bytes
            guard (row + 1) * size <= bytes.count, let start = bytes.baseAddress else { return nil }
            return UnsafeRawPointer(start + row * size)
        case .blocksAndScales(let blocks, let scales):
            let count = columns / 32
            let quants = blocks.bytes
            let exponents = scales.bytes
            guard (row + 1) * count * 16 <= quants.count, (row + 1) * count <= exponents.count, scratch.count >= size
            else { return nil }
            for block in 0..<count {
                let source = (row * count + block) * 16
                scratch[block * 17] = exponents[row * count + block]
                // Element k is nibble k & 1 of byte k / 2; GGUF's byte j holds elements j and 16 + j.
                for byte in 0..<16 {
                    let shift = UInt8(byte & 1) * 4
                    let low = quants[source + byte / 2] >> shift & 15
                    let high = quants[source + 8 + byte / 2] >> shift & 15
                    scratch[block * 17 + 1 + byte] = low | high << 4
                }
            }
            return UnsafeRawPointer(scratch.baseAddress)
        }
    }

    /// Row `row` as floats into `output` (at least `columns` of them). False when the row or its type cannot be read.
    func read(row: Int, scratch: UnsafeMutableRawBufferPointer, into output: UnsafeMutablePointer<Float>) -> Bool {
        guard let source = blocks(row: row, scratch: scratch) else { return false }
        return type.read(source, count: columns, into: output)
    }
}

extension ElementType {
    /// `count` weights (whole blocks) as floats. False for a type that cannot be read.
    func read(_ source: UnsafeRawPointer, count: Int, into output: UnsafeMutablePointer<Float>) -> Bool {
        if self == .float32 {
            UnsafeMutableRawPointer(output).copyMemory(from: source, byteCount: count * 4)
            return true
        }
        if self == .float64 {
            for index in 0..<count {
                output[index] = Float(source.loadUnaligned(fromByteOffset: index * 8, as: Double.self))
            }
            return true
        }
        guard let code else { return false }
        return sk_ggml_dequantize(code, source, Int64(count), output) == 0
    }
}

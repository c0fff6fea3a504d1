import CKernels

/// A packed matrix inside a mapped file: `rows` outputs by `columns` inputs, in panels of 16 rows (`sk_matmul.h`).
///
/// The view keeps its mapping alive; a pointer taken out of it does not, so keep the view as long as the pointer.
package struct MappedMatrix: Sendable {
    package let type: WeightType
    package let rows: Int
    package let columns: Int
    /// 64-byte aligned. For a gated pair twice the panels of `rows`: 2p is gate, 2p + 1 is up.
    package nonisolated(unsafe) let pointer: UnsafeRawPointer
    package let byteCount: Int
    package let file: MappedFile

    /// As the kernels take it. Valid while the view lives.
    package var matrix: sk_matrix {
        sk_matrix(data: pointer, type: type.code, rows: Int32(rows), columns: Int32(columns))
    }

    /// Hints to the kernel how these bytes will be used.
    package func advise(_ advice: MappedFile.Advice) {
        file.withBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            file.advise(advice, offset: pointer - start, length: byteCount)
        }
    }
}

/// A vector of floats inside a mapped file: a norm, a bias, sinks. Keeps its mapping alive.
package struct MappedVector: Sendable {
    package nonisolated(unsafe) let pointer: UnsafePointer<Float>
    package let count: Int
    package let file: MappedFile

    package var buffer: UnsafeBufferPointer<Float> { UnsafeBufferPointer(start: pointer, count: count) }
    package var array: [Float] { withExtendedLifetime(file) { Array(buffer) } }
}

/// One expert, mapped: a gated MLP of `width` hidden units.
package struct MappedShard: Sendable {
    /// Gate and up, interleaved by panel; `rows` is the expert's width, `columns` the model's.
    package let gateUp: MappedMatrix
    /// `rows` is the model's width, `columns` the expert's.
    package let down: MappedMatrix
    package let gateBias: MappedVector?
    package let upBias: MappedVector?
    package let downBias: MappedVector?
    package let file: MappedFile

    package var width: Int { gateUp.rows }
    /// Bytes of the file: what the shard costs when it is resident.
    package var byteCount: Int { file.count }
}

/// How `__metadata__` describes a packed matrix: "q4 1536x576", or "q4 1536x576 gated".
struct PackedShape: Equatable {
    var type: WeightType
    var rows: Int
    var columns: Int
    var isGated: Bool

    init(type: WeightType, rows: Int, columns: Int, isGated: Bool = false) {
        self.type = type
        self.rows = rows
        self.columns = columns
        self.isGated = isGated
    }

    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2 || (words.count == 3 && words[2] == "gated") else { return nil }
        guard let type = WeightType(rawValue: String(words[0])) else { return nil }
        let sizes = words[1].split(separator: "x", omittingEmptySubsequences: false)
        guard sizes.count == 2, let rows = Int32(sizes[0]), let columns = Int32(sizes[1]), rows > 0, columns > 0 else {
            return nil
        }
        self.init(type: type, rows: Int(rows), columns: Int(columns), isGated: words.count == 3)
    }

    var text: String { "\(type.rawValue) \(rows)x\(columns)" + (isGated ? " gated" : "") }

    /// Panels of 16 rows; twice that for a gated pair.
    var panels: Int { (rows + Int(SK_PANEL_ROWS) - 1) / Int(SK_PANEL_ROWS) * (isGated ? 2 : 1) }

    /// Bytes of all panels, nil when they overflow.
    var byteCount: Int? {
        let panelBytes = sk_panel_bytes(type.code, Int64(columns))
        guard panelBytes > 0, let size = Int(exactly: panelBytes) else { return nil }
        let (bytes, overflow) = size.multipliedReportingOverflow(by: panels)
        return overflow ? nil : bytes
    }
}

extension SafetensorsFile {
    /// The packed matrix `name`, checked: metadata, size, alignment.
    func packedMatrix(named name: String, gated: Bool = false) throws(ModelFileError) -> MappedMatrix {
        func malformed(_ reason: String) -> ModelFileError {
            ModelFileError(.malformed, file.path, "matrix '\(name)' \(reason)", hint: "Import the model again.")
        }
        guard let entry = entry(named: name) else {
            throw ModelFileError(.missing, file.path, "no matrix '\(name)'", hint: "Import the model again.")
        }
        guard let text = metadata[name], let shape = PackedShape(text), shape.isGated == gated else {
            throw malformed("has no readable layout in __metadata__")
        }
        guard let expected = shape.byteCount, expected == entry.byteCount, entry.type.name == "U8" else {
            throw malformed("has \(entry.byteCount) bytes, which is not '\(text)'")
        }
        guard let start = bytes(of: entry)?.baseAddress, UInt(bitPattern: start) % 64 == 0 else {
            throw malformed("does not begin at a multiple of 64 bytes")
        }
        return MappedMatrix(
            type: shape.type,
            rows: shape.rows,
            columns: shape.columns,
            pointer: start,
            byteCount: expected,
            file: file
        )
    }

    /// The F32 vector `name`, or nil when there is none.
    func vectorIfPresent(named name: String) throws(ModelFileError) -> MappedVector? {
        guard let entry = entry(named: name) else { return nil }
        guard entry.type == .float32, let start = bytes(of: entry)?.baseAddress,
            UInt(bitPattern: start) % UInt(MemoryLayout<Float>.alignment) == 0
        else {
            throw ModelFileError(
                .malformed,
                file.path,
                "vector '\(name)' is not aligned F32",
                hint: "Import the model again."
            )
        }
        let count = entry.byteCount / MemoryLayout<Float>.size
        return MappedVector(pointer: start.assumingMemoryBound(to: Float.self), count: count, file: file)
    }
}

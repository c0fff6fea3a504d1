import CKernels
import ModelFiles
import Tensor

/// Reads the tensors of a checkpoint by name, checks their shapes and values, and packs matrices for the kernels.
///
/// Matrices keep the type that they are stored in (f32, f16 or bf16). Whatever is not read is named by ``finish()``.
final class TensorReader {
    let path: String
    private let file: SafetensorsFile
    private let prefix: String
    private var used: Set<String> = []

    /// - Parameter prefix: what stands before every name.
    init(_ file: SafetensorsFile, prefix: String = "") {
        self.file = file
        self.prefix = prefix
        path = file.file.path
    }

    private func bad(_ name: String, _ reason: String) -> FilmError { .badTensor(path: path, name: name, reason) }

    private func entry(_ name: String, _ shape: [Int]) throws(FilmError) -> SafetensorsFile.Entry {
        guard let entry = file.entry(named: prefix + name) else { throw bad(name, "is missing") }
        guard entry.shape == shape else { throw bad(name, "has the shape \(entry.shape) and not \(shape)") }
        used.insert(name)
        return entry
    }

    /// All values of a tensor, row by row.
    func floats(_ name: String, _ shape: [Int]) throws(FilmError) -> [Float] {
        let entry = try entry(name, shape)
        guard let bytes = file.bytes(of: entry), let count = ElementType.product(shape) else {
            throw bad(name, "is cut off")
        }
        defer { withExtendedLifetime(file) {} }
        let values: [Float]
        switch entry.type {
        case .float32: values = (0..<count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        case .bfloat16:
            values = (0..<count).map {
                Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16)
            }
        case .float16:
            values = (0..<count).map { Float(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: Float16.self)) }
        default: throw bad(name, "is \(entry.type), which is not read here; use f32, f16 or bf16")
        }
        guard values.allSatisfy(\.isFinite) else { throw bad(name, "has values that are not finite") }
        return values
    }

    func vector(_ name: String, _ count: Int) throws -> WeightVector { try Self.vector(floats(name, [count])) }

    /// A matrix of `rows` outputs by `columns` inputs.
    func matrix(_ name: String, _ rows: Int, _ columns: Int) throws -> WeightMatrix {
        try Self.pack(floats(name, [rows, columns]), rows, columns, as: type(name))
    }

    func linear(_ name: String, _ rows: Int, _ columns: Int) throws -> Linear {
        Linear(matrix: try matrix("\(name).weight", rows, columns), bias: try vector("\(name).bias", rows))
    }

    /// The matrices of all experts: a tensor of `count` times `rows` by `columns`.
    func matrices(_ name: String, _ count: Int, _ rows: Int, _ columns: Int) throws -> [WeightMatrix] {
        let values = try floats(name, [count, rows, columns])
        let type = type(name)
        return try (0..<count).map {
            try Self.pack(Array(values[$0 * rows * columns..<($0 + 1) * rows * columns]), rows, columns, as: type)
        }
    }

    /// Gate and up of `count` experts, gate first, interleaved as gated products read them.
    func gatedMatrices(_ name: String, _ count: Int, width: Int, columns: Int) throws -> [WeightMatrix] {
        let values = try floats(name, [count, 2 * width, columns])
        return try gated(values, name, count, width, columns)
    }

    /// The same for a single gated layer, whose tensor has no dimension of experts.
    func gatedMatrix(_ name: String, width: Int, columns: Int) throws -> WeightMatrix {
        let values = try floats(name, [2 * width, columns])
        return try gated(values, name, 1, width, columns)[0]
    }

    private func gated(
        _ values: [Float],
        _ name: String,
        _ count: Int,
        _ width: Int,
        _ columns: Int
    ) throws -> [WeightMatrix] {
        let type = type(name)
        let size = width * columns
        return try (0..<count).map { expert in
            let first = expert * 2 * size
            return try Self.pack(
                Array(values[first..<first + size]),
                width,
                columns,
                as: type,
                second: Array(values[first + size..<first + 2 * size])
            )
        }
    }

    private func type(_ name: String) -> sk_type {
        switch file.entry(named: prefix + name)?.type {
        case ElementType.bfloat16: SK_BF16
        case ElementType.float16: SK_F16
        default: SK_F32
        }
    }

    /// - Throws: ``FilmError/badTensor(path:name:_:)`` for a tensor that nothing has asked for, but for those whose names
    ///   begin with one of `ignoring`.
    func finish(ignoring: [String] = []) throws(FilmError) {
        for entry in file.tensors where entry.name.hasPrefix(prefix) {
            let name = String(entry.name.dropFirst(prefix.count))
            guard !used.contains(name), !ignoring.contains(where: { name.hasPrefix($0) }) else { continue }
            throw bad(name, "belongs to nothing; the file is of another kind or version")
        }
    }

    // MARK: Packing

    static func vector(_ values: [Float]) throws -> WeightVector {
        let storage = try FloatStorage(values)
        return WeightVector(storage.pointer, count: values.count, owner: storage)
    }

    /// Packs `rows` by `columns` values; with `second`, panels of the two matrices alternate.
    static func pack(
        _ values: [Float],
        _ rows: Int,
        _ columns: Int,
        as type: sk_type,
        second: [Float]? = nil
    ) throws -> WeightMatrix {
        let code = Int32(type.rawValue)
        let panelRows = Int(SK_PANEL_ROWS)
        let panelBytes = sk_panel_bytes(code, Int64(columns))
        let panels = (rows + panelRows - 1) / panelRows
        let sources = [values] + (second.map { [$0] } ?? [])
        let storage = try PanelStorage(byteCount: panels * panelBytes * sources.count)
        for (index, source) in sources.enumerated() {
            source.withUnsafeBufferPointer { source in
                guard let base = source.baseAddress else { return }
                for panel in 0..<panels {
                    let row = panel * panelRows
                    // The values are finite; those beyond what f16 holds would come from no f16 file.
                    _ = sk_pack_panel_f32(
                        code,
                        base + row * columns,
                        Int32(min(panelRows, rows - row)),
                        Int64(columns),
                        storage.pointer + (panel * sources.count + index) * panelBytes
                    )
                }
            }
        }
        let matrix = sk_matrix(data: storage.pointer, type: code, rows: Int32(rows), columns: Int32(columns))
        return WeightMatrix(matrix, owner: storage)
    }
}

private final class PanelStorage {
    private let bytes: AlignedBuffer<UInt8>
    var pointer: UnsafeMutablePointer<UInt8> { bytes.pointer }

    init(byteCount: Int) throws(AllocationError) { bytes = try AlignedBuffer(count: byteCount) }
}

private final class FloatStorage {
    private let floats: AlignedBuffer<Float>
    var pointer: UnsafePointer<Float> { UnsafePointer(floats.pointer) }

    init(_ values: [Float]) throws(AllocationError) {
        floats = try AlignedBuffer(count: values.count)
        for (index, value) in values.enumerated() { floats.pointer[index] = value }
    }
}

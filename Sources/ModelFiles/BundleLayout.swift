import CKernels
import JSONText

/// A safetensors file of a bundle, laid out before anything is written: header, and where each matrix and vector goes.
///
/// The header is padded with spaces so that the data begin on a page; matrices come first, each a multiple of 64 bytes
/// long, vectors last, without gaps, as the format demands.
struct OutputFile: Sendable {
    /// Path inside the bundle.
    let path: String
    let header: [UInt8]
    let matrices: [OutputMatrix]
    let vectors: [OutputVector]
    /// Bytes of the whole file.
    let byteCount: Int

    struct OutputMatrix: Sendable {
        var name: String
        var shape: PackedShape
        /// The matrix, or gate and up.
        var parts: [ResolvedSlice]
        /// Position in the file.
        var offset: Int
    }

    struct OutputVector: Sendable {
        var name: String
        var slice: ResolvedSlice
        var offset: Int
    }

    typealias NamedMatrix = (name: String, shape: PackedShape, parts: [ResolvedSlice])
    typealias NamedVector = (name: String, slice: ResolvedSlice)

    /// Nil when the sizes overflow.
    init?(path: String, matrices: [NamedMatrix], vectors: [NamedVector]) {
        var metadata = JSON.Object([("format", "soranji")])
        var members: [(String, JSON)] = []
        var position = 0
        func place(_ name: String, _ type: JSON, _ shape: Int, _ bytes: Int) -> Bool {
            let (end, overflow) = position.addingReportingOverflow(bytes)
            guard !overflow else { return false }
            members.append(
                (
                    name,
                    [
                        "dtype": type, "shape": [.integer(Int64(shape))],
                        "data_offsets": [.integer(Int64(position)), .integer(Int64(end))],
                    ]
                )
            )
            position = end
            return true
        }
        var placedMatrices: [OutputMatrix] = []
        for matrix in matrices {
            guard let bytes = matrix.shape.byteCount else { return nil }
            placedMatrices.append(
                OutputMatrix(name: matrix.name, shape: matrix.shape, parts: matrix.parts, offset: position)
            )
            metadata[matrix.name] = .string(matrix.shape.text)
            guard place(matrix.name, "U8", bytes, bytes) else { return nil }
        }
        var placedVectors: [OutputVector] = []
        for vector in vectors {
            placedVectors.append(OutputVector(name: vector.name, slice: vector.slice, offset: position))
            guard place(vector.name, "F32", vector.slice.columns, vector.slice.columns * 4) else { return nil }
        }
        let text = JSON.object(JSON.Object([("__metadata__", .object(metadata))] + members)).text()
        let start = (8 + text.utf8.count + MappedFile.pageSize - 1) / MappedFile.pageSize * MappedFile.pageSize
        var header: [UInt8] = []
        header.reserveCapacity(start)
        withUnsafeBytes(of: UInt64(start - 8).littleEndian) { header.append(contentsOf: $0) }
        header.append(contentsOf: text.utf8)
        header.append(contentsOf: repeatElement(0x20, count: start - header.count))
        let (total, overflow) = start.addingReportingOverflow(position)
        guard !overflow else { return nil }
        for index in placedMatrices.indices { placedMatrices[index].offset += start }
        for index in placedVectors.indices { placedVectors[index].offset += start }
        self.path = path
        self.header = header
        self.matrices = placedMatrices
        self.vectors = placedVectors
        byteCount = total
    }
}

/// A plan with everything found and checked: the files of the bundle, and what the manifest counts.
struct ResolvedPlan: Sendable {
    let trunk: OutputFile
    let encoders: [OutputFile]
    let shards: [OutputFile]
    let weights: [WeightType: BundleManifest.Count]
    let expertLayers: [BundleManifest.ExpertLayer]

    var files: [OutputFile] { [trunk] + encoders + shards }

    /// - Throws: `.missing` naming up to ten tensors that are missing and ten that are left over; `.unsupported` naming
    ///   tensors of types that cannot be read; `.mismatch` naming the first tensor whose shape does not fit.
    init(_ plan: ImportPlan, from source: CheckpointSource, requested: WeightType?) throws(ModelFileError) {
        try Self.checkNames(plan, source)
        let resolver = Resolver(source: source, requested: requested)
        var weights: [WeightType: BundleManifest.Count] = [:]
        func count(_ matrix: OutputFile.NamedMatrix) {
            weights[matrix.shape.type, default: .init(matrices: 0, bytes: 0)].matrices += matrix.parts.count
            weights[matrix.shape.type, default: .init(matrices: 0, bytes: 0)].bytes += matrix.shape.byteCount ?? 0
        }
        func file(
            _ path: String,
            _ matrices: [ImportPlan.Matrix],
            _ vectors: [ImportPlan.Vector]
        ) throws(ModelFileError) -> OutputFile {
            var resolved: [OutputFile.NamedMatrix] = []
            for matrix in matrices {
                let found = try resolver.matrix(matrix.name, matrix.source, isFull: matrix.keepsFullPrecision)
                count(found)
                resolved.append(found)
            }
            var named: [OutputFile.NamedVector] = []
            for vector in vectors { named.append((vector.name, try resolver.vector(vector.source))) }
            return try resolver.file(path, resolved, named)
        }
        trunk = try file(Bundle.trunkName, plan.trunkMatrices, plan.trunkVectors)
        var encoders: [OutputFile] = []
        var encoderNames: Set<String> = []
        for encoder in plan.encoders {
            guard Paths.isPlainName(encoder.name), encoderNames.insert(encoder.name).inserted else {
                throw ModelFileError(
                    .mismatch,
                    source.path,
                    "the plan names an encoder '\(encoder.name)' twice or badly"
                )
            }
            encoders.append(try file(encoder.path, encoder.matrices, encoder.vectors))
        }
        self.encoders = encoders
        var shards: [OutputFile] = []
        var layers: [Int: (routed: Set<Int>, hasShared: Bool)] = [:]
        for expert in plan.experts {
            let parts = try resolver.expert(expert)
            parts.matrices.forEach(count)
            shards.append(try resolver.file(expert.path, parts.matrices, parts.vectors))
            let isNew: Bool
            if let number = expert.expert {
                isNew = layers[expert.layer, default: ([], false)].routed.insert(number).inserted
            } else {
                isNew = !layers[expert.layer, default: ([], false)].hasShared
                layers[expert.layer, default: ([], false)].hasShared = true
            }
            guard isNew else {
                throw ModelFileError(.mismatch, source.path, "the plan makes \(expert.path) twice")
            }
        }
        for (layer, experts) in layers {
            guard experts.routed.allSatisfy({ (0..<experts.routed.count).contains($0) }),
                (0..<BundleManifest.maximumLayers).contains(layer)
            else { throw ModelFileError(.mismatch, source.path, "the experts of layer \(layer) have gaps") }
        }
        self.shards = shards
        self.weights = weights
        expertLayers = layers.sorted { $0.key < $1.key }.map { layer, experts in
            BundleManifest.ExpertLayer(layer: layer, routed: experts.routed.count, hasShared: experts.hasShared)
        }
    }

    /// Every tensor that the plan names is there, is of a readable type, and no tensor is left over.
    private static func checkNames(_ plan: ImportPlan, _ source: CheckpointSource) throws(ModelFileError) {
        var used: Set<String> = []
        var missing: [String] = []
        var unreadable: [String] = []
        for name in plan.tensorNames where used.insert(name).inserted {
            guard let tensor = source.tensor(named: name) else {
                missing.append(name)
                continue
            }
            if !tensor.type.isReadable { unreadable.append("\(name) (\(tensor.type))") }
        }
        let leftOver = source.names.filter { !used.contains($0) && !plan.ignoredTensors.contains($0) }
        if !missing.isEmpty || !leftOver.isEmpty {
            var parts: [String] = []
            if !missing.isEmpty { parts.append("missing tensors: " + summary(missing)) }
            if !leftOver.isEmpty { parts.append("tensors that are not used: " + summary(leftOver)) }
            throw ModelFileError(
                .missing,
                source.path,
                "does not match the architecture \(plan.architecture): " + parts.joined(separator: "; "),
                hint: "The checkpoint is incomplete, or of a variant that is not supported."
            )
        }
        if !unreadable.isEmpty {
            throw ModelFileError(
                .unsupported,
                source.path,
                "tensors of a type that is not supported: " + summary(unreadable),
                hint: "Supported: \(ElementType.supportedNames)."
            )
        }
    }

    /// Up to ten names, and how many there are beyond them.
    private static func summary(_ names: [String]) -> String {
        names.prefix(10).joined(separator: ", ") + (names.count > 10 ? " and \(names.count - 10) more" : "")
    }
}

extension ImportPlan {
    /// Names of all source tensors, in the plan's order, with repetitions.
    var tensorNames: [String] {
        var names = trunkMatrices.map(\.source.tensor) + trunkVectors.map(\.source.tensor)
        for encoder in encoders {
            names += encoder.matrices.map(\.source.tensor) + encoder.vectors.map(\.source.tensor)
        }
        for expert in experts {
            names += [expert.gate.tensor, expert.up.tensor, expert.down.tensor]
            names += [expert.gateBias, expert.upBias, expert.downBias].compactMap { $0?.tensor }
        }
        return names
    }
}

/// Turns the plan's slices into checked ones and chooses weight types.
private struct Resolver {
    let source: CheckpointSource
    let requested: WeightType?

    func tensor(_ name: String) throws(ModelFileError) -> SourceTensor {
        guard let tensor = source.tensor(named: name) else {
            throw ModelFileError(.missing, source.path, "no tensor '\(name)'")
        }
        return tensor
    }

    func slice(_ slice: ImportPlan.Slice) throws(ModelFileError) -> ResolvedSlice {
        let tensor = try tensor(slice.tensor)
        do throws(SliceProblem) {
            return try ResolvedSlice.matrix(slice, in: tensor)
        } catch {
            throw ModelFileError(.mismatch, tensor.path, error.text)
        }
    }

    func vector(_ slice: ImportPlan.Slice) throws(ModelFileError) -> ResolvedSlice {
        let tensor = try tensor(slice.tensor)
        do throws(SliceProblem) {
            return try ResolvedSlice.vector(slice, in: tensor)
        } catch {
            throw ModelFileError(.mismatch, tensor.path, error.text)
        }
    }

    func matrix(
        _ name: String,
        _ slice: ImportPlan.Slice,
        isFull: Bool
    ) throws(ModelFileError) -> OutputFile.NamedMatrix {
        let part = try self.slice(slice)
        let type = isFull ? WeightType.f32 : requested ?? Self.nativeType(part.tensor.type)
        return (name, PackedShape(type: type, rows: part.rows, columns: part.columns), [part])
    }

    func expert(
        _ expert: ImportPlan.Expert
    ) throws(ModelFileError) -> (matrices: [OutputFile.NamedMatrix], vectors: [OutputFile.NamedVector]) {
        let gate = try slice(expert.gate)
        let up = try slice(expert.up)
        let down = try matrix("down", expert.down, isFull: false)
        guard gate.rows == up.rows, gate.columns == up.columns, down.shape.columns == gate.rows,
            down.shape.rows == gate.columns
        else {
            throw ModelFileError(
                .mismatch,
                source.path,
                "\(expert.path): gate is \(gate.rows)x\(gate.columns), up \(up.rows)x\(up.columns), "
                    + "down \(down.shape.rows)x\(down.shape.columns)"
            )
        }
        let type = requested ?? Self.common(Self.nativeType(gate.tensor.type), Self.nativeType(up.tensor.type))
        let shape = PackedShape(type: type, rows: gate.rows, columns: gate.columns, isGated: true)
        var vectors: [OutputFile.NamedVector] = []
        for (name, source, count) in [
            ("gate_bias", expert.gateBias, gate.rows), ("up_bias", expert.upBias, gate.rows),
            ("down_bias", expert.downBias, gate.columns),
        ] {
            guard let source else { continue }
            let vector = try vector(source)
            guard vector.columns == count else {
                throw ModelFileError(
                    .mismatch,
                    self.source.path,
                    "\(expert.path): \(name) has \(vector.columns) elements, not \(count)"
                )
            }
            vectors.append((name, vector))
        }
        return ([("gate_up", shape, [gate, up]), down], vectors)
    }

    func file(
        _ path: String,
        _ matrices: [OutputFile.NamedMatrix],
        _ vectors: [OutputFile.NamedVector]
    ) throws(ModelFileError) -> OutputFile {
        var names: Set<String> = ["__metadata__", "format"]
        for name in matrices.map(\.name) + vectors.map(\.name) where !names.insert(name).inserted {
            throw ModelFileError(.mismatch, source.path, "the plan makes '\(name)' of \(path) twice")
        }
        guard let file = OutputFile(path: path, matrices: matrices, vectors: vectors) else {
            throw ModelFileError(.mismatch, source.path, "\(path) would be larger than a file can be")
        }
        return file
    }

    /// The packed type that holds a source type as it is, or the nearest one above it.
    static func nativeType(_ type: ElementType) -> WeightType {
        switch type.name {
        case "F16": .f16
        case "BF16": .bf16
        case "Q4_0", "Q4_1", "Q4_K": .q4
        case "Q5_0", "Q5_1", "Q5_K", "Q6_K", "Q8_0": .q8
        case "MXFP4": .mxfp4
        default: .f32
        }
    }

    /// One type for gate and up where the source has two: one that loses nothing of either.
    static func common(_ first: WeightType, _ second: WeightType) -> WeightType {
        if first == second { return first }
        let rank: [WeightType: Int] = [.f32: 3, .f16: 2, .bf16: 2, .q8: 1, .q4: 0, .mxfp4: 0]
        let (a, b) = (rank[first] ?? 3, rank[second] ?? 3)
        if a == b { return a == 2 ? .f32 : .q8 }
        return a > b ? first : second
    }
}

import CKernels

/// A slice of a plan, found in the checkpoint and checked: every row and column that it names exists.
struct ResolvedSlice: Sendable {
    let tensor: SourceTensor
    /// Of the logical matrix; a vector is one row.
    let rows: Int
    let columns: Int
    /// First row of the sub-tensor in the source, counted over all outer dimensions.
    let baseRow: Int
    /// Rows of the logical matrix that are taken; nil for all, in order.
    let selection: ImportPlan.RowSelection?
    let isTransposed: Bool
    /// First logical column.
    let firstColumn: Int
    /// Columns come out regrouped (see ``ImportPlan/Slice/columnGroups``); 1 for none.
    var columnGroups = 1

    /// More columns than any model has; bounds the memory of one panel.
    static let maximumColumns = 1 << 22
    static let maximumRows = Int(Int32.max) - 16

    /// The logical row that becomes row `row`.
    func sourceRow(_ row: Int) -> Int { selection.map { $0[row] } ?? row }

    /// The whole width of the source rows, in order: blocks can be taken as they are.
    var hasWholeRows: Bool {
        !isTransposed && firstColumn == 0 && columns == tensor.columns && columnGroups == 1
    }

    /// Finds a matrix; `problem` says what does not fit.
    static func matrix(_ slice: ImportPlan.Slice, in source: SourceTensor) throws(SliceProblem) -> ResolvedSlice {
        let tensor = slice.joinsInnerDimensions ? try joined(source) : source
        let (inner, baseRow) = try subTensor(slice, in: tensor)
        var shape = inner
        while shape.count > 2, shape.first == 1 { shape.removeFirst() }
        if shape.count == 1 { shape.insert(1, at: 0) }
        guard shape.count == 2 else { throw problem(tensor, "is not a matrix") }
        let available = slice.isTransposed ? (rows: shape[1], columns: shape[0]) : (rows: shape[0], columns: shape[1])
        let rows = try count(slice.rows, of: available.rows, tensor)
        let range = slice.columns ?? 0..<available.columns
        guard range.lowerBound >= 0, range.upperBound <= available.columns else {
            throw problem(tensor, "has \(available.columns) columns; \(range) are asked for")
        }
        guard rows > 0, !range.isEmpty else { throw problem(tensor, "gives an empty matrix") }
        let isWide = !slice.isTransposed && available.columns > maximumColumns
        guard range.count <= maximumColumns, !isWide, rows <= maximumRows else {
            throw problem(tensor, "is too large: \(rows) rows of \(available.columns)")
        }
        let groups = slice.columnGroups
        guard groups == 1 || (groups > 1 && !slice.isTransposed && slice.columns == nil && range.count % groups == 0)
        else { throw problem(tensor, "has \(range.count) columns, which are not \(groups) groups") }
        return ResolvedSlice(
            tensor: tensor,
            rows: rows,
            columns: range.count,
            baseRow: baseRow,
            selection: slice.rows,
            isTransposed: slice.isTransposed,
            firstColumn: range.lowerBound,
            columnGroups: groups
        )
    }

    /// The same bytes with the first dimension as rows and all others as columns.
    private static func joined(_ tensor: SourceTensor) throws(SliceProblem) -> SourceTensor {
        guard tensor.shape.count >= 2, let rows = tensor.shape.first,
            let columns = ElementType.product(Array(tensor.shape.dropFirst())), tensor.type.weightsPerBlock == 1,
            case .contiguous = tensor.storage
        else { throw problem(tensor, "is not a convolution of plain numbers") }
        return SourceTensor(name: tensor.name, shape: [rows, columns], type: tensor.type, storage: tensor.storage)
    }

    /// Finds a vector: all dimensions but one are 1. `columns` is its length; `selection` picks elements.
    static func vector(_ slice: ImportPlan.Slice, in tensor: SourceTensor) throws(SliceProblem) -> ResolvedSlice {
        let (inner, baseRow) = try subTensor(slice, in: tensor)
        guard inner.filter({ $0 != 1 }).count <= 1, let length = ElementType.product(inner) else {
            throw problem(tensor, "is not a vector")
        }
        guard !slice.isTransposed, slice.columns == nil else { throw problem(tensor, "is a vector: it has no columns") }
        let count = try count(slice.rows, of: length, tensor)
        guard count > 0 else { throw problem(tensor, "gives an empty vector") }
        guard count <= maximumColumns, length <= maximumColumns else {
            throw problem(tensor, "is too long for a vector: \(length)")
        }
        return ResolvedSlice(
            tensor: tensor,
            rows: 1,
            columns: count,
            baseRow: baseRow,
            selection: slice.rows,
            isTransposed: false,
            firstColumn: 0
        )
    }

    /// Shape without the leading dimension when an index into it is given, and the first row of that part.
    private static func subTensor(
        _ slice: ImportPlan.Slice,
        in tensor: SourceTensor
    ) throws(SliceProblem) -> (shape: [Int], baseRow: Int) {
        guard let index = slice.leadingIndex else { return (tensor.shape, 0) }
        guard tensor.shape.count >= 2, let leading = tensor.shape.first, index >= 0, index < leading else {
            throw problem(tensor, "has no part \(index) along its first dimension")
        }
        let inner = Array(tensor.shape.dropFirst())
        return (inner, index * (ElementType.product(Array(inner.dropLast())) ?? 0))
    }

    private static func count(
        _ selection: ImportPlan.RowSelection?,
        of available: Int,
        _ tensor: SourceTensor
    ) throws(SliceProblem) -> Int {
        guard let selection else { return available }
        let isInside: Bool
        switch selection {
        case .range(let range): isInside = range.lowerBound >= 0 && range.upperBound <= available
        case .strided(let first, let step, let count):
            let (distance, overflow) = step.multipliedReportingOverflow(by: max(0, count - 1))
            let (last, overflowToo) = first.addingReportingOverflow(distance)
            isInside =
                count >= 0 && !overflow && !overflowToo && (0..<available).contains(first)
                && (0..<available).contains(last)
        case .list(let list): isInside = list.allSatisfy { (0..<available).contains($0) }
        }
        guard isInside else { throw problem(tensor, "has \(available) rows; the plan asks for others") }
        return selection.count
    }

    private static func problem(_ tensor: SourceTensor, _ reason: String) -> SliceProblem {
        SliceProblem(text: "tensor '\(tensor.name)' of shape \(tensor.shape) \(reason)")
    }
}

/// Why a slice does not fit its tensor.
struct SliceProblem: Error {
    var text: String
}

extension ResolvedSlice {
    /// The elements of a vector. Cost: the whole source vector is read.
    func vectorValues() -> [Float]? {
        let width = tensor.columns
        guard width > 0, let rowBytes = tensor.bytesPerRow else { return nil }
        let scratch = ScratchBuffer()
        let blocks = scratch.reserve(rowBytes)
        defer { withExtendedLifetime(scratch) {} }
        var row = [Float](repeating: 0, count: width)
        var values = [Float](repeating: 0, count: columns)
        // Usually one source row; a column vector has many of one element.
        var loaded = -1
        for element in 0..<columns {
            let position = sourceRow(element)
            if position / width != loaded {
                loaded = position / width
                let isRead = row.withUnsafeMutableBufferPointer { buffer in
                    guard let start = buffer.baseAddress else { return false }
                    return tensor.read(row: baseRow + loaded, scratch: blocks, into: start)
                }
                guard isRead else { return nil }
            }
            values[element] = row[position % width]
        }
        return values
    }
}

/// Memory that grows and is kept: one per thread, so that packing allocates nothing per panel.
final class ScratchBuffer {
    private var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// At least `count` bytes (at least one), 64-byte aligned, with unspecified contents. Valid until the next call, and
    /// while this object lives.
    func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if bytes.count < max(1, count) {
            bytes.deallocate()
            bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 64)
        }
        return bytes
    }

    deinit { bytes.deallocate() }
}

import CKernels

/// Packs panels of matrices out of a checkpoint; one per thread, its memory bounded by a few panels.
final class PanelPacker {
    private let floats = ScratchBuffer()
    private let wideRow = ScratchBuffer()
    private let blocks = ScratchBuffer()

    private static let panelRows = Int(SK_PANEL_ROWS)

    /// Pairs of source and packed type that hold the same quants.
    static func isExact(_ source: ElementType, _ type: WeightType) -> Bool {
        switch (source.name, type) {
        case ("Q4_0", .q4), ("Q4_1", .q4), ("Q4_K", .q4), ("Q5_0", .q8), ("Q8_0", .q8), ("MXFP4", .mxfp4): true
        default: false
        }
    }

    /// Panels that are packed at one go: about a million weights, at least one panel.
    static func panelsPerChunk(columns: Int) -> Int { max(1, (1 << 20) / (panelRows * max(1, columns))) }

    /// Packs `panels` of a slice as `type`; panel p goes to `output + (p - panels.lowerBound) * stride`.
    func pack(
        _ slice: ResolvedSlice,
        as type: WeightType,
        panels: Range<Int>,
        into output: UnsafeMutableRawPointer,
        stride: Int
    ) throws(ModelFileError) {
        let firstRow = panels.lowerBound * Self.panelRows
        let rowCount = min(slice.rows, panels.upperBound * Self.panelRows) - firstRow
        guard rowCount > 0 else { return }
        guard let rowBytes = slice.tensor.bytesPerRow else { throw unreadable(slice) }
        let scratch = blocks.reserve(rowBytes * Self.panelRows)
        if slice.isTransposed {
            let values = floats.reserve(rowCount * slice.columns * 4).bindMemory(to: Float.self)
            try gatherTransposed(slice, rows: firstRow..<firstRow + rowCount, scratch: scratch, into: values)
            for panel in panels {
                let row = panel * Self.panelRows - firstRow
                try packFloats(
                    UnsafePointer(values.baseAddress.map { $0 + row * slice.columns }),
                    rowCount: min(Self.panelRows, rowCount - row),
                    slice,
                    firstRow: firstRow + row,
                    type,
                    output + (panel - panels.lowerBound) * stride
                )
            }
            return
        }
        for panel in panels {
            let row = panel * Self.panelRows
            let count = min(Self.panelRows, slice.rows - row)
            let target = output + (panel - panels.lowerBound) * stride
            if packExactly(slice, row: row, count: count, type, rowBytes: rowBytes, scratch: scratch, target) {
                continue
            }
            let values = floats.reserve(count * slice.columns * 4).bindMemory(to: Float.self)
            for offset in 0..<count {
                try read(slice, row: row + offset, scratch: scratch, into: values, at: offset * slice.columns)
            }
            try packFloats(
                UnsafePointer(values.baseAddress),
                rowCount: count,
                slice,
                firstRow: row,
                type,
                target
            )
        }
        release(slice, rows: firstRow..<firstRow + rowCount, rowBytes: rowBytes)
    }

    /// Packs one panel from the source's own blocks, when they hold the same quants. False: go through floats.
    private func packExactly(
        _ slice: ResolvedSlice,
        row: Int,
        count: Int,
        _ type: WeightType,
        rowBytes: Int,
        scratch: UnsafeMutableRawBufferPointer,
        _ target: UnsafeMutableRawPointer
    ) -> Bool {
        guard slice.hasWholeRows, Self.isExact(slice.tensor.type, type), let code = slice.tensor.type.code else {
            return false
        }
        return withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: Self.panelRows) { sources in
            sources.initialize(repeating: nil)
            for offset in 0..<count {
                let part = UnsafeMutableRawBufferPointer(rebasing: scratch[offset * rowBytes..<(offset + 1) * rowBytes])
                let sourceRow = slice.baseRow + slice.sourceRow(row + offset)
                guard let pointer = slice.tensor.blocks(row: sourceRow, scratch: part) else { return false }
                sources[offset] = pointer
            }
            return sk_pack_panel_blocks(
                code,
                type.code,
                sources.baseAddress,
                Int32(count),
                Int64(slice.columns),
                target
            ) == 0
        }
    }

    /// Row `row` of the slice as floats at `values[position...]`.
    private func read(
        _ slice: ResolvedSlice,
        row: Int,
        scratch: UnsafeMutableRawBufferPointer,
        into values: UnsafeMutableBufferPointer<Float>,
        at position: Int
    ) throws(ModelFileError) {
        guard let start = values.baseAddress else { throw unreadable(slice) }
        let sourceRow = slice.baseRow + slice.sourceRow(row)
        if slice.hasWholeRows {
            guard slice.tensor.read(row: sourceRow, scratch: scratch, into: start + position) else {
                throw unreadable(slice)
            }
            return
        }
        let whole = wideRow.reserve(slice.tensor.columns * 4).bindMemory(to: Float.self)
        guard let wide = whole.baseAddress, slice.tensor.read(row: sourceRow, scratch: scratch, into: wide) else {
            throw unreadable(slice)
        }
        guard slice.columnGroups > 1 else {
            (start + position).update(from: wide + slice.firstColumn, count: slice.columns)
            return
        }
        let inGroup = slice.columns / slice.columnGroups
        for group in 0..<slice.columnGroups {
            for column in 0..<inGroup {
                start[position + group * inGroup + column] = wide[column * slice.columnGroups + group]
            }
        }
    }

    /// Rows of a matrix that the source holds as [columns, rows]: each source row gives one column.
    private func gatherTransposed(
        _ slice: ResolvedSlice,
        rows: Range<Int>,
        scratch: UnsafeMutableRawBufferPointer,
        into values: UnsafeMutableBufferPointer<Float>
    ) throws(ModelFileError) {
        guard let weights = slice.tensor.type.weightsPerBlock, let blockBytes = slice.tensor.type.bytesPerBlock else {
            throw unreadable(slice)
        }
        // Only the blocks between the first and the last element that is needed are read.
        var low = Int.max
        var high = 0
        for row in rows {
            low = min(low, slice.sourceRow(row))
            high = max(high, slice.sourceRow(row))
        }
        let firstBlock = low / weights
        let blockCount = high / weights - firstBlock + 1
        let line = wideRow.reserve(blockCount * weights * 4).bindMemory(to: Float.self)
        guard let lineStart = line.baseAddress else { throw unreadable(slice) }
        for column in 0..<slice.columns {
            let sourceRow = slice.baseRow + slice.firstColumn + column
            guard let blocks = slice.tensor.blocks(row: sourceRow, scratch: scratch) else { throw unreadable(slice) }
            let source = blocks + firstBlock * blockBytes
            guard slice.tensor.type.read(source, count: blockCount * weights, into: lineStart) else {
                throw unreadable(slice)
            }
            for row in rows {
                values[(row - rows.lowerBound) * slice.columns + column] =
                    line[slice.sourceRow(row) - firstBlock * weights]
            }
        }
    }

    private func packFloats(
        _ values: UnsafePointer<Float>?,
        rowCount: Int,
        _ slice: ResolvedSlice,
        firstRow: Int,
        _ type: WeightType,
        _ target: UnsafeMutableRawPointer
    ) throws(ModelFileError) {
        guard let values else { throw unreadable(slice) }
        guard sk_pack_panel_f32(type.code, values, Int32(rowCount), Int64(slice.columns), target) != 0 else { return }
        for row in 0..<rowCount {
            for column in 0..<slice.columns where !values[row * slice.columns + column].isFinite {
                throw ModelFileError(
                    .nonFinite,
                    slice.tensor.path,
                    "tensor '\(slice.tensor.name)' holds \(values[row * slice.columns + column]) in row "
                        + "\(slice.baseRow + slice.sourceRow(firstRow + row))",
                    hint: "The checkpoint is damaged: fetch it again."
                )
            }
        }
        throw ModelFileError(
            .unsupported,
            slice.tensor.path,
            "tensor '\(slice.tensor.name)' holds values too large for \(type.rawValue), in rows "
                + "\(firstRow) to \(firstRow + rowCount - 1)",
            hint: "Import it with --weights f32."
        )
    }

    private func unreadable(_ slice: ResolvedSlice) -> ModelFileError {
        ModelFileError(
            .unsupported,
            slice.tensor.path,
            "tensor '\(slice.tensor.name)' of type \(slice.tensor.type) cannot be read",
            hint: "Supported: \(ElementType.supportedNames)."
        )
    }

    /// Gives the pages of rows that are done back, so that importing stays small in memory.
    private func release(_ slice: ResolvedSlice, rows: Range<Int>, rowBytes: Int) {
        guard slice.selection == nil, case .contiguous(let region) = slice.tensor.storage else { return }
        let first = slice.baseRow + rows.lowerBound
        region.file.advise(.dontNeed, offset: region.offset + first * rowBytes, length: rows.count * rowBytes)
    }
}

import CKernels

extension PageLayout {
    /// Turns the rotated columns of rows `[count][keyWidth]`, all by one angle for each pair; copies them where there are no
    /// such columns.
    func turn(
        _ rows: UnsafePointer<Float>,
        count: Int,
        _ cosines: UnsafePointer<Float>,
        _ sines: UnsafePointer<Float>,
        into turned: UnsafeMutablePointer<Float>
    ) {
        guard !ropeColumns.isEmpty else {
            turned.update(from: rows, count: count * keyWidth)
            return
        }
        // A stride of 0 in the table of angles: all rows share them.
        sk_rotate_rows(
            rows,
            Int64(keyWidth),
            Int32(count),
            Int32(keyWidth),
            Int32(ropeColumns.lowerBound),
            Int32(ropeColumns.count),
            cosines,
            sines,
            0,
            turned,
            Int64(keyWidth)
        )
    }
}

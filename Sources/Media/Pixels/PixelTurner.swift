/// Turns and mirrors RGB pictures by quarters.
enum PixelTurner {
    /// - Parameters:
    ///   - source: rows of `stride` bytes, the last one may end with its pixels.
    ///   - target: `width * height * 3` bytes, rows without padding.
    static func turn(
        _ source: UnsafeBufferPointer<UInt8>,
        stride: Int,
        width: Int,
        height: Int,
        orientation: Orientation,
        into target: UnsafeMutablePointer<UInt8>
    ) {
        guard let base = source.baseAddress, source.count >= stride * (height - 1) + width * 3 else { return }
        if orientation == .upright {
            for row in 0..<height {
                (target + row * width * 3).update(from: base + row * stride, count: width * 3)
            }
            return
        }
        // Where the first pixel goes, and how far apart neighbours of a row and of a column land.
        let outWidth = orientation.swapsSides ? height : width
        var right: Int
        var down: Int
        var start: Int
        switch orientation.quarterTurns {
        case 1: (right, down, start) = (outWidth, -1, outWidth - 1)
        case 2: (right, down, start) = (-1, -outWidth, width * height - 1)
        case 3: (right, down, start) = (-outWidth, 1, (width - 1) * outWidth)
        default: (right, down, start) = (1, outWidth, 0)
        }
        if orientation.isMirrored {
            start += right * (width - 1)
            right = -right
        }
        for row in 0..<height {
            var from = base + row * stride
            var to = target + (start + down * row) * 3
            for _ in 0..<width {
                to[0] = from[0]
                to[1] = from[1]
                to[2] = from[2]
                from += 3
                to += right * 3
            }
        }
    }
}

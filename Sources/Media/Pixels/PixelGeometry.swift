import CFFmpeg

/// Sizes and ranges of frames as they are meant to be seen.
enum PixelGeometry {
    /// Width of a pixel over its height, where the file says something believable; else 1.
    static func sane(_ ratio: Rational) -> Double {
        guard ratio.isPositive, (1.0 / 16...16).contains(ratio.value) else { return 1 }
        return ratio.value
    }

    /// The size with square pixels. The rows stay, the width changes: so do players, and so say the containers' headers.
    static func squareSize(width: Int, height: Int, aspect: Double) -> (width: Int, height: Int) {
        (max(1, Int((Double(width) * aspect).rounded())), height)
    }

    static func displaySize(
        width: Int,
        height: Int,
        aspect: Double,
        orientation: Orientation
    ) -> (width: Int, height: Int) {
        let square = squareSize(width: width, height: height, aspect: aspect)
        return orientation.swapsSides ? (square.height, square.width) : square
    }

    static func isFullRange(_ range: AVColorRange, _ format: AVPixelFormat) -> Bool {
        if range == AVCOL_RANGE_JPEG { return true }
        switch format {
        case AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUVJ411P:
            return true
        default:
            // RGB has no other.
            guard let flags = av_pix_fmt_desc_get(format)?.pointee.flags else { return false }
            return flags & UInt64(AV_PIX_FMT_FLAG_RGB) != 0
        }
    }
}

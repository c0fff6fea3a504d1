import Tensor

/// Blends what the plain and the shifted grid draw, so that a film hardly shows the borders of either's tokens.
///
/// Each token's tint, and where it ends a thing, are a little off, which shows as steps along its borders. A border of one
/// grid lies in the middle of the other's tokens, and there the other one counts.
/// `Training/soranji_training/grids.py` does the same.
package struct GridBlend {
    /// Share of the plain grid in a pixel, `[height][width]`.
    private let shares: [Float]
    private let pool: ThreadPool

    /// - Parameter tokenPixels: side of a token, even.
    package init(height: Int, width: Int, tokenPixels: Int, pool: ThreadPool) {
        self.pool = pool
        /// How far inside a token of the plain grid a pixel lies, near 1 in the middle and near 0 at its ends.
        func share(_ pixel: Int) -> Float {
            1 - abs(2 * (Float(pixel % tokenPixels) + 0.5) / Float(tokenPixels) - 1)
        }
        shares = (0..<height * width).map {
            let (y, x) = (share($0 / width), share($0 % width))
            return y * x / (y * x + (1 - y) * (1 - x))
        }
    }

    /// Changes frames of the plain grid to the blend of both.
    ///
    /// - Parameters:
    ///   - frames: `[count][height][width][3]`.
    ///   - shifted: as many of the shifted grid.
    package func blend(_ frames: inout [Float], with shifted: [Float]) {
        let frameFloats = shares.count * 3
        precondition(frames.count == shifted.count && frames.count % frameFloats == 0)
        let count = frames.count / frameFloats
        frames.withUnsafeMutableBufferPointer { frames in
            guard let target = frames.baseAddress else { return }
            pool.forRows(count, perTask: 1) { range in
                for index in range.lowerBound * frameFloats..<range.upperBound * frameFloats {
                    target[index] = shifted[index] + shares[index % frameFloats / 3] * (target[index] - shifted[index])
                }
            }
        }
    }
}

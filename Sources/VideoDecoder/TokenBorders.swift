import Tensor

/// Softens the borders of tokens in frames that were filmed.
///
/// Each token is denoised to a tint of its own that is a little off, which shows as a grid of steps. As in the filters of
/// video codecs (ITU-T H.264, 8.7), a small step between two calm sides is spread over the pixels beside it; a large one
/// is an edge of the picture and stays. `Training/soranji_training/borders.py` does the same.
package struct TokenBorders {
    /// Pixels to each side that take part of a step.
    private static let reachPixels = 4
    /// Differences up to the first are removed, those above the second left; linear between. Frames are in -1 ... 1.
    private static let whole: Float = 8 / 127.5
    private static let edge: Float = 24 / 127.5

    private let height: Int
    private let width: Int
    private let tokenPixels: Int
    /// What a pixel takes of a step, nearest first.
    private let weights: [Float]
    private let pool: ThreadPool

    /// - Parameter tokenPixels: side of a token; with fewer than 4 nothing is done.
    package init(height: Int, width: Int, tokenPixels: Int, pool: ThreadPool) {
        self.pool = pool
        self.height = height
        self.width = width
        self.tokenPixels = tokenPixels
        let reach = min(Self.reachPixels, tokenPixels / 4)
        weights = (0..<reach).map { (Float(reach - $0) - 0.5) / Float(2 * reach) }
    }

    /// Changes frames in place; each by itself, columns of tokens first, then rows.
    ///
    /// - Parameter frames: `[count][height][width][3]`.
    package func soften(_ frames: UnsafeMutablePointer<Float>, count: Int) {
        guard !weights.isEmpty else { return }
        pool.forRows(count, perTask: 1) { range in
            for frame in range {
                let first = frames + frame * height * width * 3
                for border in stride(from: tokenPixels, to: width, by: tokenPixels) {
                    for y in 0..<height { spread(first + (y * width + border) * 3, apart: 3) }
                }
                for border in stride(from: tokenPixels, to: height, by: tokenPixels) {
                    for x in 0..<width { spread(first + (border * width + x) * 3, apart: width * 3) }
                }
            }
        }
    }

    /// Spreads the step before a pixel over those on both sides of it.
    ///
    /// - Parameter apart: numbers from one pixel to the next across the border.
    private func spread(_ after: UnsafeMutablePointer<Float>, apart: Int) {
        func pixel(_ offset: Int) -> SIMD3<Float> {
            let at = after + offset * apart
            return SIMD3(at[0], at[1], at[2])
        }
        let step = pixel(0) - pixel(-1)
        let slopeBefore = pixel(-1) - pixel(-2)
        let slopeAfter = pixel(1) - pixel(0)
        let largest = max(Self.size(step), Self.size(slopeBefore), Self.size(slopeAfter))
        // A maximum may lose a number that is none, a sum does not.
        guard largest < Self.edge, (step + slopeBefore + slopeAfter).sum().isFinite else { return }
        let share = min(1, (Self.edge - largest) / (Self.edge - Self.whole))
        let excess = (step - (slopeBefore + slopeAfter) / 2) * share
        for (distance, weight) in weights.enumerated() {
            let part = weight * excess
            for channel in 0..<3 {
                after[(-1 - distance) * apart + channel] += part[channel]
                after[distance * apart + channel] -= part[channel]
            }
        }
    }

    private static func size(_ difference: SIMD3<Float>) -> Float {
        max(abs(difference.x), abs(difference.y), abs(difference.z))
    }
}

import Tensor
import Testing

@testable import VideoDecoder

/// The blend of two grids against PyTorch, and what it makes of odd frames.
struct GridBlendTests {
    @Test(arguments: [1, 2])
    func agreesWithPyTorch(threads: Int) throws {
        let golden = try Golden("blend")
        let shape = try golden.shape("in.plain")
        var frames = try golden.floats("in.plain")
        let blend = GridBlend(
            height: shape[1],
            width: shape[2],
            tokenPixels: 16,
            pool: ThreadPool(threadCount: threads)
        )
        blend.blend(&frames, with: try golden.floats("in.shifted"))
        #expect(largestDifference(frames, try golden.floats("out.frames")) < 1e-6)
    }

    /// Tokens of any even side, frames of one token: what both agree on stays, and what is no number harms its own pixel alone.
    @Test(arguments: [2, 4, 6, 16, 40])
    func anySizesAreSafe(tokenPixels: Int) {
        for (rows, columns) in [(1, 1), (1, 3), (3, 2)] {
            let (height, width) = (rows * tokenPixels, columns * tokenPixels)
            let blend = GridBlend(
                height: height,
                width: width,
                tokenPixels: tokenPixels,
                pool: ThreadPool(threadCount: 1)
            )
            let flat = [Float](repeating: 0.25, count: 2 * height * width * 3)
            for hostile in [Float.nan, .infinity, 0.25] {
                var (frames, shifted) = (flat, flat)
                let place = flat.count * 2 / 3
                frames[place] = hostile
                shifted[place] = hostile
                blend.blend(&frames, with: shifted)
                let others = frames.enumerated().filter { $0.offset != place }.map(\.element)
                #expect(others.allSatisfy { $0 == 0.25 })
                #expect((frames[place] == 0.25) == (hostile == 0.25))
            }
        }
    }
}

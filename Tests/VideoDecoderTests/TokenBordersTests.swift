import Tensor
import Testing

@testable import VideoDecoder

/// The filter between tokens against PyTorch, and what it leaves alone.
struct TokenBordersTests {
    @Test(arguments: [1, 2])
    func agreesWithPyTorch(threads: Int) throws {
        let golden = try Golden("borders")
        let shape = try golden.shape("in.frames")
        let wanted = try golden.floats("out.frames")
        var frames = try golden.floats("in.frames")
        #expect(largestDifference(frames, wanted) > 0.01)
        let pool = ThreadPool(threadCount: threads)
        TokenBorders(height: shape[1], width: shape[2], tokenPixels: 16, pool: pool).soften(&frames, count: shape[0])
        #expect(largestDifference(frames, wanted) < 1e-6)
    }

    /// A frame, all of one tint but for what is right of a column.
    private func frame(height: Int, width: Int, from column: Int, step: Float) -> [Float] {
        (0..<height * width * 3).map { $0 / 3 % width < column ? 0 : step }
    }

    private func softened(_ frame: [Float], height: Int, width: Int, tokenPixels: Int) -> [Float] {
        var frame = frame
        TokenBorders(height: height, width: width, tokenPixels: tokenPixels, pool: ThreadPool(threadCount: 1))
            .soften(&frame, count: 1)
        return frame
    }

    @Test func smallStepsAreSpreadAndEdgesStay() {
        let small = softened(frame(height: 16, width: 32, from: 16, step: 0.06), height: 16, width: 32, tokenPixels: 16)
        let row = (0..<32).map { small[$0 * 3] }
        for (before, after) in zip(row, row.dropFirst()) { #expect(after - before < 0.06 / 8 * 1.01) }
        #expect(row[11] == 0 && row[12] > 0 && row[19] < 0.06 && row[20] == 0.06)
        let edge = frame(height: 16, width: 32, from: 16, step: 0.5)
        #expect(softened(edge, height: 16, width: 32, tokenPixels: 16) == edge)
        let inside = frame(height: 16, width: 32, from: 9, step: 0.06)
        #expect(softened(inside, height: 16, width: 32, tokenPixels: 16) == inside)
    }

    /// Tokens of any side, frames of one token; numbers that are none stay where they are.
    @Test(arguments: [1, 2, 3, 4, 5, 16, 40])
    func anySizesAreSafe(tokenPixels: Int) {
        for (rows, columns) in [(1, 1), (1, 3), (3, 2)] {
            let (height, width) = (rows * tokenPixels, columns * tokenPixels)
            let flat = [Float](repeating: 0.25, count: height * width * 3)
            #expect(softened(flat, height: height, width: width, tokenPixels: tokenPixels) == flat)
            for hostile in [Float.nan, .infinity, -.infinity] {
                for pixel in stride(from: 0, to: height * width, by: max(1, height * width / 97)) {
                    var frame = flat
                    frame[pixel * 3 + pixel % 3] = hostile
                    let result = softened(frame, height: height, width: width, tokenPixels: tokenPixels)
                    #expect(result.map(\.bitPattern) == frame.map(\.bitPattern))
                }
            }
        }
    }
}

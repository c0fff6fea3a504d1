import CKernels
import Foundation
import Tensor

/// How many patches a picture has: `frames` temporal patches of `height` x `width`.
package struct PatchGrid: Sendable, Equatable {
    package var frames: Int
    package var height: Int
    package var width: Int

    package init(frames: Int, height: Int, width: Int) {
        self.frames = frames
        self.height = height
        self.width = width
    }
}

/// Where the patches of a frame stand: rows in the order of blocks of `merge` x `merge` patches (block row, block column,
/// row in the block, column in the block).
struct VisionPositions {
    let configuration: VisionConfiguration
    /// The learned table, `[side * side][hidden]`.
    private let table: [Float]
    private let frequencies: [Double]

    init(_ configuration: VisionConfiguration, table matrix: WeightMatrix) {
        self.configuration = configuration
        let width = configuration.hiddenSize
        var kernelMatrix = matrix.kernelMatrix
        table = [Float](unsafeUninitializedCapacity: matrix.rows * width) { buffer, count in
            for row in 0..<matrix.rows {
                guard let base = buffer.baseAddress else { return }
                sk_unpack_row(&kernelMatrix, Int32(row), base + row * width)
            }
            count = matrix.rows * width
        }
        // Half the pairs of a head turn with the row, half with the column.
        let pairs = configuration.headWidth / 4
        frequencies = (0..<pairs).map { pow(configuration.ropeBase, -Double($0) / Double(pairs)) }
    }

    /// Calls `body` with (patch, row, column) for every patch of a frame, in the order of the rows.
    private func forEachPatch(_ grid: PatchGrid, _ body: (Int, Int, Int) -> Void) {
        let merge = configuration.mergeSize
        var patch = 0
        for blockRow in 0..<grid.height / merge {
            for blockColumn in 0..<grid.width / merge {
                for row in 0..<merge {
                    for column in 0..<merge {
                        body(patch, blockRow * merge + row, blockColumn * merge + column)
                        patch += 1
                    }
                }
            }
        }
    }

    /// The table resampled to the grid: bilinear, corner to corner. rows `[height * width]`, `stride` floats apart.
    func resample(_ grid: PatchGrid, into rows: UnsafeMutablePointer<Float>, stride: Int) {
        let side = configuration.tableSide
        let width = configuration.hiddenSize
        func taps(_ index: Int, of length: Int) -> (low: Int, high: Int, weight: Float) {
            let place = Double(index) * Double(side - 1) / Double(max(length - 1, 1))
            let low = min(Int(place), side - 1)
            return (low, min(low + 1, side - 1), Float(place - Double(low)))
        }
        let vertical = (0..<grid.height).map { taps($0, of: grid.height) }
        let horizontal = (0..<grid.width).map { taps($0, of: grid.width) }
        table.withUnsafeBufferPointer { table in
            guard let table = table.baseAddress else { return }
            forEachPatch(grid) { patch, row, column in
                let (v, h) = (vertical[row], horizontal[column])
                let out = rows + patch * stride
                let corners = [
                    (v.low, h.low, (1 - v.weight) * (1 - h.weight)), (v.low, h.high, (1 - v.weight) * h.weight),
                    (v.high, h.low, v.weight * (1 - h.weight)), (v.high, h.high, v.weight * h.weight),
                ]
                out.update(repeating: 0, count: width)
                for (row, column, weight) in corners where weight != 0 {
                    sk_add_scaled(out, table + (row * side + column) * width, weight, Int64(width))
                }
            }
        }
    }

    /// Cosines and sines of the rotary angles of a frame's patches, `[height * width][headWidth / 2]`.
    func angles(
        _ grid: PatchGrid,
        cosines: UnsafeMutablePointer<Float>,
        sines: UnsafeMutablePointer<Float>
    ) {
        let pairs = frequencies.count
        let longest = max(grid.height, grid.width)
        var table: [(cosine: Float, sine: Float)] = []
        table.reserveCapacity(longest * pairs)
        for place in 0..<longest {
            for frequency in frequencies {
                let angle = Double(place) * frequency
                table.append((Float(cos(angle)), Float(sin(angle))))
            }
        }
        forEachPatch(grid) { patch, row, column in
            for pair in 0..<pairs {
                let at = patch * 2 * pairs + pair
                (cosines[at], sines[at]) = table[row * pairs + pair]
                (cosines[at + pairs], sines[at + pairs]) = table[column * pairs + pair]
            }
        }
    }
}

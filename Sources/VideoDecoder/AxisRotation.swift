import Foundation

/// Rotary embedding by position along several axes: the pairs (2i, 2i + 1) of a head are shared out to the axes in order.
///
/// Pair i of the m pairs of an axis turns by position * pi / 2 * 64^(-i / max(1, m - 1)).
struct AxisRotation: Sendable {
    let pairCount: Int
    /// Per pair: its axis, and radians per step.
    private let axes: [Int]
    private let speeds: [Double]

    /// - Parameter axisCount: 2 (row, column), which share equally, or 3 (time, row, column): the sides get 3/8 of the pairs
    ///   each, rounded down, and time the rest.
    init(headWidth: Int, axisCount: Int) {
        pairCount = headWidth / 2
        let side = axisCount == 2 ? pairCount / 2 : 3 * pairCount / 8
        let shares = [pairCount - (axisCount - 1) * side] + Array(repeating: side, count: axisCount - 1)
        axes = shares.enumerated().flatMap { Array(repeating: $0.offset, count: $0.element) }
        speeds = shares.flatMap { share in
            (0..<share).map { Double.pi / 2 * pow(64, -Double($0) / Double(max(1, share - 1))) }
        }
    }

    /// Writes the angles' cosines and sines of a position, one number per axis.
    func write(
        _ position: [Double],
        cosines: UnsafeMutablePointer<Float>,
        sines: UnsafeMutablePointer<Float>
    ) {
        for pair in 0..<pairCount {
            let angle = position[axes[pair]] * speeds[pair]
            cosines[pair] = Float(cos(angle))
            sines[pair] = Float(sin(angle))
        }
    }

    /// output = scale * (x turned), both of the head's width.
    @inline(__always)
    func turn(
        _ x: UnsafePointer<Float>,
        _ cosines: UnsafePointer<Float>,
        _ sines: UnsafePointer<Float>,
        scale: Float,
        into output: UnsafeMutablePointer<Float>
    ) {
        for pair in 0..<pairCount {
            let (a, b) = (x[2 * pair], x[2 * pair + 1])
            output[2 * pair] = (a * cosines[pair] - b * sines[pair]) * scale
            output[2 * pair + 1] = (a * sines[pair] + b * cosines[pair]) * scale
        }
    }
}

/// output = x / rms(x), `columns` wide. In place allowed.
@inline(__always)
func normalize(_ x: UnsafePointer<Float>, columns: Int, into output: UnsafeMutablePointer<Float>) {
    var sum = 0.0
    for column in 0..<columns { sum += Double(x[column]) * Double(x[column]) }
    let factor = Float(1 / (sum / Double(columns) + Double(normEpsilon)).squareRoot())
    for column in 0..<columns { output[column] = x[column] * factor }
}

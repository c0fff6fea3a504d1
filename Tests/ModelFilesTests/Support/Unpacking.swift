import CKernels
import Testing

@testable import ModelFiles

extension MappedMatrix {
    /// All rows as floats, [rows][columns]; of a gated pair the gate's or the up's.
    func values(part: Int = 0, of parts: Int = 1) -> [Float] {
        let panelBytes = byteCount / ((rows + 15) / 16 * parts)
        var result: [Float] = []
        var row = [Float](repeating: 0, count: columns)
        for number in 0..<rows {
            // One panel at a time, so that interleaved panels are found by their own arithmetic.
            let panel = pointer + ((number / 16) * parts + part) * panelBytes
            var matrix = sk_matrix(data: panel, type: type.code, rows: 16, columns: Int32(columns))
            sk_unpack_row(&matrix, Int32(number % 16), &row)
            result += row
        }
        return result
    }
}

/// Largest error that rounding to a packed type may make, for a row-major matrix.
func tolerances(_ values: [Float], columns: Int, _ type: WeightType) -> [Float] {
    var result: [Float] = []
    for row in stride(from: 0, to: values.count, by: columns) {
        for first in stride(from: 0, to: columns, by: 32) {
            let block = values[row + first..<row + min(columns, first + 32)]
            let largest = block.map(abs).max() ?? 0
            let range = (block.max() ?? 0) - (block.min() ?? 0)
            for value in block {
                switch type {
                case .f32: result.append(0)
                case .f16: result.append(abs(value) / 2048 + 1e-7)
                case .bf16: result.append(abs(value) / 256)
                // Half a step, and the rounding of scale and minimum to half precision.
                case .q8: result.append(largest / 254 + largest / 1024)
                // The fit minimises the squared error, so it may clip: single weights may be more than a step off.
                case .q4: result.append(range / 10 + largest / 512)
                case .mxfp4: result.append(largest / 4)
                }
            }
        }
    }
    return result
}

/// Checks element by element and reports the worst.
func expectClose(
    _ actual: [Float],
    _ expected: [Float],
    within tolerances: [Float],
    _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(actual.count == expected.count, "\(what)", sourceLocation: sourceLocation)
    guard actual.count == expected.count, tolerances.count == expected.count else { return }
    let worst = actual.indices.max {
        abs(actual[$0] - expected[$0]) - tolerances[$0] < abs(actual[$1] - expected[$1]) - tolerances[$1]
    }
    guard let worst else { return }
    #expect(
        abs(actual[worst] - expected[worst]) <= tolerances[worst],
        "\(what): element \(worst) is \(actual[worst]), not \(expected[worst]) within \(tolerances[worst])",
        sourceLocation: sourceLocation
    )
}

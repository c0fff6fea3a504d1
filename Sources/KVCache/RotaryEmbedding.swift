import CKernels
import Foundation
import Tensor

/// Angles of the rotary embedding, split so that they stay exact at any position: keys turn by their offset in the
/// page, queries by their distance to the page's first position.
///
/// Angles are computed in double and reduced before they become floats (Su et al. 2021, "RoFormer").
package final class RotaryEmbedding: @unchecked Sendable {
    /// Radians per position of each pair.
    package let frequencies: [Double]
    /// What YaRN multiplies cosines and sines with, on both sides; here squared, on the query's side only.
    private let querySideFactor: Double
    /// `[pairs][128]`: the turn of a key at each offset of a page.
    private let offsetCosines: AlignedBuffer<Float>
    private let offsetSines: AlignedBuffer<Float>

    package init(frequencies: [Double], attentionFactor: Double = 1) throws(AllocationError) {
        self.frequencies = frequencies
        querySideFactor = attentionFactor * attentionFactor
        offsetCosines = try AlignedBuffer(count: frequencies.count * PageLayout.positions)
        offsetSines = try AlignedBuffer(count: frequencies.count * PageLayout.positions)
        for (pair, frequency) in frequencies.enumerated() {
            for offset in 0..<PageLayout.positions {
                let angle = Double(offset) * frequency
                offsetCosines.pointer[pair * PageLayout.positions + offset] = Float(cos(angle))
                offsetSines.pointer[pair * PageLayout.positions + offset] = Float(sin(angle))
            }
        }
    }

    package var pairCount: Int { frequencies.count }
    package var keyCosines: UnsafePointer<Float> { UnsafePointer(offsetCosines.pointer) }
    package var keySines: UnsafePointer<Float> { UnsafePointer(offsetSines.pointer) }

    /// Cosines and sines of one position for a query, `[pairs]` each, times the attention factor.
    package func writeQueryAngles(
        position: Int,
        cosines: UnsafeMutablePointer<Float>,
        sines: UnsafeMutablePointer<Float>
    ) {
        for pair in 0..<frequencies.count {
            let angle = Double(position) * frequencies[pair]
            cosines[pair] = Float(cos(angle) * querySideFactor)
            sines[pair] = Float(sin(angle) * querySideFactor)
        }
    }

    /// Cosines and sines of a page's first position, `[pairs]` each.
    package func writePageAngles(page: Int, cosines: UnsafeMutablePointer<Float>, sines: UnsafeMutablePointer<Float>) {
        for pair in 0..<frequencies.count {
            let angle = Double(page * PageLayout.positions) * frequencies[pair]
            cosines[pair] = Float(cos(angle))
            sines[pair] = Float(sin(angle))
        }
    }
}

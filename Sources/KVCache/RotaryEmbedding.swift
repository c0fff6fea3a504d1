import CKernels
import Foundation
import Tensor

/// Frequencies of the rotary embedding and the axis of the position that each pair turns with.
package struct RotarySpectrum: Sendable, Equatable {
    /// Radians per position of each pair.
    package let frequencies: [Double]
    /// 0 time, 1 row, 2 column; empty when all pairs turn with time.
    private let axes: [UInt8]

    /// - Parameter sections: pairs that turn with time, rows and columns. They are interleaved: pair 3i + 1 turns with
    ///   rows while i is below their number, pair 3i + 2 with columns likewise, every other pair with time (Qwen3-VL).
    package init(frequencies: [Double], sections: [Int]? = nil) {
        self.frequencies = frequencies
        guard let sections, sections.count == 3 else {
            axes = []
            return
        }
        axes = frequencies.indices.map { pair in
            let axis = pair % 3
            return axis > 0 && pair < 3 * sections[axis] ? UInt8(axis) : 0
        }
    }

    package var pairCount: Int { frequencies.count }

    func axis(_ pair: Int) -> UInt8 { axes.isEmpty ? 0 : axes[pair] }

    /// Cosine and sine of a distance, computed and reduced in double.
    func turn(_ distance: Double, pair: Int) -> (cosine: Float, sine: Float) {
        let angle = distance * frequencies[pair]
        return (Float(cos(angle)), Float(sin(angle)))
    }
}

/// Angles of the rotary embedding, split so that they stay exact at any position: keys turn by their distance to the
/// page's first position, queries by theirs to the same.
///
/// Angles are computed in double and reduced before they become floats (Su et al. 2021, "RoFormer").
package final class RotaryEmbedding: @unchecked Sendable {
    package let spectrum: RotarySpectrum
    /// What YaRN multiplies cosines and sines with, on both sides; here squared, on the query's side only.
    private let querySideFactor: Double
    /// `[pairs][128]`: the turn of a key at each offset of a page whose positions count up by one.
    private let offsetCosines: AlignedBuffer<Float>
    private let offsetSines: AlignedBuffer<Float>

    package convenience init(frequencies: [Double], attentionFactor: Double = 1) throws(AllocationError) {
        try self.init(RotarySpectrum(frequencies: frequencies), attentionFactor: attentionFactor)
    }

    package init(_ spectrum: RotarySpectrum, attentionFactor: Double = 1) throws(AllocationError) {
        self.spectrum = spectrum
        querySideFactor = attentionFactor * attentionFactor
        offsetCosines = try AlignedBuffer(count: spectrum.pairCount * PageLayout.positions)
        offsetSines = try AlignedBuffer(count: spectrum.pairCount * PageLayout.positions)
        for pair in 0..<spectrum.pairCount {
            for offset in 0..<PageLayout.positions {
                let (cosine, sine) = spectrum.turn(Double(offset), pair: pair)
                offsetCosines.pointer[pair * PageLayout.positions + offset] = cosine
                offsetSines.pointer[pair * PageLayout.positions + offset] = sine
            }
        }
    }

    package var pairCount: Int { spectrum.pairCount }
    package var keyCosines: UnsafePointer<Float> { UnsafePointer(offsetCosines.pointer) }
    package var keySines: UnsafePointer<Float> { UnsafePointer(offsetSines.pointer) }

    /// `[pairs][128]` cosines and sines of a page's keys.
    func keyTables(of page: Page) -> (cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>) {
        guard let angles = page.angles else { return (keyCosines, keySines) }
        return (UnsafePointer(angles.cosines.pointer), UnsafePointer(angles.sines.pointer))
    }

    /// Cosines and sines of one position for a query, `[pairs]` each, times the attention factor.
    package func writeQueryAngles(
        position: RotaryPosition,
        cosines: UnsafeMutablePointer<Float>,
        sines: UnsafeMutablePointer<Float>
    ) {
        for pair in 0..<pairCount {
            let angle = position[spectrum.axis(pair)] * spectrum.frequencies[pair]
            cosines[pair] = Float(cos(angle) * querySideFactor)
            sines[pair] = Float(sin(angle) * querySideFactor)
        }
    }

    /// Cosines and sines of a page's first position, `[pairs]` each.
    package func writePageAngles(
        anchor: RotaryPosition,
        cosines: UnsafeMutablePointer<Float>,
        sines: UnsafeMutablePointer<Float>
    ) {
        for pair in 0..<pairCount {
            (cosines[pair], sines[pair]) = spectrum.turn(anchor[spectrum.axis(pair)], pair: pair)
        }
    }
}

import Foundation
import Tensor

/// Normally distributed numbers that depend on a seed and a place in the clip alone.
///
/// The state of every run is a hash of (seed, stream): a chunk's noise does not depend on what was drawn before it.
/// SplitMix64 (Steele, Lea and Flood 2014) and the Box-Muller transform in double.
package struct NoiseSource {
    private var generator: SplitMix64
    private var second: Double?

    package init(seed: UInt64, stream: UInt64) {
        // Two rounds, so that neighbouring seeds and streams share nothing.
        var ofSeed = SplitMix64(state: seed)
        var ofStream = SplitMix64(state: ofSeed.next() ^ (stream &* 0x9E37_79B9_7F4A_7C15))
        generator = SplitMix64(state: ofStream.next())
    }

    package mutating func normal() -> Float {
        if let second {
            self.second = nil
            return Float(second)
        }
        // In 0 < u <= 1, so that the logarithm is finite.
        let u = (Double(generator.next() >> 11) + 1) * 0x1p-53
        let v = generator.nextUnit()
        let radius = (-2 * log(u)).squareRoot()
        second = radius * sin(2 * .pi * v)
        return Float(radius * cos(2 * .pi * v))
    }

    package mutating func fill(_ buffer: UnsafeMutableBufferPointer<Float>) {
        for index in buffer.indices { buffer[index] = normal() }
    }
}

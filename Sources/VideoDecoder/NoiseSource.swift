import Foundation

/// Normally distributed numbers that depend on a seed and a place in the clip alone.
///
/// The state of every run is a hash of (seed, stream): a chunk's noise does not depend on what was drawn before it.
/// SplitMix64 (Steele, Lea and Flood 2014) and the Box-Muller transform in double.
package struct NoiseSource {
    private var state: UInt64
    private var second: Double?

    package init(seed: UInt64, stream: UInt64) {
        state = seed
        // Two rounds, so that neighbouring seeds and streams share nothing.
        let first = next()
        state = first ^ (stream &* 0x9E37_79B9_7F4A_7C15)
        state = next()
    }

    private mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    package mutating func normal() -> Float {
        if let second {
            self.second = nil
            return Float(second)
        }
        // In 0 < u <= 1, so that the logarithm is finite.
        let u = (Double(next() >> 11) + 1) * 0x1p-53
        let v = Double(next() >> 11) * 0x1p-53
        let radius = (-2 * log(u)).squareRoot()
        second = radius * sin(2 * .pi * v)
        return Float(radius * cos(2 * .pi * v))
    }

    package mutating func fill(_ buffer: UnsafeMutableBufferPointer<Float>) {
        for index in buffer.indices { buffer[index] = normal() }
    }
}

import Foundation
import KVCache

/// Rotary embedding: base frequency and how it is stretched for longer contexts.
package struct RopeConfiguration: Codable, Sendable, Equatable {
    package enum Scaling: Codable, Sendable, Equatable {
        case none
        /// Positions divided by `factor`.
        case linear(factor: Double)
        /// Llama 3.1: low frequencies divided, high ones kept, a ramp between.
        case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, originalContext: Double)
        /// YaRN (Peng et al. 2023): frequencies between `betaFast` and `betaSlow` turns are interpolated.
        case yarn(
            factor: Double,
            originalContext: Double,
            betaFast: Double,
            betaSlow: Double,
            truncates: Bool,
            attentionFactor: Double
        )
        /// Every frequency divided by its own factor (a tensor in the checkpoint).
        case divisors([Double])
    }

    package var base: Double
    /// Rotated columns of a head.
    package var width: Int
    package var scaling: Scaling
    /// Pairs that turn with time, rows and columns, interleaved (Qwen3-VL); nil where positions are plain numbers.
    package var sections: [Int]?

    package init(base: Double, width: Int, scaling: Scaling = .none) {
        self.base = base
        self.width = width
        self.scaling = scaling
    }

    /// What cosines and sines are multiplied with, on both sides.
    package var attentionFactor: Double {
        if case .yarn(_, _, _, _, _, let factor) = scaling { return factor }
        return 1
    }

    /// Radians per position for each of `width / 2` pairs.
    package var frequencies: [Double] {
        let plain = (0..<width / 2).map { pow(base, -2 * Double($0) / Double(width)) }
        switch scaling {
        case .none: return plain
        case .linear(let factor): return plain.map { $0 / factor }
        case .divisors(let divisors): return zip(plain, divisors).map { $0 / $1 }
        case .llama3(let factor, let low, let high, let context):
            return plain.map { frequency in
                let wavelength = 2 * Double.pi / frequency
                if wavelength < context / high { return frequency }
                if wavelength > context / low { return frequency / factor }
                let ramp = (context / wavelength - low) / (high - low)
                return (1 - ramp) * frequency / factor + ramp * frequency
            }
        case .yarn(let factor, let context, let betaFast, let betaSlow, let truncates, _):
            func pairOfTurns(_ turns: Double) -> Double {
                Double(width) * log(context / (turns * 2 * .pi)) / (2 * log(base))
            }
            var low = pairOfTurns(betaFast)
            var high = pairOfTurns(betaSlow)
            if truncates {
                low = low.rounded(.down)
                high = high.rounded(.up)
            }
            low = max(low, 0)
            high = min(high, Double(width - 1))
            if low == high { high += 0.001 }
            return plain.enumerated().map { pair, frequency in
                let ramp = min(max((Double(pair) - low) / (high - low), 0), 1)
                return frequency / factor * ramp + frequency * (1 - ramp)
            }
        }
    }

    /// Frequencies and the axis of each.
    package var spectrum: RotarySpectrum { RotarySpectrum(frequencies: frequencies, sections: sections) }

    /// YaRN's temperature, 0.1 * weight * ln(factor) + 1.
    package static func yarnMagnitude(factor: Double, weight: Double = 1) -> Double {
        factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1
    }

    /// What is wrong with the numbers, or nil.
    package var problem: String? {
        if !(base.isFinite && base > 0) { return "a rope base of \(base)" }
        if width < 0 || width % 2 != 0 { return "a rope width of \(width)" }
        if let sections {
            let fits = sections.count == 3 && sections.allSatisfy { 0...width ~= $0 }
            if !fits || sections.reduce(0, +) != width / 2 { return "rope sections \(sections) for \(width / 2) pairs" }
        }
        switch scaling {
        case .none: return nil
        case .linear(let factor): return factor.isFinite && factor > 0 ? nil : "a rope factor of \(factor)"
        case .divisors(let divisors):
            return divisors.count == width / 2 && divisors.allSatisfy { $0.isFinite && $0 > 0 }
                ? nil : "\(divisors.count) rope divisors for \(width / 2) pairs"
        case .llama3(let factor, let low, let high, let context):
            return factor > 0 && high != low && low > 0 && context > 0 ? nil : "rope scaling out of range"
        case .yarn(let factor, let context, let fast, let slow, _, let attention):
            return factor > 0 && context > 0 && fast > 0 && slow > 0 && base != 1 && attention.isFinite
                ? nil : "rope scaling out of range"
        }
    }
}

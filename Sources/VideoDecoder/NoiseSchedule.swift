import Foundation

/// Noise levels of a run from 1 (noise alone) to 0 (clean).
package struct NoiseSchedule: Sendable, Equatable {
    /// One more than there are steps; falling.
    package let levels: [Float]

    /// Evenly spaced levels s, then k s / (1 + (k - 1) s): a shift k above 1 spends more steps on high noise.
    ///
    /// - Parameter strength: where the run begins, for a clip that is changed and not made anew: 1 is noise alone.
    package init(steps: Int, shift: Float, strength: Float = 1) {
        let steps = max(1, steps)
        // Torch's linspace: from both ends towards the middle.
        let step = -1 / Float(steps)
        let even = (0...steps).map { index in
            index < (steps + 1) / 2 ? 1 + step * Float(index) : -step * Float(steps - index)
        }
        let shifted = even.map { Self.shifted($0, by: shift) }
        guard strength < 1 else {
            levels = shifted
            return
        }
        let rest = shifted.filter { $0 < strength }
        levels = [strength] + (rest.isEmpty ? [0] : rest)
    }

    /// Moves a level that is neither 0 nor 1 up (`shift` above 1) or down.
    static func shifted(_ level: Float, by shift: Float) -> Float { shift * level / (1 + (shift - 1) * level) }

    package var stepCount: Int { levels.count - 1 }
}

/// How a step follows from predictions of what is clean.
package enum SamplerKind: String, Sendable, CaseIterable {
    /// Straight on along the velocity.
    case euler
    /// UniPC of second order, "bh2", with corrector (Zhao et al. 2023): fewer steps for the same error.
    case unipc
}

/// Takes one chunk from noise to clean, step by step: x is noise and data mixed, x = (1 - s) data + s noise.
///
/// Rows of all kinds lie in one flat run of numbers. Memory: four times as many.
package struct FlowSampler {
    private let kind: SamplerKind
    private let levels: [Float]
    private let count: Int
    private var step = 0
    /// Predictions of the last two steps, the newest last; and x before the last step.
    private var earlier: [[Float]] = []
    private var before: [Float] = []
    private var order = 0

    package init(_ kind: SamplerKind, schedule: NoiseSchedule, count: Int) {
        self.kind = kind
        levels = schedule.levels
        self.count = count
        if kind == .unipc { before = [Float](repeating: 0, count: count) }
    }

    /// The level of x now.
    package var level: Float { levels[step] }
    package var isFinished: Bool { step >= levels.count - 1 }

    /// Moves x to the next level.
    ///
    /// - Parameter prediction: what the network makes of x at ``level``.
    package mutating func advance(_ x: inout [Float], prediction: [Float]) {
        precondition(!isFinished && x.count == count && prediction.count == count)
        switch kind {
        case .euler:
            let (a, b) = (levels[step], levels[step + 1])
            for index in x.indices { x[index] += (b - a) * (x[index] - prediction[index]) / a }
        case .unipc:
            advanceInOrder(&x, prediction)
        }
        step += 1
    }

    /// log((1 - s) / s), finite also at the ends.
    private func lambda(_ index: Int) -> Double {
        let s = min(1 - 1e-6, max(1e-12, Double(levels[index])))
        return log((1 - s) / s)
    }

    private mutating func advanceInOrder(_ x: inout [Float], _ prediction: [Float]) {
        if step > 0 { correct(&x, prediction) }
        if earlier.count == 2 { earlier.removeFirst() }
        earlier.append(prediction)
        // The last step is of first order: there is no next level to bend towards.
        order = min(2, earlier.count, levels.count - 1 - step)
        before = x
        predict(&x)
    }

    /// What both halves share: x = ratio x - alpha * (e^-h - 1) m + alpha * b * correction.
    private func coefficients(from: Int, to: Int) -> (ratio: Double, alpha: Double, h: Double, b: Double) {
        let h = lambda(to) - lambda(from)
        let s = Double(levels[to])
        return (s / Double(levels[from]), 1 - s, h, expm1(-h))
    }

    private func predict(_ x: inout [Float]) {
        let c = coefficients(from: step, to: step + 1)
        let newest = earlier[earlier.count - 1]
        guard order == 2 else {
            for index in x.indices {
                x[index] = Float(c.ratio * Double(x[index]) - c.alpha * c.b * Double(newest[index]))
            }
            return
        }
        let older = earlier[earlier.count - 2]
        let r = (lambda(step - 1) - lambda(step)) / c.h
        for index in x.indices {
            let slope = Double(older[index] - newest[index]) / r
            x[index] = Float(
                c.ratio * Double(x[index]) - c.alpha * c.b * Double(newest[index]) - c.alpha * c.b * 0.5 * slope
            )
        }
    }

    /// Takes the last step once more, now that the prediction at its end is known.
    private func correct(_ x: inout [Float], _ prediction: [Float]) {
        let c = coefficients(from: step - 1, to: step)
        let newest = earlier[earlier.count - 1]
        guard order == 2 else {
            for index in x.indices {
                let end = Double(prediction[index] - newest[index])
                x[index] = Float(
                    c.ratio * Double(before[index]) - c.alpha * c.b * (Double(newest[index]) + 0.5 * end)
                )
            }
            return
        }
        let older = earlier[earlier.count - 2]
        let r = (lambda(step - 2) - lambda(step - 1)) / c.h
        // Weights w of the slopes at r and 1: w1 + w2 = b1, r w1 + w2 = b2.
        let first = c.b / -c.h - 1
        let b1 = first / c.b
        let b2 = (first / -c.h - 0.5) * 2 / c.b
        let w1 = (b1 - b2) / (1 - r)
        let w2 = b1 - w1
        for index in x.indices {
            let slope = Double(older[index] - newest[index]) / r
            let end = Double(prediction[index] - newest[index])
            x[index] = Float(
                c.ratio * Double(before[index]) - c.alpha * c.b * (Double(newest[index]) + w1 * slope + w2 * end)
            )
        }
    }
}

import Foundation
import Testing

@testable import VideoDecoder

/// Samplers on data whose best prediction is known: a normal distribution of mean m and deviation d.
///
/// There the clean value that x at level s speaks for is m + (1 - s) d^2 (x - (1 - s) m) / ((1 - s)^2 d^2 + s^2), and the
/// way from noise e ends at m + d e exactly.
struct SamplerTests {
    private func error(_ kind: SamplerKind, steps: Int) -> Double {
        let (mean, deviation) = (0.7, 0.3)
        let noise: [Float] = [-2, -0.5, 0, 0.3, 1, 2.5]
        var x = noise
        var sampler = FlowSampler(kind, schedule: NoiseSchedule(steps: steps, shift: 1), count: x.count)
        while !sampler.isFinished {
            let s = Double(sampler.level)
            let prediction = x.map { value -> Float in
                let a = 1 - s
                let gain = a * deviation * deviation / (a * a * deviation * deviation + s * s)
                return Float(mean + gain * (Double(value) - a * mean))
            }
            sampler.advance(&x, prediction: prediction)
        }
        return zip(x, noise).map { abs(Double($0) - (mean + deviation * Double($1))) }.max() ?? 0
    }

    @Test func bothReachTheData() {
        #expect(error(.euler, steps: 400) < 5e-3)
        #expect(error(.unipc, steps: 60) < 2e-3)
    }

    @Test func theSecondOrderNeedsFewerSteps() {
        for steps in [8, 16, 32] { #expect(error(.unipc, steps: steps) < 0.5 * error(.euler, steps: steps)) }
        // Half the step: half the error of first order, clearly less of second.
        #expect(error(.euler, steps: 64) > 0.4 * error(.euler, steps: 32))
        #expect(error(.unipc, steps: 64) < 0.4 * error(.unipc, steps: 32))
    }

    @Test func levelsFallFromNoiseToClean() {
        let schedule = NoiseSchedule(steps: 12, shift: 3)
        #expect(schedule.stepCount == 12)
        #expect(schedule.levels.first == 1 && schedule.levels.last == 0)
        #expect(zip(schedule.levels, schedule.levels.dropFirst()).allSatisfy { $0 > $1 })
        // 3 * 0.5 / (1 + 2 * 0.5)
        #expect(abs(schedule.levels[6] - 0.75) < 1e-6)
        let part = NoiseSchedule(steps: 12, shift: 3, strength: 0.5)
        #expect(part.levels.first == 0.5 && part.levels.last == 0 && part.stepCount < 12)
        #expect(NoiseSchedule(steps: 1, shift: 3, strength: 1e-9).stepCount == 1)
    }

    @Test func noiseIsNormalAndOfItsStream() {
        var source = NoiseSource(seed: 1, stream: 2)
        let values = (0..<20_000).map { _ in Double(source.normal()) }
        let mean = values.reduce(0, +) / Double(values.count)
        let square = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
        #expect(abs(mean) < 0.03 && abs(square - 1) < 0.05)
        var (a, b) = (NoiseSource(seed: 1, stream: 3), NoiseSource(seed: 2, stream: 2))
        #expect(a.normal() != Float(values[0]) && b.normal() != Float(values[0]))
    }
}

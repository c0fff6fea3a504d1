import Foundation
import Media
import Testing

struct LogMelTests {
    /// Frames that are taken as they come, and leveled once the loudest is known, are those of the whole.
    @Test(arguments: [0, 1, 150, 201, 399, 400, 16_000, 50_123])
    func framesMayBeTakenAsTheyCome(count: Int) throws {
        var numbers = SeededNumbers(state: 5)
        let samples = (0..<count).map { _ in Float.random(in: -0.5...0.5, using: &numbers) }
        let stream = try LogMelStream(bins: 80)
        var raw: [Float] = []
        for begin in stride(from: 0, to: count, by: 777) {
            samples[begin..<min(count, begin + 777)].withUnsafeBufferPointer { stream.append($0) }
            raw += stream.takeRaw()
        }
        raw += stream.finishRaw()
        LogMelStream.level(&raw, loudest: raw.max() ?? 0)
        #expect(raw == (try LogMel.of(samples, bins: 80).values))
        // And it begins anew.
        samples.withUnsafeBufferPointer { stream.append($0) }
        #expect(stream.finish().values == raw)
    }

    @Test func equalsTheReference() throws {
        let fixture = try TensorFixture("mel.safetensors")
        let omni = try LogMel.of(fixture.values("omni.waveform"), bins: 128)
        #expect(omni.frames == 290)
        try compare(omni, fixture.values("omni.input_features"))
        let sound: [Float] = try fixture.values("whisper.waveform")
        try compare(LogMel.ofWindow(sound[...], seconds: 2, bins: 80), fixture.values("whisper.input_features"))
        let clip = try TensorFixture("clip.safetensors")
        let track: [Float] = try clip.values("waveform")
        try compare(LogMel.of(Array(track.prefix(46_400)), bins: 128), clip.values("omni.input_features"))
    }

    private func compare(_ mel: LogMel, _ expected: [Float]) {
        let values = mel.transposed
        #expect(values.count == expected.count)
        let largest = zip(values, expected).map { abs($0 - $1) }.max() ?? 1
        #expect(largest < 1e-5, "\(largest)")
    }

    @Test func piecesGiveTheSameFrames() throws {
        var random = SeededNumbers(state: 4)
        for count in [161, 200, 201, 202, 399, 400, 401, 1000, 40_001] {
            let sound = (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
            let whole = try LogMel.of(sound, bins: 80)
            #expect(whole.frames == max(count, 201) / 160)
            let stream = try LogMelStream(bins: 80)
            for _ in 0..<2 {
                var begin = 0
                while begin < count {
                    let end = min(count, begin + Int.random(in: 1...977, using: &random))
                    sound[begin..<end].withUnsafeBufferPointer { stream.append($0) }
                    begin = end
                }
                #expect(stream.finish().values == whole.values)
            }
        }
    }

    @Test func edgesAreNoTraps() throws {
        #expect(try LogMel.of([]).frames == 0)
        #expect(try LogMel.of([1]).frames == 1)
        #expect(try LogMel.of([.nan, .infinity] + [Float](repeating: 0.5, count: 400)).values.allSatisfy(\.isFinite))
        #expect(try LogMel.of([Float](repeating: 0, count: 1600)).values.allSatisfy { $0 == -1.5 })
        #expect(throws: SoundError.self) { try LogMelStream(bins: 0) }
        #expect(throws: SoundError.self) { try LogMel.ofWindow([], seconds: .max) }
        #expect(try LogMel.ofWindow([], seconds: 1).frames == 100)
    }

    @Test(arguments: [2, 4, 6, 8, 10, 12, 14, 18, 30, 50, 66, 210, 400, 512])
    func transformEqualsItsDefinition(length: Int) throws {
        let transform = try #require(FourierTransform(length: length))
        var random = SeededNumbers(state: UInt64(length))
        let frame = (0..<length).map { _ in Double.random(in: -1...1, using: &random) }
        var power = [Double](repeating: 0, count: length / 2 + 1)
        var scratch = [Double](repeating: 0, count: transform.scratchCount)
        transform.power(frame, into: &power, scratch: &scratch)
        for k in 0...length / 2 {
            var (re, im) = (0.0, 0.0)
            for index in 0..<length {
                let angle = -2 * Double.pi * Double(k * index % length) / Double(length)
                re += frame[index] * cos(angle)
                im += frame[index] * sin(angle)
            }
            #expect(abs(power[k] - re * re - im * im) < 1e-9 * Double(length), "bin \(k)")
        }
        #expect(FourierTransform(length: 401) == nil && FourierTransform(length: 0) == nil)
    }
}

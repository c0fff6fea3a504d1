import Foundation
import JSONText
import Media
import Testing

struct SamplingTests {
    @Test func framesAndTimesEqualTheReference() throws {
        let table = try JSON.parse(fixtureBytes("preproc.json"))
        let rows = try #require(table["qwen3vl_sample_fps2_min4_max768"]?.arrayValue)
        for row in rows {
            let total = try #require(row["total"]?.intValue)
            let rate = try #require(row["fps"]?.doubleValue)
            let indices = FrameSampling().indices(total: total, rate: rate)
            #expect(indices.count == row["n"]?.intValue)
            var times = FrameTimes.groups(indices.map { Double($0) / rate }).map(FrameTimes.text)
            let expected = try #require(row["indices"]?.arrayValue).compactMap(\.intValue)
            if indices.count < 80 {
                #expect(indices == expected)
            } else {
                #expect(Array(indices.prefix(5) + indices.suffix(5)) == expected)
                times = Array(times.prefix(3) + times.suffix(3))
            }
            #expect(times == row["timestamps"]?.arrayValue?.compactMap(\.stringValue))
        }
        #expect(rows.count == 8)
    }

    @Test func audioTokensEqualTheReference() throws {
        let table = try JSON.parse(fixtureBytes("preproc.json"))
        let counts = try #require(table["audio_tokens"]?.objectValue)
        for (frames, tokens) in counts.members {
            #expect(AudioTokens.count(frames: try #require(Int(frames))) == tokens.intValue, "\(frames) frames")
        }
        #expect(counts.count == 120)
        #expect(AudioTokens.count(frames: 0) == 0 && AudioTokens.count(frames: -5) == 0)
        #expect(AudioTokens.count(frames: .max) > 0)
    }

    @Test func tenthsRoundByTheBinaryValue() {
        #expect(FrameTimes.text(1.45) == "1.4")
        #expect(FrameTimes.text(0.25) == "0.2")
        #expect(FrameTimes.text(0.75) == "0.8")
        #expect(FrameTimes.text(0.95) == "0.9")
        #expect(FrameTimes.text(-0.04) == "-0.0")
        #expect(FrameTimes.text(.nan) == "0.0" && FrameTimes.text(.infinity) == "0.0")
        var random = SeededNumbers(state: 3)
        for step in 0..<20_000 {
            let value = step < 10_000 ? Double(step) / 40 : Double.random(in: 0...100_000, using: &random)
            #expect(FrameTimes.text(value) == String(format: "%.1f", value))
        }
    }

    @Test func countsStayInTheirBounds() {
        let even = FrameSampling(multiple: 2)
        #expect(even.count(total: 31, rate: 10) == 6)
        #expect(even.count(total: 33, rate: 8.9) == 6)
        #expect(even.count(total: 3, rate: 30) == 2)
        #expect(even.count(total: 1, rate: 30) == 1)
        #expect(FrameSampling().count(total: 0, rate: 30) == 0)
        #expect(FrameSampling().count(total: 48, rate: .nan) == 4)
        #expect(FrameSampling(framesPerSecond: 1e300).count(total: 500, rate: 1e-300) == 500)
        #expect(FrameSampling(framesPerSecond: -1, minimumFrames: -3).count(total: 500, rate: 30) == 1)
        #expect(FrameSampling.spread(count: 3, over: 2) == [0, 0, 1])
        #expect(FrameTimes.groups([]) == [])
        #expect(FrameTimes.groups([1]) == [1])
    }
}

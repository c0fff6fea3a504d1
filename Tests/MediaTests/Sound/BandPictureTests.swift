import Media
import Testing

/// Pictures of sound against `Training/soranji_training/sound.py`.
struct BandPictureTests {
    private static let settings = BandPicture.Settings(
        window: 256,
        hop: 125,
        bands: 12,
        lowHertz: 60,
        highHertz: 1900,
        floor: 1e-3
    )

    @Test func picturesAgreeWithTheTraining() throws {
        let fixture = try TensorFixture("bands.safetensors")
        let samples: [Float] = try fixture.values("in.waveform")
        let expected: [Float] = try fixture.values("out.picture")
        let picture = try BandPicture(Self.settings, sampleRate: 4000)
        let found = picture.columns(of: samples[...])
        #expect(found.count == expected.count)
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 })
        // A slice of a longer recording is a recording of its own.
        let longer = [Float](repeating: 0.5, count: 77) + samples + [0.5, 0.5]
        #expect(picture.columns(of: longer[77..<77 + samples.count]) == found)
    }

    @Test func silenceAndDamageAreSilence() throws {
        let picture = try BandPicture(Self.settings, sampleRate: 4000)
        #expect(picture.columns(of: []).isEmpty)
        let silent = picture.columns(of: [Float](repeating: 0, count: 500)[...])
        #expect(silent == [Float](repeating: -1, count: 4 * 12))
        let damaged: [Float] = (0..<500).map { $0 % 3 == 0 ? .nan : $0 % 3 == 1 ? .infinity : 0 }
        #expect(picture.columns(of: damaged[...]) == silent)
        let loud = picture.columns(of: [Float](repeating: 1e30, count: 500)[...])
        #expect(loud.allSatisfy { -1...1 ~= $0 })
    }

    @Test func impossibleSettingsAreRefused() {
        for change in [
            { (s: inout BandPicture.Settings) in s.window = 255 }, { $0.hop = 0 }, { $0.bands = 0 },
            { $0.highHertz = 2001 },
            { $0.lowHertz = .nan }, { $0.floor = 0 }, { $0.floor = 1 },
        ] {
            var settings = Self.settings
            change(&settings)
            #expect(throws: SoundError.self) { try BandPicture(settings, sampleRate: 4000) }
        }
    }
}

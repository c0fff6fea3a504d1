import Glibc
import Testing

@testable import Media

struct SoundReaderTests {
    /// The strength of a frequency in a piece of sound: half the amplitude of a pure tone.
    private func strength(_ samples: ArraySlice<Float>, of frequency: Double) -> Double {
        var real = 0.0
        var imaginary = 0.0
        for (index, sample) in samples.enumerated() {
            let angle = 2 * Double.pi * frequency * Double(index) / 16_000
            real += Double(sample) * cos(angle)
            imaginary += Double(sample) * sin(angle)
        }
        return (real * real + imaginary * imaginary).squareRoot() / Double(max(1, samples.count))
    }

    @Test(arguments: ["tone.wav", "tone.mp3", "tone.flac", "tone.ogg", "tone.m4a", "tone.opus"])
    func codecsGiveTheSameTone(name: String) throws {
        let file = try MediaFile(path: ClipFiles.path(name))
        let sound = try file.sound().readAll()
        #expect(sound.sampleRate == 16_000)
        // One second; codecs pad their last packet, Vorbis drops up to half of its first.
        #expect((15_900...17_400).contains(sound.samples.count), "\(sound.samples.count)")
        // ffmpeg's sine has an amplitude of one eighth.
        #expect(abs(strength(sound.samples[1000..<15_000], of: 440) - 0.0625) < 0.004)
        // The tone's phase is that of the first sample: nothing of an encoder's delay is left.
        let reference = (0..<16_000).map { 0.125 * sin(2 * Double.pi * 440 * Double($0) / 16_000) }
        let distance = (1000..<15_000).map { abs(Double(sound.samples[$0]) - reference[$0]) }.reduce(0, +) / 14_000
        #expect(distance < 0.01, "\(distance)")
    }

    @Test func losslessSoundIsResampledWithoutATrace() throws {
        let wave = try MediaFile(path: ClipFiles.path("tone.wav")).sound().readAll()
        #expect(wave.samples.count == 16_000)
        for index in 200..<15_800 {
            let expected = 0.125 * sin(2 * Double.pi * 440 * Double(index) / 16_000)
            #expect(abs(Double(wave.samples[index]) - expected) < 2e-4)
        }
        let flac = try MediaFile(path: ClipFiles.path("tone.flac")).sound().readAll()
        #expect(flac.samples == wave.samples)
    }

    @Test func channelsAreAveraged() throws {
        let file = try MediaFile(path: ClipFiles.path("stereo.wav"))
        let sound = try file.sound().readAll()
        #expect(abs(strength(sound.samples[160..<3040], of: 440) - 0.03125) < 0.002)
        #expect(abs(strength(sound.samples[160..<3040], of: 880) - 0.03125) < 0.002)
    }

    @Test func lateSoundIsPrecededBySilence() throws {
        let file = try MediaFile(path: ClipFiles.path("late-sound.mkv"))
        let sound = try file.sound().readAll()
        #expect(abs(sound.samples.count - 16_000) <= 16)
        #expect(sound.samples[..<7900].allSatisfy { $0 == 0 })
        #expect(strength(sound.samples[8100..<15_900], of: 440) > 0.05)
    }

    @Test func gapsBecomeSilence() throws {
        let file = try MediaFile(path: ClipFiles.path("gap.mkv"))
        let sound = try file.sound().readAll()
        #expect(abs(sound.samples.count - 16_000) <= 16, "\(sound.samples.count)")
        #expect(strength(sound.samples[..<3900], of: 440) > 0.05)
        #expect(sound.samples[4200..<11_800].allSatisfy { $0 == 0 })
        #expect(strength(sound.samples[12_200..<15_900], of: 440) > 0.05)
    }

    @Test func coversAreNoClips() throws {
        let file = try MediaFile(path: ClipFiles.path("cover.mp3"))
        #expect(file.description.streams.contains { $0.isCover })
        #expect(file.description.bestVideo == nil)
        #expect(file.description.tags.contains(MediaDescription.Tag("title", "A tone")))
        #expect { try file.frames(.all) } throws: { ($0 as? MediaError)?.kind == .noSuchStream }
        #expect(try file.picture().color(0, 0) == [220, 30, 30])
        #expect(try file.sound().readAll().samples.count > 15_000)
    }

    @Test func tracksAreChosenAndNamed() throws {
        let file = try MediaFile(path: ClipFiles.path("tracks.mkv"))
        #expect(file.description.streams.map(\.kindName) == ["video", "video", "sound", "sound", "subtitles"])
        #expect(file.description.bestVideo?.index == 1)
        #expect(file.description.streams[2].language == "fra")
        #expect(try file.frames(.all).next()?.image.width == 48)
        // 16x16 pixels that are one and a half times as wide as they are high.
        #expect(try file.frames(.all, stream: 0).next()?.image.width == 24)
        let first = try file.sound(stream: 2).readAll()
        let second = try file.sound(stream: 3).readAll()
        #expect(strength(first.samples[1000..<7000], of: 440) > 0.05)
        #expect(strength(second.samples[1000..<7000], of: 880) > 0.04)
        #expect { try file.sound(stream: 0) } throws: { ($0 as? MediaError)?.kind == .noSuchStream }
        #expect { try file.frames(.all, stream: 9) } throws: { ($0 as? MediaError)?.kind == .noSuchStream }
    }

    @Test func silentClipsSaySo() throws {
        let file = try MediaFile(path: ClipFiles.path("long.mp4"))
        #expect { try file.sound() } throws: { ($0 as? MediaError)?.kind == .noSuchStream }
        let tone = try MediaFile(path: ClipFiles.path("tone.wav"))
        #expect { try tone.frames(.all) } throws: { ($0 as? MediaError)?.kind == .noSuchStream }
        #expect { try tone.sound().readAll(maximumSeconds: 0.5) } throws: { ($0 as? MediaError)?.kind == .limit }
    }
}

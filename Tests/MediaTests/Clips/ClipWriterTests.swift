import Glibc
import Testing

@testable import Media

struct ClipWriterTests {
    /// A square that moves over a gradient.
    static func picture(_ number: Int, width: Int = 64, height: Int = 48) throws -> PixelImage {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(width * height * 3)
        for y in 0..<height {
            for x in 0..<width {
                let isInside = abs(x - (8 + 2 * number) % width) < 5 && abs(y - height / 2) < 6
                pixels += isInside ? [230, 60, 40] : [UInt8(40 + x % 200), UInt8(60 + 2 * y % 180), 128]
            }
        }
        return try PixelImage(width: width, height: height, pixels: pixels)
    }

    static func tone(seconds: Double, rate: Int, channels: Int = 1) -> [Float] {
        (0..<Int(seconds * Double(rate))).flatMap { index -> [Float] in
            let sample = Float(0.3 * sin(2 * Double.pi * 440 * Double(index) / Double(rate)))
            return [Float](repeating: sample, count: channels)
        }
    }

    @discardableResult
    static func write(_ path: String, _ settings: ClipSettings, frames: Int = 24) throws -> String {
        let writer = try ClipWriter(path: path, settings: settings)
        let rate = Double(settings.rateNumerator) / Double(settings.rateDenominator)
        for number in 0..<frames {
            try writer.append(picture(number, width: settings.width, height: settings.height))
            if let sound = settings.sound {
                let from = Int(Double(number) / rate * Double(sound.sampleRate)) * sound.channels
                let to = Int(Double(number + 1) / rate * Double(sound.sampleRate)) * sound.channels
                let all = tone(seconds: Double(frames) / rate, rate: sound.sampleRate, channels: sound.channels)
                try writer.append(sound: Array(all[from..<min(to, all.count)]))
            }
        }
        try writer.finish()
        return path
    }

    static let kinds: [ClipSettings] = [
        ClipSettings(
            container: .mp4,
            width: 64,
            height: 48,
            framesPerSecond: 24,
            sound: .init(sampleRate: 16_000, codec: .aac)
        ),
        ClipSettings(
            container: .mp4,
            width: 64,
            height: 48,
            framesPerSecond: 30_000,
            over: 1001,
            sound: .init(sampleRate: 44_100, channels: 2, codec: .flac)
        ),
        ClipSettings(
            container: .webm,
            width: 64,
            height: 48,
            framesPerSecond: 24,
            sound: .init(sampleRate: 24_000, codec: .opus)
        ),
        ClipSettings(container: .mp4, width: 64, height: 48, framesPerSecond: 12),
        ClipSettings(container: .gif, width: 64, height: 48, framesPerSecond: 10),
    ]

    private static func name(_ settings: ClipSettings) -> String {
        switch settings.container {
        case .mp4: "clip.mp4"
        case .webm: "clip.webm"
        case .gif: "clip.gif"
        case .pngFolder: "clip"
        case .m4a, .flac, .ogg, .wav: "clip.\(settings.container)"
        }
    }

    @Test(arguments: kinds)
    func whatIsWrittenIsRead(settings: ClipSettings) throws {
        let folder = try ClipFolder()
        let file = try MediaFile(path: Self.write(folder.file(Self.name(settings)), settings))
        #expect(folder.names == [Self.name(settings)])
        let frames = try file.allFrames(.all)
        #expect(frames.count == 24)
        let rate = Double(settings.rateNumerator) / Double(settings.rateDenominator)
        for (number, frame) in frames.enumerated() {
            #expect(abs(frame.seconds - Double(number) / rate) < 0.006)
            let noise = peakSignalToNoise(frame.image.pixels, try Self.picture(number).pixels)
            #expect(noise > (settings.container == .gif ? 30 : 26), "frame \(number): \(noise) dB")
        }
        if settings.sound != nil {
            let sound = try file.sound().readAll()
            #expect(abs(sound.seconds - 24 / rate) < 0.1, "\(sound.seconds)")
            let middle = sound.samples[4000..<12_000]
            let power = middle.reduce(0) { $0 + Double($1 * $1) } / Double(middle.count)
            #expect(abs(power - 0.045) < 0.005, "\(power)")
        }
    }

    @Test(arguments: kinds)
    func theSameInputGivesTheSameBytes(settings: ClipSettings) throws {
        let folder = try ClipFolder()
        let first = try Self.write(folder.file("a-" + Self.name(settings)), settings)
        let second = try Self.write(folder.file("b-" + Self.name(settings)), settings)
        #expect(try ByteFile.read(first) == ByteFile.read(second))
    }

    @Test(arguments: [ClipSettings.Container.m4a, .flac, .ogg, .wav])
    func soundAloneIsWritten(container: ClipSettings.Container) throws {
        let folder = try ClipFolder()
        #expect(ClipSettings.Container(path: "a.\(container)") == container)
        let settings = try #require(ClipSettings(container: container, sampleRate: 16_000, channels: 2))
        let path = folder.file("sound.\(container)")
        let writer = try ClipWriter(path: path, settings: settings)
        let samples = Self.tone(seconds: 2, rate: 16_000, channels: 2)
        try writer.append(sound: Array(samples[..<20_000]))
        try writer.append(sound: Array(samples[20_000...]))
        try writer.finish()
        #expect(folder.names == ["sound.\(container)"])
        let file = try MediaFile(path: path)
        #expect(file.description.bestVideo == nil)
        guard case .sound(let sound) = try #require(file.description.bestSound).kind else { return }
        #expect(["stereo", "2 channels"].contains(sound.layout))
        let read = try file.sound().readAll()
        #expect(abs(read.seconds - 2) < 0.1)
        let power = read.samples[4000..<28_000].reduce(0) { $0 + Double($1 * $1) } / 24_000
        #expect(abs(power - 0.045) < 0.003, "\(power)")
        if container == .wav || container == .flac {
            // Whole samples of 16 bits: nothing but rounding is lost.
            let largest = zip(read.samples, stride(from: 0, to: samples.count, by: 2)).reduce(Float(0)) {
                max($0, abs($1.0 - samples[$1.1]))
            }
            #expect(largest < 2.0 / 32_768)
        }
        let picture = try ClipWriter(path: folder.file("p.\(container)"), settings: settings)
        #expect { try picture.append(Self.picture(0)) } throws: { ($0 as? MediaError)?.kind == .misuse }
        let empty = try ClipWriter(path: folder.file("e.\(container)"), settings: settings)
        #expect { try empty.finish() } throws: { ($0 as? MediaError)?.kind == .misuse }
    }

    @Test func pngFoldersAreExact() throws {
        let folder = try ClipFolder()
        let settings = ClipSettings(container: .pngFolder, width: 33, height: 17, framesPerSecond: 5)
        try Self.write(folder.file("frames"), settings, frames: 3)
        #expect(folder.names == ["frames"])
        for number in 0..<3 {
            let image = try MediaFile(path: folder.file("frames/frame-00000\(number + 1).png")).picture()
            #expect(try image == Self.picture(number, width: 33, height: 17))
        }
        #expect { try ClipWriter(path: folder.file("frames"), settings: settings) } throws: {
            ($0 as? MediaError)?.kind == .unwritable
        }
    }

    @Test func theIndexStandsInFront() throws {
        let folder = try ClipFolder()
        let path = try Self.write(folder.file("clip.mp4"), Self.kinds[0])
        let bytes = try ByteFile.read(path)
        let index = try #require(bytes.firstRange(of: Array("moov".utf8)))
        let data = try #require(bytes.firstRange(of: Array("mdat".utf8)))
        #expect(index.lowerBound < data.lowerBound)
    }

    @Test func oddSidesAreExtendedAndTagsKept() throws {
        let folder = try ClipFolder()
        var settings = ClipSettings(container: .mp4, width: 35, height: 21, framesPerSecond: 10)
        settings.tags = [MediaDescription.Tag("title", "A square"), MediaDescription.Tag("comment", "made here")]
        let file = try MediaFile(path: Self.write(folder.file("odd.mp4"), settings, frames: 3))
        let image = try file.picture()
        #expect((image.width, image.height) == (36, 22))
        #expect(file.description.tags.contains(MediaDescription.Tag("title", "A square")))
        #expect(file.description.tags.contains(MediaDescription.Tag("comment", "made here")))
    }

    @Test func whatIsNotFinishedIsNotThere() throws {
        let folder = try ClipFolder()
        _ = try folder.write([1, 2, 3], to: "clip.mp4")
        do {
            let writer = try ClipWriter(path: folder.file("clip.mp4"), settings: Self.kinds[3])
            try writer.append(Self.picture(0))
            #expect(folder.names.count == 2)
        }
        #expect(folder.names == ["clip.mp4"])
        #expect(try ByteFile.read(folder.file("clip.mp4")) == [1, 2, 3])
    }

    @Test func misuseIsRefused() throws {
        let folder = try ClipFolder()
        let writer = try ClipWriter(path: folder.file("clip.mp4"), settings: Self.kinds[3])
        #expect { try writer.append(sound: [0]) } throws: { ($0 as? MediaError)?.kind == .misuse }
        // The clip is lost with the first error.
        #expect { try writer.append(Self.picture(0)) } throws: { ($0 as? MediaError)?.kind == .misuse }
        let empty = try ClipWriter(path: folder.file("empty.mp4"), settings: Self.kinds[3])
        #expect { try empty.finish() } throws: { ($0 as? MediaError)?.kind == .misuse }
        let sizes = try ClipWriter(path: folder.file("sizes.mp4"), settings: Self.kinds[3])
        #expect { try sizes.append(Self.picture(0, width: 10, height: 10)) } throws: {
            ($0 as? MediaError)?.kind == .misuse
        }
        for settings in [
            ClipSettings(container: .mp4, width: 0, height: 48, framesPerSecond: 24),
            ClipSettings(container: .mp4, width: 64, height: 1 << 40, framesPerSecond: 24),
            ClipSettings(container: .mp4, width: 64, height: 48, framesPerSecond: 0),
            ClipSettings(
                container: .gif,
                width: 64,
                height: 48,
                framesPerSecond: 10,
                sound: .init(sampleRate: 16_000, codec: .aac)
            ),
            ClipSettings(
                container: .webm,
                width: 64,
                height: 48,
                framesPerSecond: 10,
                sound: .init(sampleRate: 16_000, codec: .aac)
            ),
        ] {
            #expect { try ClipWriter(path: folder.file("x"), settings: settings) } throws: {
                ($0 as? MediaError)?.kind == .misuse
            }
        }
        #expect { try ClipWriter(path: folder.file("no/such/clip.mp4"), settings: Self.kinds[3]) } throws: {
            ($0 as? MediaError)?.kind == .unwritable
        }
    }

    /// Needs the right to mount a file system; the checks have it.
    @Test func aFullDiskIsSaidSo() throws {
        let folder = try ClipFolder()
        guard mount("none", folder.path, "tmpfs", 0, "size=40k") == 0 else { return }
        // 2 is MNT_DETACH.
        defer { umount2(folder.path, 2) }
        var settings = ClipSettings(container: .mp4, width: 320, height: 240, framesPerSecond: 10)
        settings.quality = 0
        #expect { try Self.write(folder.file("clip.mp4"), settings, frames: 60) } throws: {
            ($0 as? MediaError)?.kind == .full
        }
        #expect(folder.names.isEmpty)
    }
}

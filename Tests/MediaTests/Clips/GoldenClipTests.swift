import Testing

@testable import Media

/// The clip and what the reference reader (PyAV, through transformers' `load_video`) makes of it.
struct GoldenClipTests {
    @Test func framesAreThoseOfTheReference() throws {
        let file = try MediaFile(path: ClipFiles.path("clip.mp4"))
        let reference = try ClipFiles.bytes("clip-frames.rgb")
        // numpy.linspace(0, 29, 6).round()
        let indices = [0, 6, 12, 17, 23, 29]
        let frames = try file.allFrames(.indices(indices))
        #expect(frames.count == 6)
        for (slot, frame) in frames.enumerated() {
            #expect(frame.image.width == 96 && frame.image.height == 64)
            let size = 96 * 64 * 3
            let expected = Array(reference[slot * size..<(slot + 1) * size])
            let noise = peakSignalToNoise(frame.image.pixels, expected)
            #expect(noise > 50, "frame \(slot): \(noise) dB")
            #expect(frame.seconds == Double(indices[slot]) / 10)
        }
    }

    @Test func soundIsThatOfTheReference() throws {
        let file = try MediaFile(path: ClipFiles.path("clip.mp4"))
        let reference = try ClipFiles.floats("clip-waveform.f32")
        let sound = try file.sound().readAll()
        #expect(sound.samples.count == reference.count)
        let worst = zip(sound.samples, reference).map { abs($0 - $1) }.max() ?? 1
        // Two versions of the library, or two instruction sets, may round the last bit differently.
        #expect(worst < 1e-6)
    }

    @Test func describesTheClip() throws {
        let description = try MediaFile(path: ClipFiles.path("clip.mp4")).description
        #expect(description.format.hasPrefix("mov,mp4"))
        #expect(description.seconds == 3)
        #expect(description.streams.map(\.codec) == ["h264", "aac"])
        guard case .video(let video) = description.streams[0].kind, case .sound(let sound) = description.streams[1].kind
        else {
            Issue.record("the streams are not a picture and sound")
            return
        }
        #expect([video.width, video.height, video.displayWidth, video.displayHeight] == [96, 64, 96, 64])
        #expect(video.averageRate == 10 && !video.isVariableRate && video.frameCount == 30)
        #expect(video.pixelFormat == "yuv420p" && video.bitsPerComponent == 8 && !video.isFullRange)
        #expect(sound == MediaDescription.Sound(sampleRate: 16_000, channels: 1, layout: "mono"))
    }
}

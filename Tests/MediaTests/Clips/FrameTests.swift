import Testing

@testable import Media

/// Pixels of many formats, against what the reference reader makes of them.
struct PixelFormatTests {
    @Test(arguments: [
        ("ten-bit.mp4", "yuv420p10le", 10), ("four-two-two.mp4", "yuv422p", 8), ("four-four-four.mp4", "yuv444p", 8),
        ("ten-bit-422.mp4", "yuv422p10le", 10), ("full-range-709.mp4", "yuv420p", 8), ("studio-709.mp4", "yuv420p", 8),
        ("odd-size.webm", "yuv420p", 8), ("older.avi", "yuv420p", 8), ("moving.gif", "bgra", 8),
        ("av1.mp4", "yuv420p", 8),
    ])
    func lastFrameIsThatOfTheReference(name: String, format: String, bits: Int) throws {
        let file = try MediaFile(path: ClipFiles.path(name))
        let stream = try #require(file.description.bestVideo)
        guard case .video(let video) = stream.kind else { return }
        #expect(video.bitsPerComponent == bits)
        #expect(video.pixelFormat == format || video.pixelFormat == "yuvj420p")
        let last = try #require(try file.allFrames(.all).last)
        let reference = try ClipFiles.bytes(name.split(separator: ".")[0] + ".rgb")
        #expect(last.image.width == video.width && last.image.height == video.height)
        let noise = peakSignalToNoise(last.image.pixels, reference)
        #expect(noise > 50, "\(noise) dB")
    }

    @Test(arguments: [(90, 1), (180, 2), (270, 3)])
    func turnedClipsAreShownUpright(degrees: Int, turns: Int) throws {
        let file = try MediaFile(path: ClipFiles.path("rotated-\(degrees).mp4"))
        guard case .video(let video) = try #require(file.description.bestVideo).kind else { return }
        #expect(video.orientation.quarterTurns == turns || video.orientation.quarterTurns == 4 - turns)
        let turned = try file.picture()
        #expect((turned.width, turned.height) == (video.displayWidth, video.displayHeight))
        #expect((turned.width, turned.height) == (degrees == 180 ? (48, 32) : (32, 48)))
        var options = FrameReader.Options()
        options.isAsCoded = true
        let coded = try #require(try file.frames(.all, options: options).next()).image
        #expect(coded.width == 48 && coded.height == 32)
        // The coded picture has red at the top left; a quarter turn clockwise takes it to the top right.
        let (right, bottom) = (turned.width - 5, turned.height - 5)
        let corners = [(5, 5), (right, 5), (right, bottom), (5, bottom)]
        let red = corners.map { turned.color($0.0, $0.1) }.firstIndex { $0[0] > 180 && $0[1] < 90 && $0[2] < 90 }
        #expect(red == video.orientation.quarterTurns)
    }

    @Test func pixelsThatAreNotSquareAreMadeSo() throws {
        let file = try MediaFile(path: ClipFiles.path("wide-pixels.mp4"))
        guard case .video(let video) = try #require(file.description.bestVideo).kind else { return }
        #expect(video.sampleAspectRatio == 2)
        #expect((video.displayWidth, video.displayHeight) == (96, 32))
        let image = try file.picture()
        #expect((image.width, image.height) == (96, 32))
        #expect(image.color(10, 5)[0] > 180 && image.color(85, 5)[1] > 150)
    }
}

struct PictureTests {
    @Test(arguments: ["quarters.png", "quarters.webp", "alpha.png"])
    func losslessPicturesAreExact(name: String) throws {
        let image = try MediaFile(path: ClipFiles.path(name)).picture()
        #expect((image.width, image.height) == (48, 32))
        #expect(image.color(0, 0) == [220, 30, 30] && image.color(47, 0) == [30, 200, 30])
        #expect(image.color(0, 31) == [30, 30, 220] && image.color(47, 31) == [230, 230, 230])
    }

    @Test(arguments: 1...8)
    func photographsAreTurnedByTheirExifData(number: Int) throws {
        let image = try MediaFile(path: ClipFiles.path("exif-\(number).jpg")).picture()
        #expect((image.width, image.height) == (number < 5 ? (48, 32) : (32, 48)))
        // Where red (top left), green, white (bottom right) and blue go, clockwise from the top left.
        let expected = ["rgwb", "grbw", "wbrg", "bwgr", "rbwg", "brgw", "wgrb", "gwbr"][number - 1]
        let (right, bottom) = (image.width - 5, image.height - 5)
        let seen = [(5, 5), (right, 5), (right, bottom), (5, bottom)].map { x, y -> Character in
            let color = image.color(x, y)
            if color.min() ?? 0 > 180 { return "w" }
            return color[0] > 150 ? "r" : color[1] > 150 ? "g" : "b"
        }
        #expect(String(seen) == expected)
    }

    @Test func otherPicturesAreTurnedToo() throws {
        let image = try MediaFile(path: ClipFiles.path("exif-6.webp")).picture()
        #expect((image.width, image.height) == (32, 48))
        #expect(image.color(27, 5)[0] > 180)
    }

    @Test func animatedWebPIsReadOrNamed() throws {
        do throws(MediaError) {
            let file = try MediaFile(path: ClipFiles.path("moving.webp"))
            // Libraries that know it give what the same pictures give as GIF.
            #expect(try file.frames(.all).next()?.image.width == 48)
        } catch {
            #expect(error.kind == .unsupported && error.reason.contains("animated WebP"))
            #expect(error.hint != nil)
        }
    }

    @Test(arguments: ["palette.png", "gray.png"])
    func palettesAndGrayBecomeRGB(name: String) throws {
        let image = try MediaFile(path: ClipFiles.path(name)).picture()
        #expect((image.width, image.height) == (48, 32))
        #expect(image.color(47, 31) == [230, 230, 230])
    }

    @Test func aPictureIsAClipOfOneFrame() throws {
        let file = try MediaFile(path: ClipFiles.path("quarters.png"))
        #expect(file.description.bestVideo?.isStill == true && file.description.seconds == nil)
        #expect(try file.allFrames(.rate(2)).count == 1)
        #expect(try file.allFrames(.all).count == 1)
    }
}

struct TimeTests {
    /// The clip's eight stripes are the bits of the frame's number, the lowest at the left.
    private func numbers(_ frames: [TimedFrame]) -> [Int] {
        frames.map { frame in (0..<8).reduce(0) { $0 + (frame.image.color(4 * $1 + 2, 16)[1] > 128 ? 1 << $1 : 0) } }
    }

    @Test(arguments: ["long.mp4", "long.mkv", "long.ts"])
    func framesAreThoseOnTheScreen(name: String) throws {
        let file = try MediaFile(path: ClipFiles.path(name))
        let times = [0, 0.04, 0.1, 1.95, 2, 2.05, 9.99, 10, 17.3, 19.9, 100]
        let frames = try file.allFrames(.times(times))
        #expect(numbers(frames) == [0, 0, 1, 19, 20, 20, 99, 100, 173, 199, 199])
        #expect(frames.map(\.requestedSeconds) == times)
    }

    @Test(arguments: ["long.mp4", "long.mkv", "long.ts"])
    func jumpingGivesTheSameFrames(name: String) throws {
        let file = try MediaFile(path: ClipFiles.path(name))
        for step in [0.3, 1.7, 2, 4.9, 7] {
            let times = Array(stride(from: 0.05, to: 20, by: step))
            var walking = FrameReader.Options()
            walking.mayJump = false
            let jumped = try file.allFrames(.times(times))
            let walked = try file.allFrames(.times(times), options: walking)
            #expect(jumped.map(\.image) == walked.map(\.image))
            #expect(jumped.map(\.seconds) == walked.map(\.seconds))
        }
    }

    /// Every third frame or so is wanted, and those between that nothing leans on are not decoded.
    @Test(arguments: ["long.mp4", "long.mkv", "long.ts", "older.avi", "variable-rate.mp4", "av1.mp4", "odd-size.webm"])
    func leavingFramesOutGivesTheSameFrames(name: String) throws {
        let file = try MediaFile(path: ClipFiles.path(name))
        var walking = FrameReader.Options()
        walking.mayJump = false
        for step in [0.11, 0.25, 0.37, 0.5, 1] {
            let times = Array(stride(from: 0.03, to: 21, by: step))
            let sparse = try file.allFrames(.times(times))
            let dense = try file.allFrames(.times(times), options: walking)
            #expect(sparse.map(\.seconds) == dense.map(\.seconds), "step \(step)")
            #expect(sparse.map(\.image) == dense.map(\.image), "step \(step)")
        }
    }

    @Test func whatStandsInAfterTheEndIsMarked() throws {
        let file = try MediaFile(path: ClipFiles.path("long.mp4"))
        let frames = try file.allFrames(.times([0, 19.95, 30]))
        #expect(frames.map { ($0.secondsAfterEnd * 10).rounded() / 10 } == [0, 0, 10])
    }

    @Test func ratesAndCountsCoverTheClip() throws {
        let file = try MediaFile(path: ClipFiles.path("long.mp4"))
        #expect(numbers(try file.allFrames(.rate(1))) == Array(stride(from: 0, to: 200, by: 10)))
        #expect(numbers(try file.allFrames(.rate(20))).count == 400)
        #expect(numbers(try file.allFrames(.count(5))) == [0, 49, 99, 149, 199])
        #expect(numbers(try file.allFrames(.count(1))) == [0])
        #expect(try file.allFrames(.count(0)).isEmpty)
        #expect(numbers(try file.allFrames(.indices([3, 150, 199, 200]))) == [3, 150, 199])
        #expect(numbers(try file.allFrames(.all)) == Array(0..<200))
    }

    @Test func unevenFramesKeepTheirTimes() throws {
        let file = try MediaFile(path: ClipFiles.path("variable-rate.mp4"))
        guard case .video(let video) = try #require(file.description.bestVideo).kind else { return }
        #expect(video.isVariableRate)
        #expect(try file.allFrames(.all).map(\.seconds) == [0, 0.04, 0.2, 0.24, 0.48, 0.96])
        let frames = try file.allFrames(.times([0.1, 0.19, 0.2, 0.3, 0.9, 0.96]))
        #expect(frames.map(\.seconds) == [0.04, 0.04, 0.2, 0.24, 0.48, 0.96])
    }

    @Test func rawStreamsAreReadThrough() throws {
        let file = try MediaFile(path: ClipFiles.path("raw.h264"))
        #expect(numbers(try file.allFrames(.indices([0, 100, 199]))) == [0, 100, 199])
    }

    @Test func badSchedulesAreRefused() throws {
        let file = try MediaFile(path: ClipFiles.path("long.mp4"))
        for rate in [0, -1, .nan, .infinity, 1e9] {
            #expect(throws: MediaError.self) { try file.frames(.rate(rate)) }
        }
        #expect(try file.allFrames(.times([.nan, .infinity])).isEmpty)
        #expect(numbers(try file.allFrames(.times([-5]))) == [0])
    }

    @Test func cancelledWorkEnds() throws {
        let cancellation = MediaCancellation()
        let file = try MediaFile(path: ClipFiles.path("long.mp4"), cancellation: cancellation)
        let reader = try file.frames(.all)
        #expect(try reader.next() != nil)
        cancellation.cancel()
        #expect { try reader.next() } throws: { ($0 as? MediaError)?.kind == .cancelled }
    }
}

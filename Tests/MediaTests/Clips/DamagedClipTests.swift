import CAllocationCounter
import Glibc
import Testing

@testable import Media

/// Files that are not what they seem: a right result or a clear error, in bounded time and memory.
struct DamagedClipTests {
    @Test func emptyAndForeignFilesAreNamed() throws {
        let folder = try ClipFolder()
        let texts: [(String, [UInt8])] = [
            ("empty.mp4", []), ("text.mp4", Array("This is not a clip.\n".utf8)),
            ("zeros.mp4", [UInt8](repeating: 0, count: 5000)),
            ("playlist.m3u8", Array("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n".utf8)),
            ("concat.txt", Array("ffconcat version 1.0\nfile /etc/passwd\n".utf8)),
            ("lines.srt", Array("1\n00:00:00,000 --> 00:00:01,000\nHello\n".utf8)),
        ]
        for (name, bytes) in texts {
            let path = try folder.write(bytes, to: name)
            #expect {
                let file = try MediaFile(path: path)
                _ = try file.allFrames(.all)
            } throws: { error in
                guard let error = error as? MediaError else { return false }
                return error.path == path && !error.reason.isEmpty
            }
        }
        #expect { try MediaFile(path: folder.file("none.mp4")) } throws: { ($0 as? MediaError)?.kind == .unreadable }
        #expect { try MediaFile(path: folder.path) } throws: { ($0 as? MediaError)?.kind == .unreadable }
        #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
        #expect { try MediaFile(path: folder.file("pipe")) } throws: { ($0 as? MediaError)?.kind == .unreadable }
    }

    @Test func theNameDoesNotMatter() throws {
        let folder = try ClipFolder()
        let clip = try folder.write(ClipFiles.bytes("clip.mp4"), to: "clip.mp3")
        #expect(try MediaFile(path: clip).allFrames(.all).count == 30)
        let tone = try folder.write(ClipFiles.bytes("tone.flac"), to: "tone.mp4")
        #expect(try MediaFile(path: tone).sound().readAll().samples.count == 16_000)
    }

    @Test func whatIsLeftOfATruncatedClipIsRead() throws {
        // Its index stands at the end, and is gone.
        let clip = try ClipFiles.bytes("clip.mp4")
        #expect { try MediaFile(.memory(Array(clip[..<20_000]), name: "half")) } throws: {
            ($0 as? MediaError)?.kind == .malformed
        }
        let stream = try ClipFiles.bytes("long.ts")
        let half = try MediaFile(.memory(Array(stream[..<(stream.count / 2)]), name: "half"))
        let frames = try half.allFrames(.all)
        #expect(frames.count > 50 && frames.count < 150)
        let matroska = try ClipFiles.bytes("long.mkv")
        let part = try MediaFile(.memory(Array(matroska[..<(matroska.count / 2)]), name: "part"))
        let count = try part.allFrames(.all).count
        #expect(count > 20 && count < 200)
        #expect(try part.allFrames(.times([0, 1, 15, 19])).count == 4)
    }

    @Test func damageInTheMiddleIsPassedOver() throws {
        var bytes = try ClipFiles.bytes("long.ts")
        for index in bytes.count / 2..<bytes.count / 2 + 3000 { bytes[index] = UInt8(truncatingIfNeeded: index &* 31) }
        let reader = try MediaFile(.memory(bytes, name: "damaged")).frames(.all)
        var count = 0
        while try reader.next() != nil { count += 1 }
        #expect(count > 150)
    }

    /// Half a second of sound, and the other half ten hours later: silence is not made up for so long.
    @Test func aGapOfHoursIsRefused() throws {
        let reader = try MediaFile(path: ClipFiles.path("far-gap.mkv")).sound()
        var samples = 0
        #expect {
            while let piece = try reader.next() { samples += piece.count }
        } throws: {
            ($0 as? MediaError)?.kind == .limit
        }
        #expect(samples < 16_000)
        var limits = MediaLimits()
        limits.maximumSilentSeconds = 40_000
        let patient = try MediaFile(path: ClipFiles.path("far-gap.mkv"), limits: limits).sound()
        for _ in 0..<100 { #expect(try patient.next() != nil) }
    }

    /// 44 bytes of header that claim ten hours of sound, and one second that is there.
    @Test func whatAHeaderClaimsIsNotMadeUp() throws {
        func little(_ value: Int, _ bytes: Int) -> [UInt8] {
            (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        let claimed = 10 * 3600 * 16_000 * 2
        let header =
            Array("RIFF".utf8) + little(claimed + 36, 4) + Array("WAVEfmt ".utf8) + little(16, 4) + little(1, 2)
            + little(1, 2) + little(16_000, 4) + little(32_000, 4) + little(2, 2) + little(16, 2)
            + Array("data".utf8) + little(claimed, 4)
        let second = [UInt8](repeating: 7, count: 32_000)
        let file = try MediaFile(.memory(header + second, name: "claims.wav"))
        #expect(try file.sound().readAll().samples.count == 16_000)
        // None at all of it, and a length of nothing.
        for bytes in [header, Array(header[..<40]) + little(0, 4)] {
            #expect {
                _ = try MediaFile(.memory(bytes, name: "nothing.wav")).sound().readAll()
            } throws: { error in
                guard let error = error as? MediaError else { return false }
                return error.path == "nothing.wav" && !error.reason.isEmpty
            }
        }
    }

    /// A clip whose times say that it lasts no time at all.
    @Test func aClipOfNoLengthHasItsFrames() throws {
        var bytes = try ClipFiles.bytes("variable-rate.mp4")
        // Every duration in the media header's and the movie header's boxes (version 0) becomes nothing.
        for (box, offset) in [("mvhd", 16), ("tkhd", 20), ("mdhd", 16)] {
            let at = try #require(bytes.firstRange(of: Array(box.utf8))).upperBound + offset
            for index in at..<at + 4 { bytes[index] = 0 }
        }
        let file = try MediaFile(.memory(bytes, name: "no-length.mp4"))
        #expect(try file.frames(.times([0])).next()?.image.width == 32)
        #expect(try file.allFrames(.all).count >= 1)
        #expect(try file.allFrames(.count(2)).count == 2)
    }

    @Test func limitsHold() throws {
        var limits = MediaLimits()
        limits.maximumPixels = 1000
        #expect { try MediaFile(path: ClipFiles.path("clip.mp4"), limits: limits).allFrames(.all) } throws: {
            ($0 as? MediaError) != nil
        }
        limits = MediaLimits()
        limits.maximumStreams = 2
        #expect(throws: MediaError.self) { try MediaFile(path: ClipFiles.path("tracks.mkv"), limits: limits) }
        limits = MediaLimits()
        limits.maximumChannels = 1
        #expect { try MediaFile(path: ClipFiles.path("stereo.wav"), limits: limits).sound().readAll() } throws: {
            ($0 as? MediaError)?.kind == .limit
        }
    }

    @Test func twoThousandMutatedFilesEndWell() throws {
        let names = [
            "clip.mp4", "long.mkv", "older.avi", "moving.gif", "quarters.png", "exif-6.jpg", "quarters.webp",
            "tone.mp3",
            "tone.ogg", "tone.opus", "tone.m4a", "odd-size.webm", "tracks.mkv", "variable-rate.mp4", "ten-bit-422.mp4",
            "rotated-90.mp4", "cover.mp3", "av1.mp4", "raw.h264", "exif-6.webp",
        ]
        var limits = MediaLimits()
        limits.threads = 1
        limits.maximumPixels = 1 << 20
        let before = ResidentMemory.bytes
        var mutator = ByteMutator(seed: 20_260)
        var good = 0
        for name in names {
            let original = try ClipFiles.bytes(name)
            for _ in 0..<100 {
                let bytes = mutator.mutate(original)
                do throws(MediaError) {
                    good += try Self.read(bytes, limits: limits) ? 1 : 0
                } catch {
                    #expect(!error.reason.isEmpty)
                }
            }
        }
        #expect(good > 500 && good < 2000, "\(good)")
        #expect(ResidentMemory.bytes - before < 512 << 20)
    }

    /// Describes a file and reads some of it; whether anything came.
    private static func read(_ bytes: [UInt8], limits: MediaLimits) throws(MediaError) -> Bool {
        let file = try MediaFile(.memory(bytes, name: "mutated"), limits: limits)
        _ = file.description.json
        var count = 0
        if file.description.bestVideo != nil {
            let dense = try file.frames(.all)
            while count < 20, try dense.next() != nil { count += 1 }
            let sparse = try file.frames(.times([0, 0.5, 3, 9, 19]))
            while try sparse.next() != nil { count += 1 }
        }
        if file.description.bestSound != nil {
            let sound = try file.sound()
            var pieces = 0
            while pieces < 200, let piece = try sound.next() {
                pieces += 1
                count += piece.count
            }
        }
        return count > 0
    }

    @Test func aHundredClipsLeaveNothingBehind() async {
        // In a process of its own: other tests take memory, too.
        await #expect(processExitsWith: .success) {
            func readOne() throws {
                let file = try MediaFile(path: ClipFiles.path("clip.mp4"))
                _ = try file.allFrames(.times([0, 1, 2.5]))
                _ = try file.sound().readAll()
                let tracks = try MediaFile(path: ClipFiles.path("tracks.mkv"))
                _ = try tracks.allFrames(.count(3))
                _ = try? MediaFile(.memory([1, 2, 3, 4], name: "bad"))
            }
            for _ in 0..<20 { try readOne() }
            let before = live_heap_bytes()
            for _ in 0..<100 { try readOne() }
            // A frame as decoded is 9 KB: one lost per clip would show.
            #expect(live_heap_bytes() - before < 100 * 4096)
        }
    }
}

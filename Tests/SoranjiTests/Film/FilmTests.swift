import FilmTestSupport
import Foundation
import JSONText
import ModelFiles
import Testing
import VideoDecoder

@testable import Soranji

struct StoryboardTests {
    private func shots(_ text: String) throws -> [FilmRequest.Shot] { try Storyboard.shots(text, name: "story") }

    @Test func headingsBeginShots() throws {
        let shots = try shots(
            """
            What comes before is no shot.

            # The garden
            a cat rises
            in the garden

            fade 3s

            ## The sea
            a dog falls
            # a boat spins at night
            [smooth]
            # At last
            1.5 seconds
            *cut*
            a tree
            """
        )
        #expect(shots.map(\.prompt) == ["a cat rises in the garden", "a dog falls", "a boat spins at night", "a tree"])
        #expect(shots.map(\.title) == ["The garden", "The sea", "a boat spins at night", "At last"])
        #expect(shots.map(\.transition) == [.cut, .fade, .smooth, .cut])
        #expect(shots.map(\.seconds) == [nil, 3, nil, 1.5])
    }

    @Test func rulesAndListsOfMarkdown() throws {
        let text =
            "---\n* A cat rises.\n* * *\n- A dog falls\n  in the snow.\n1. A moon grows.\n___\n-not an item\n====\n"
        #expect(
            try shots(text).map(\.prompt)
                == ["A cat rises.", "A dog falls in the snow.", "A moon grows.", "-not an item"]
        )
        let board = try shots("# One\n---\n- a cat\n- rises\n\n***\n# Two\na dog")
        #expect(board.map(\.prompt) == ["a cat rises", "a dog"])
        #expect(throws: FilmRequestError.noShots("story")) { try shots("---\n***\n") }
    }

    @Test func paragraphsAreShots() throws {
        let shots = try shots("a cat\nrises\r\n\r\nsmooth\n\na dog falls\n\n\nFade to black\n")
        #expect(shots.map(\.prompt) == ["a cat rises", "a dog falls", "Fade to black"])
        #expect(shots.map(\.transition) == [.cut, .smooth, .cut])
    }

    @Test func emptyAndWrongOnesAreRefused() {
        for text in ["", " \n\t\n", "cut\n\nfade 2s", "#\n##\n"] {
            #expect(throws: FilmRequestError.noShots("story")) { try shots(text) }
        }
        #expect(throws: FilmRequestError.badTransition("wipe", line: 2)) { try shots("a\n[wipe]\nb") }
        #expect(throws: FilmRequestError.badSeconds("long", line: 1)) { try shots("[fade long]\nb") }
    }
}

struct FilmAssemblerTests {
    private func settings() throws -> FilmSettings {
        try FilmSettings(dims: TinyDecoder.dims(trunkLayers: [0]), path: "test")
    }

    private func frame(_ value: UInt8) -> FilmFrame {
        FilmFrame(width: 1, height: 1, pixels: [value, value, value])
    }

    @Test func ratesRepeatOrLeaveOutFrames() throws {
        for (rate, expected) in [
            (4, [0, 1, 2, 3] as [UInt8]), (8, [0, 0, 1, 1, 2, 2, 3, 3]), (2, [0, 2]), (6, [0, 0, 1, 2, 2, 3]), (1, [0]),
        ] {
            var assembler = FilmAssembler(
                settings: try settings(),
                outputFramesPerSecond: rate,
                segments: [FilmAssembler.Segment(frames: 4, overlap: 0)]
            )
            assembler.beginSegment()
            // More frames than the segment has: the rest of a chunk.
            let piece = assembler.add(frames: (0..<6).map { frame($0) }, sound: Array(repeating: 0.5, count: 9000))
            #expect(piece.frames.map { $0.pixels[0] } == expected)
            #expect(piece.sound.count == 8000)
            #expect(piece.sound[0] < 0.01 && piece.sound[2000] == 0.5 && piece.sound[7999] < 0.01)
        }
    }

    @Test func fadesMix() throws {
        var assembler = FilmAssembler(
            settings: try settings(),
            outputFramesPerSecond: 4,
            segments: [FilmAssembler.Segment(frames: 6, overlap: 0), FilmAssembler.Segment(frames: 4, overlap: 2)]
        )
        assembler.beginSegment()
        var frames = assembler.add(frames: Array(repeating: frame(0), count: 6), sound: []).frames
        #expect(frames.count == 4)
        assembler.beginSegment()
        frames += assembler.add(frames: Array(repeating: frame(90), count: 4), sound: []).frames
        #expect(frames.map { $0.pixels[0] } == [0, 0, 0, 0, 30, 60, 90, 90])
        #expect(FilmAssembler.overlap(16, 16, framesPerSecond: 8) == 4)
        #expect(FilmAssembler.overlap(3, 16, framesPerSecond: 8) == 1)
        #expect(FilmAssembler.overlap(1, 16, framesPerSecond: 8) == 0)
    }
}

struct SoundPictureTests {
    /// Against the same in NumPy.
    @Test func agreesWithNumPy() throws {
        let tests = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
        let file = try SafetensorsFile(path: tests + "/VideoDecoderTests/Fixtures/mel.safetensors")
        func floats(_ name: String) throws -> [Float] {
            let entry = try #require(file.entry(named: name))
            let bytes = try #require(file.bytes(of: entry))
            return (0..<entry.byteCount / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        let config = try JSON.parse(Array((file.metadata["config"] ?? "").utf8))
        let settings = try FilmSettings(dims: config, path: "mel")
        let picture = try SoundPicture(settings).picture(floats("in.waveform"))
        let expected = try floats("out.picture")
        #expect(picture.count == expected.count)
        let largest = zip(picture, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(largest < 1e-4)
        #expect(try SoundPicture(settings).picture([.nan, .infinity] + Array(repeating: 0, count: 500)).count == 48)
        withExtendedLifetime(file) {}
    }
}

struct ContactSheetTests {
    @Test func sheetsOfOneClipAndOfSeveral() throws {
        let sheet = ContactSheet()
        #expect(sheet.png() == nil)
        sheet.beginClip()
        for index in 0..<1000 {
            sheet.add([FilmFrame(width: 2, height: 2, pixels: Array(repeating: UInt8(index % 256), count: 12))])
        }
        let alone = try #require(sheet.png())
        #expect(alone.prefix(4) == [0x89, 0x50, 0x4E, 0x47])
        sheet.beginClip()
        sheet.add([FilmFrame(width: 2, height: 2, pixels: Array(repeating: 7, count: 12))])
        let several = try #require(sheet.png())
        // Six columns and four rows of 128 pixels; then eight columns and two rows.
        func size(_ png: [UInt8]) -> [Int] {
            [16, 20].map { start in png[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } }
        }
        #expect(size(alone) == [6 * 130 + 2, 4 * 130 + 2])
        #expect(size(several) == [8 * 130 + 2, 2 * 130 + 2])
    }
}

import JSONText
import Media
import Testing

struct PatchTests {
    @Test func equalsTheReferenceOnAClip() throws {
        let fixture = try TensorFixture("clip.safetensors")
        let shape = try fixture.shape("frames_u8")
        let bytes: [UInt8] = try fixture.values("frames_u8")
        let size = shape[1] * shape[2] * 3
        let frames = try (0..<shape[0]).map {
            try PixelImage(width: shape[2], height: shape[1], pixels: Array(bytes[$0 * size..<($0 + 1) * size]))
        }
        let rows = try PatchLayout().rows(of: frames)
        for family in ["qwen3vl", "omni"] {
            let expected: [Float] = try fixture.values(family + ".pixel_values_videos")
            let grid = try fixture.values(family + ".video_grid_thw", as: Int64.self).map { Int($0) }
            #expect(grid == [rows.grid.t, rows.grid.h, rows.grid.w])
            #expect(rows.values.count == expected.count)
            #expect(zip(rows.values, expected).allSatisfy { abs($0 - $1) < 1e-6 })
        }
    }

    @Test func repeatsTheLastFrameOfAnOddClip() throws {
        let frames = try (0..<3).map {
            try PixelImage(width: 4, height: 4, pixels: .init(repeating: UInt8($0), count: 48))
        }
        let layout = try PatchLayout(patch: 2, merge: 2, mean: [0, 0, 0], deviation: [1, 1, 1], rescale: 1)
        let rows = try layout.rows(of: frames)
        #expect(rows.grid == (2, 2, 2))
        #expect(rows.values.suffix(4 * 24).allSatisfy { $0 == 2 })
        #expect(layout.tokens(of: rows.grid) == 2)
    }

    @Test func refusesWhatIsNoWholePatch() throws {
        let layout = try PatchLayout()
        #expect(throws: PixelError.noFrames) { try layout.rows(of: []) }
        #expect(throws: PixelError.notWholePatches(width: 33, height: 32, unit: 32)) {
            try layout.rows(of: [PixelImage(width: 33, height: 32, pixels: .init(repeating: 0, count: 33 * 32 * 3))])
        }
        #expect(throws: PixelError.self) { try PatchLayout(deviation: [1, 0, 1]) }
    }

    @Test func smartSizesEqualTheReference() throws {
        let table = try JSON.parse(fixtureBytes("preproc.json"))
        let images = try #require(table["smart_resize_image"]?.arrayValue)
        for entry in images {
            func value(_ key: String) throws -> Int { try #require(entry[key]?.intValue) }
            let rule = try SmartResize(unit: value("factor"), minimumPixels: value("min"), maximumPixels: value("max"))
            let size = try rule.size(width: value("w"), height: value("h"))
            #expect(entry["out"]?.arrayValue?.compactMap(\.intValue) == [size.height, size.width], "\(entry.text())")
        }
        let clips = try #require(table["smart_resize_video_qwen3vl"]?.arrayValue)
        let rule = SmartResize(unit: 32, minimumPixels: 4096, maximumPixels: 25_165_824, scope: .clip(temporalUnit: 2))
        for entry in clips {
            func value(_ key: String) throws -> Int { try #require(entry[key]?.intValue) }
            let size = try rule.size(width: value("w"), height: value("h"), frames: value("t"))
            #expect(entry["out"]?.arrayValue?.compactMap(\.intValue) == [size.height, size.width], "\(entry.text())")
        }
        #expect(images.count == 24 && clips.count == 48)
    }

    @Test func smartSizesSurviveHostileNumbers() {
        let rule = SmartResize(unit: 32, minimumPixels: 1024, maximumPixels: 65536)
        #expect(throws: PixelError.tooNarrow(width: 201, height: 1, limit: 200)) {
            try rule.size(width: 201, height: 1)
        }
        for (width, height) in [(0, 5), (-1, 5), (Int.max, 5), (70_000, 70_000)] {
            #expect(throws: PixelError.self) { try rule.size(width: width, height: height) }
        }
        for rule in [
            SmartResize(unit: 0, minimumPixels: 1, maximumPixels: 2),
            SmartResize(unit: 32, minimumPixels: 9, maximumPixels: 2),
            SmartResize(unit: 32, minimumPixels: 1, maximumPixels: .max),
        ] { #expect(throws: PixelError.self) { try rule.size(width: 9, height: 9) } }
        #expect(throws: PixelError.self) { try rule.size(width: 9, height: 9, frames: .max) }
    }
}

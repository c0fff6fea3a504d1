import Tensor
import Testing

@testable import Soranji

struct PlotTests {
    @Test func checksumsMatchTheirDefinitions() {
        #expect(Checksums.crc32(Array("123456789".utf8)) == 0xCBF4_3926)
        #expect(Checksums.adler32(Array("Wikipedia".utf8)) == 0x11E6_0398)
    }

    /// Python's zlib reads what the compressor writes: empty, incompressible, long runs, far matches.
    @Test(.enabled(if: isInstalled("python3"), "needs python3"))
    func zlibReadsEveryShapeOfData() throws {
        var generator = SplitMix64(state: 3)
        let noise = (0..<70_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        var samples: [[UInt8]] = [[], [7], Array(repeating: 0, count: 100_000), noise, Array(noise[..<40_000]) + noise]
        for length in 1...600 where length % 7 == 0 || length > 250 && length < 270 {
            samples.append(Array("abc".utf8) + Array(repeating: 0x61, count: length))
        }
        for distance in [1, 2, 3, 4, 5, 100, 1000, 24_577, 32_767, 32_768, 32_769] {
            samples.append(Array(noise[..<distance]) + Array(noise[..<min(distance, 50)]))
        }
        let folder = TemporaryFolder()
        for (index, sample) in samples.enumerated() {
            _ = folder.file("\(index).raw", sample)
            _ = folder.file("\(index).z", Deflate.zlib(sample))
        }
        let script = """
            import sys, zlib
            for i in range(int(sys.argv[2])):
                raw = open(f"{sys.argv[1]}/{i}.raw", "rb").read()
                assert zlib.decompress(open(f"{sys.argv[1]}/{i}.z", "rb").read()) == raw, i
            """
        let output = try Subprocess.run(
            "python3",
            ["-c", script, folder.path, String(samples.count)],
            input: [],
            timeout: 60,
            maximumOutput: 1000
        )
        #expect(String(decoding: output.standardError, as: UTF8.self) == "")
        #expect(output.status == 0)
        #expect(Deflate.zlib(Array(repeating: 0, count: 100_000)).count < 1000)
    }

    private func heatmap(rows: Int = 4, columns: Int = 8) -> Heatmap {
        let values = (0..<rows).map { row in (0..<columns).map { Double(row * $0 * $0) } }
        return Heatmap(title: "Experts <chosen>", subtitle: "a model, 100 tokens", rows: values)
    }

    @Test func pngHasItsPartsAndSize() throws {
        let drawing = heatmap().drawing()
        let png = drawing.png()
        #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
        var position = 8
        var types: [String] = []
        while position + 12 <= png.count {
            let length = png[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
            let body = Array(png[(position + 4)..<(position + 8 + length)])
            types.append(String(decoding: body.prefix(4), as: UTF8.self))
            if types.count == 1 {
                #expect(body[4..<8].reduce(0) { $0 << 8 | Int($1) } == drawing.width)
                #expect(body[8..<12].reduce(0) { $0 << 8 | Int($1) } == drawing.height)
            }
            let checksum = png[(position + 8 + length)..<(position + 12 + length)].reduce(0) { $0 << 8 | UInt32($1) }
            #expect(checksum == Checksums.crc32(body))
            position += 12 + length
        }
        #expect(position == png.count)
        #expect(types == ["IHDR", "PLTE", "IDAT", "IEND"])
    }

    @Test func manyColoursGiveATrueColourPNG() {
        var raster = Raster(width: 32, height: 32, background: .white)
        for index in 0..<1024 {
            raster.fill(
                x: index % 32,
                y: index / 32,
                width: 1,
                height: 1,
                Color(UInt8(index / 4), UInt8(index % 256), 9)
            )
        }
        let png = raster.png()
        #expect(png[25] == 2)
        #expect(png[24] == 8)
    }

    @Test func shapesOutsideAreNotDrawn() {
        var raster = Raster(width: 4, height: 3, background: .white)
        raster.fill(x: -10, y: -10, width: 5, height: 5, .black)
        raster.fill(x: 10, y: 10, width: 5, height: 5, .black)
        raster.fill(x: 1, y: 1, width: 0, height: -3, .black)
        #expect(raster.pixels.allSatisfy { $0 == .white })
        raster.fill(x: -1, y: 2, width: 100, height: 100, .black)
        #expect(raster.pixels.count { $0 == .black } == 4)
    }

    /// Writes the pictures to the folder that SORANJI_TEST_PICTURES names, for a person to look at.
    @Test(.enabled(if: UserFolders.variable("SORANJI_TEST_PICTURES") != nil, "for looking at pictures"))
    func picturesToLookAt() throws {
        let folder = try #require(UserFolders.variable("SORANJI_TEST_PICTURES"))
        var generator = SplitMix64(state: 5)
        for (rows, columns, scale) in [(16, 64, Heatmap.Scale.linear), (61, 256, .logarithmic), (4, 8, .linear)] {
            let values = (0..<rows).map { _ in
                let favourite = Int.random(in: 0..<columns, using: &generator)
                return (0..<columns).map { column -> Double in
                    let draw = Double.random(in: 0...1, using: &generator)
                    return ((column == favourite ? 3000 : 900) * draw * draw * draw * (draw < 0.2 ? 0 : 1)).rounded()
                }
            }
            var map = Heatmap(
                title: "How often each expert was chosen",
                subtitle: "olmoe-1b-7b.gguf: 4,096 tokens, 8 of \(columns) experts each",
                rows: values
            )
            map.scale = scale
            for format in PlotFormat.allCases {
                try map.write(to: "\(folder)/heat-\(rows)x\(columns).\(format.rawValue)", as: format)
            }
        }
    }

    /// Python undoes the filters of a picture of more colours than a palette holds.
    @Test(.enabled(if: isInstalled("python3"), "needs python3"))
    func trueColoursComeBack() throws {
        var generator = SplitMix64(state: 8)
        var raster = Raster(width: 41, height: 23, background: .white)
        for index in 0..<600 {
            let color = Color(
                .random(in: 0...255, using: &generator),
                .random(in: 0...255, using: &generator),
                UInt8(index % 256)
            )
            raster.fill(x: index % 41, y: index / 41, width: 3, height: 4, color)
        }
        let folder = TemporaryFolder()
        let path = folder.file("colours.png", raster.png())
        let script = """
            import sys, zlib
            data, at, body = open(sys.argv[1], "rb").read(), 8, b""
            while at < len(data):
                n = int.from_bytes(data[at:at + 4], "big")
                if data[at + 4:at + 8] == b"IDAT": body += data[at + 8:at + 8 + n]
                at += 12 + n
            raw, above, kinds = zlib.decompress(body), bytes(123), set()
            for row in range(23):
                kind, line = raw[row * 124], bytearray(raw[row * 124 + 1:(row + 1) * 124])
                kinds.add(kind)
                for i in range(123):
                    line[i] = line[i] + (above[i] if kind == 2 else line[i - 3] if i > 2 else 0) & 255
                above = bytes(line)
                print(line.hex())
            assert kinds == {1, 2}, kinds
            """
        let output = try Subprocess.run(
            "python3",
            ["-c", script, path],
            input: [],
            timeout: 60,
            maximumOutput: 100_000
        )
        #expect(String(decoding: output.standardError, as: UTF8.self) == "")
        let wanted = (0..<23).map { y in (0..<41).map { raster[$0, y].hexadecimal.dropFirst() }.joined() }
        #expect(
            String(decoding: output.standardOutput, as: UTF8.self).split(separator: "\n").map(String.init) == wanted
        )
    }

    /// Whatever the number of rows, what stands below them takes the same room.
    @Test(arguments: [1, 2, 3, 4, 5, 7, 16, 48])
    func cellsFillThePicture(_ rows: Int) {
        let drawing = Heatmap(title: "", rows: Array(repeating: [1, 2], count: rows)).drawing()
        let cell = max(min(max(900 / rows, 6), 28), 120 / rows)
        #expect(drawing.height == 56 + rows * cell + 62)
    }

    @Test func svgEscapesText() {
        let svg = heatmap().drawing().svg()
        #expect(svg.contains("Experts &lt;chosen&gt;"))
        #expect(svg.hasSuffix("</svg>\n"))
        #expect(svg.split(separator: "\n").filter { $0.hasPrefix("<rect") }.count > 32)
    }

    @Test func lightnessRisesEvenly() {
        let luminance = (0...20).map { step in
            let color = ColorScale.color(Double(step) / 20)
            return 0.2126 * Double(color.red) + 0.7152 * Double(color.green) + 0.0722 * Double(color.blue)
        }
        #expect(zip(luminance, luminance.dropFirst()).allSatisfy { $0 < $1 })
        #expect(ColorScale.color(-.infinity) == ColorScale.color(0))
        #expect(ColorScale.color(.nan) == ColorScale.color(0))
        #expect(ColorScale.color(7) == ColorScale.color(1))
    }

    @Test(arguments: [(0, 0), (1, 0), (1, 1), (61, 256), (3, 2000), (500, 2)], [Heatmap.Scale.linear, .logarithmic])
    func everyShapeCanBeDrawn(_ size: (Int, Int), _ scale: Heatmap.Scale) {
        for value in [0, 1, 2.5, 1e9, 1e300, .nan, .infinity, -1] {
            var map = Heatmap(title: "", rows: Array(repeating: Array(repeating: value, count: size.1), count: size.0))
            map.scale = scale
            let drawing = map.drawing()
            #expect(drawing.width > 0 && drawing.width <= 8000 && drawing.height > 0 && drawing.height <= 8000)
            #expect(drawing.svg().utf8.count > 100)
        }
        #expect(heatmap(rows: size.0, columns: size.1).encoded(as: .png).count > 60)
    }

    @Test func formatsFollowTheExtension() {
        #expect(PlotFormat(path: "a/heat.PNG") == .png)
        #expect(PlotFormat(path: "heat.svg") == .svg)
        #expect(PlotFormat(path: "a.png/heat") == nil)
        #expect(PlotFormat(path: "heat.jpg") == nil)
    }

    @Test func fontHasEveryPrintableLetter() {
        for code in UInt8(0x21)...0x7E {
            let letter = Character(Unicode.Scalar(code))
            let pixels = (0..<PixelFont.height).flatMap { y in
                (0..<PixelFont.width).map { PixelFont.covers(letter, x: $0, y: y) }
            }
            #expect(pixels.contains(true), "no pixels for \(letter)")
            if letter != "?" {
                let unknown = (0..<PixelFont.height).flatMap { y in
                    (0..<PixelFont.width).map { PixelFont.covers("é", x: $0, y: y) }
                }
                #expect(pixels != unknown, "\(letter) looks like an unknown letter")
            }
        }
        #expect(!PixelFont.covers("A", x: -1, y: 0) && !PixelFont.covers("A", x: 0, y: 8))
    }
}

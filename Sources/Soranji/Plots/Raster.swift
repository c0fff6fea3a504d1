/// A colour of sRGB.
public struct Color: Sendable, Hashable {
    public var red: UInt8
    public var green: UInt8
    public var blue: UInt8

    public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    static let white = Color(255, 255, 255)
    static let black = Color(0, 0, 0)
    /// Text and lines.
    static let ink = Color(38, 38, 46)

    /// `#rrggbb`.
    var hexadecimal: String {
        "#"
            + [red, green, blue].map { component in
                let digits = String(component, radix: 16)
                return digits.count == 1 ? "0" + digits : digits
            }.joined()
    }
}

/// A picture of 8 bits per channel, rows from top to bottom.
struct Raster {
    let width: Int
    let height: Int
    private(set) var pixels: [Color]

    init(width: Int, height: Int, background: Color) {
        self.width = max(width, 1)
        self.height = max(height, 1)
        pixels = Array(repeating: background, count: self.width * self.height)
    }

    subscript(x: Int, y: Int) -> Color { pixels[y * width + x] }

    /// Fills a rectangle; what lies outside the picture is not drawn.
    mutating func fill(x: Int, y: Int, width: Int, height: Int, _ color: Color) {
        let columns = max(x, 0)..<max(min(x + width, self.width), max(x, 0))
        for row in max(y, 0)..<max(min(y + height, self.height), max(y, 0)) {
            for column in columns { pixels[row * self.width + column] = color }
        }
    }
}

extension Raster {
    /// The picture as a PNG file: with a palette where 256 colours are enough, else true colour.
    func png() -> [UInt8] {
        var indices: [Color: UInt8] = [:]
        var palette: [Color] = []
        for pixel in pixels where indices[pixel] == nil {
            guard palette.count < 256 else {
                palette = []
                break
            }
            indices[pixel] = UInt8(palette.count)
            palette.append(pixel)
        }
        let isIndexed = !palette.isEmpty
        var scanlines: [UInt8] = []
        var above = [UInt8](repeating: 0, count: width * 3)
        for row in 0..<height {
            let line = pixels[(row * width)..<((row + 1) * width)]
            if isIndexed {
                // Each row begins with its filter: none.
                scanlines.append(0)
                scanlines += line.map { indices[$0] ?? 0 }
            } else {
                let bytes = line.flatMap { [$0.red, $0.green, $0.blue] }
                Self.appendFiltered(bytes, above: above, to: &scanlines)
                above = bytes
            }
        }
        var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        let header = Self.bigEndian(width) + Self.bigEndian(height) + [8, isIndexed ? 3 : 2, 0, 0, 0]
        file += Self.chunk("IHDR", header)
        if isIndexed { file += Self.chunk("PLTE", palette.flatMap { [$0.red, $0.green, $0.blue] }) }
        file += Self.chunk("IDAT", Deflate.zlib(scanlines))
        file += Self.chunk("IEND", [])
        return file
    }

    /// Appends a row of true colour as differences from its left neighbours or from the row above, whichever are smaller: rows of
    /// enlarged pictures are mostly zeros then.
    private static func appendFiltered(_ row: [UInt8], above: [UInt8], to scanlines: inout [UInt8]) {
        let fromLeft = row.indices.map { row[$0] &- ($0 < 3 ? 0 : row[$0 - 3]) }
        let fromAbove = row.indices.map { row[$0] &- above[$0] }
        func size(_ differences: [UInt8]) -> Int {
            differences.reduce(0) { $0 + Int(Int8(bitPattern: $1).magnitude) }
        }
        let isFromLeft = size(fromLeft) < size(fromAbove)
        scanlines.append(isFromLeft ? 1 : 2)
        scanlines += isFromLeft ? fromLeft : fromAbove
    }

    private static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + data
        return bigEndian(data.count) + body + bigEndian(Int(Checksums.crc32(body)))
    }

    private static func bigEndian(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}

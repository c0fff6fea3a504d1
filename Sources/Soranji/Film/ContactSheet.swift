/// Frames of clips on one picture: a row a clip, or one clip in a grid.
///
/// Memory: a few dozen frames a clip, whatever its length.
public final class ContactSheet {
    /// The frames of one clip that are kept: every `stride`th.
    private struct Strip {
        var frames: [FilmFrame] = []
        var stride = 1
        var seen = 0
    }

    private var strips: [Strip] = []
    /// Frames of a clip on the sheet where there are several clips, and where there is one.
    private static let inRow = 8
    private static let alone = 24
    private static let columnsAlone = 6
    private static let gap = 2

    public init() {}

    /// What follows is another clip.
    public func beginClip() { strips.append(Strip()) }

    public func add(_ frames: [FilmFrame]) {
        if strips.isEmpty { beginClip() }
        for frame in frames {
            let last = strips.count - 1
            if strips[last].seen % strips[last].stride == 0 { strips[last].frames.append(frame) }
            strips[last].seen += 1
            guard strips[last].frames.count >= 4 * Self.alone else { continue }
            strips[last].frames = strips[last].frames.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
            strips[last].stride *= 2
        }
    }

    /// The sheet as a PNG file; nil without frames.
    public func png() -> [UInt8]? {
        let isAlone = strips.count == 1
        let columns = isAlone ? Self.columnsAlone : Self.inRow
        let cells = strips.flatMap { strip -> [FilmFrame?] in
            let picked = Self.pick(strip.frames, isAlone ? Self.alone : Self.inRow).map(Optional.some)
            return picked + Array(repeating: nil, count: (columns - picked.count % columns) % columns)
        }
        guard let first = cells.lazy.compactMap({ $0 }).first else { return nil }
        // Small clips are shown in whole pixels, large enough to be looked at.
        let scale = max(1, 128 / max(first.width, first.height))
        let width = first.width * scale + Self.gap
        let height = first.height * scale + Self.gap
        let rows = (cells.count + columns - 1) / columns
        var raster = Raster(
            width: columns * width + Self.gap,
            height: rows * height + Self.gap,
            background: .white
        )
        for (index, frame) in cells.enumerated() {
            guard let frame else { continue }
            raster.draw(
                frame,
                x: index % columns * width + Self.gap,
                y: index / columns * height + Self.gap,
                scale: scale
            )
        }
        return raster.png()
    }

    /// Evenly spread, the first and the last included.
    private static func pick(_ frames: [FilmFrame], _ count: Int) -> [FilmFrame] {
        guard frames.count > count, count > 1 else { return frames }
        return (0..<count).map { frames[$0 * (frames.count - 1) / (count - 1)] }
    }
}

extension FilmFrame {
    /// The frame as a PNG file.
    public func png() -> [UInt8] {
        var raster = Raster(width: width, height: height, background: .black)
        raster.draw(self, x: 0, y: 0, scale: 1)
        return raster.png()
    }

    func color(_ x: Int, _ y: Int) -> Color {
        let index = (y * width + x) * 3
        return Color(pixels[index], pixels[index + 1], pixels[index + 2])
    }
}

extension Raster {
    mutating func draw(_ frame: FilmFrame, x: Int, y: Int, scale: Int) {
        for row in 0..<frame.height {
            for column in 0..<frame.width {
                fill(
                    x: x + column * scale,
                    y: y + row * scale,
                    width: scale,
                    height: scale,
                    frame.color(column, row)
                )
            }
        }
    }
}

import FilmTestSupport
import JSONText
import Tensor
import Testing

@testable import VideoDecoder

/// Windows of tokens against latents that are looked up one by one.
@Suite struct TokenWindowsTests {
    private func settings(side: Int, rim: Int, channels: Int) throws -> FilmSettings {
        var settings = try FilmSettings(dims: TinyDecoder.dims(trunkLayers: [0]), path: "test")
        settings.flow.tokenSide = side
        settings.flow.rimLatents = rim
        settings.codec.channels = channels
        return settings
    }

    @Test(arguments: [
        (1, 0, false), (1, 1, false), (1, 3, false), (2, 0, false), (2, 1, false), (2, 3, false), (3, 2, false),
        (2, 0, true), (2, 1, true), (2, 3, true), (4, 1, true),
    ])
    func windowsAreRead(side: Int, rim: Int, isShifted: Bool) throws {
        let (rows, columns, frames, channels) = (3, 2, 2, 5)
        let settings = try settings(side: side, rim: rim, channels: channels)
        let windows = TokenWindows(gridRows: rows, gridColumns: columns, isShifted: isShifted, settings: settings)
        let shift = isShifted ? side / 2 : 0
        let (windowRows, windowColumns) = isShifted ? (rows + 1, columns + 1) : (rows, columns)
        #expect(windows.offset == (isShifted ? -0.5 : 0))
        // A latent's numbers tell where it is; 0 is beyond the frame.
        func number(_ frame: Int, _ row: Int, _ column: Int, _ channel: Int) -> Float {
            guard 0..<rows * side ~= row, 0..<columns * side ~= column else { return 0 }
            return Float(((frame * rows * side + row) * columns * side + column) * channels + channel + 1)
        }
        var tokens: [Float] = []
        var wanted: [Float] = []
        var total = [Float](repeating: 0, count: frames * rows * columns * settings.tokenWidth)
        for frame in 0..<frames {
            for cell in 0..<rows * columns {
                let (top, left) = (cell / columns * side, cell % columns * side)
                for row in top..<top + side {
                    for column in left..<left + side { tokens += (0..<channels).map { number(frame, row, column, $0) } }
                }
            }
            for cell in 0..<windowRows * windowColumns {
                let (top, left) = (cell / windowColumns * side - shift, cell % windowColumns * side - shift)
                for row in top - rim..<top + side + rim {
                    for column in left - rim..<left + side + rim {
                        wanted += (0..<channels).map { number(frame, row, column, $0) }
                    }
                }
            }
        }
        let windowCount = frames * windowRows * windowColumns
        let read = try Activations(columns: windows.width, maximumRows: windowCount)
        for row in 0..<windowCount { read.row(row).update(repeating: .nan, count: windows.width) }
        windows.read(tokens, frames: frames, into: read)
        let found = (0..<windowCount).flatMap { row in (0..<windows.width).map { read.row(row)[$0] } }
        #expect(found == wanted)

        // Each latent comes back as often as windows have it.
        func windowsOver(_ place: Int, of count: Int) -> Int {
            (0..<count).count { ($0 * side - shift - rim..<($0 + 1) * side - shift + rim).contains(place) }
        }
        windows.sum(read, frames: frames, into: &total)
        for (index, token) in tokens.enumerated() {
            let latent = index % settings.tokenWidth / channels
            let cell = index / settings.tokenWidth % (rows * columns)
            let times =
                windowsOver(cell / columns * side + latent / side, of: windowRows)
                * windowsOver(cell % columns * side + latent % side, of: windowColumns)
            #expect(total[index] == token * Float(times))
        }
    }
}

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

    @Test(arguments: [(1, 0), (1, 1), (1, 3), (2, 0), (2, 1), (2, 3), (3, 2)])
    func windowsAreRead(side: Int, rim: Int) throws {
        let (rows, columns, frames, channels) = (3, 2, 2, 5)
        let settings = try settings(side: side, rim: rim, channels: channels)
        let windows = TokenWindows(gridRows: rows, gridColumns: columns, settings: settings)
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
                for row in top - rim..<top + side + rim {
                    for column in left - rim..<left + side + rim {
                        let values = (0..<channels).map { number(frame, row, column, $0) }
                        wanted += values
                        if top..<top + side ~= row, left..<left + side ~= column { tokens += values }
                    }
                }
            }
        }
        let read = try Activations(columns: windows.width, maximumRows: frames * rows * columns)
        for row in 0..<frames * rows * columns { read.row(row).update(repeating: .nan, count: windows.width) }
        windows.read(tokens, frames: frames, into: read)
        let found = (0..<frames * rows * columns).flatMap { row in (0..<windows.width).map { read.row(row)[$0] } }
        #expect(found == wanted)

        // Each latent comes back as often as windows have it.
        func windowsOver(_ place: Int, of count: Int) -> Int {
            (0..<count).count { ($0 * side - rim..<($0 + 1) * side + rim).contains(place) }
        }
        windows.sum(read, frames: frames, into: &total)
        for (index, token) in tokens.enumerated() {
            let latent = index % settings.tokenWidth / channels
            let cell = index / settings.tokenWidth % (rows * columns)
            let times =
                windowsOver(cell / columns * side + latent / side, of: rows)
                * windowsOver(cell % columns * side + latent % side, of: columns)
            #expect(total[index] == token * Float(times))
        }
    }
}

import Tensor

/// What a video token is read from and drawn into: its own latents and a rim of its neighbours'.
///
/// With a rim, windows overlap: a token sees what goes on across its border, and what two tokens say of a latent is added.
/// Without, edges of things tend to end where tokens do. (Overlapping patches: SegFormer, Xie et al. 2021.)
/// On the shifted grid each window lies in the middle of four of the others, half beyond the frame at its borders.
struct TokenWindows {
    /// A latent of a frame in one of the windows that have it.
    private struct Overlap {
        /// Token whose window it is, and the latent's offset in the window.
        var window: Int
        var windowOffset: Int
        /// Token whose latent it is, and its offset there.
        var token: Int
        var tokenOffset: Int
    }

    /// Numbers of a window: `(side + 2 rim)²` latents, row by row.
    let width: Int
    /// Windows of a frame, down and across.
    let rows: Int
    let columns: Int
    /// How many tokens further down and right than its number a window lies.
    let offset: Float
    private let tokenWidth: Int
    private let tokenCells: Int
    private let channels: Int
    private let overlaps: [Overlap]

    /// - Parameters:
    ///   - gridRows: tokens of a frame down; across: `gridColumns`.
    init(gridRows: Int, gridColumns: Int, isShifted: Bool, settings: FilmSettings) {
        let (side, rim) = (settings.flow.tokenSide, settings.flow.rimLatents)
        let channels = settings.codec.channels
        let latentRows = gridRows * side
        let latentColumns = gridColumns * side
        rows = isShifted ? gridRows + 1 : gridRows
        columns = isShifted ? gridColumns + 1 : gridColumns
        let shift = isShifted ? side / 2 : 0
        offset = -Float(shift) / Float(side)
        var overlaps: [Overlap] = []
        for cell in 0..<rows * columns {
            var offset = 0
            let top = cell / columns * side - shift
            let left = cell % columns * side - shift
            for row in top - rim..<top + side + rim {
                for column in left - rim..<left + side + rim {
                    if 0..<latentRows ~= row, 0..<latentColumns ~= column {
                        overlaps.append(
                            Overlap(
                                window: cell,
                                windowOffset: offset,
                                token: row / side * gridColumns + column / side,
                                tokenOffset: (row % side * side + column % side) * channels
                            )
                        )
                    }
                    offset += channels
                }
            }
        }
        width = settings.windowWidth
        tokenWidth = settings.tokenWidth
        tokenCells = gridRows * gridColumns
        self.channels = channels
        self.overlaps = overlaps
    }

    /// Windows of a frame.
    var cells: Int { rows * columns }

    /// Fills the windows of whole frames; zeros are beyond a frame.
    ///
    /// - Parameter tokens: `[frames][tokens of a frame][token width]`.
    func read(_ tokens: UnsafePointer<Float>, frames: Int, into windows: Activations) {
        for row in 0..<frames * cells { windows.row(row).update(repeating: 0, count: width) }
        for frame in 0..<frames {
            for overlap in overlaps {
                let source = tokens + (frame * tokenCells + overlap.token) * tokenWidth + overlap.tokenOffset
                let target = windows.row(frame * cells + overlap.window) + overlap.windowOffset
                target.update(from: source, count: channels)
            }
        }
    }

    /// Adds up what the windows of whole frames say of each latent.
    ///
    /// - Parameter tokens: `[frames][tokens of a frame][token width]`.
    func sum(_ windows: Activations, frames: Int, into tokens: UnsafeMutablePointer<Float>) {
        tokens.update(repeating: 0, count: frames * tokenCells * tokenWidth)
        for frame in 0..<frames {
            for overlap in overlaps {
                let target = tokens + (frame * tokenCells + overlap.token) * tokenWidth + overlap.tokenOffset
                let source = windows.row(frame * cells + overlap.window) + overlap.windowOffset
                for channel in 0..<channels { target[channel] += source[channel] }
            }
        }
    }
}

import Soranji

/// Frames in the terminal: two pixels to a character, the upper one as its colour, the lower one behind it.
struct FilmPreview {
    private let terminal: Terminal
    private var drawnRows = 0

    init(terminal: Terminal) { self.terminal = terminal }

    mutating func show(_ frame: FilmFrame) {
        let size = terminal.size
        let rows = Self.rows(frame, columns: size.columns - 1, rows: size.rows - 2)
        let up = drawnRows > 0 ? "\u{1B}[\(drawnRows)A" : ""
        terminal.write(up + rows.map { "\r" + $0 + "\u{1B}[0m\u{1B}[K\n" }.joined())
        drawnRows = rows.count
    }

    /// The last frame stays.
    mutating func finish() { drawnRows = 0 }

    /// At most so many columns and rows; a frame that is larger is shown with pixels left out.
    static func rows(_ frame: FilmFrame, columns: Int, rows: Int) -> [String] {
        let step = max(
            1,
            max(
                (frame.width + max(1, columns) - 1) / max(1, columns),
                (frame.height + max(2, 2 * rows) - 1) / max(2, 2 * rows)
            )
        )
        func color(_ x: Int, _ y: Int) -> String {
            let index = (min(y, frame.height - 1) * frame.width + x) * 3
            return "\(frame.pixels[index]);\(frame.pixels[index + 1]);\(frame.pixels[index + 2])"
        }
        return stride(from: 0, to: frame.height, by: 2 * step).map { y in
            stride(from: 0, to: frame.width, by: step).map { x in
                "\u{1B}[38;2;\(color(x, y))m\u{1B}[48;2;\(color(x, y + step))m▀"
            }.joined()
        }
    }
}

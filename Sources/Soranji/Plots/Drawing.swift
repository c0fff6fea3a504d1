/// A picture as a list of rectangles, lines and texts, from which a PNG and an SVG file are made alike.
///
/// Units are pixels; y grows downwards.
struct Drawing {
    enum Anchor: String {
        case start, middle, end
    }

    enum Shape {
        case rectangle(x: Int, y: Int, width: Int, height: Int, Color)
        /// Through the middles of all points, as thick as a square pen of `width` pixels.
        case line([Point], width: Int, Color)
        /// `y` is the top of the letters; `size` is a multiple of the pixel font's.
        case text(String, x: Int, y: Int, size: Int, Anchor)
        /// Text that reads upwards; `y` is its middle.
        case upwardText(String, x: Int, y: Int, size: Int)
    }

    struct Point: Equatable {
        var x: Int
        var y: Int
    }

    var width: Int
    var height: Int
    private(set) var shapes: [Shape] = []

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    mutating func rectangle(x: Int, y: Int, width: Int, height: Int, _ color: Color) {
        shapes.append(.rectangle(x: x, y: y, width: width, height: height, color))
    }

    mutating func line(_ points: [Point], width: Int, _ color: Color) {
        shapes.append(.line(points, width: width, color))
    }

    mutating func text(_ text: String, x: Int, y: Int, size: Int = 1, _ anchor: Anchor = .start) {
        shapes.append(.text(text, x: x, y: y, size: size, anchor))
    }

    mutating func upwardText(_ text: String, x: Int, y: Int, size: Int = 1) {
        shapes.append(.upwardText(text, x: x, y: y, size: size))
    }

    /// Pixels that a text takes.
    static func width(of text: String, size: Int = 1) -> Int { text.count * PixelFont.advance * size }
}

// MARK: PNG

extension Drawing {
    func png() -> [UInt8] {
        var raster = Raster(width: width, height: height, background: .white)
        for shape in shapes {
            switch shape {
            case .rectangle(let x, let y, let width, let height, let color):
                raster.fill(x: x, y: y, width: width, height: height, color)
            case .line(let points, let width, let color):
                for (begin, end) in zip(points, points.dropFirst()) {
                    Self.eachPoint(from: begin, to: end) { point in
                        raster.fill(
                            x: point.x - width / 2,
                            y: point.y - width / 2,
                            width: width,
                            height: width,
                            color
                        )
                    }
                }
            case .text(let text, let x, let y, let size, let anchor):
                let width = Self.width(of: text, size: size)
                let left = anchor == .start ? x : anchor == .middle ? x - width / 2 : x - width
                Self.eachPixel(of: text, size: size) { across, down in
                    raster.fill(x: left + across, y: y + down, width: size, height: size, .ink)
                }
            case .upwardText(let text, let x, let y, let size):
                let bottom = y + Self.width(of: text, size: size) / 2
                Self.eachPixel(of: text, size: size) { across, down in
                    raster.fill(x: x + down, y: bottom - across - size, width: size, height: size, .ink)
                }
            }
        }
        return raster.png()
    }

    /// The pixels between two points, both included: one in every column or row, whichever are more.
    static func eachPoint(from begin: Point, to end: Point, _ body: (Point) -> Void) {
        let (across, down) = (end.x - begin.x, end.y - begin.y)
        let steps = max(abs(across), abs(down), 1)
        for step in 0...steps {
            let share = Double(step) / Double(steps)
            body(
                Point(
                    x: begin.x + Int((Double(across) * share).rounded()),
                    y: begin.y + Int((Double(down) * share).rounded())
                )
            )
        }
    }

    private static func eachPixel(of text: String, size: Int, _ body: (Int, Int) -> Void) {
        for (index, letter) in text.enumerated() {
            for row in 0..<PixelFont.height {
                for column in 0..<PixelFont.width where PixelFont.covers(letter, x: column, y: row) {
                    body((index * PixelFont.advance + column) * size, row * size)
                }
            }
        }
    }
}

// MARK: SVG

extension Drawing {
    func svg() -> String {
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" "
                + "viewBox=\"0 0 \(width) \(height)\" shape-rendering=\"crispEdges\">",
            "<rect width=\"\(width)\" height=\"\(height)\" fill=\"\(Color.white.hexadecimal)\"/>",
            "<g font-family=\"ui-monospace, Menlo, Consolas, monospace\" fill=\"\(Color.ink.hexadecimal)\">",
        ]
        for shape in shapes {
            switch shape {
            case .rectangle(let x, let y, let width, let height, let color):
                lines.append(
                    "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\" "
                        + "fill=\"\(color.hexadecimal)\"/>"
                )
            case .line(let points, let width, let color):
                let places = points.map { "\($0.x),\($0.y)" }.joined(separator: " ")
                lines.append(
                    "<polyline points=\"\(places)\" fill=\"none\" stroke=\"\(color.hexadecimal)\" "
                        + "stroke-width=\"\(width)\" shape-rendering=\"auto\"/>"
                )
            case .text(let text, let x, let y, let size, let anchor):
                lines.append(
                    "<text x=\"\(x)\" y=\"\(y + 7 * size)\" font-size=\"\(10 * size)\" "
                        + "text-anchor=\"\(anchor.rawValue)\">\(Self.escaped(text))</text>"
                )
            case .upwardText(let text, let x, let y, let size):
                lines.append(
                    "<text transform=\"translate(\(x + 7 * size) \(y)) rotate(-90)\" font-size=\"\(10 * size)\" "
                        + "text-anchor=\"middle\">\(Self.escaped(text))</text>"
                )
            }
        }
        lines += ["</g>", "</svg>", ""]
        return lines.joined(separator: "\n")
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            // XML 1.0 knows no other control characters than these.
            case "\u{0}"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

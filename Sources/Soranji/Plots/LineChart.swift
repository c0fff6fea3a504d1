/// Values over a running number, as lines with a marker at each value.
///
/// Lines that lie on each other stay visible: earlier ones are drawn first and thicker.
public struct LineChart: Sendable {
    public struct Series: Sendable, Equatable {
        public var name: String
        /// By number from 0 on; where one is missing the line is broken.
        public var values: [Double?]

        public init(name: String, values: [Double?]) {
            self.name = name
            self.values = values
        }
    }

    public var title: String
    /// A second line.
    public var subtitle: String
    public var columnName: String
    public var valueName: String
    /// The upper end of the scale, which begins at 0; values outside are drawn at its ends.
    public var maximum: Double
    public var series: [Series]

    public init(
        title: String,
        subtitle: String = "",
        columnName: String,
        valueName: String,
        maximum: Double,
        series: [Series]
    ) {
        self.title = title
        self.subtitle = subtitle
        self.columnName = columnName
        self.valueName = valueName
        self.maximum = maximum
        self.series = series
    }

    /// The picture as the bytes of a file.
    public func encoded(as format: PlotFormat) -> [UInt8] {
        let drawing = drawing()
        switch format {
        case .png: return drawing.png()
        case .svg: return Array(drawing.svg().utf8)
        }
    }

    /// Writes the picture; the file appears complete or not at all.
    public func write(to path: String, as format: PlotFormat) throws(SystemError) {
        try AtomicFile.write(encoded(as: format), to: path)
    }
}

// MARK: Drawing

extension LineChart {
    /// Told apart also by people who do not tell red from green, and by their lightness (Okabe and Ito, 2008).
    private static let colors = [
        Color(0, 114, 178), Color(230, 159, 0), Color(0, 158, 115), Color(204, 121, 167), Color(86, 180, 233),
    ]
    private static let grid = Color(226, 226, 230)
    private static let axis = Color(160, 160, 168)
    private static let plotHeight = 240
    private static let ticks = 4
    /// Most numbers that get a column of their own; more are put together into one column as a mean.
    private static let mostColumns = 400

    private var columnCount: Int { min(series.map(\.values.count).max() ?? 0, Self.mostColumns) }

    func drawing() -> Drawing {
        let step = min(80, max(3, 640 / max(1, columnCount - 1)))
        let labels = (0...Self.ticks).map { label(maximum * Double($0) / Double(Self.ticks)) }
        let left = 34 + (labels.map { Drawing.width(of: $0) }.max() ?? 0)
        let top = subtitle.isEmpty ? 56 : 72
        let plotWidth = max(step * max(0, columnCount - 1), 120)
        let legendWidth = 40 + (series.map { Drawing.width(of: $0.name) }.max() ?? 0)
        let wanted = [
            left + plotWidth + 24 + legendWidth, left + Drawing.width(of: title, size: 2) + 16,
            left + Drawing.width(of: subtitle) + 16,
        ]
        var drawing = Drawing(width: min(wanted.max() ?? 0, 4000), height: top + Self.plotHeight + 62)
        drawing.text(title, x: left, y: 14, size: 2)
        drawing.text(subtitle, x: left, y: 38)
        drawScale(&drawing, labels, left: left, top: top, width: plotWidth)
        drawColumns(&drawing, left: left, top: top, step: step, width: plotWidth)
        for index in series.indices {
            drawLine(&drawing, index, left: left, top: top, step: step)
            drawLegend(&drawing, index, left: left + plotWidth + 24, top: top + 16 * index)
        }
        return drawing
    }

    private func drawScale(_ drawing: inout Drawing, _ labels: [String], left: Int, top: Int, width: Int) {
        for (tick, label) in labels.enumerated() {
            let y = top + Self.plotHeight - Self.plotHeight * tick / Self.ticks
            drawing.rectangle(x: left, y: y, width: width, height: 1, tick == 0 ? Self.axis : Self.grid)
            drawing.text(label, x: left - 9, y: y - 3, .end)
        }
        drawing.upwardText(valueName, x: 10, y: top + Self.plotHeight / 2)
    }

    private func drawColumns(_ drawing: inout Drawing, left: Int, top: Int, step: Int, width: Int) {
        let bottom = top + Self.plotHeight
        let room = Drawing.width(of: String(columnCount)) + 8
        let every = max(1, (room + step - 1) / step)
        for column in stride(from: 0, to: columnCount, by: every) {
            let x = left + column * step
            drawing.rectangle(x: x, y: bottom + 1, width: 1, height: 4, Self.axis)
            drawing.text(String(firstNumber(column)), x: x + 1, y: bottom + 8, .middle)
        }
        drawing.text(columnName, x: left + width / 2, y: bottom + 24, .middle)
    }

    private func drawLine(_ drawing: inout Drawing, _ index: Int, left: Int, top: Int, step: Int) {
        let color = Self.color(index)
        let pen = pen(index)
        var run: [Drawing.Point] = []
        for column in 0..<columnCount {
            guard let value = value(series[index], column) else {
                drawing.line(run, width: pen, color)
                run = []
                continue
            }
            let share = maximum > 0 ? min(max(value / maximum, 0), 1) : 0
            let y = top + Self.plotHeight - Int((share * Double(Self.plotHeight)).rounded())
            let point = Drawing.Point(x: left + column * step, y: y)
            run.append(point)
            let side = pen + 4
            drawing.rectangle(x: point.x - side / 2, y: point.y - side / 2, width: side, height: side, color)
        }
        drawing.line(run, width: pen, color)
    }

    private func drawLegend(_ drawing: inout Drawing, _ index: Int, left: Int, top: Int) {
        let pen = pen(index)
        let begin = Drawing.Point(x: left, y: top + 3)
        drawing.line([begin, Drawing.Point(x: left + 18, y: top + 3)], width: pen, Self.color(index))
        drawing.text(series[index].name, x: left + 28, y: top)
    }

    private static func color(_ index: Int) -> Color { colors[index % colors.count] }

    /// The last line is the thinnest.
    private func pen(_ index: Int) -> Int { min(2 * (series.count - 1 - index) + 2, 12) }

    /// The first number that a column stands for.
    private func firstNumber(_ column: Int) -> Int {
        let count = series.map(\.values.count).max() ?? 0
        return columnCount > 0 ? column * count / columnCount : 0
    }

    /// The mean of what a column stands for.
    private func value(_ series: Series, _ column: Int) -> Double? {
        let values = series.values
        let range = (firstNumber(column)..<max(firstNumber(column) + 1, firstNumber(column + 1)))
            .clamped(to: 0..<values.count)
        let found = values[range].compactMap { $0 }.filter(\.isFinite)
        return found.isEmpty ? nil : found.reduce(0, +) / Double(found.count)
    }

    private func label(_ value: Double) -> String {
        value == value.rounded() && value.magnitude < 1e15
            ? FixedPoint.grouped(Int(value)) : FixedPoint.text(value, places: 2)
    }
}

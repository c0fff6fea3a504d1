import Glibc

/// A matrix of counts as a picture: how often each expert (column) of each layer (row) was chosen.
public struct Heatmap: Sendable {
    public enum Scale: Sendable {
        case linear
        /// For counts that span several powers of ten.
        case logarithmic
    }

    public var title: String
    /// A second line, such as the model and the number of tokens.
    public var subtitle: String
    public var rowName: String
    public var columnName: String
    public var valueName: String
    public var scale: Scale
    /// The label of each row: layers without experts are left out of the matrix, so labels may skip numbers.
    public let rowLabels: [String]
    /// What stands under each column; nil for its number.
    public let columnLabels: [String]?
    /// The counts, row by row; shorter rows have no cells at their end, and not-a-number leaves a cell out.
    public let rows: [[Double]]
    private let columnCount: Int
    private let maximum: Double
    /// The smallest count that is no zero: where a logarithmic scale begins.
    private let minimum: Double

    /// - Parameter top: the number at the upper end of the colours; nil for the largest that there is.
    public init(
        title: String,
        subtitle: String = "",
        rows: [[Double]],
        rowLabels: [String]? = nil,
        rowName: String = "layer",
        columnName: String = "expert",
        valueName: String = "tokens",
        scale: Scale = .linear,
        columnLabels: [String]? = nil,
        top: Double? = nil
    ) {
        self.title = title
        self.subtitle = subtitle
        self.rows = rows
        self.rowLabels = rowLabels ?? rows.indices.map(String.init)
        self.rowName = rowName
        self.columnName = columnName
        self.valueName = valueName
        self.scale = scale
        let counts = rows.joined().filter { $0.isFinite && $0 > 0 }
        columnCount = rows.map(\.count).max() ?? 0
        self.columnLabels = columnLabels
        maximum = top ?? counts.max() ?? 0
        minimum = counts.min() ?? 0
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

extension Heatmap {
    /// Cells that were never chosen are this grey, not the scale's darkest colour: zero is a finding of its own.
    private static let zero = Color(226, 226, 230)
    private static let line = Color(160, 160, 168)
    /// Pixels that the legend takes at least.
    private static let leastPlotHeight = 120

    func drawing() -> Drawing {
        // Large matrices get small cells, small ones large cells, so that every picture fits a screen.
        let labelled = (columnLabels ?? []).map { Drawing.width(of: $0) + 8 }.max() ?? 0
        let cellWidth = max(min(max(1200 / max(columnCount, 1), 3), 28), min(labelled, 80))
        // Few rows get tall ones: the legend beside them needs its room, and what is left of it would stay empty.
        let cellHeight = max(min(max(900 / max(rows.count, 1), 6), 28), Self.leastPlotHeight / max(rows.count, 1))
        let labelWidth = rowLabels.map { Drawing.width(of: $0) }.max() ?? 0
        let left = 34 + labelWidth
        let top = subtitle.isEmpty ? 56 : 72
        let plotWidth = max(columnCount * cellWidth, 60)
        let plotHeight = max(rows.count * cellHeight, rows.isEmpty ? Self.leastPlotHeight : 0)
        let legendWidth = 34 + Drawing.width(of: label(maximum))
        let wanted = [
            left + plotWidth + 30 + legendWidth + 16, left + Drawing.width(of: title, size: 2) + 16,
            left + Drawing.width(of: subtitle) + 16, left + plotWidth + 30 + Drawing.width(of: valueName) + 16,
        ]
        var drawing = Drawing(width: min(wanted.max() ?? 0, 4000), height: top + plotHeight + 62)
        drawing.text(title, x: left, y: 14, size: 2)
        drawing.text(subtitle, x: left, y: 38)
        drawCells(&drawing, left: left, top: top, width: cellWidth, height: cellHeight)
        drawRowAxis(&drawing, left: left, top: top, cellHeight: cellHeight)
        drawColumnAxis(&drawing, left: left, bottom: top + rows.count * cellHeight, cellWidth: cellWidth)
        drawLegend(&drawing, left: left + columnCount * cellWidth + 30, top: top, height: plotHeight)
        return drawing
    }

    private func drawCells(_ drawing: inout Drawing, left: Int, top: Int, width: Int, height: Int) {
        // A gap between cells while they are large enough to lose a pixel.
        let gap = min(width, height) >= 6 ? 1 : 0
        for (row, values) in rows.enumerated() {
            for (column, value) in values.enumerated() where !value.isNaN {
                drawing.rectangle(
                    x: left + column * width,
                    y: top + row * height,
                    width: width - gap,
                    height: height - gap,
                    color(value)
                )
            }
        }
    }

    private func color(_ value: Double) -> Color {
        value > 0 ? ColorScale.color(fraction(value)) : Self.zero
    }

    /// Where a count lies between the ends of the colour scale.
    private func fraction(_ value: Double) -> Double {
        guard maximum > 0 else { return 0 }
        switch scale {
        case .linear: return value / maximum
        case .logarithmic:
            return maximum > minimum ? Self.logarithm(value / minimum) / Self.logarithm(maximum / minimum) : 1
        }
    }

    private func drawRowAxis(_ drawing: inout Drawing, left: Int, top: Int, cellHeight: Int) {
        let step = Self.labelStep(count: rows.count, cell: cellHeight, label: PixelFont.height + 4)
        for row in stride(from: 0, to: rows.count, by: step) {
            let middle = top + row * cellHeight + cellHeight / 2
            drawing.rectangle(x: left - 5, y: middle, width: 4, height: 1, Self.line)
            drawing.text(row < rowLabels.count ? rowLabels[row] : "", x: left - 7, y: middle - 3, .end)
        }
        drawing.upwardText(rowName, x: 10, y: top + rows.count * cellHeight / 2)
    }

    private func drawColumnAxis(_ drawing: inout Drawing, left: Int, bottom: Int, cellWidth: Int) {
        let labels = columnLabels ?? (0..<columnCount).map(String.init)
        let widest = labels.map { Drawing.width(of: $0) }.max() ?? 0
        let step = Self.labelStep(count: columnCount, cell: cellWidth, label: widest + 4)
        for column in stride(from: 0, to: columnCount, by: step) {
            let middle = left + column * cellWidth + cellWidth / 2
            drawing.rectangle(x: middle, y: bottom + 1, width: 1, height: 4, Self.line)
            drawing.text(column < labels.count ? labels[column] : "", x: middle + 1, y: bottom + 8, .middle)
        }
        drawing.text(columnName, x: left + columnCount * cellWidth / 2, y: bottom + 24, .middle)
    }

    private func drawLegend(_ drawing: inout Drawing, left: Int, top: Int, height: Int) {
        let barHeight = min(height - 24, 240)
        drawing.text(valueName, x: left, y: top - 12)
        for y in 0..<barHeight {
            let fraction = 1 - Double(y) / Double(max(barHeight - 1, 1))
            drawing.rectangle(x: left, y: top + y, width: 14, height: 1, ColorScale.color(fraction))
        }
        for tick in legendTicks() {
            let y = top + Int(((1 - fraction(tick)) * Double(barHeight - 1)).rounded())
            drawing.rectangle(x: left + 14, y: y, width: 4, height: 1, Self.line)
            drawing.text(label(tick), x: left + 21, y: y - 3)
        }
        drawing.rectangle(x: left, y: top + barHeight + 10, width: 14, height: 10, Self.zero)
        drawing.text("0", x: left + 21, y: top + barHeight + 11)
    }

    /// Round numbers on the scale, its maximum among them.
    private func legendTicks() -> [Double] {
        guard maximum > 0 else { return [] }
        var ticks: [Double] = []
        switch scale {
        case .linear:
            let step = Self.roundStep(maximum / 4)
            var tick = step
            // Not so near to the maximum that the two labels touch.
            while tick < maximum - step * 0.4 {
                ticks.append(tick)
                tick += step
            }
        case .logarithmic:
            // A power of ten of its own for each decade, if that leaves room between the labels.
            var tick = 1.0
            while tick <= minimum * 2 { tick *= 10 }
            while tick < maximum / 2 {
                ticks.append(tick)
                tick *= 10
            }
            if minimum < maximum { ticks.insert(minimum, at: 0) }
        }
        return ticks + [maximum]
    }

    private func label(_ value: Double) -> String {
        if value == value.rounded(), value.magnitude < 1e15 { return FixedPoint.grouped(Int(value)) }
        return FixedPoint.text(value, places: value.magnitude < 10 ? 2 : 1)
    }

    /// The smallest of 1, 2, 5, 10, 20, ... at which labels do not touch.
    private static func labelStep(count: Int, cell: Int, label: Int) -> Int {
        var step = 1
        while step < max(count, 1) {
            for multiple in [1, 2, 5] where multiple * step * cell >= label { return multiple * step }
            step *= 10
        }
        return step
    }

    /// The round number (1, 2 or 5 times a power of ten) at or above `value`.
    private static func roundStep(_ value: Double) -> Double {
        var power = 1.0
        while power * 10 <= value { power *= 10 }
        while power > value { power /= 10 }
        return [1, 2, 5, 10].map { $0 * power }.first { $0 >= value } ?? 10 * power
    }

    private static func logarithm(_ value: Double) -> Double { value > 0 ? log2(value) : 0 }
}

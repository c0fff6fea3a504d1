import Testing

@testable import Soranji

struct LineChartTests {
    private func chart(_ values: [[Double?]]) -> LineChart {
        LineChart(
            title: "Left <over>",
            columnName: "round",
            valueName: "percent",
            maximum: 100,
            series: values.enumerated().map { LineChart.Series(name: "line \($0.offset)", values: $0.element) }
        )
    }

    private func lines(_ chart: LineChart) -> [[Drawing.Point]] {
        chart.drawing().shapes.compactMap { shape in
            // The legend's lines are short and level.
            guard case .line(let points, _, _) = shape, points.count != 2 || points[0].y != points[1].y else {
                return nil
            }
            return points
        }
    }

    @Test func valuesLieOnTheScale() throws {
        let points = try #require(lines(chart([[100, 50, 0, 200, -5]])).first)
        #expect(points.map { $0.y - points[0].y } == [0, 120, 240, 0, 240])
        #expect(Set(zip(points, points.dropFirst()).map { $1.x - $0.x }).count == 1)
        // Every point has its marker, which the raster shows in the line's colour.
        let drawing = chart([[100, 50, 0]]).drawing()
        let svg = drawing.svg()
        #expect(svg.contains("Left &lt;over&gt;") && svg.contains("<polyline points="))
        #expect(svg.hasSuffix("</svg>\n"))
    }

    @Test func missingValuesBreakALine() {
        #expect(lines(chart([[100, 50, nil, 20, 10, 0]])).map(\.count) == [2, 3])
        #expect(lines(chart([[nil, nil]])).allSatisfy { $0.isEmpty })
    }

    /// Lines on each other differ in thickness, the last one being the thinnest.
    @Test func equalLinesStayVisible() {
        let values: [Double?] = [100, 60, 20]
        let pens = chart([values, values, values]).drawing().shapes.compactMap { shape -> Int? in
            guard case .line(let points, let width, _) = shape, points.count == 3 else { return nil }
            return width
        }
        #expect(pens == pens.sorted(by: >) && Set(pens).count == 3)
    }

    /// Pixels between two points touch each other, whatever the slope.
    @Test func linesAreWhole() {
        for (x, y) in [(0, 0), (5, 0), (0, -7), (9, 4), (-3, 11), (200, -1)] {
            var points: [Drawing.Point] = []
            Drawing.eachPoint(from: .init(x: 10, y: 20), to: .init(x: 10 + x, y: 20 + y)) { points.append($0) }
            #expect(points.first == .init(x: 10, y: 20) && points.last == .init(x: 10 + x, y: 20 + y))
            #expect(zip(points, points.dropFirst()).allSatisfy { abs($0.x - $1.x) <= 1 && abs($0.y - $1.y) <= 1 })
        }
        var drawing = Drawing(width: 40, height: 30)
        drawing.line([.init(x: 5, y: 5)], width: 3, .black)
        drawing.line([], width: 3, .black)
        #expect(drawing.png() == Drawing(width: 40, height: 30).png())
    }

    @Test(arguments: [0, 1, 2, 5, 1001, 5000])
    func anyNumberOfRoundsCanBeDrawn(_ rounds: Int) {
        for value in [0, 33.3, 1e300, .nan, .infinity, -1] {
            for series in [0, 1, 3, 9] {
                let drawing = chart(Array(repeating: Array(repeating: value, count: rounds), count: series)).drawing()
                #expect(drawing.width > 0 && drawing.width <= 4000 && drawing.height > 0 && drawing.height <= 1000)
                #expect(drawing.svg().utf8.count > 100)
            }
        }
        var flat = chart([Array(repeating: 1, count: rounds)])
        flat.maximum = 0
        #expect(flat.encoded(as: .png).count > 60)
    }
}

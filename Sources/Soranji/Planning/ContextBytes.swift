/// How many bytes a context takes: the one place that knows how keys, values and what ranks them are laid out.
///
/// All arithmetic stops at `Int.max` instead of overflowing, so that any number of tokens can be asked about.
package struct ContextBytes: Sendable, Equatable {
    /// How keys and values are kept.
    package enum Element: String, Sendable, CaseIterable {
        case f32, f16
        /// 8 bits each, with scales: keys by channel, values by position.
        case q8
        /// Keys of 8 bits, values of 4.
        case q8v4

        /// Whether full pages carry a record for ranking.
        var hasIndex: Bool { self == .q8 || self == .q8v4 }
    }

    package static let pagePositions = 128
    /// Values of a position that share a scale.
    private static let valueRun = 32

    package var layerCount: Int
    package var kvHeadCount: Int
    package var keyWidth: Int
    package var valueWidth: Int
    package var element: Element

    package init(layerCount: Int, kvHeadCount: Int, keyWidth: Int, valueWidth: Int, element: Element) {
        self.layerCount = layerCount
        self.kvHeadCount = kvHeadCount
        self.keyWidth = keyWidth
        self.valueWidth = valueWidth
        self.element = element
    }

    private var valueStride: Int { Self.roundUp(valueWidth, 16) }

    /// Keys and values of one KV head in one page of one layer.
    package var headBytes: Int {
        let keys = Capped(Self.pagePositions) * Capped(keyWidth)
        let values = Capped(Self.pagePositions) * Capped(valueStride)
        let runs = Capped(Self.roundUp(valueStride, Self.valueRun) / Self.valueRun)
        // A scale and a minimum: of four bytes for each channel of the keys, of two for each run of a position's values.
        let keyScales = Capped(8) * Capped(keyWidth)
        let valueScales = Capped(4 * Self.pagePositions) * runs
        switch element {
        case .f32: return ((keys + values) * Capped(4)).value
        case .f16: return ((keys + values) * Capped(2)).value
        case .q8: return (Capped(Self.roundUp((keys + keyScales).value, 64)) + values + valueScales).value
        case .q8v4:
            let halves = Capped(Self.pagePositions * Self.valueRun / 2) * runs
            return (Capped(Self.roundUp((keys + keyScales).value, 64)) + halves + valueScales).value
        }
    }

    /// What ranks one KV head's page: bounds of each channel and a representative key, 8 bits each, with their scales.
    package var indexRecordBytes: Int {
        element.hasIndex ? Self.roundUp((Capped(3) * Capped(keyWidth) + Capped(12)).value, 4) : 0
    }

    private func pages(_ tokens: Int) -> Capped {
        let tokens = max(0, tokens)
        return Capped(tokens / Self.pagePositions + (tokens % Self.pagePositions == 0 ? 0 : 1))
    }

    private var heads: Capped { Capped(layerCount) * Capped(kvHeadCount) }

    /// Keys and values of all layers, in whole pages.
    package func pageBytes(tokens: Int) -> Int { (pages(tokens) * heads * Capped(headBytes)).value }

    package func indexBytes(tokens: Int) -> Int { (pages(tokens) * heads * Capped(indexRecordBytes)).value }

    /// Keys and values of a token, pages' scales shared out among their positions.
    package var bytesPerToken: Double {
        Double((heads * Capped(headBytes)).value) / Double(Self.pagePositions)
    }

    private static func roundUp(_ value: Int, _ step: Int) -> Int {
        value > Int.max - step ? Int.max / step * step : (value + step - 1) / step * step
    }
}

/// A number that is not negative and stays at `Int.max` where it would overflow.
struct Capped: Sendable, Equatable, Comparable {
    let value: Int

    init(_ value: Int) { self.value = max(0, value) }

    static func + (left: Capped, right: Capped) -> Capped {
        let (sum, overflow) = left.value.addingReportingOverflow(right.value)
        return Capped(overflow ? .max : sum)
    }

    static func * (left: Capped, right: Capped) -> Capped {
        let (product, overflow) = left.value.multipliedReportingOverflow(by: right.value)
        return Capped(overflow ? .max : product)
    }

    static func < (left: Capped, right: Capped) -> Bool { left.value < right.value }
}

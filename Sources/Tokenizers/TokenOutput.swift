/// Tokens on their way out, with the bytes of the source that each covers when somebody asks.
struct TokenOutput {
    var ids: [Int32] = []
    private(set) var ranges: [Range<Int>] = []
    let isTracking: Bool

    init(tracking: Bool) { isTracking = tracking }

    mutating func append(_ id: Int32, _ range: @autoclosure () -> Range<Int>) {
        ids.append(id)
        if isTracking { ranges.append(range()) }
    }
}

/// Tokens of a text with the bytes that they cover.
package struct TokenizedText: Sendable, Equatable {
    package var tokens: [Int32]
    /// For each token the bytes of the text's UTF-8 form that it covers; empty for tokens that stand for nothing in the
    /// text, such as an added beginning. Tokens that share a character (byte tokens) may share its range.
    package var ranges: [Range<Int>]
}

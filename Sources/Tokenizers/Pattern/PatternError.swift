/// Why a regular expression of a tokenizer cannot be used.
package struct PatternError: Error, Equatable, CustomStringConvertible {
    /// The whole expression.
    package var pattern: String
    /// Offset in scalars where the trouble begins.
    package var offset: Int
    package var reason: String

    package var description: String {
        let shown = pattern.unicodeScalars.count > 200 ? String(pattern.prefix(200)) + "…" : pattern
        return "regular expression '\(shown)': \(reason) at character \(offset)"
    }
}

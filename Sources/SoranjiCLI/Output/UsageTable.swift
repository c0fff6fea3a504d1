import Soranji

/// How evenly the experts of each layer are used, as a table.
struct UsageTable {
    var usage: ExpertUsage
    /// "text", "audio" or "video"; nil for all together.
    var modality: String?

    /// A heading and one line per layer that has experts.
    func lines() -> [String] {
        var rows = [["layer", "evenness", "never used", "most used"]]
        for layer in 0..<usage.layerCount {
            let counts = (0..<usage.expertCount).map { usage.count(layer: layer, expert: $0, modality: modality) }
            let sum = counts.reduce(0, &+)
            guard sum > 0 else { continue }
            let most = counts.indices.sorted { (counts[$0], $1) > (counts[$1], $0) }.prefix(4)
            let shares = most.filter { counts[$0] > 0 }.map { expert in
                "\(expert) (\(FixedPoint.text(100 * Double(counts[expert]) / Double(sum), places: 1))%)"
            }
            rows.append([
                "\(layer)", FixedPoint.text(usage.evenness(layer: layer, modality: modality), places: 3),
                "\(counts.count { $0 == 0 }) of \(counts.count)", shares.joined(separator: ", "),
            ])
        }
        return TextTable.lines(rows, rightAligned: [0, 1, 2])
    }
}

/// Columns of text, as wide as they need to be.
enum TextTable {
    static func lines(_ rows: [[String]], rightAligned: Set<Int> = []) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count ? CharacterWidth.columns($0[column]) : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - CharacterWidth.columns(cell))
                return rightAligned.contains(column) ? padding + cell : cell + padding
            }.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

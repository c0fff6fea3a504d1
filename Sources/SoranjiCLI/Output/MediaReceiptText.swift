import Soranji

/// A media receipt for people.
struct MediaReceiptText {
    var receipt: MediaReceipt
    var style: Style
    private static let shownTimes = 8

    init(_ receipt: MediaReceipt, style: Style) {
        self.receipt = receipt
        self.style = style
    }

    var lines: [String] {
        guard !receipt.entries.isEmpty else { return [] }
        var lines = ["", style.bold("Media:")]
        for entry in receipt.entries { lines += self.lines(entry) }
        if receipt.entries.count > 1 {
            lines.append("  together  \(FixedPoint.count(receipt.tokens, "token"))")
        }
        return lines
    }

    private func lines(_ entry: MediaReceipt.Entry) -> [String] {
        let length = entry.seconds.map { ", \(FixedPoint.duration($0))" } ?? ""
        var lines = ["  \(style.cyan(entry.source))  \(entry.kind.rawValue)\(length)"]
        if !entry.frameTimes.isEmpty {
            let total = entry.totalFrames.map { " of \(FixedPoint.grouped($0))" } ?? ""
            lines.append(
                "    frames  \(FixedPoint.grouped(entry.frameTimes.count))\(total), at \(times(entry.frameTimes)) s"
            )
        }
        if let before = entry.originalSize, let after = entry.usedSize {
            let isSame = before == after
            lines.append(
                "    size    \(before.width)x\(before.height)"
                    + (isSame ? "" : ", resized to \(after.width)x\(after.height)")
            )
        }
        let tokens = [("image", entry.imageTokens), ("video", entry.videoTokens), ("audio", entry.audioTokens)]
            .filter { $0.1 > 0 }.map { "\(FixedPoint.grouped($0.1)) \($0.0)" }
        lines.append("    tokens  \(tokens.isEmpty ? "none" : tokens.joined(separator: ", "))")
        for note in entry.notes { lines.append("    \(style.yellow(note))") }
        return lines
    }

    private func times(_ times: [Double]) -> String {
        let texts = times.map { FixedPoint.text($0, places: 2) }
        guard texts.count > Self.shownTimes else { return texts.joined(separator: ", ") }
        return texts.prefix(Self.shownTimes - 2).joined(separator: ", ") + " … " + texts.suffix(1).joined()
    }
}

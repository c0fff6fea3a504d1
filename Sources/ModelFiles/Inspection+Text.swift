/// The inspection as tables for a terminal.
extension Inspection {
    /// - Parameter listsTensors: also one line for each tensor.
    package func text(listsTensors: Bool = false) -> String {
        var lines = [
            "\(Paths.name(path)): \(architecture ?? "unknown architecture"), "
                + "\(Self.count(total.weights)) weights in \(Self.size(total.bytes)) (\(Self.kindNames[kind] ?? kind))",
            "",
        ]
        var facts: [[String]] = []
        if let layerCount {
            var text = "\(layerCount)"
            if let hiddenSize { text += ", \(hiddenSize) wide" }
            facts.append(["layers", text])
        }
        if let contextLength { facts.append(["context", "\(contextLength) tokens"]) }
        facts.append(["routers", routerText])
        facts.append(["tokenizer", tokenizerText])
        facts.append(["licence", licence ?? "not stated"])
        if let provenance { facts.append(["made from", "\(provenance.source), by \(provenance.importer)"]) }
        lines += Self.table(facts)
        lines += doubts.map { "note: \($0); the file is damaged, or not made in good faith" }
        lines += [""] + Self.table(Self.rows(parts + [total], "part"), rightAligned: [1, 2, 3])
        lines += [""] + Self.table(Self.rows(types, "type"), rightAligned: [1, 2, 3])
        if listsTensors {
            let rows = tensors.map { tensor in
                [
                    tensor.name + (tensor.copies > 1 ? " (one of \(tensor.copies))" : ""), tensor.type,
                    tensor.shape.map(String.init).joined(separator: " x "), Self.size(tensor.bytes),
                ]
            }
            lines += [""] + Self.table([["tensor", "type", "shape", "size"]] + rows, rightAligned: [3])
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let kindNames = ["gguf": "GGUF"]

    private var routerText: String {
        guard let router else { return "none: a dense model" }
        var text =
            "\(router.expertsPerToken.map(String.init) ?? "?") of \(router.expertCount) experts in "
            + "\(router.layerCount) layers"
        if let scoring = router.scoring { text += ", \(scoring)" }
        if router.sharedLayerCount > 0 { text += ", shared experts in \(router.sharedLayerCount)" }
        return text
    }

    private var tokenizerText: String {
        guard let tokenizer else { return "none: for token numbers only" }
        var text = tokenizer.model
        if let name = tokenizer.preTokenizer { text += " (\(name))" }
        if let size = tokenizer.vocabularySize { text += ", \(size) tokens" }
        return text + (tokenizer.hasChatTemplate ? ", with a chat template" : ", no chat template")
    }

    private static func rows(_ sums: [Sum], _ title: String) -> [[String]] {
        [[title, "tensors", "weights", "size"]]
            + sums.map { [$0.name, String($0.tensors), count($0.weights), size($0.bytes)] }
    }

    /// Columns padded to their widest cell, two spaces between them.
    static func table(_ rows: [[String]], rightAligned: Set<Int> = []) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return rightAligned.contains(column) ? padding + cell : cell + padding
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// "134.5 M", "6.92 B", "576".
    static func count(_ value: Int) -> String {
        scaled(value, [(1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")], "")
    }

    /// "98.4 MB", decimal as disks are sold.
    static func size(_ bytes: Int) -> String {
        scaled(bytes, [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")], " B")
    }

    /// Three significant digits at least, in the largest unit that fits.
    private static func scaled(_ value: Int, _ units: [(size: Int, name: String)], _ none: String) -> String {
        guard let unit = units.first(where: { value >= $0.size }) else { return "\(value)\(none)" }
        let decimals = value >= unit.size * 10 ? 1 : 2
        let factor = decimals == 1 ? 10 : 100
        // Rounded half up in integers; the last part cannot overflow, being below one unit.
        var whole = value / unit.size
        var part = (value % unit.size * factor + unit.size / 2) / unit.size
        if part == factor {
            whole += 1
            part = 0
        }
        return "\(whole).\(ImportPlan.padded(part, decimals)) \(unit.name)"
    }
}

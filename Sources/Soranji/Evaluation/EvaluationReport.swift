import JSONText

/// Results put together: means by task, setting, depth and length, for tables, JSON and pictures.
package struct EvaluationReport {
    package let records: [EvaluationRecord]
    package let omissions: [Evaluation.Omission]
    package let lengths: [Int]

    /// Rows of a table: what is the same but for the length.
    package struct Row: Hashable {
        package var task: EvaluationTask
        package var setting: String?
        package var kind: String?
        /// Nil for the mean over all depths.
        package var depth: Double?

        /// "needle 25%", "language full, to English".
        package var label: String {
            let details = [setting, kind, depth.map { "\(FixedPoint.text($0 * 100, places: 0))%" }].compactMap { $0 }
            return task.rawValue + (details.isEmpty ? "" : " " + details.joined(separator: ", "))
        }
    }

    /// - Parameter records: of one evaluation; where a question comes twice the later answer counts.
    package init(records: [EvaluationRecord], omissions: [Evaluation.Omission], lengths: [Int]) {
        var latest: [String: Int] = [:]
        for (index, record) in records.enumerated() { latest[record.key] = index }
        self.records = latest.values.sorted().map { records[$0] }
        self.omissions = omissions
        self.lengths = lengths
    }

    private var tasks: [EvaluationTask] {
        EvaluationTask.allCases.filter { task in
            records.contains { $0.task == task } || omissions.contains { $0.task == task }
        }
    }

    /// Rows in the order in which they are shown.
    ///
    /// - Parameter byDepth: a row for each depth instead of their mean.
    package func rows(byDepth: Bool) -> [Row] {
        tasks.flatMap { task -> [Row] in
            let own = records.filter { $0.task == task }
            var rows: [Row] = []
            for record in own {
                let row = Row(
                    task: task,
                    setting: record.setting,
                    kind: record.kind,
                    depth: byDepth ? record.depth : nil
                )
                if !rows.contains(row) { rows.append(row) }
            }
            if byDepth { rows.sort { ($0.depth ?? 0) < ($1.depth ?? 0) } }
            return rows.isEmpty ? [Row(task: task)] : rows
        }
    }

    private func answers(_ row: Row, length: Int) -> [EvaluationRecord] {
        records.filter {
            $0.task == row.task && $0.setting == row.setting && $0.kind == row.kind && $0.lengthTokens == length
                && (row.depth == nil || $0.depth == row.depth)
        }
    }

    /// The mean score of a row at a length, with the number of answers; nil where there is none.
    package func mean(_ row: Row, length: Int) -> (score: Double, count: Int)? {
        let found = answers(row, length: length)
        guard !found.isEmpty else { return nil }
        if found[0].scoring == EvaluationScoring.chrF.rawValue {
            return (Self.chrF(found) { $0.answer }, found.count)
        }
        return (found.reduce(0) { $0 + $1.score } / Double(found.count), found.count)
    }

    /// The mean shares of attention that was read, where that was measured: of all, and of that to far pages.
    package func attention(_ row: Row, length: Int) -> (read: Double, far: Double?)? {
        let found = answers(row, length: length)
        func mean(_ values: [Double]) -> Double? {
            values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
        }
        guard let read = mean(found.compactMap(\.attentionRead)) else { return nil }
        return (read, mean(found.compactMap(\.farAttentionRead)))
    }

    /// Of a whole set of translations, as sacrebleu counts it.
    private static func chrF(_ records: [EvaluationRecord], _ answer: (EvaluationRecord) -> String) -> Double {
        var corpus = ChrF()
        for record in records { corpus.add(answer(record), record.references.first ?? "") }
        return corpus.score
    }

    /// For translations: what a word-by-word gloss, a solver and an exact comparison give.
    package func bounds(_ row: Row, length: Int) -> (floor: Double, ceiling: Double, exact: Double)? {
        // Bounds are of a length, whatever the depth.
        var row = row
        row.depth = nil
        let found = answers(row, length: length).filter { $0.floor != nil }
        guard !found.isEmpty else { return nil }
        let exact = found.count { $0.answer == $0.references.first }
        return (
            Self.chrF(found) { $0.floor ?? "" }, Self.chrF(found) { $0.ceiling ?? "" },
            100 * Double(exact) / Double(found.count)
        )
    }

    /// For translations: the share of exact answers among those that need a rule.
    package func exactByRule() -> [(rule: String, exact: Int, count: Int)] {
        var counts: [String: (exact: Int, count: Int)] = [:]
        for record in records where record.setting == EvaluationBuilder.BookPart.full.rawValue {
            for rule in record.rules {
                counts[rule, default: (0, 0)].count += 1
                if record.answer == record.references.first { counts[rule, default: (0, 0)].exact += 1 }
            }
        }
        return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value.exact, $0.value.count) }
    }

    package func omission(_ task: EvaluationTask, length: Int) -> Evaluation.Omission? {
        omissions.first { $0.task == task && $0.lengthTokens == length }
    }

    // MARK: Output

    /// 4096 as "4K".
    package static func lengthLabel(_ tokens: Int) -> String {
        if tokens >= 1 << 20, tokens % (1 << 20) == 0 { return "\(tokens >> 20)M" }
        return tokens >= 1024 && tokens % 1024 == 0 ? "\(tokens >> 10)K" : "\(tokens)"
    }

    package var json: JSON {
        var cells: [JSON] = []
        for row in rows(byDepth: true) {
            for length in lengths {
                guard let mean = mean(row, length: length) else { continue }
                var cell = JSON.Object([("task", .string(row.task.rawValue))])
                if let setting = row.setting { cell["setting"] = .string(setting) }
                if let kind = row.kind { cell["kind"] = .string(kind) }
                cell["length"] = .integer(Int64(length))
                if let depth = row.depth { cell["depth"] = .number(depth) }
                cell["score"] = .number(mean.score)
                cell["answers"] = .integer(Int64(mean.count))
                if let attention = attention(row, length: length) {
                    cell["attention_read"] = .number(attention.read)
                    if let far = attention.far { cell["far_attention_read"] = .number(far) }
                }
                if let bounds = bounds(row, length: length) {
                    cell["floor"] = .number(bounds.floor)
                    cell["ceiling"] = .number(bounds.ceiling)
                    cell["exact"] = .number(bounds.exact)
                }
                cells.append(.object(cell))
            }
        }
        var object = JSON.Object([("cells", .array(cells))])
        let rules = exactByRule()
        if !rules.isEmpty {
            object["exact_by_rule"] = .object(
                JSON.Object(
                    rules.map {
                        ($0.rule, ["exact": .integer(Int64($0.exact)), "sentences": .integer(Int64($0.count))])
                    }
                )
            )
        }
        object["left_out"] = .array(
            omissions.map {
                [
                    "task": .string($0.task.rawValue), "length": .integer(Int64($0.lengthTokens)),
                    "reason": .string($0.reason),
                ]
            }
        )
        object["answers"] = .array(records.map(\.json))
        return .object(object)
    }

    /// Depth against length in colours; what was not run stays white.
    package func heatmap(model: String, note: String) -> Heatmap {
        let rows = rows(byDepth: true)
        let shown = tasks.count == 1 ? tasks[0].rawValue : "evaluation"
        return Heatmap(
            title: "\(shown), \(model)",
            subtitle: note,
            rows: rows.map { row in lengths.map { mean(row, length: $0)?.score ?? .nan } },
            rowLabels: rows.map { row in
                tasks.count == 1
                    ? (row.depth.map { "\(FixedPoint.text($0 * 100, places: 0))%" } ?? row.label) : row.label
            },
            rowName: rows.contains { $0.depth != nil } ? "depth" : "",
            columnName: "tokens",
            valueName: "score",
            columnLabels: lengths.map(Self.lengthLabel),
            top: 100
        )
    }
}

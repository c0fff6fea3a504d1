import JSONText

/// One answer with its score: a line of a file of results.
package struct EvaluationRecord: Sendable, Equatable {
    package var task: EvaluationTask
    package var setting: String?
    package var lengthTokens: Int
    package var depth: Double?
    package var sample: Int
    /// Which question of its case.
    package var question: Int
    package var kind: String?
    package var scoring: String
    package var answer: String
    package var references: [String]
    /// From 0 to 100.
    package var score: Double
    /// For translations: what a gloss and a solver would have got.
    package var floor: String?
    package var ceiling: String?
    package var rules: [String] = []
    package var promptTokens: Int
    /// Of those, taken over from an earlier case.
    package var cachedTokens: Int
    /// First and last position of each needle.
    package var needles: [[Int]] = []
    package var seconds: Double
    /// Of the attention that the answer's tokens would give to all of the context, the share that falls on what they read,
    /// and of that to pages beyond the window and the first one, the share on those that were found; from 0 to 1.
    package var attentionRead: Double?
    package var farAttentionRead: Double?

    /// What tells it from all others of an evaluation.
    var key: String {
        let place = depth.map { FixedPoint.text($0, places: 6) } ?? ""
        return "\(task.rawValue)|\(setting ?? "")|\(lengthTokens)|\(place)|\(sample)|\(question)"
    }

    package var json: JSON {
        var object = JSON.Object([("task", .string(task.rawValue))])
        if let setting { object["setting"] = .string(setting) }
        object["length"] = .integer(Int64(lengthTokens))
        if let depth { object["depth"] = .number(depth) }
        object["sample"] = .integer(Int64(sample))
        object["question"] = .integer(Int64(question))
        if let kind { object["kind"] = .string(kind) }
        object["scoring"] = .string(scoring)
        object["score"] = .number(score)
        object["answer"] = .string(answer)
        object["references"] = .array(references.map(JSON.string))
        if let floor { object["floor"] = .string(floor) }
        if let ceiling { object["ceiling"] = .string(ceiling) }
        if !rules.isEmpty { object["rules"] = .array(rules.map(JSON.string)) }
        object["prompt_tokens"] = .integer(Int64(promptTokens))
        object["cached_tokens"] = .integer(Int64(cachedTokens))
        if !needles.isEmpty {
            object["needles"] = .array(needles.map { .array($0.map { .integer(Int64($0)) }) })
        }
        object["seconds"] = .number(seconds)
        if let attentionRead { object["attention_read"] = .number(attentionRead) }
        if let farAttentionRead { object["far_attention_read"] = .number(farAttentionRead) }
        return .object(object)
    }
}

extension EvaluationRecord {
    /// Nil for an object that is no record.
    init?(json: JSON) {
        guard let name = json["task"]?.stringValue, let task = EvaluationTask(rawValue: name),
            let length = json["length"]?.intValue, let sample = json["sample"]?.intValue,
            let question = json["question"]?.intValue, let score = json["score"]?.doubleValue, score.isFinite,
            let answer = json["answer"]?.stringValue
        else { return nil }
        func strings(_ name: String) -> [String] { json[name]?.arrayValue?.compactMap(\.stringValue) ?? [] }
        self.init(
            task: task,
            setting: json["setting"]?.stringValue,
            lengthTokens: length,
            depth: json["depth"]?.doubleValue,
            sample: sample,
            question: question,
            kind: json["kind"]?.stringValue,
            scoring: json["scoring"]?.stringValue ?? EvaluationScoring.containsAll.rawValue,
            answer: answer,
            references: strings("references"),
            score: score,
            floor: json["floor"]?.stringValue,
            ceiling: json["ceiling"]?.stringValue,
            rules: strings("rules"),
            promptTokens: json["prompt_tokens"]?.intValue ?? 0,
            cachedTokens: json["cached_tokens"]?.intValue ?? 0,
            needles: json["needles"]?.arrayValue?.map { $0.arrayValue?.compactMap(\.intValue) ?? [] } ?? [],
            seconds: json["seconds"]?.doubleValue ?? 0,
            attentionRead: json["attention_read"]?.doubleValue,
            farAttentionRead: json["far_attention_read"]?.doubleValue
        )
    }
}

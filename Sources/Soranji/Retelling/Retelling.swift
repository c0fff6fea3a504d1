import JSONText

/// The circle of describing a clip and filming the description: how much of the meaning is left after each round.
public struct Retelling: Sendable {
    public static let maximumRounds = 1000

    /// One telling.
    public struct Round: Sendable, Equatable {
        /// 0 for the clip that it began with.
        public var number: Int
        public var clip: String
        public var description: String
        public var meaning: SceneMeaning
        /// Of the first description, what this one still has.
        public var kept: SceneMeaning.Share
    }

    public private(set) var rounds: [Round]

    /// Describes a clip, films the description, describes that clip, and so on.
    ///
    /// - Parameters:
    ///   - count: clips that are filmed.
    ///   - describe: tells what a clip shows.
    ///   - film: makes a clip of a description, in the given round from 1 on, and returns its path.
    ///   - onRound: called after each description.
    /// - Throws: what the closures throw, or ``RetellingError/tooManyRounds(_:)``.
    public init(
        clip: String,
        rounds count: Int,
        vocabulary: SceneVocabulary,
        describe: (String) throws -> String,
        film: (String, Int) throws -> String,
        onRound: (Round) throws -> Void = { _ in }
    ) throws {
        guard 1...Self.maximumRounds ~= count else { throw RetellingError.tooManyRounds(count) }
        rounds = []
        var clip = clip
        for number in 0...count {
            if let last = rounds.last { clip = try film(last.description, number) }
            let description = try describe(clip)
            let meaning = vocabulary.meaning(of: description)
            let round = Round(
                number: number,
                clip: clip,
                description: description,
                meaning: meaning,
                kept: (rounds.first?.meaning ?? meaning).kept(in: meaning)
            )
            rounds.append(round)
            try onRound(round)
        }
    }

    /// What is measured, in the order of ``values(_:)``.
    public static let measures = ["things", "motions", "background"]

    static func values(_ share: SceneMeaning.Share) -> [Double?] { [share.things, share.motions, share.background] }

    public var json: JSON {
        .array(
            rounds.map { round in
                var object = JSON.Object([
                    ("round", .integer(Int64(round.number))), ("clip", .string(round.clip)),
                    ("description", .string(round.description)),
                ])
                for (name, value) in zip(Self.measures, Self.values(round.kept)) {
                    object[name] = value.map { .number($0) } ?? .null
                }
                return .object(object)
            }
        )
    }

    /// Means over several retellings, `[round][measure]`; nil where no clip had anything to keep.
    public static func means(_ retellings: [Retelling]) -> [[Double?]] {
        let count = retellings.map(\.rounds.count).max() ?? 0
        return (0..<count).map { round in
            let shares = retellings.compactMap { $0.rounds.count > round ? values($0.rounds[round].kept) : nil }
            return measures.indices.map { measure in
                let found = shares.compactMap { $0[measure] }
                return found.isEmpty ? nil : found.reduce(0, +) / Double(found.count)
            }
        }
    }

    /// The means as a table: a heading, and a line for each round.
    public static func table(_ retellings: [Retelling]) -> [[String]] {
        [["round"] + measures]
            + means(retellings).enumerated().map { round, values in
                ["\(round)"] + values.map { $0.map { FixedPoint.text(100 * $0, places: 0) + "%" } ?? "-" }
            }
    }

    /// The means as a picture: measures by rounds.
    public static func plot(_ retellings: [Retelling]) -> Heatmap {
        let means = means(retellings)
        return Heatmap(
            title: "What is left of the meaning",
            subtitle: "\(retellings.count) clip\(retellings.count == 1 ? "" : "s"), described and filmed again",
            rows: measures.indices.map { measure in means.map { 100 * ($0[measure] ?? 0) } },
            rowLabels: measures,
            rowName: "",
            columnName: "round",
            valueName: "percent"
        )
    }
}

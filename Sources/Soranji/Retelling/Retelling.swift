import JSONText

/// The circle of describing a clip and filming the description: how much of the meaning is left after each round.
public struct Retelling: Sendable {
    public static let maximumRounds = 1000

    /// What is said of a clip.
    public struct Account: Sendable, Equatable {
        public var text: String
        /// See ``GenerationStatistics/certainty``.
        public var certainty: Double?

        public init(text: String, certainty: Double? = nil) {
            self.text = text
            self.certainty = certainty
        }
    }

    /// One telling.
    public struct Round: Sendable, Equatable {
        /// 0 for the clip that it began with.
        public var number: Int
        public var clip: String
        public var description: String
        public var certainty: Double?
        public var meaning: SceneMeaning
        /// Of the first description, what this one still has.
        public var kept: SceneMeaning.Share
    }

    public private(set) var rounds: [Round]

    /// Describes a clip, films the description, describes that clip, and so on.
    ///
    /// - Parameters:
    ///   - count: clips that are filmed.
    ///   - describe: tells what the clip of a round shows.
    ///   - film: makes a clip of a description, in the given round from 1 on, and returns its path.
    ///   - onRound: called after each description. A description that says nothing is the last.
    /// - Throws: what the closures throw, or ``RetellingError/tooManyRounds(_:)``.
    public init(
        clip: String,
        rounds count: Int,
        vocabulary: SceneVocabulary,
        describe: (String, Int) throws -> Account,
        film: (String, Int) throws -> String,
        onRound: (Round) throws -> Void = { _ in }
    ) throws {
        guard 1...Self.maximumRounds ~= count else { throw RetellingError.tooManyRounds(count) }
        rounds = []
        var clip = clip
        for number in 0...count {
            if let last = rounds.last {
                guard last.description.contains(where: { !$0.isWhitespace }) else { break }
                clip = try film(last.description, number)
            }
            let account = try describe(clip, number)
            let meaning = vocabulary.meaning(of: account.text)
            let round = Round(
                number: number,
                clip: clip,
                description: account.text,
                certainty: account.certainty,
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

    /// - Parameter keepsClips: whether what was filmed is still there to be named.
    public func json(keepsClips: Bool) -> JSON {
        .array(
            rounds.map { round in
                var object = JSON.Object([
                    ("round", .integer(Int64(round.number))),
                    ("clip", round.number == 0 || keepsClips ? .string(round.clip) : .null),
                    ("description", .string(round.description)),
                    ("certainty", round.certainty.map { .number($0) } ?? .null),
                ])
                for (name, value) in zip(Self.measures, Self.values(round.kept)) {
                    object[name] = value.map { .number($0) } ?? .null
                }
                return .object(object)
            }
        )
    }

    /// Whether a clip's description named anything that could be kept.
    public var hasMeaning: Bool { rounds.first.map { Self.values($0.kept).contains { $0 != nil } } ?? false }

    /// Means over several retellings, `[round][measure]`; nil where no clip had anything to keep. One that ended early has kept
    /// nothing from there on.
    public static func means(_ retellings: [Retelling]) -> [[Double?]] {
        let count = retellings.map(\.rounds.count).max() ?? 0
        return (0..<count).map { round in
            let shares = retellings.compactMap { retelling -> [Double?]? in
                if round < retelling.rounds.count { return values(retelling.rounds[round].kept) }
                return retelling.rounds.first.map { values($0.kept).map { $0.map { _ in 0 } } }
            }
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

    /// The means as a picture: a line for each measure over the rounds.
    public static func plot(_ retellings: [Retelling]) -> LineChart {
        let means = means(retellings)
        return LineChart(
            title: "What is left of the meaning",
            subtitle: "\(retellings.count) clip\(retellings.count == 1 ? "" : "s"), described and filmed again",
            columnName: "round",
            valueName: "percent",
            maximum: 100,
            series: measures.enumerated().map { index, name in
                LineChart.Series(name: name, values: means.map { round in round[index].map { 100 * $0 } })
            }
        )
    }
}

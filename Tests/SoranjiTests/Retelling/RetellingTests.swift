import JSONText
import Testing

@testable import Soranji

/// Meanings of descriptions, and how they fade.
struct RetellingTests {
    private func vocabulary() throws -> SceneVocabulary {
        try SceneVocabulary(dims: [
            "things": ["crab", "fire engine", "heart"], "backgrounds": ["night", "sea"],
            "motion_phrases": [
                "right": ["moves right"], "rise": ["rises", "moves up"], "bounce": ["bounces", "moves up and down"],
            ],
            "background_phrases": ["night": ["at night"], "sea": ["in the sea"]],
        ])
    }

    @Test func readsDescriptions() throws {
        let vocabulary = try vocabulary()
        func read(_ text: String) -> SceneMeaning { vocabulary.meaning(of: text) }
        #expect(
            read("A Fire Engine moves up and down on the left and a crab moves right on the right, at night.")
                == SceneMeaning(
                    actors: [.init(thing: "fire engine", motion: "bounce"), .init(thing: "crab", motion: "right")],
                    background: "night"
                )
        )
        #expect(
            read("A crab moves on the left; in the sea") == .init(actors: [.init(thing: "crab")], background: "sea")
        )
        #expect(read("scrabble rises nightly") == .init(actors: [], background: nil))
        #expect(read("") == .init(actors: [], background: nil))
        #expect(throws: RetellingError.noVocabulary("dims")) { try SceneVocabulary(dims: ["things": ["a"]]) }
        #expect(throws: RetellingError.noVocabulary("/nonexistent")) {
            try SceneVocabulary(bundleFolder: "/nonexistent")
        }
    }

    @Test func sharesCountEachThingOnce() throws {
        let vocabulary = try vocabulary()
        let first = vocabulary.meaning(of: "A crab rises and a crab moves right and a heart at night.")
        #expect(first.kept(in: first) == .init(things: 1, motions: 1, background: 1))
        let later = vocabulary.meaning(of: "A crab moves right in the sea.")
        #expect(first.kept(in: later) == .init(things: 1.0 / 3, motions: 0.5, background: 0))
        #expect(SceneMeaning(actors: [], background: nil).kept(in: later) == .init())
    }

    @Test func goesRoundAndReports() throws {
        // Each film forgets a motion: the storyteller says what the clip's name says.
        var clips = ["first": "A crab rises and a heart moves right at night."]
        let told = ["A crab rises and a heart moves at night.", "A heart in the sea."]
        var seen: [Int] = []
        let retelling = try Retelling(
            clip: "first",
            rounds: 2,
            vocabulary: vocabulary(),
            describe: { clip, _ in .init(text: clips[clip] ?? "") },
            film: { description, round in
                #expect(description == (round == 1 ? clips["first"] : told[0]))
                clips["clip\(round)"] = told[round - 1]
                return "clip\(round)"
            },
            onRound: { seen.append($0.number) }
        )
        #expect(seen == [0, 1, 2])
        #expect(retelling.rounds.map(\.clip) == ["first", "clip1", "clip2"])
        #expect(retelling.rounds.map(\.kept.things) == [1, 1, 0.5])
        #expect(retelling.rounds.map(\.kept.motions) == [1, 0.5, 0])
        #expect(retelling.rounds.map(\.kept.background) == [1, 1, 0])
        #expect(
            Retelling.table([retelling]) == [
                ["round", "things", "motions", "background"], ["0", "100%", "100%", "100%"],
                ["1", "100%", "50%", "100%"], ["2", "50%", "0%", "0%"],
            ]
        )
        #expect(retelling.json(keepsClips: true).arrayValue?[2]["things"] == .number(0.5))
        #expect(retelling.json(keepsClips: true).arrayValue?[2]["clip"] == .string("clip2"))
        #expect(retelling.json(keepsClips: false).arrayValue?.map { $0["clip"] == .null } == [false, true, true])
        #expect(retelling.hasMeaning)
        #expect(!Retelling.plot([retelling, retelling]).encoded(as: .png).isEmpty)
        #expect(Retelling.means([]).isEmpty)
        #expect(
            Retelling.plot([retelling]).series.map(\.values) == [[100, 100, 50], [100, 50, 0], [100, 100, 0]]
        )
        for rounds in [0, -1, 1001] {
            #expect(throws: RetellingError.tooManyRounds(rounds)) {
                try Retelling(
                    clip: "first",
                    rounds: rounds,
                    vocabulary: vocabulary(),
                    describe: { clip, _ in .init(text: clip) },
                    film: { text, _ in text }
                )
            }
        }
    }

    /// A description that says nothing ends a retelling, and has kept nothing of what was said before.
    @Test func silenceEndsARetelling() throws {
        let retelling = try Retelling(
            clip: "first",
            rounds: 3,
            vocabulary: vocabulary(),
            describe: { _, round in .init(text: round == 0 ? "A crab rises at night." : " ", certainty: 0.5) },
            film: { _, round in "clip\(round)" }
        )
        #expect(retelling.rounds.map(\.clip) == ["first", "clip1"])
        #expect(retelling.rounds.map(\.certainty) == [0.5, 0.5])
        let whole = try Retelling(
            clip: "second",
            rounds: 3,
            vocabulary: vocabulary(),
            describe: { _, _ in .init(text: "A heart rises.") },
            film: { _, round in "clip\(round)" }
        )
        #expect(Retelling.means([retelling, whole]) == [[1, 1, 1], [0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]])
        let nothing = try Retelling(
            clip: "third",
            rounds: 1,
            vocabulary: vocabulary(),
            describe: { _, _ in .init(text: "Scrabble.") },
            film: { _, _ in "clip" }
        )
        #expect(!nothing.hasMeaning)
        #expect(Retelling.means([nothing]) == [[nil, nil, nil], [nil, nil, nil]])
        #expect(Retelling.table([nothing]).last == ["1", "-", "-", "-"])
    }
}

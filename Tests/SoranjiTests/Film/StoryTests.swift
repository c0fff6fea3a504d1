import JSONText
import Tensor
import Testing

@testable import Soranji

/// Running text as shots: sentences, what they point at, and what goes on with what.
struct StoryTests {
    private func vocabulary() throws -> SceneVocabulary {
        try SceneVocabulary(dims: [
            "things": ["cat", "dog", "whale", "moon", "heart"], "backgrounds": ["night", "snow", "sea"],
            "motion_phrases": [
                "rise": ["rises", "rising"], "fall": ["falls"], "spin": ["spins", "spinning", "spin"],
                "grow": ["gets bigger", "get bigger"],
                "bounce": ["bounces", "jumps up and down"], "shrink": ["shrinks"],
            ],
            "background_phrases": ["night": ["at night"], "snow": ["in the snow"], "sea": ["in the sea"]],
        ])
    }

    private func shots(_ text: String, gain: StorySplitter.Gain? = nil) throws -> [FilmRequest.Shot] {
        try Storyboard.shots(
            text,
            name: "story",
            splitter: StorySplitter(vocabulary: vocabulary(), gain: gain)
        )
    }

    @Test func whatTheModelDoesNotKnowIsWarnedAbout() throws {
        let vocabulary = try vocabulary()
        func warnings(_ prompts: [String], _ origin: FilmRequest.Origin = .noise) -> [String] {
            var request = FilmRequest(shots: prompts.map { FilmRequest.Shot(prompt: $0) })
            request.origin = origin
            return vocabulary.warnings(request)
        }
        let known = "there are cat, dog, whale, moon, heart"
        #expect(warnings(["a cat"]).isEmpty && warnings(["two WHALES", "the moon at night"]).isEmpty)
        #expect(warnings(["ein Hund"]) == ["the prompt names no thing that the model knows: \(known)"])
        #expect(
            warnings(["a cat", "a man", "rises", "a dog"])
                == ["2 of 4 shots (the first is shot 2) name no thing that the model knows: \(known)"]
        )
        #expect(warnings(["a cat at night"], .image("a.png")).isEmpty)
        let places = "\"at night\", \"in the sea\", \"in the snow\""
        #expect(warnings(["a cat"], .image("a.png")).first?.contains(places) == true)
        #expect(warnings(["a cat"], .join("a", "b")).count == 1)
        #expect(warnings(["it goes on"], .extend("a")).isEmpty && warnings(["x"], .edit("a", strength: 1)).isEmpty)
    }

    @Test func wordsInCapitalsAreLowered() {
        for (text, lowered) in [
            ("A PIG SPINS IN THE SNOW!!!", "A pig spins in the snow!!!"), ("A Cat in NYC", "A Cat in nyc"),
            ("I SEE ÄPFEL", "I see äpfel"), ("x Y", "x Y"), ("", ""), ("É", "É"), ("123 ABC4", "123 abc4"),
        ] {
            #expect(text.loweringWordsInCapitals == lowered)
        }
    }

    @Test func sentencesEndAtTheirMarks() {
        for (text, sentences) in [
            ("A cat rises. It spins!  Why?", ["A cat rises.", "It spins!", "Why?"]),
            (
                "Mr. Brown saw 3.5 cats... \"Look!\" he said. J. R. left",
                ["Mr. Brown saw 3.5 cats...", "\"Look!\"", "he said.", "J. R. left"]
            ),
            ("one\ntwo\tthree", ["one two three"]), ("so do I. Then", ["so do I.", "Then"]),
            ("A cat. *** A dog. —", ["A cat.", "*** A dog. —"]), ("猫が上る。犬が落ちる。", ["猫が上る。", "犬が落ちる。"]),
            ("...", []), ("", []), (" \n ", []), ("e.g. this", ["e.g. this"]), ("a.b.c", ["a.b.c"]),
        ] {
            #expect(StorySentences.split(text) == sentences, "\(text)")
        }
        // Every letter is in exactly one sentence, whatever stands between them.
        var generator = SplitMix64(state: 11)
        let alphabet = Array("ab.!?…\"') \n。M.r.")
        for _ in 0..<500 {
            let text = String((0..<40).map { _ in alphabet.randomElement(using: &generator) ?? "a" })
            let joined = StorySentences.split(text).joined()
            #expect(joined.filter(\.isLetter) == text.filter(\.isLetter), "\(text)")
        }
    }

    @Test func pronounsAreNamedAndPlacesKept() throws {
        let shots = try shots(
            "A cat rises at night. It then spins. And then it gets bigger! A dog falls in the snow. It's spinning. "
                + "Its moon shrinks. A moon and a heart bounces in the sea. They spin; nobody sees them."
        )
        #expect(
            shots.map(\.prompt) == [
                "A cat rises at night.", "The cat then spins at night.", "The cat gets bigger at night!",
                "A dog falls in the snow.", "The dog is spinning in the snow.", "The dog's moon shrinks in the snow.",
                "A moon and a heart bounces in the sea.",
                "The moon and the heart spin; nobody sees the moon and the heart in the sea.",
            ]
        )
        #expect(shots.map(\.transition) == [.cut, .smooth, .smooth, .cut, .smooth, .smooth, .cut, .smooth])
        #expect(shots[1].title == "It then spins.")
    }

    @Test func thingsAndPlacesOfTheWorldDecideFirst() throws {
        let never: StorySplitter.Gain = { _, _ in
            Issue.record("the model is not asked")
            return 0
        }
        let shots = try shots(
            "A cat rises at night. The cat falls. The cat spins in the snow. A dog spins. The cat and the dog fall.",
            gain: never
        )
        #expect(shots.map(\.transition) == [.cut, .smooth, .cut, .cut, .smooth])
        // "It falls" with another background is a scene of its own, of the same thing.
        let moved = try self.shots("A cat rises at night. It falls in the sea.", gain: never)
        #expect(moved.map(\.prompt) == ["A cat rises at night.", "The cat falls in the sea."])
        #expect(moved.map(\.transition) == [.cut, .cut])
    }

    @Test func theModelDecidesTheRest() throws {
        var asked: [[String]] = []
        let shots = try shots("A cat rises at night. Nobody sees it. Far away, stars twinkle. A whale spins.") {
            asked.append([$0, $1])
            return $1.hasPrefix("Nobody") ? 2 : 0.5
        }
        #expect(
            asked == [
                ["A cat rises at night.", "Nobody sees it."], ["Nobody sees it.", "Far away, stars twinkle."],
                ["Far away, stars twinkle.", "A whale spins."],
            ]
        )
        // What goes on and shows nothing stays with its shot.
        #expect(shots.map(\.prompt) == ["A cat rises at night.", "Far away, stars twinkle.", "A whale spins."])
        #expect(shots[0].title == "A cat rises at night. Nobody sees it.")
        #expect(shots.allSatisfy { $0.transition == .cut })
        // Where most sentences say nothing of the world, every one of them is filmed.
        let foreign = try self.shots(
            "A train leaves at night. It crosses a bridge. Smoke rises. A girl waves. He sleeps."
        ) {
            _,
            _ in 2
        }
        #expect(foreign.count == 5)
        #expect(foreign[1].prompt == "A train leaves at night. It crosses a bridge.")
        struct Stop: Error {}
        #expect(throws: Stop.self) { try self.shots("One. Two.") { _, _ in throw Stop() } }
    }

    /// Outside of the model's world nothing is known of things: what a sentence points at comes along.
    @Test func whatIsNotOfTheWorldIsDividedAllTheSame() throws {
        let shots = try shots(
            "The keeper climbed the stairs. He lit the lamp. Its beam swept round. It is late. A baker woke."
        )
        #expect(
            shots.map(\.prompt) == [
                "The keeper climbed the stairs.", "The keeper climbed the stairs. He lit the lamp.",
                "The keeper climbed the stairs. Its beam swept round.", "It is late.", "A baker woke.",
            ]
        )
        #expect(shots.map(\.transition) == [.cut, .smooth, .smooth, .cut, .cut])
    }

    @Test func directionsAndLengthsHoldForParagraphs() throws {
        let shots = try shots(
            "A cat rises. It falls.\n\nfade 3s\n\nIt spins. A dog falls. A moon rises.\n\nsmooth\n\nA heart."
        )
        #expect(shots.map(\.transition) == [.cut, .smooth, .fade, .cut, .cut, .smooth])
        #expect(shots.map(\.seconds) == [nil, nil, 1, 1, 1, nil])
        #expect(shots[2].prompt == "The cat spins.")
    }

    @Test func longAndEmptyTextsAreRefused() {
        #expect(throws: FilmRequestError.promptTooLarge(bytes: 200_000, limit: 1 << 17)) {
            try shots("A cat. " + String(repeating: "a", count: 200_000)) { _, _ in 0 }
        }
        #expect(throws: FilmRequestError.noShots("story")) { try shots("***\n\n—") }
        #expect(throws: FilmRequestError.tooManyShots(900, limit: 200)) {
            try shots(String(repeating: "A cat rises. ", count: 900)) { _, _ in 0 }
        }
    }

    /// No text ends in a trap, and none loses its shots.
    @Test func anyTextCanBeDivided() throws {
        var generator = SplitMix64(state: 12)
        let words = [
            "it", "It", "It's", "they", "their", "her", "then", "And", "a", "cat", "dog", "rises", "at night", ".", "!",
            "'s", "’re",
            "\n\n", "fade 2s\n", "...", "猫", "\u{301}", "is", "(", "\"",
        ]
        for _ in 0..<400 {
            let text = (0..<25).map { _ in words.randomElement(using: &generator) ?? "" }.joined(separator: " ")
            guard let shots = try? shots(text, gain: { first, second in first.count > second.count ? 2 : 0 }) else {
                continue
            }
            #expect(!shots.isEmpty && shots.allSatisfy { $0.prompt.contains { !$0.isWhitespace } }, "\(text)")
        }
    }
}

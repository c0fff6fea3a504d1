/// Plain sentences without end, for haystacks: grammatical English about a country that does not exist, without
/// digits, so that no sentence is mistaken for a needle.
struct Prose {
    private var random: EvaluationRandom
    /// Who the text is about for a few sentences, which makes it hang together a little.
    private var person = ""
    private var place = ""
    private var left = 0

    init(random: EvaluationRandom) { self.random = random }

    /// The next sentence, without white space around it.
    mutating func sentence() -> String {
        if left == 0 {
            person = random.pick(EnglishWords.givenNames)
            place = random.pick(EnglishWords.placeNames)
            left = 3 + random.below(6)
        }
        left -= 1
        return fill(random.pick(Self.patterns))
    }

    private static let patterns = [
        "{person} of {town} kept {a thing} in the {place}.",
        "The {adjective} {being} {past} the {thing} {time}.",
        "{time!}, {person} {past} the {beings} near the {place}.",
        "Nobody in {town} knew why the {being} had left the {thing} in the {place}.",
        "There was {a adjective} {thing} on the table, and {person} {past} it without a word.",
        "The {beings} of the {place} were {adjective} and {adjective}, as {person} remembered.",
        "\"You may keep the {thing},\" said the {being}, \"but the {place} is not yours.\"",
        "Two {beings} carried {a thing} to the {place} {time}.",
        "It was said in {town} that the {being} never {past} anything {adjective}.",
        "{person} wrote a letter about the {adjective} {things} of {town}.",
        "Behind the {place} stood {a being} with {a adjective} {thing}.",
        "The road from {town} to the {place} was {adjective} {time}.",
        "Every {being} in the {place} wanted {a thing}, and {person} had only a few.",
        "When the {being} came back, the {things} were {adjective} again.",
        "{person} laughed, because the {being} had {a thing} and no {thing}.",
        "The {place} belonged to {a adjective} {being} who rarely spoke.",
        "Some {things} were sold at the market of {town}, others stayed in the {place}.",
        "A {adjective*} wind came over the {place}, and the {beings} went home.",
        "{person} {past} the {being} and the {being} of {town} {time}.",
        "They talked about the {adjective} {thing} until the lamp went out.",
        "The {being} thought that the {place} looked {adjective} {time}.",
        "In the {place} there were more {beings} than {things}.",
        "{person} had never seen so many {adjective} {things}.",
        "Later the {being} {past} the {things} and locked the {place}.",
    ]

    /// Replaces `{slot}`s. Patterns are ours, so every slot is known; an unknown one would stay as it is.
    private mutating func fill(_ pattern: String) -> String {
        var text = ""
        var rest = pattern[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            text += rest[..<open]
            text += word(rest[rest.index(after: open)..<close])
            rest = rest[rest.index(after: close)...]
        }
        return text + rest
    }

    private mutating func word(_ slot: Substring) -> String {
        switch slot {
        case "person": person
        case "town": place
        case "being": random.pick(EnglishWords.beings).singular
        case "beings": random.pick(EnglishWords.beings).plural
        case "thing": random.pick(EnglishWords.things).singular
        case "things": random.pick(EnglishWords.things).plural
        case "place": random.pick(EnglishWords.places).singular
        case "adjective": random.pick(EnglishWords.adjectives)
        // After a spelled-out "A".
        case "adjective*": random.pick(EnglishWords.adjectives.filter { !Self.beginsWithVowel($0) })
        case "past": random.pick(EnglishWords.transitiveVerbs).past
        case "time": random.pick(EnglishWords.timesOfDay)
        case "time!": Self.capitalized(random.pick(EnglishWords.timesOfDay))
        case "a thing": Self.withArticle(random.pick(EnglishWords.things).singular)
        case "a being": Self.withArticle(random.pick(EnglishWords.beings).singular)
        case "a adjective": Self.withArticle(random.pick(EnglishWords.adjectives))
        default: "{\(slot)}"
        }
    }

    private static func beginsWithVowel(_ word: String) -> Bool { "aeiou".contains(word.first ?? "x") }

    private static func withArticle(_ word: String) -> String {
        // "honest" is the one silent letter of the lists.
        (beginsWithVowel(word) || word == "honest" ? "an " : "a ") + word
    }

    private static func capitalized(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

    /// What stands around a pass key: the same few sentences over and over.
    static let noise = [
        "The hills are low.", "The river is wide.", "The wind is from the west.", "On we go.",
        "Out and home once more.",
    ]
}

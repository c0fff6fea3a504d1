/// English words that evaluations make texts of, chosen by hand: short, common, of regular spelling.
enum EnglishWords {
    struct Noun: Sendable, Hashable {
        var singular: String
        var plural: String
    }

    struct Verb: Sendable, Hashable {
        var base: String
        var third: String
        var past: String
    }

    /// People and animals: what acts.
    static let beings = nouns(
        """
        hunter farmer baker miller weaver sailor teacher doctor king queen soldier singer painter potter smith fisher/fishers
        shepherd gardener carpenter traveller merchant servant widow stranger neighbour brother sister mother father uncle
        aunt cousin child/children woman/women man/men girl boy guest judge monk priest poet clerk porter guard thief/thieves
        dog cat horse cow goat sheep/sheep pig hen goose/geese duck fox/foxes wolf/wolves bear deer/deer hare owl crow
        swan eagle mouse/mice frog bee ant snail turtle whale seal donkey otter badger lamb
        """
    )

    /// Things that are carried, made and seen.
    static let things = nouns(
        """
        basket lamp rope ladder hammer knife/knives spoon bowl plate cup jar bottle barrel box/boxes chest key lock coin ring
        crown sword shield arrow bow drum bell flute letter book map picture candle blanket coat hat shoe boot glove belt
        needle button cloth/cloths wheel cart boat oar sail net anchor stone brick plank nail shovel axe saw broom bucket kettle
        pot oven chair table bench/benches bed mirror clock toy loaf/loaves cake apple pear plum cherry/cherries onion turnip
        egg cheese seed flower leaf/leaves branch/branches root feather shell bone tooth/teeth horn tent flag torch/torches
        """
    )

    /// Where something happens.
    static let places = nouns(
        """
        house barn mill tower castle temple church/churches school market harbour bridge road path field garden orchard forest
        meadow hill mountain valley river lake pond shore island desert cave mine village town kitchen cellar attic stable
        workshop inn well quarry camp ship
        """
    )

    static let transitiveVerbs = verbs(
        """
        see/saw find/found carry take/took hold/held make/made break/broke mend paint wash clean lift push pull drop throw/threw
        catch/caught follow watch hear/heard know/knew love fear help call praise blame warn hide/hid lose/lost buy/bought
        cut/cut burn cover open close fill empty weigh count measure draw/drew touch guard chase feed/fed wake/woke lead/led
        visit leave/left reach remember forget/forgot choose/chose want need bury polish collect gather
        """
    )

    static let givingVerbs = verbs("give/gave show send/sent bring/brought lend/lent sell/sold offer promise")

    static let intransitiveVerbs = verbs(
        """
        sleep/slept walk run/ran swim/swam sing/sang dance laugh weep/wept wait work rest stand/stood sit/sat fall/fell rise/rose
        travel arrive return sneeze whisper shout tremble kneel/knelt smile wander
        """
    )

    static let adjectives = words(
        """
        old young small big tall short long wide narrow heavy light strong weak quick slow quiet loud bright dark red blue
        green yellow black white brown grey golden silver wooden rusty dusty wet dry warm cold hot fresh sour sweet bitter
        round flat sharp blunt smooth rough soft hard thick thin empty full clean dirty rich poor happy sad angry calm brave
        shy clever foolish honest kind cruel proud humble hungry thirsty tired lazy busy famous secret strange simple
        """
    )

    static let givenNames = words(
        """
        Ada Bruno Clara Dorian Edith Felix Greta Henrik Ivo Judith Konrad Lena Magnus Nora Oskar Petra Quentin Rosa Stefan
        Thea Ulrich Vera Walter Yvonne Zeno Agnes Boris Celia Darius Elsa
        """
    )

    static let placeNames = words(
        """
        Harrowfield Ostermoor Linden Grayhaven Brackwater Tilbury Northam Elmsford Saltmarsh Windermoor Ashcombe Kelderby
        Dunmere Foxhollow Marrowby Stonegate Thornlea Westerley Oldbridge Redcliff
        """
    )

    static let timesOfDay = [
        "in the morning", "before noon", "at dusk", "late at night", "after supper", "on a rainy afternoon",
        "early in the spring", "towards the end of the summer", "in the first week of the harvest",
        "during the long winter",
    ]

    private static func words(_ text: String) -> [String] {
        text.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// "word" or "word/irregular plural".
    private static func nouns(_ text: String) -> [Noun] {
        words(text).map { entry in
            let parts = entry.split(separator: "/").map(String.init)
            return Noun(singular: parts[0], plural: parts.count > 1 ? parts[1] : parts[0] + "s")
        }
    }

    /// "word" or "word/irregular past".
    private static func verbs(_ text: String) -> [Verb] {
        words(text).map { entry in
            let parts = entry.split(separator: "/").map(String.init)
            let base = parts[0]
            return Verb(base: base, third: third(base), past: parts.count > 1 ? parts[1] : past(base))
        }
    }

    /// The last letter is a y after a consonant.
    private static func endsInConsonantAndY(_ word: String) -> Bool {
        word.hasSuffix("y") && !"aeiou".contains(word.dropLast().last ?? "a")
    }

    private static func third(_ base: String) -> String {
        if endsInConsonantAndY(base) { return base.dropLast() + "ies" }
        let hissing = ["s", "sh", "ch", "x", "z", "o"].contains { base.hasSuffix($0) }
        return base + (hissing ? "es" : "s")
    }

    private static func past(_ base: String) -> String {
        if endsInConsonantAndY(base) { return base.dropLast() + "ied" }
        if base.hasSuffix("e") { return base + "d" }
        // One short vowel and one consonant: the consonant is doubled ("drop", "dropped").
        let letters = Array(base)
        let vowels = Set("aeiou")
        if ["drop", "chat", "plan", "hop"].contains(base), let last = letters.last, !vowels.contains(last) {
            return base + String(last) + "ed"
        }
        return base + "ed"
    }
}

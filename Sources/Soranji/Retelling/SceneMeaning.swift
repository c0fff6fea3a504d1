import JSONText
import ModelFiles

/// What a description says, in the words of the model's world.
public struct SceneMeaning: Sendable, Equatable {
    /// A thing, and what it does where that is said.
    public struct Actor: Sendable, Equatable, Hashable {
        public var thing: String
        public var motion: String?

        public init(thing: String, motion: String? = nil) {
            self.thing = thing
            self.motion = motion
        }
    }

    /// In the order of the text.
    public var actors: [Actor]
    public var background: String?

    public init(actors: [Actor], background: String?) {
        self.actors = actors
        self.background = background
    }

    /// How much of one meaning another still has, 0 ... 1; nil where there was nothing to keep.
    public struct Share: Sendable, Equatable {
        public var things: Double?
        /// Things that still do the same.
        public var motions: Double?
        public var background: Double?
    }

    /// What is left of this in `later`.
    public func kept(in later: SceneMeaning) -> Share {
        func share<Element: Hashable>(_ wanted: [Element], _ found: [Element]) -> Double? {
            guard !wanted.isEmpty else { return nil }
            var rest = found
            let hits = wanted.count { element in
                guard let index = rest.firstIndex(of: element) else { return false }
                rest.remove(at: index)
                return true
            }
            return Double(hits) / Double(wanted.count)
        }
        return Share(
            things: share(actors.map(\.thing), later.actors.map(\.thing)),
            motions: share(actors.filter { $0.motion != nil }, later.actors),
            background: share([background].compactMap { $0 }, [later.background].compactMap { $0 })
        )
    }
}

/// The words of a model's world: `dims` of the bundle's `model.json`.
public struct SceneVocabulary: Sendable {
    /// What a word of the world stands for.
    enum Kind: Sendable {
        case thing, motion, background
    }

    private struct Phrase: Sendable {
        var words: [Substring]
        var kind: Kind
        var name: String
    }

    /// Longer ones first, so that "moves up and down" is not "moves up".
    private let phrases: [Phrase]
    /// How each background is said, as "at night".
    private let backgroundPhrases: [String: String]
    /// Names of all things.
    let things: [String]
    private static let maximumBytes = 16_000_000

    /// - Throws: ``RetellingError/noVocabulary(_:)`` when the bundle's model knows no world.
    public init(bundleFolder: String) throws {
        let path = bundleFolder + "/model.json"
        guard let file = try? MappedFile(path: path), file.count <= Self.maximumBytes,
            let json = try? file.json(maximumDepth: 16), let dims = json["dims"]
        else { throw RetellingError.noVocabulary(bundleFolder) }
        try self.init(dims: dims, name: bundleFolder)
    }

    init(dims: JSON, name: String = "dims") throws {
        func texts(_ value: JSON?) -> [String] { (value?.arrayValue ?? []).compactMap(\.stringValue) }
        func named(_ key: String, _ kind: Kind) -> [Phrase] {
            (dims[key]?.objectValue?.members ?? []).flatMap { member in
                texts(member.value).map { Phrase(words: BookText.words($0), kind: kind, name: member.key) }
            }
        }
        self.things = texts(dims["things"])
        let things = self.things.map { Phrase(words: BookText.words($0), kind: .thing, name: $0) }
        let motions = named("motion_phrases", .motion)
        let backgrounds =
            named("background_phrases", .background)
            + texts(dims["backgrounds"]).map { Phrase(words: BookText.words($0), kind: .background, name: $0) }
        guard !things.isEmpty, !motions.isEmpty, !backgrounds.isEmpty else { throw RetellingError.noVocabulary(name) }
        backgroundPhrases = Dictionary(
            (dims["background_phrases"]?.objectValue?.members ?? []).compactMap { member in
                texts(member.value).first.map { (member.key, $0) }
            },
            uniquingKeysWith: { first, _ in first }
        )
        phrases = (things + motions + backgrounds).filter { !$0.words.isEmpty }
            .sorted { $0.words.count > $1.words.count }
    }

    /// How all backgrounds are said.
    var backgroundNames: [String] { backgroundPhrases.values.sorted() }

    /// How a background is said, as "at night".
    func phrase(background: String) -> String? { backgroundPhrases[background] }

    /// The world's words in a text, in their order. Several of a thing are named as one is.
    func mentions(in text: String) -> [(kind: Kind, name: String)] {
        let words = BookText.words(text)
        let singulars = words.map { Substring(BookText.singular($0)) }
        var mentions: [(kind: Kind, name: String)] = []
        var index = 0
        while index < words.count {
            let found = phrases.first {
                words[index...].starts(with: $0.words)
                    || $0.kind == .thing && singulars[index...].starts(with: $0.words)
            }
            guard let phrase = found else {
                index += 1
                continue
            }
            mentions.append((phrase.kind, phrase.name))
            index += phrase.words.count
        }
        return mentions
    }

    /// Reads a description: things in their order, what follows each as its motion, and the background that is named last.
    public func meaning(of text: String) -> SceneMeaning {
        var meaning = SceneMeaning(actors: [], background: nil)
        for mention in mentions(in: text) {
            switch mention.kind {
            case .thing: meaning.actors.append(.init(thing: mention.name))
            case .motion:
                if let last = meaning.actors.indices.last, meaning.actors[last].motion == nil {
                    meaning.actors[last].motion = mention.name
                }
            case .background: meaning.background = mention.name
            }
        }
        return meaning
    }
}

/// Why nothing can be retold.
public enum RetellingError: HintedError, Equatable {
    case noVocabulary(String)
    case tooManyRounds(Int)

    public var description: String {
        switch self {
        case .noVocabulary(let folder): "'\(folder)' is no model with a world of its own: it has no words to compare by"
        case .tooManyRounds(let rounds): "\(rounds) rounds are not possible"
        }
    }

    public var hint: String? {
        switch self {
        case .noVocabulary: "leave out --model, for the default model"
        case .tooManyRounds: "use --rounds with 1 to \(Retelling.maximumRounds)"
        }
    }
}

/// Divides running text into shots, a sentence each: those that go on with a scene run on smoothly, others begin after a cut.
///
/// What decides, in this order: a direction of the text (`fade`), a subject that points back ("It spins"), things and
/// backgrounds of the model's world that are named again or changed, and then the model: a sentence that it finds much
/// likelier behind the one before than alone goes on with its scene.
struct StorySplitter {
    /// How much likelier a sentence is behind another than alone: the mean of its tokens' log-probabilities with less without.
    typealias Gain = (_ previous: String, _ sentence: String) throws -> Double

    /// Gains of sentences that go on are above it, those of new scenes below: measured on six stories with SmolLM2-135M, where the
    /// rules leave it open, 1.6 to 4.6 and 0.3 to 1.2.
    static let leastGain = 1.3

    let vocabulary: SceneVocabulary?
    /// Nil: what the rules leave open begins anew.
    let gain: Gain?
    /// Longest sentence.
    var maximumBytes = 1 << 17

    private struct Scene {
        var memory = StoryReferences.Memory()
        var sentence = ""
    }

    /// Sentences that show nothing are no shots of their own, but texts with so many more are refused before any work.
    private static let mostSentences = 4 * FilmLimits.mostShots

    /// - Throws: ``FilmRequestError/tooManyShots(_:limit:)``, and what ``gain`` throws.
    func shots(_ parts: [Storyboard.Part]) throws -> [FilmRequest.Shot] {
        let divided = parts.map { StorySentences.split($0.prompt) }
        let total = divided.reduce(0) { $0 + $1.count }
        guard total <= Self.mostSentences else {
            throw FilmRequestError.tooManyShots(total, limit: FilmLimits.mostShots)
        }
        if let long = divided.joined().first(where: { $0.utf8.count > maximumBytes }) {
            throw FilmRequestError.promptTooLarge(bytes: long.utf8.count, limit: maximumBytes)
        }
        var shots: [FilmRequest.Shot] = []
        var scene = Scene()
        // Of a text that is mainly not about the model's world every sentence is filmed.
        let isOfWorld = 2 * divided.joined().count { !mentions($0).isEmpty } >= total
        for (part, sentences) in zip(parts, divided) {
            var made = 0
            for (index, sentence) in sentences.enumerated() {
                let transition = index == 0 ? part.transition : nil
                let continues = try !shots.isEmpty && continues(sentence, scene, transition)
                let references = StoryReferences(vocabulary: vocabulary)
                let prompt = references.standalone(sentence, scene.memory, continues: continues)
                let says = mentions(prompt)
                if isOfWorld, continues, transition == nil, !shots.isEmpty, mentions(sentence).isEmpty {
                    // There is nothing in it to be seen.
                    shots[shots.count - 1].title = (shots[shots.count - 1].title ?? "") + " " + sentence
                } else {
                    shots.append(
                        FilmRequest.Shot(
                            prompt: prompt,
                            title: sentence,
                            seconds: part.seconds,
                            transition: transition ?? (continues ? .smooth : .cut)
                        )
                    )
                    made += 1
                }
                remember(sentence, prompt, says, &scene, continues, references)
            }
            // A length is that of the whole paragraph.
            guard let seconds = part.seconds, made > 1 else { continue }
            for index in shots.indices.suffix(made) { shots[index].seconds = seconds / Double(made) }
        }
        return shots
    }

    private func mentions(_ text: String) -> [(kind: SceneVocabulary.Kind, name: String)] {
        vocabulary?.mentions(in: text) ?? []
    }

    private func continues(_ sentence: String, _ scene: Scene, _ transition: FilmRequest.Transition?) throws -> Bool {
        if let transition { return transition == .smooth }
        let said = mentions(sentence)
        let background = said.last { $0.kind == .background }?.name
        if let background, let before = scene.memory.background, background != before { return false }
        if StoryReferences(vocabulary: vocabulary).pointsBack(sentence) { return true }
        let things = Set(said.filter { $0.kind == .thing }.map(\.name))
        if !things.isEmpty, !scene.memory.things.isEmpty { return !things.isDisjoint(with: scene.memory.things) }
        guard let gain else { return false }
        return try gain(scene.sentence, sentence) >= Self.leastGain
    }

    private func remember(
        _ sentence: String,
        _ prompt: String,
        _ said: [(kind: SceneVocabulary.Kind, name: String)],
        _ scene: inout Scene,
        _ continues: Bool,
        _ references: StoryReferences
    ) {
        let things = said.filter { $0.kind == .thing }.map(\.name)
        let background = said.last { $0.kind == .background }?.name
        if !continues { scene.memory = StoryReferences.Memory() }
        if !things.isEmpty { scene.memory.things = things }
        scene.memory.background = background ?? scene.memory.background
        if !references.pointsBack(sentence) { scene.memory.whole = sentence }
        scene.sentence = sentence
    }
}

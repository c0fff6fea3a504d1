extension SceneVocabulary {
    /// What prompts lack that the model could film, or go on with.
    func warnings(_ request: FilmRequest) -> [String] {
        let meanings = request.shots.map { meaning(of: $0.prompt) }
        switch request.origin {
        case .noise:
            let unknown = meanings.indices.filter { meanings[$0].actors.isEmpty }
            guard let first = unknown.first else { return [] }
            let names =
                meanings.count == 1
                ? "the prompt names"
                : "\(unknown.count) of \(meanings.count) shots (the first is shot \(first + 1)) name"
            return ["\(names) no thing that the model knows: there are \(things.joined(separator: ", "))"]
        case .image, .join:
            guard meanings.contains(where: { $0.background == nil }), !backgroundNames.isEmpty else { return [] }
            return [
                "the prompt names no background, so the film may not keep that of what it begins with: say which, as in "
                    + "\"\(backgroundNames.joined(separator: "\", \""))\""
            ]
        case .extend, .extendBefore, .edit: return []
        }
    }
}

extension String {
    /// Words that are all capitals in small letters: models know few of them otherwise.
    var loweringWordsInCapitals: String {
        var result = ""
        var word: [Character] = []
        func flush() {
            let isShouted = word.count > 1 && word.allSatisfy(\.isUppercase)
            result += isShouted ? String(word).lowercased() : String(word)
            word = []
        }
        for character in self {
            if character.isLetter {
                word.append(character)
            } else {
                flush()
                result.append(character)
            }
        }
        flush()
        return result
    }
}

import Tokenizers

extension FilmStudio {
    /// The shots of a long prompt: by its headings, else divided by the model.
    ///
    /// - Parameters:
    ///   - name: where the text comes from, for messages.
    ///   - onProgress: called before each sentence that the model looks at; an error ends the work.
    /// - Throws: ``FilmRequestError``
    public func shots(
        _ text: String,
        name: String,
        onProgress: @escaping () throws -> Void = {}
    ) throws -> [FilmRequest.Shot] {
        let splitter = StorySplitter(
            vocabulary: vocabulary,
            gain: { [runtime] previous, sentence in
                try onProgress()
                return try runtime.gain(of: sentence, after: previous)
            }
        )
        return try Storyboard.shots(text, name: name, splitter: splitter)
    }
}

extension Runtime {
    /// Tokens of a sentence that are looked at.
    private static let longestSentence = 96

    /// How much likelier a sentence is behind another than alone: nats a token.
    func gain(of sentence: String, after previous: String) throws -> Double {
        let tokenizer = try requireTokenizer()
        func tokens(_ text: String) -> [Int32] {
            tokenizer.encode(text, addingSpecialTokens: false, parsingSpecialTokens: false)
        }
        let start = tokens("\n").suffix(1)
        let limit = max(1, min(Self.longestSentence, contextTokens / 2 - 1))
        let before = tokens(" " + previous).suffix(limit)
        let said = tokens(" " + sentence).prefix(limit)
        guard !said.isEmpty, !start.isEmpty else { return 0 }
        let alone = try logProbability(of: said, after: Array(start))
        let behind = try logProbability(of: said, after: Array(start) + Array(before))
        return (behind - alone) / Double(said.count)
    }

    /// Of all tokens together.
    private func logProbability(of tokens: ArraySlice<Int32>, after context: [Int32]) throws -> Double {
        try score(tokens: context + tokens).positions.suffix(tokens.count).reduce(0) { $0 + $1.logProbability }
    }
}

import KVCache
import Models
import Tokenizers

/// What a model said to a prompt, before it is put beside its sources.
struct SpokenAnswer {
    var text: String
    var tokens: [Int32]
    /// What each token added to the text, stop texts included.
    var pieces: [String]
    var reason: StopReason
    var statistics: GenerationStatistics
    /// Of attention, per span of the prompt's positions; empty without probes.
    var evidence: [Float]
}

extension Runtime {
    /// Answers a prompt in text. Of what was seen or heard it is measured how sure the answer is.
    ///
    /// - Parameters:
    ///   - question: what the prompt's last tokens ask for; nil where that is not known.
    ///   - table: holds a beginning of the prompt; everything afterwards.
    ///   - maximumTokens: nil for ``answerRoom(after:)``.
    ///   - probing: whether it is recorded where the answer comes from.
    func speak(
        _ prompt: TokenStream,
        question: AskedQuestion?,
        table: inout PageTable,
        maximumTokens: Int?,
        sampling: SamplingOptions,
        stopTexts: [String],
        probing: Bool,
        onProgress: (PrefillProgress) throws -> Void,
        onText: (String) throws -> Bool
    ) throws -> SpokenAnswer {
        let tokenizer = try requireTokenizer()
        var detokenizer = StreamingDetokenizer(tokenizer)
        var scanner = StopScanner(stopTexts)
        var text = ""
        var pieces: [String] = []
        let probes = probing ? try makeProbes() : nil
        let result = try generate(
            stream: prompt,
            table: &table,
            question: question,
            maximumTokens: maximumTokens ?? answerRoom(after: prompt.count),
            sampling: sampling,
            stopTokens: tokenizer.endOfGenerationTokens,
            measuresCertainty: !prompt.media.isEmpty,
            probes: probes,
            onProgress: onProgress
        ) { token in
            let whole = detokenizer.push(token)
            pieces.append(whole)
            let piece = scanner.push(whole)
            text += piece
            let continues = piece.isEmpty ? true : try onText(piece)
            return continues && !scanner.isStopped
        }
        let flushed = detokenizer.flush()
        if !pieces.isEmpty { pieces[pieces.count - 1] += flushed }
        let tail = scanner.push(flushed) + scanner.flush()
        text += tail
        if !tail.isEmpty { _ = try onText(tail) }
        return SpokenAnswer(
            text: text,
            tokens: result.tokens,
            pieces: pieces,
            reason: scanner.isStopped ? .stopText : result.reason,
            statistics: result.statistics,
            evidence: probes?.evidence(positions: prompt.count, answerTokens: result.tokens.count) ?? []
        )
    }
}

import Foundation
import KVCache
import Models
import Sessions

extension SessionConversation {
    /// Makes question and answer a part of the session.
    func keep(_ spoken: SpokenAnswer, question: String, _ work: Work, _ table: PageTable) throws {
        guard let session else { return }
        undo = Undo(self)
        let first = session.stream.count
        let content = work.prompt.content
        var tokens = Array(content.tokens[first...])
        let start = session.stream.text.count
        var ends = work.ranges[first...].map { UInt32(clamping: $0.upperBound - start) }
        var text = Array(work.text[start...])
        var positions = content.positions.isEmpty ? [] : Array(content.positions[first...])
        var next = (content.positions.map(\.largest).max() ?? Double(content.tokens.count) - 1) + 1
        for (token, piece) in zip(spoken.tokens, spoken.pieces) {
            tokens.append(token)
            text += Array(piece.utf8)
            ends.append(UInt32(clamping: text.count))
            if !positions.isEmpty || !content.positions.isEmpty { positions.append(RotaryPosition(next)) }
            next += 1
        }
        try session.append(
            StreamEntry(
                firstToken: first,
                tokens: tokens,
                byteEnds: ends,
                positions: positions,
                media: MediaRun.clipped(content.media, to: first..<content.tokens.count),
                text: text,
                notes: SessionNotes.json(
                    place: .answer,
                    messages: [
                        .init(role: .user, text: question), .init(role: .assistant, text: spoken.text),
                    ],
                    text: [],
                    from: 0
                )
            )
        )
        var table = table
        // The last token of an answer that was ended has not been through the model.
        table.truncate(to: min(table.count, session.stream.count))
        try session.store(&table, upTo: table.count, runtime: runtime)
        receipt.storedTokens += session.stream.count - first
        notes = try SessionNotes(session.stream, session: name, columns: runtime.decoder.configuration.hiddenSize)
    }

    func answer(_ spoken: SpokenAnswer, _ work: Work, _ table: PageTable) -> Answer {
        var statistics = spoken.statistics
        statistics.cachedTokens = work.cachedTokens
        statistics.prefillSeconds += work.seconds
        let documents = documents
        return Answer(
            text: spoken.text.trimmingCharacters(in: .whitespacesAndNewlines),
            tokens: spoken.tokens,
            reason: spoken.reason,
            citations: documents.isEmpty
                ? []
                : Citations(
                    prompt: String(decoding: work.text, as: UTF8.self),
                    tokenRanges: work.ranges,
                    documents: documents
                ).find(shares: spoken.evidence),
            moments: Moments(stream: work.prompt).find(shares: spoken.evidence),
            media: media,
            statistics: statistics,
            context: runtime.figures(of: table)
        )
    }
}

/// A session as the beginning of a prompt.
struct StoredPrompt {
    let session: StoredSession
    /// Without their values.
    let media: [MediaRows]
    /// What stands between what was read and the prompt.
    let opening: String

    var stream: SessionStream { session.stream }
}

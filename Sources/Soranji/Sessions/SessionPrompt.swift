import Foundation
import Models
import Sessions
import Tokenizers

/// What a question adds to a session's stream: text and media that stay, and a question that may go again.
struct SessionPrompt {
    /// The prompt's text from where the session's stream ends, what was pending there included.
    var text: [UInt8]
    /// The tokens of it.
    var stream: TokenStream
    /// The bytes of ``text`` that each token covers.
    var ranges: [Range<Int>]
    /// Tokens before the question: they stay.
    var stableTokens: Int
    /// Bytes of ``text`` before the question.
    var stableBytes: Int

    /// Text before the question that is tokenized together with it.
    var pendingText: [UInt8] { Array(text[endOfStableTokens..<stableBytes]) }
    var endOfStableTokens: Int { stableTokens > 0 ? ranges[stableTokens - 1].upperBound : 0 }
}

/// Renders what follows a stored stream with the model's own chat template.
///
/// The template always renders a whole conversation, so marks are put in: one where the stored part ends, one before the
/// question. Marks are characters that occur nowhere else, and are taken out again.
struct SessionPromptMaker {
    let runtime: Runtime
    let session: String
    let systemPrompt: String?

    /// - Parameters:
    ///   - place: where the stream ends.
    ///   - pending: text after the stream's last token.
    ///   - keptText: documents, in the wording of a prompt.
    ///   - media: stands before them.
    func make(
        place: SessionNotes.Place,
        pending: [UInt8],
        keptText: String,
        question: String,
        media: [EncodedMedia]
    ) throws -> SessionPrompt {
        let marks = Marks(texts: [keptText, question, systemPrompt ?? ""])
        let rendered = try render(place, marks, keptText: keptText, question: question, media: media)
        guard let cut = rendered.text.firstIndex(of: marks.question),
            rendered.text[rendered.text.index(after: cut)...].firstIndex(of: marks.question) == nil
        else { throw SessionUseError.template(session) }
        func withoutSeparator(_ text: Substring) -> Int {
            rendered.separator.map { separator in text.count(where: { $0 == separator }) * "\(separator)".utf8.count }
                .map { text.utf8.count - $0 } ?? text.utf8.count
        }
        let before = String(decoding: pending, as: UTF8.self) + rendered.text[..<cut]
        let after = rendered.text[rendered.text.index(after: cut)...]
        let isFirst = place == .beginning
        // Spelled control tokens need the shield's cuts, so what stays and the question are tokenized apart then.
        if rendered.separator == nil {
            let whole = try encode(before + after, nil, isFirst: isFirst, media: media)
            let stableBytes = whole.text.count - withoutSeparator(after)
            if let count = stableTokens(whole, stableBytes) {
                return SessionPrompt(
                    text: whole.text,
                    stream: whole.stream,
                    ranges: whole.ranges,
                    stableTokens: count,
                    stableBytes: stableBytes
                )
            }
        }
        let kept = try encode(before, rendered.separator, isFirst: isFirst, media: media)
        let asked = try encode(String(after), rendered.separator, isFirst: false, media: [])
        return SessionPrompt(
            text: kept.text + asked.text,
            stream: TokenStream(stored: kept.stream.content, media: kept.stream.media, followedBy: asked.stream),
            ranges: kept.ranges
                + asked.ranges.map { $0.lowerBound + kept.text.count..<$0.upperBound + kept.text.count },
            stableTokens: kept.stream.count,
            stableBytes: kept.text.count
        )
    }

    /// The most tokens within the first `stableBytes` bytes after which a tokenizer that begins there makes the very same
    /// tokens of the rest; nil when there is no such place nearby.
    private func stableTokens(
        _ whole: (text: [UInt8], stream: TokenStream, ranges: [Range<Int>]),
        _ stableBytes: Int
    ) -> Int? {
        guard let tokenizer = runtime.tokenizer else { return nil }
        var count = whole.ranges.count
        while count > 0, whole.ranges[count - 1].upperBound > stableBytes { count -= 1 }
        for _ in 0..<16 where count > 0 {
            let rest = Array(whole.text[whole.ranges[count - 1].upperBound...])
            if let text = String(validating: rest, as: UTF8.self) {
                let tokens = tokenizer.encode(text, addingSpecialTokens: false, parsingSpecialTokens: true)
                if tokens == Array(whole.stream.tokens[count...]) { return count }
            }
            count -= 1
        }
        return count == 0 ? 0 : nil
    }

    private func encode(
        _ text: String,
        _ separator: Character?,
        isFirst: Bool,
        media: [EncodedMedia]
    ) throws -> (text: [UInt8], stream: TokenStream, ranges: [Range<Int>]) {
        let tokenizer = try runtime.requireTokenizer()
        let addsSpecial = runtime.template == nil && isFirst
        guard !media.isEmpty, let configuration = runtime.decoder.configuration.media else {
            let encoded = PromptEncoder(tokenizer).encode(text, separator: separator, addingSpecialTokens: addsSpecial)
            return (Array(encoded.text.utf8), TokenStream(text: encoded.tokens), encoded.ranges)
        }
        let prompt = try MediaPrompter(tokenizer: tokenizer, configuration: configuration).prompt(
            text,
            separator: separator,
            addingSpecialTokens: addsSpecial,
            media: media,
            decoder: runtime.decoder.configuration
        )
        return (Array(prompt.text.utf8), prompt.stream, prompt.ranges)
    }

    private struct Marks {
        let start: Character
        let question: Character
        let place: Character

        init(texts: [String]) {
            // From the end of a private plane, since the shield takes characters from its beginning.
            let free = (0xF_0000...0xF_FFFD).reversed().lazy.compactMap(Unicode.Scalar.init).map(Character.init)
                .filter { candidate in texts.allSatisfy { !$0.contains(candidate) } }
            let found = Array(free.prefix(3))
            start = found.first ?? "\u{FFFFD}"
            question = found.dropFirst().first ?? "\u{FFFFC}"
            place = found.dropFirst(2).first ?? "\u{FFFFB}"
        }
    }

    /// The prompt's text after the stored part, with the mark before the question.
    private func render(
        _ place: SessionNotes.Place,
        _ marks: Marks,
        keptText: String,
        question: String,
        media: [EncodedMedia]
    ) throws -> (text: String, separator: Character?) {
        let asked = keptText + String(marks.question) + question
        guard place != .beginning else {
            return try runtime.render(
                [.init(role: .user, text: asked)],
                systemPrompt: systemPrompt,
                media: media.isEmpty ? [:] : [0: media]
            )
        }
        let places = String(repeating: marks.place, count: media.count)
        let messages: [Conversation.Message] =
            place == .question
            ? [.init(role: .user, text: String(marks.start) + places + asked)]
            : [
                .init(role: .user, text: "…"), .init(role: .assistant, text: String(marks.start)),
                .init(role: .user, text: places + asked),
            ]
        let rendered = try runtime.render(messages, systemPrompt: systemPrompt, media: [:])
        guard let start = rendered.text.firstIndex(of: marks.start) else { throw SessionUseError.template(session) }
        var text = String(rendered.text[rendered.text.index(after: start)...])
        guard !media.isEmpty else { return (text, rendered.separator) }
        guard let configuration = runtime.decoder.configuration.media else {
            throw MediaUseError.modelReadsTextAlone
        }
        let prompter = try MediaPrompter(tokenizer: try runtime.requireTokenizer(), configuration: configuration)
        for item in media {
            guard let index = text.firstIndex(of: marks.place) else { throw SessionUseError.template(session) }
            text.replaceSubrange(index...index, with: prompter.placeholder(item.plan.input.kind))
        }
        return (text, rendered.separator)
    }

    /// Tokens of a question with media that are no rows of them: what a budget needs before anything is decoded.
    func textTokenCount(
        place: SessionNotes.Place,
        pending: [UInt8],
        keptText: String,
        question: String,
        media: [EncodedMedia]
    ) throws -> Int {
        guard let configuration = runtime.decoder.configuration.media else {
            throw MediaUseError.modelReadsTextAlone
        }
        let marks = Marks(texts: [keptText, question, systemPrompt ?? ""])
        let rendered = try render(place, marks, keptText: keptText, question: question, media: media)
        return try MediaPrompter(tokenizer: try runtime.requireTokenizer(), configuration: configuration)
            .textTokenCount(
                String(decoding: pending, as: UTF8.self) + rendered.text,
                separator: rendered.separator,
                media: media
            )
    }
}

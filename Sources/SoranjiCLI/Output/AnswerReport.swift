import JSONText
import Soranji

/// An answer as JSON.
struct AnswerReport {
    var answer: Answer
    var documents: [Document]
    var runtime: Runtime
    var question: String
    var sampling: SamplingChoice?
    var session: SessionReceipt?

    func json(includingExperts: Bool) -> JSON {
        let figures = answer.statistics
        var object = JSON.Object([
            ("answer", .string(answer.text)),
            ("stop_reason", .string(answer.reason.rawValue)),
            ("question", .string(question)),
            ("model", .string(runtime.modelName)),
            ("documents", .array(documents.map(document))),
            ("sources", .array(answer.citations.map(source))),
            ("prompt_tokens", .integer(Int64(figures.promptTokens))),
            ("cached_tokens", .integer(Int64(figures.cachedTokens))),
            ("answer_tokens", .integer(Int64(figures.answerTokens))),
            ("prefill_seconds", .number(figures.prefillSeconds)),
            ("prefill_tokens_per_second", .number(figures.prefillTokensPerSecond)),
            ("decode_seconds", .number(figures.decodeSeconds)),
            ("decode_tokens_per_second", .number(figures.decodeTokensPerSecond)),
        ])
        object["context"] = context
        if !answer.media.entries.isEmpty {
            object["media"] = answer.media.json
            object["moments"] = .array(answer.moments.map(moment))
            object["certainty"] = figures.certainty.map { .number($0) } ?? .null
        }
        if let session { object["session"] = SessionNote.json(session) }
        if let sampling { object["sampling"] = sampling.json }
        if includingExperts { object["experts"] = runtime.expertUsage?.json ?? .null }
        return .object(object)
    }

    private var context: JSON {
        let figures = answer.context
        return [
            "attention": .string(runtime.attention.mode.rawValue),
            "recalled": .bool(figures.lists > 0),
            "kv": .string(runtime.cacheElement.rawValue),
            "tokens": .integer(Int64(figures.tokens)),
            "pages": .integer(Int64(figures.pages)),
            "sealed_pages": .integer(Int64(figures.sealedPages)),
            "page_bytes": .integer(Int64(figures.pageBytes)),
            "index_bytes": .integer(Int64(figures.indexBytes)),
            "lists": .integer(Int64(figures.lists)),
            "pages_per_list": .number(figures.pagesPerList),
            "candidates_per_list": .number(figures.candidatesPerList),
            "word_pages": .integer(Int64(figures.wordPages)),
        ]
    }

    private func document(_ document: Document) -> JSON {
        [
            "source": .string(document.source),
            "title": .string(document.title),
            "kind": .string(document.kind.rawValue),
            "bytes": .integer(Int64(document.byteCount)),
        ]
    }

    private func moment(_ moment: Moment) -> JSON {
        [
            "source": .string(moment.source),
            "seconds": [.number(moment.seconds.lowerBound), .number(moment.seconds.upperBound)],
            "modality": .string(moment.isSound ? "audio" : "video"),
            "share": .number(moment.share),
            "text": .string("at \(moment.text)"),
        ]
    }

    private func source(_ citation: Citation) -> JSON {
        let passage = citation.passage
        var object = JSON.Object([
            ("document", .integer(Int64(citation.documentIndex))),
            ("source", .string(documents[safely: citation.documentIndex]?.source ?? citation.documentTitle)),
            ("title", .string(citation.documentTitle)),
            ("lines", [.integer(Int64(passage.lines.lowerBound)), .integer(Int64(passage.lines.upperBound))]),
        ])
        if let pages = passage.pages {
            object["pages"] = [.integer(Int64(pages.lowerBound)), .integer(Int64(pages.upperBound))]
        }
        object["bytes"] = [.integer(Int64(passage.bytes.lowerBound)), .integer(Int64(passage.bytes.upperBound))]
        object["share"] = .number(citation.share)
        object["excerpt"] = .string(passage.excerpt)
        return .object(object)
    }
}

/// What stands under an answer for people.
struct AnswerNotes {
    var answer: Answer
    var documents: [Document]
    var style: Style

    /// Where an answer about media may be a guess.
    func doubt(below least: Double) -> [String] {
        var lines = answer.media.entries.compactMap(\.longClipNote).map {
            $0.prefix(1).uppercased() + $0.dropFirst() + "."
        }
        if let certainty = answer.statistics.certainty, certainty < least {
            let why = lines.isEmpty ? ": the file may not be of its world" : ""
            lines.append("The model is not sure of this (\(FixedPoint.text(100 * certainty, places: 0))%)\(why).")
        }
        return lines.map { style.yellow($0) }
    }

    /// Where the answer comes from: the passages that it attended to most.
    func sources() -> [String] {
        guard !answer.citations.isEmpty else { return [] }
        var lines = ["", style.bold("Attended to most:")]
        for citation in answer.citations {
            let source = documents[safely: citation.documentIndex]?.source ?? citation.documentTitle
            let share = "\(FixedPoint.text(citation.share * 100, places: 0))%"
            lines.append("  \(style.cyan(place(source, citation.passage)))  \(style.dim(share))")
            lines.append("    \(citation.passage.excerpt)")
        }
        return lines
    }

    /// The moments of clips and recordings that it attended to most.
    func moments() -> [String] {
        guard !answer.moments.isEmpty else { return [] }
        var lines = ["", style.bold("Looked at and listened to most:")]
        for moment in answer.moments {
            let share = "\(FixedPoint.text(moment.share * 100, places: 0))%"
            let place = "\(moment.source) at \(moment.text)"
            lines.append("  \(style.cyan(place))\(moment.isSound ? ", sound" : "")  \(style.dim(share))")
        }
        return lines
    }

    /// `handbook.md:12-14`, as editors and compilers write it; pages before lines where there are any.
    private func place(_ source: String, _ passage: Passage) -> String {
        let name = source == "-" ? "standard input" : source
        func text(_ range: ClosedRange<Int>) -> String {
            range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }
        guard let pages = passage.pages else { return "\(name):\(text(passage.lines))" }
        return "\(name), page\(pages.count == 1 ? "" : "s") \(text(pages))"
    }

    /// - Parameter tokens: the longest answer that was wanted; nil when no limit was given.
    func limit(_ tokens: Int?, contextTokens: Int) -> String {
        let figures = answer.statistics
        // Without a limit, answers end where the model's training does, or where the context is full.
        if tokens == nil, figures.promptTokens + figures.answerTokens >= contextTokens {
            let context = FixedPoint.count(contextTokens, "token")
            return style.yellow("The answer fills the context of \(context); --context can make it longer.")
        }
        return style.yellow(
            "The answer was ended after \(FixedPoint.count(tokens ?? figures.answerTokens, "token")); --max-tokens allows more."
        )
    }

    func statistics(_ runtime: Runtime) -> [String] {
        let figures = answer.statistics
        let read = figures.promptTokens - figures.cachedTokens
        var lines = [
            "",
            style.bold("Figures:"),
            "  prompt  \(FixedPoint.count(figures.promptTokens, "token")), of which "
                + "\(FixedPoint.grouped(figures.cachedTokens)) \(figures.cachedTokens == 1 ? "was" : "were") cached",
            "  read    \(FixedPoint.count(read, "token")) in \(FixedPoint.duration(figures.prefillSeconds)): "
                + "\(FixedPoint.text(figures.prefillTokensPerSecond, places: 1)) tokens/s",
            "  wrote   \(FixedPoint.count(figures.answerTokens, "token")) in "
                + "\(FixedPoint.duration(figures.decodeSeconds)): "
                + "\(FixedPoint.text(figures.decodeTokensPerSecond, places: 1)) tokens/s",
        ]
        if let usage = runtime.expertUsage {
            lines += ["", style.bold("Experts:")] + UsageTable(usage: usage, modality: nil).lines().map { "  " + $0 }
        }
        return lines
    }
}

extension Array {
    /// The element, or nil outside the array.
    subscript(safely index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}

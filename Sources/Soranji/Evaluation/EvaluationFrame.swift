import Tokenizers

/// What stands around a question: nothing for a model that continues texts, the chat template's own words else.
struct EvaluationFrame {
    /// Before everything.
    var opening: [Int32] = []
    /// Between a question and the beginning of its answer.
    var answering: [Int32] = []
    /// Between an answer and the question after it.
    var turning: [Int32] = []
    var style = EvaluationStyle.raw

    /// - Throws: when the model has no template, or one that changes what a user writes.
    init(_ style: EvaluationStyle, tokenizer: Tokenizer, template: ChatTemplate?) throws {
        self.style = style
        switch style {
        case .raw:
            let begin = tokenizer.encode([], addingSpecialTokens: true, parsingSpecialTokens: false).first
            opening = begin == tokenizer.bosToken ? begin.map { [$0] } ?? [] : []
            turning = tokenizer.encode("\n", addingSpecialTokens: false, parsingSpecialTokens: false)
        case .chat:
            guard let template else { throw EvaluationError.noTemplate }
            // Words that no template changes, in the places of the texts.
            let marks = ["qvfirstqv", "qvsecondqv", "qvthirdqv"]
            let roles = ["user", "assistant", "user"]
            func rendered(_ count: Int) throws -> [String] {
                let text: String
                do throws(TemplateError) {
                    text = try template.render(
                        messages: (0..<count).map { ChatMessage(role: roles[$0], content: marks[$0]) },
                        bosToken: tokenizer.bosText,
                        eosToken: tokenizer.eosText
                    )
                } catch {
                    throw RuntimeError.invalidTemplate(error.description)
                }
                return try Self.parts(of: text, around: Array(marks.prefix(count)))
            }
            let single = try rendered(1)
            let several = try rendered(3)
            func tokens(_ text: String) -> [Int32] {
                tokenizer.encode(text, addingSpecialTokens: false, parsingSpecialTokens: true)
            }
            opening = tokens(single[0])
            answering = tokens(single[1])
            turning = tokens(several[2])
        }
    }

    /// For tests.
    init() {}

    /// The texts before, between and after marks that stand in a text in order.
    private static func parts(of text: String, around marks: [String]) throws -> [String] {
        var parts: [String] = []
        var rest = text[...]
        for mark in marks {
            guard let range = rest.firstRange(of: mark) else { throw EvaluationError.noTemplate }
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}

/// Why an evaluation cannot be run.
package enum EvaluationError: HintedError, Equatable {
    case noTemplate
    case noLengths
    /// `differences` are settings with the file's values and this run's.
    case otherSettings(String, differences: [String])
    case notAResultsFile(String, line: Int)
    case resultsExist(String)
    case resultsTooLarge(String)
    case noPlainFile(String)

    package var description: String {
        switch self {
        case .noTemplate: "the model has no chat template that an evaluation could use"
        case .noLengths: "no length was given"
        case .otherSettings(let path, let differences):
            "'\(path)' holds results of other settings: \(differences.joined(separator: ", "))"
        case .notAResultsFile(let path, let line): "'\(path)' is no file of results: line \(line) cannot be read"
        case .resultsExist(let path): "'\(path)' exists already"
        case .resultsTooLarge(let path):
            "'\(path)' has more than \(FixedPoint.bytes(EvaluationFile.mostBytes)), too much for results"
        case .noPlainFile(let path): "'\(path)' is a device, a pipe or a folder, where results cannot be kept"
        }
    }

    package var hint: String? {
        switch self {
        case .noTemplate: "use --style raw"
        case .noLengths: nil
        case .otherSettings: "repeat the settings of the first run, or name another file"
        case .notAResultsFile, .resultsTooLarge, .noPlainFile: "name another file"
        case .resultsExist: "use --resume to go on with it, or name another file"
        }
    }
}

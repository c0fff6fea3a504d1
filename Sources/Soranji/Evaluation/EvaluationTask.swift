/// What an evaluation tests, after the recipes of RULER (Hsieh et al. 2024), infinity-Bench (Zhang et al. 2024), SCBench
/// (Li et al. 2025) and MTOB (Tanzer et al. 2024), with texts of our own that are made from a seed.
package enum EvaluationTask: String, Sendable, CaseIterable {
    /// One number in a text that repeats itself.
    case passkey
    /// One number in prose, by its name.
    case needle
    /// Four named numbers in prose, one is asked for.
    case multiKey = "multi-key"
    /// A text of nothing but named numbers, one is asked for.
    case allKeys = "all-keys"
    /// One name with four numbers, all are asked for.
    case multiValue = "multi-value"
    /// Four named numbers, all are asked for.
    case multiQuery = "multi-query"
    /// A number is handed on from variable to variable; all that have it are asked for.
    case variables
    /// The ten words that a list has most often.
    case commonWords = "common-words"
    /// The three invented words that a text has most often.
    case frequentWords = "frequent-words"
    /// Five named numbers, asked for one after the other in one conversation.
    case secondQuestion = "second-question"
    /// A language that is learnt from one book.
    case language

    /// Whether the place of what is asked for is varied.
    package var hasDepth: Bool {
        switch self {
        case .passkey, .needle, .multiKey, .allKeys: true
        default: false
        }
    }

    /// Tokens that an answer may have.
    var answerTokens: Int {
        switch self {
        case .passkey: 16
        case .needle, .multiKey, .allKeys, .secondQuestion: 32
        case .multiValue, .multiQuery: 96
        case .variables: 48
        case .commonWords: 120
        case .frequentWords: 50
        case .language: 64
        }
    }

    package var explanation: String {
        switch self {
        case .passkey: "one number in a text that repeats itself"
        case .needle: "one named number in prose"
        case .multiKey: "four named numbers in prose, one asked for"
        case .allKeys: "a text of nothing but named numbers, one asked for"
        case .multiValue: "one name with four numbers, all asked for"
        case .multiQuery: "four named numbers, all asked for"
        case .variables: "which variables have a value that is handed on"
        case .commonWords: "the ten most common words of a list"
        case .frequentWords: "the three most frequent invented words"
        case .secondQuestion: "five named numbers, one question after the other"
        case .language: "an invented language learnt from one book"
        }
    }
}

/// How a question is put to the model.
package enum EvaluationStyle: String, Sendable, CaseIterable {
    /// The text and the beginning of the answer, to be continued.
    case raw
    /// A user's turn in the model's chat template, and the beginning of the answer.
    case chat
}

/// One context and what is asked about it.
struct EvaluationCase {
    /// Which one: unique within an evaluation.
    struct Identity: Hashable, Sendable {
        var task: EvaluationTask
        /// What of the book is there, for ``EvaluationTask/language``.
        var setting: String?
        /// Tokens of prompt and answer together at most.
        var lengthTokens: Int
        /// Share of the context before what is asked for; nil where that is not varied.
        var depth: Double?
        var sample: Int
    }

    var identity: Identity
    /// Everything before the first question.
    var context: [ContextPart]
    /// Tokens at the context's beginning that other cases of the same haystack have, too.
    var sharedTokens: Int
    /// Where the needles lie in the context, in tokens.
    var needles: [Range<Int>] = []
    var questions: [EvaluationQuestion]
    /// Whether each question follows the answer to the one before; else each has the bare context before it.
    var asksInTurns = false

    var contextCount: Int { context.reduce(0) { $0 + $1.count } }

    /// The context's tokens.
    func contextTokens(_ haystack: Haystack?) -> [Int32] {
        var tokens: [Int32] = []
        tokens.reserveCapacity(contextCount)
        for part in context {
            switch part {
            case .haystack(let range): if let haystack { tokens += haystack.tokens[range] }
            case .own(let own): tokens += own
            }
        }
        return tokens
    }
}

struct EvaluationQuestion {
    /// The question, what the template puts after it, and the beginning of the answer.
    var tokens: [Int32]
    var references: [String]
    var scoring: EvaluationScoring
    var answerTokens: Int
    /// Whether the answer ends with its first line.
    var isOneLine = false
    /// What tells questions of one case apart for a report, such as the direction of a translation.
    var kind: String?
    /// Rules of the invented language that the answer needs.
    var rules: [String] = []
    /// What a word-by-word gloss and a solver that knows every rule answer.
    var floor: String?
    var ceiling: String?
}

/// How an answer is held against what is right.
enum EvaluationScoring: String, Sendable {
    /// The share of the references that the answer has, upper or lower case alike.
    case containsAll = "contains"
    /// Character n-grams, see ``ChrF``.
    case chrF = "chrf"

    /// From 0 to 100.
    func score(_ answer: String, _ references: [String]) -> Double {
        switch self {
        case .containsAll:
            guard !references.isEmpty else { return 0 }
            let lowercase = answer.lowercased()
            return 100 * Double(references.count { lowercase.contains($0.lowercased()) }) / Double(references.count)
        case .chrF: return references.map { ChrF.score(answer, $0) }.max() ?? 0
        }
    }
}

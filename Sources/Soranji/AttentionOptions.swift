import KVCache
import Models

/// How contexts are attended to.
public struct AttentionOptions: Sendable, Equatable {
    public enum Mode: String, Sendable, CaseIterable {
        /// Every token sees all tokens before it, at any length.
        case exact
        /// Every token sees the first page, a window, and the pages that ranking finds for it.
        case recall
        /// Exact up to the length that the model was trained for, recall beyond.
        case auto
    }

    /// How the tokens of an answer choose pages beyond their window.
    public enum QuestionLock: String, Sendable, CaseIterable {
        /// As all other tokens do.
        case free
        /// From those that the question's tokens chose, and those that left the window since.
        case lock
        /// Half are those that the question's tokens chose most, half are chosen freely.
        case hybrid

        /// The same as the cache knows it; nil where nothing is locked.
        var cacheLock: KVCache.QuestionLock? {
            switch self {
            case .free: nil
            case .lock: .lock
            case .hybrid: .hybrid
            }
        }
    }

    public var mode = Mode.auto
    /// Tokens of the window; nil: an eighth of the trained length, 4,096 at most.
    public var windowTokens: Int?
    /// Pages of 128 tokens that are found beyond it; nil: a quarter of the trained length, 4,096 tokens at most.
    public var pages: Int?
    /// What a question's tokens mean for the pages that its answer sees.
    public var questionLock = QuestionLock.free
    /// Pages at most, of those that are found, that are there for having the question's words; 0 for none.
    public var wordPages = 4
    /// Tokens that share one ranking.
    public var rankingStep: Int?

    public init() {}

    public static let windowRange = RecallSettings.leastLocalPositions...1 << 24
    public static let pageRange = 0...4096

    /// - Returns: nil for exact attention at any length.
    func recall(trainedTokens: Int) throws(RuntimeError) -> RecallSettings? {
        guard mode != .exact else { return nil }
        guard
            var settings = RecallSettings.fitting(
                trainedPositions: trainedTokens,
                firstPosition: mode == .recall ? 0 : nil
            )
        else {
            guard mode == .auto else { throw .recallNeedsLongerTraining(trainedTokens) }
            return nil
        }
        if let windowTokens {
            guard Self.windowRange.contains(windowTokens) else {
                throw .recallOutOfRange("a window", windowTokens, Self.windowRange)
            }
            settings.localPositions = windowTokens / PageLayout.positions * PageLayout.positions
        }
        if let pages {
            guard Self.pageRange.contains(pages) else {
                throw .recallOutOfRange("pages to find", pages, Self.pageRange)
            }
            settings.retrievedPages = pages
        }
        guard Self.pageRange.contains(wordPages) else {
            throw .recallOutOfRange("pages with the question's words", wordPages, Self.pageRange)
        }
        if let rankingStep {
            // Longer ones forget too much of what the tokens of an answer look for.
            guard [1, 2, 4, 8, 16, 32].contains(rankingStep) else {
                throw .recallOutOfRange("tokens that share a ranking", rankingStep, 1...32)
            }
            settings.rankingStep = rankingStep
        }
        return settings
    }
}

/// What a context holds, and how it was attended to.
public struct ContextFigures: Sendable, Equatable {
    public var tokens = 0
    /// Pages of 128 tokens, and how many of them are sealed.
    public var pages = 0
    public var sealedPages = 0
    /// Bytes of their keys and values, and of what ranking knows of them.
    public var pageBytes = 0
    public var indexBytes = 0
    /// Lists of pages that tokens attended to beyond their window, summed over layers and heads; 0 for exact attention.
    public var lists = 0
    /// Pages per list, and how many there were to choose from, on average.
    public var pagesPerList = 0.0
    public var candidatesPerList = 0.0
    /// Pages that were on the lists of the question and the answer for having the question's words.
    public var wordPages = 0
}

extension Runtime {
    /// What a context holds, and what recall did since the last call of ``resetRecallStatistics()``.
    func figures(of table: PageTable) -> ContextFigures {
        var figures = ContextFigures()
        figures.tokens = table.count
        for page in table.pages.prefix((table.count + PageLayout.positions - 1) / PageLayout.positions) {
            figures.pages += 1
            figures.sealedPages += page.isSealed ? 1 : 0
            figures.pageBytes += page.layout.recordBytes
        }
        figures.indexBytes = table.indexBytes
        let statistics = runner.recallStatistics
        figures.lists = statistics.lists
        let lists = Double(max(1, statistics.lists))
        figures.pagesPerList = Double(statistics.listedPages) / lists
        figures.candidatesPerList = Double(statistics.candidatePages) / lists
        figures.wordPages = statistics.namedPages
        return figures
    }

    /// Lets a question choose pages for its answer, where that is wanted: by its words, and by what its tokens attend to.
    /// Those that the context holds are read again: choices are made while they are read.
    ///
    /// - Parameters:
    ///   - question: nil for none.
    ///   - tokens: the prompt that comes, which ends with the question.
    func beginQuestion(_ question: AskedQuestion?, of tokens: [Int32], _ table: inout PageTable) throws {
        runner.endQuestion()
        guard let question, let recall = runner.recall else { return }
        let lock = attention.questionLock.cacheLock
        guard lock != nil || attention.wordPages > 0 else { return }
        guard recall.recalls(before: question.positions.upperBound) else { return }
        // Tokens share a list with the first of their block. The first block that is the question's alone begins: what
        // was read before is not read again, and does not see what the question names.
        let first = (question.positions.lowerBound + recall.rankingStep - 1) / recall.rankingStep * recall.rankingStep
        // What is there may have been read for another question that began with the same words.
        if table.count > first { table.truncate(to: first) }
        let named = try wordPages(of: question, in: tokens, recall)
        guard lock != nil || !named.isEmpty else { return }
        try runner.beginQuestion(
            RecallQuestion(
                positions: first..<max(first, question.positions.upperBound),
                lock: lock,
                namedPages: named
            )
        )
    }

    /// Whether the last question chose pages, so that its tokens were read as no other context reads them.
    var questionChosePages: Bool {
        let statistics = runner.recallStatistics
        return statistics.lists > 0 && (attention.questionLock != .free || statistics.namedPages > 0)
    }

    private func wordPages(of question: AskedQuestion, in tokens: [Int32], _ recall: RecallSettings) throws -> [Int] {
        let most = min(attention.wordPages, recall.retrievedPages)
        let far = recall.farPages(position: question.positions.lowerBound)
        // Fewer are all listed.
        guard most > 0, far.count > recall.retrievedPages else { return [] }
        return QuestionWords(question.text, tokenizer: try requireTokenizer()).bestPages(most, of: tokens, in: far)
    }

    func resetRecallStatistics() { runner.recallStatistics = RecallStatistics() }
}

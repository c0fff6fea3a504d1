import Experts
import Foundation
import JSONText
import KVCache
import ModelFiles
import Models
import Tensor
import Tokenizers

/// A model ready to run: mapped weights, tokenizer, threads and buffers.
///
/// Opening a bundle only maps it. One runtime serves one caller at a time; contexts (``Conversation``) are cheap and
/// share pages of equal prefixes.
public final class Runtime {
    /// How a runtime is set up.
    public struct Options: Sendable {
        /// Threads that compute; 0: one per processor.
        public var threadCount = 0
        /// Longest context in tokens; nil: 1,048,576 where longer ones are recalled, else what the model was trained for,
        /// at most 131,072.
        public var contextTokens: Int?
        /// How contexts are attended to.
        public var attention = AttentionOptions()
        /// Element type of cached keys and values.
        public var cacheElement = CacheElement.f16
        /// Bytes of memory that may be used; nil: what is free.
        public var memoryBytes: Int?
        /// What is free; nil: what the system says when the model is opened.
        package var freeBytes: Int?

        public init() {}
    }

    /// Element type of cached keys and values. Sealed forms take a half or a third of the memory of `f16`: 8 bits for
    /// keys, 8 or 4 for values, once a group of four pages is complete; until then it is `f16`.
    public enum CacheElement: String, Sendable, CaseIterable {
        case f32, f16, q8, q8v4

        /// Codes with scales, once a page is complete.
        var isSealed: Bool { page.isSealed }

        var page: PageLayout.Element {
            switch self {
            case .f32: .f32
            case .f16: .f16
            case .q8: .q8
            case .q8v4: .q8v4
            }
        }
    }

    /// Where the bundle lies.
    public let bundleFolder: String
    /// What `bundle.json` says.
    public let architecture: String
    let bundle: ModelFiles.Bundle
    package let decoder: Decoder
    package let tokenizer: Tokenizer?
    package let runner: DecoderRunner
    var prefixes: PrefixIndex
    let template: ChatTemplate?
    /// Longest context of this run in tokens.
    public let contextTokens: Int
    /// Bytes of memory that may be used; nil: what is free.
    public let memoryBytes: Int?
    /// What was free when the model was opened, less a reserve.
    package let freeBytes: Int
    /// How contexts are attended to.
    public let attention: AttentionOptions
    /// How keys and values are kept.
    public let cacheElement: CacheElement
    /// What the model was trained for.
    public var trainedContextTokens: Int { decoder.configuration.contextLength }
    /// Whether contexts that are longer than that are recalled.
    public var recallsLongContexts: Bool { runner.recall != nil }
    /// The longest context that makes sense.
    var longestUsefulContext: Int { recallsLongContexts ? Int(Int32.max) : trainedContextTokens }

    /// Tokens of an answer without a limit that begins where the model was not trained any more: contexts that are recalled
    /// go on for a million tokens, which no answer should.
    public static let answerTokensBeyondTraining = 2048

    /// Tokens that an answer without a limit may have: what is left of the trained length, and behind that length, or
    /// shortly before it, ``answerTokensBeyondTraining``. Never more than the context holds.
    public func answerRoom(after promptTokens: Int) -> Int {
        let room = max(trainedContextTokens - promptTokens, Self.answerTokensBeyondTraining)
        return max(0, min(room, contextTokens - promptTokens))
    }

    /// Opens a bundle folder.
    ///
    /// - Throws: an error that names the file and what is wrong with it.
    public init(bundleFolder: String, options: Options = Options()) throws {
        self.bundleFolder = bundleFolder
        memoryBytes = options.memoryBytes
        freeBytes = options.freeBytes ?? Self.budget(nil).bytes
        bundle = try ModelFiles.Bundle(path: bundleFolder)
        architecture = bundle.architecture
        guard architecture != WhisperConfiguration.architecture else {
            throw SpeechError.onlyTranscribes(bundleFolder)
        }
        decoder = try Decoder(bundle: bundle)
        // A checkpoint without a vocabulary may still bring settings; it is scored by token ids.
        tokenizer = bundle.manifest.hasVocabulary ? try Tokenizer.load(folder: bundleFolder) : nil
        template = try tokenizer?.chatTemplate.map { try ChatTemplate(source: $0) }
        if let tokenizer, tokenizer.vocabularySize > decoder.configuration.vocabularySize {
            throw RuntimeError.tokenizerMismatch(
                tokens: tokenizer.vocabularySize,
                rows: decoder.configuration.vocabularySize
            )
        }
        let trained = decoder.configuration.contextLength
        attention = options.attention
        cacheElement = options.cacheElement
        let recall = try options.attention.recall(trainedTokens: trained)
        let longest = recall == nil ? min(trained, 131_072) : max(1_048_576, trained)
        contextTokens = options.contextTokens ?? longest
        guard contextTokens >= 1 else { throw RuntimeError.contextOutOfRange(contextTokens) }
        let threads = options.threadCount > 0 ? options.threadCount : ProcessInfo.processInfo.activeProcessorCount
        runner = try DecoderRunner(
            decoder: decoder,
            pool: ThreadPool(threadCount: threads),
            element: options.cacheElement.page,
            maximumPositions: contextTokens,
            recall: recall
        )
        // Longer prefixes stay with the conversations that read them.
        prefixes = PrefixIndex(byteLimit: runner.bytes(positions: min(contextTokens, 131_072)))
        limitResidents(memoryPlan(tokens: 0, memoryBytes: memoryBytes ?? freeBytes))
    }

    /// What people call the model: the file or folder that it was imported from, else the bundle folder's name.
    public var modelName: String { bundle.modelName }
    public var vocabularySize: Int { decoder.configuration.vocabularySize }
    public var threadCount: Int { runner.pool.threadCount }
    public var layerCount: Int { decoder.configuration.layerCount }
    /// Routed experts per layer; 0 for a dense model.
    public var expertCount: Int { decoder.configuration.router?.expertCount ?? 0 }
    /// Bytes of cached keys and values per token.
    public var cacheBytesPerToken: Int { runner.bytes(positions: PageLayout.positions) / PageLayout.positions }

    /// An empty table of pages for this model.
    func makePageTable() -> PageTable { runner.makeTable() }

    /// Checks ids that a user gave.
    func check(_ tokens: [Int32]) throws {
        if let index = tokens.firstIndex(where: { $0 < 0 || Int($0) >= vocabularySize }) {
            throw RuntimeError.tokenOutOfRange(tokens[index], index: index, vocabularySize: vocabularySize)
        }
    }
}

extension ModelFiles.Bundle {
    /// The file or folder that it was imported from, else the bundle folder's name.
    package var modelName: String {
        [manifest.provenance.source, path].lazy
            .compactMap { $0.split(separator: "/").last.map(String.init) }
            .first ?? path
    }
}

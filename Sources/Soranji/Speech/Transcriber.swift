import Foundation
import Media
import ModelFiles
import Models
import Tensor
import Tokenizers

/// Sound that is read piece by piece: mono, 16 kHz, -1 ... 1.
public protocol SoundSource {
    /// The next samples, at most `maximum`; empty at the end.
    mutating func read(maximum: Int) throws -> [Float]
}

/// Sound in memory.
public struct SampleSource: SoundSource {
    private var rest: ArraySlice<Float>

    public init(_ samples: [Float]) { rest = samples[...] }

    public mutating func read(maximum: Int) -> [Float] {
        defer { rest = rest.dropFirst(max(1, maximum)) }
        return Array(rest.prefix(max(1, maximum)))
    }
}

/// Writes down what is said, with a Whisper model.
///
/// The sound becomes one log-mel spectrogram (an hour: 115 MB at 80 bins). Windows of 30 s are decoded one after the
/// other; the times that the model writes decide where the next one begins, so that no word is cut. A window whose text
/// is improbable or repeats itself is tried again at higher temperatures (Radford et al. 2022, section 4.5).
public final class Transcriber {
    /// How to write.
    public struct Options: Sendable {
        /// A language code, or its English name; nil to listen for it in the first window.
        public var language: String?
        /// Into English.
        public var translates = false
        /// Tried in turn while the text is improbable.
        public var temperatures = [0, 0.2, 0.4, 0.6, 0.8, 1]
        /// Text below this mean log probability is improbable.
        public var leastLogProbability = -1.0
        /// Text that shrinks by more than this repeats itself.
        public var largestCompression = 2.4
        /// A window with improbable text and at least this share of silence is passed over.
        public var silenceShare = 0.6
        public var seed: UInt64 = 0

        public init() {}
    }

    private let bundleFolder: String
    private let runner: WhisperRunner
    private let tokenizer: Tokenizer
    private let tokens: SpeechTokens
    private let decoder: SpeechDecoder

    /// Opens a bundle folder of a Whisper model.
    ///
    /// - Parameter threadCount: 0: one per processor.
    /// - Throws: an error that names the file and what is wrong with it.
    public init(bundleFolder: String, threadCount: Int = 0) throws {
        self.bundleFolder = bundleFolder
        let bundle = try ModelFiles.Bundle(path: bundleFolder)
        guard bundle.architecture == WhisperConfiguration.architecture else {
            throw SpeechError.wrongModel(bundle.architecture)
        }
        guard bundle.manifest.hasVocabulary else { throw RuntimeError.noTokenizer(bundle.modelName) }
        let model = try Whisper(bundle: bundle)
        tokenizer = try Tokenizer.load(folder: bundleFolder)
        tokens = try SpeechTokens(folder: bundleFolder, tokenizer: tokenizer, configuration: model.configuration)
        try Self.checkSound(bundleFolder, model.configuration)
        let threads = threadCount > 0 ? threadCount : ProcessInfo.processInfo.activeProcessorCount
        runner = try WhisperRunner(model: model, pool: ThreadPool(threadCount: threads))
        decoder = SpeechDecoder(runner: runner, tokens: tokens)
    }

    /// The front end must be what the model was made for.
    private static func checkSound(_ folder: String, _ configuration: WhisperConfiguration) throws {
        let sound = try ProcessorSettings(folder: folder, family: .whisper).sound
        let path = folder + "/" + ProcessorSettings.fileNames[0]
        guard FileManager.default.fileExists(atPath: path), sound.melBins != configuration.melBins else { return }
        throw SpeechError.badSetting(
            file: path,
            key: "feature_size",
            reason: "is \(sound.melBins), but the model reads \(configuration.melBins) bins"
        )
    }

    /// Codes of the languages that the model knows, sorted; empty for a model of one language.
    public var languages: [String] { tokens.languages.keys.sorted() }

    /// - Parameters:
    ///   - onProgress: called after every window with its segments, the seconds done and the seconds in all.
    ///   - isCancelled: asked before every token; the transcript then ends with the last whole window.
    /// - Throws: ``SpeechError``, and what reading the sound throws.
    public func transcribe(
        _ source: some SoundSource,
        options: Options = Options(),
        isCancelled: () -> Bool = { false },
        onProgress: (_ segments: [Transcript.Segment], _ seconds: Double, _ total: Double) throws -> Void = { _, _, _ in
        }
    ) throws -> Transcript {
        var language = try checkedLanguage(options)
        if options.translates, tokens.translate == nil { throw SpeechError.cannotTranslate }
        let (mel, frames) = try spectrogram(source)
        guard frames > 0 else { throw SpeechError.noSound }
        let shape = runner.model.configuration
        let duration = Double(frames) / 100
        var transcript = Transcript(language: language, duration: duration, segments: [])
        var random = SplitMix64(state: options.seed)
        var begin = 0
        while begin < frames, !isCancelled() {
            let first = begin * shape.melBins
            try mel.values[first..<first + shape.windowFrames * shape.melBins].withUnsafeBufferPointer {
                try runner.encode($0)
            }
            if language == nil, let heard = try decoder.language() {
                language = heard
                transcript.language = heard
            }
            let prompt = tokens.prompt(language: language, translates: options.translates)
            let length = min(shape.windowFrames, frames - begin)
            let attempt = try bestAttempt(prompt, options, &random, isCancelled)
            if isCancelled() { break }
            var segments: [Transcript.Segment] = []
            if isSilent(attempt, options) {
                begin += length
            } else {
                let window = SpeechWindow(text: attempt.text, tokens: tokens, begin: begin, frames: length)
                segments = window.segments.compactMap { self.segment($0, duration) }
                transcript.segments += segments
                begin += window.advance
            }
            try onProgress(segments, Double(min(begin, frames)) / 100, duration)
        }
        return transcript
    }

    private func checkedLanguage(_ options: Options) throws -> String? {
        guard let wish = options.language else { return nil }
        guard let code = SpeechLanguages.code(for: wish), tokens.languages[code] != nil else {
            throw SpeechError.unknownLanguage(wish, known: languages)
        }
        return code
    }

    /// The whole sound and a window of silence behind it, and how many frames of it are sound.
    private func spectrogram(_ source: some SoundSource) throws -> (LogMel, Int) {
        var source = source
        let shape = runner.model.configuration
        let stream = try LogMelStream(bins: shape.melBins)
        var count = 0
        while true {
            let piece = try source.read(maximum: 65_536)
            guard !piece.isEmpty else { break }
            piece.withUnsafeBufferPointer { stream.append($0) }
            count += piece.count
        }
        guard count > 0 else { return (stream.finish(), 0) }
        stream.appendSilence((shape.windowFrames + 1) * LogMel.hop)
        return (stream.finish(), max(1, count / LogMel.hop))
    }

    private func bestAttempt(
        _ prompt: [Int32],
        _ options: Options,
        _ random: inout SplitMix64,
        _ isCancelled: () -> Bool
    ) throws -> SpeechAttempt {
        var last: SpeechAttempt?
        for temperature in options.temperatures {
            let attempt = try decoder.attempt(
                prompt: prompt,
                temperature: temperature,
                limit: max(1, runner.model.configuration.targetPositions / 2),
                random: &random,
                isCancelled: isCancelled
            )
            last = attempt
            let repeats = compression(attempt.text) > options.largestCompression
            let isImprobable = attempt.meanLogProbability < options.leastLogProbability
            // Silence is improbable text too, but trying again does not help.
            if isCancelled() || isSilent(attempt, options) || (!repeats && !isImprobable) { break }
        }
        return last ?? SpeechAttempt(text: [], meanLogProbability: 0, silence: 1)
    }

    private func isSilent(_ attempt: SpeechAttempt, _ options: Options) -> Bool {
        attempt.silence > options.silenceShare && attempt.meanLogProbability < options.leastLogProbability
    }

    /// How many times shorter a text becomes by compressing it.
    private func compression(_ text: [Int32]) -> Double {
        let bytes = text.filter { !tokens.isTime($0) }.flatMap { tokenizer.tokenBytes($0) ?? [] }
        return bytes.isEmpty ? 0 : Double(bytes.count) / Double(Deflate.zlib(bytes).count)
    }

    /// nil for a segment without words or without length.
    private func segment(_ segment: SpeechSegment, _ duration: Double) -> Transcript.Segment? {
        let text = tokenizer.decode(segment.tokens, skippingSpecialTokens: true)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let end = min(segment.end, duration)
        guard !text.isEmpty, segment.start < end else { return nil }
        return Transcript.Segment(start: segment.start, end: end, text: text)
    }
}

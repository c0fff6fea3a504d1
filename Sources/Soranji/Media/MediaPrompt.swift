import Foundation
import Media
import Models
import Tokenizers

/// A prompt with media: its text, with one placeholder per piece, and the stream that comes of it.
struct MediaPrompt {
    /// The prompt's text as tokens cover it: one placeholder for every run of rows.
    var text: String
    var stream: TokenStream
    /// The bytes of ``text`` that each token covers.
    var ranges: [Range<Int>]
}

/// Puts media into prompts as the families' processors do: expands placeholders, writes times as text (Qwen3-VL), runs a
/// clip's sound inside of the clip (Qwen3-Omni).
struct MediaPrompter {
    let tokenizer: Tokenizer
    let configuration: MediaConfiguration
    private let texts: Texts

    /// Spellings of control tokens.
    private struct Texts {
        var image: String
        var video: String
        var audio: String?
        var visionStart = ""
        var visionEnd = ""
        var audioStart: String?
        var audioEnd: String?
    }

    /// - Throws: ``MediaUseError/noPlaceholder(_:)`` when the vocabulary lacks a control token.
    init(tokenizer: Tokenizer, configuration: MediaConfiguration) throws {
        self.tokenizer = tokenizer
        self.configuration = configuration
        func text(_ id: Int32, _ kind: String) throws -> String {
            guard let token = tokenizer.specialTokens.first(where: { $0.id == id }) else {
                throw MediaUseError.noPlaceholder(kind)
            }
            return token.text
        }
        /// `<|vision_end|>` of `<|vision_start|>`: the configuration names only the one that positions need.
        func end(_ start: String, _ kind: String) throws -> String {
            let end = start.replacing("start", with: "end")
            guard end != start, tokenizer.specialTokens.contains(where: { $0.text == end }) else {
                throw MediaUseError.noPlaceholder(kind)
            }
            return end
        }
        guard configuration.rule != .windowed, let startToken = configuration.visionStartToken else {
            // Windows bring their marks along as rows.
            texts = Texts(
                image: try text(configuration.imageToken, "images"),
                video: try text(configuration.videoToken, "video"),
                audio: try configuration.audioToken.map { try text($0, "audio") }
            )
            return
        }
        let visionStart = try text(startToken, "video")
        let audioStart = try configuration.audioStartToken.map { try text($0, "audio") }
        texts = Texts(
            image: try text(configuration.imageToken, "images"),
            video: try text(configuration.videoToken, "video"),
            audio: try configuration.audioToken.map { try text($0, "audio") },
            visionStart: visionStart,
            visionEnd: try end(visionStart, "video"),
            audioStart: audioStart,
            audioEnd: try audioStart.map { try end($0, "audio") }
        )
    }

    /// What stands for a piece of media in a message's text.
    func placeholder(_ kind: MediaInput.Kind) -> String {
        switch kind {
        case .image: texts.visionStart + texts.image + texts.visionEnd
        case .video: texts.visionStart + texts.video + texts.visionEnd
        case .audio: (texts.audioStart ?? "") + (texts.audio ?? "") + (texts.audioEnd ?? "")
        }
    }

    /// Whether a rendered prompt has the placeholders of `media`, in that order.
    func holds(_ rendered: String, _ media: [EncodedMedia]) -> Bool {
        pieces(of: rendered).compactMap(\.kind) == media.map(\.plan.input.kind)
    }

    /// A rendered prompt, cut at placeholders: text, and the kind that follows it.
    private func pieces(of rendered: String) -> [(text: Substring, kind: MediaInput.Kind?)] {
        var pieces: [(text: Substring, kind: MediaInput.Kind?)] = []
        var rest = rendered[...]
        let kinds: [(String, MediaInput.Kind)] =
            [(texts.image, .image), (texts.video, .video)] + (texts.audio.map { [($0, .audio)] } ?? [])
        while true {
            let found = kinds.compactMap { spelling, kind in rest.range(of: spelling).map { ($0, kind) } }
                .min { $0.0.lowerBound < $1.0.lowerBound }
            guard let (range, kind) = found else { break }
            pieces.append((rest[..<range.lowerBound], kind))
            rest = rest[range.upperBound...]
        }
        pieces.append((rest, nil))
        return pieces
    }

    /// The text that is tokenized, with one placeholder for every run, and the ids of each run.
    private func expanded(_ rendered: String, _ media: [EncodedMedia]) throws -> (text: String, runs: [[Int32]]) {
        var text = ""
        var runs: [[Int32]] = []
        var isInFrames = false
        var index = 0
        for piece in pieces(of: rendered) {
            var before = piece.text
            // Frames bring their own ends.
            if isInFrames, before.hasPrefix(texts.visionEnd) { before = before.dropFirst(texts.visionEnd.count) }
            isInFrames = false
            guard let kind = piece.kind else {
                text += before
                break
            }
            guard index < media.count, media[index].plan.input.kind == kind else {
                throw MediaUseError.noPlaceholder("\(kind.rawValue) \(index + 1)")
            }
            let item = media[index]
            index += 1
            if kind == .video, configuration.rule == .framewise, let sight = item.plan.sight {
                isInFrames = before.hasSuffix(texts.visionStart)
                text += isInFrames ? before.dropLast(texts.visionStart.count) : before
                let times = FrameTimes.groups(sight.times, size: configuration.temporalPatch)
                let rows = sight.tokens / max(1, sight.grid.frames)
                for group in 0..<sight.grid.frames {
                    let time = FrameTimes.text(group < times.count ? times[group] : times.last ?? 0)
                    text += "<\(time) seconds>" + texts.visionStart + texts.video + texts.visionEnd
                    runs.append(Array(repeating: configuration.videoToken, count: rows))
                }
                continue
            }
            text += before
            if let windows = configuration.windows {
                text += kind == .image ? texts.image : kind == .video ? texts.video : texts.audio ?? ""
                runs.append(windowRun(item, windows))
                continue
            }
            switch kind {
            case .image:
                text += texts.image
                runs.append(Array(repeating: configuration.imageToken, count: item.sight?.count ?? 0))
            case .audio:
                text += texts.audio ?? ""
                runs.append(Array(repeating: configuration.audioToken ?? 0, count: item.sound?.count ?? 0))
            case .video:
                runs.append(try videoRun(item))
                let hasSound = (item.sound?.count ?? 0) > 0
                text += hasSound ? (texts.audioStart ?? "") + texts.video + (texts.audioEnd ?? "") : texts.video
            }
        }
        guard index == media.count else {
            throw MediaUseError.noPlaceholder("\(media[index].plan.input.kind.rawValue)")
        }
        return (text, runs)
    }

    /// Windows of sight and sound in their order; files that were not read yet have none of sound.
    private func windowRun(_ item: EncodedMedia, _ windows: SenseWindows) -> [Int32] {
        WindowOrder(item.plan, hasSound: item.sound != nil).tokens(
            windows,
            video: item.plan.input.kind == .image ? configuration.imageToken : configuration.videoToken,
            audio: configuration.audioToken ?? configuration.videoToken
        )
    }

    private func videoRun(_ item: EncodedMedia) throws -> [Int32] {
        guard let sight = item.plan.sight else { return [] }
        guard let audioToken = configuration.audioToken, let sound = item.sound, sound.count > 0 else {
            return Array(repeating: configuration.videoToken, count: sight.tokens)
        }
        return try StreamPositions.interleaved(
            grid: sight.grid,
            secondsPerGrid: sight.secondsPerGrid,
            soundTokens: sound.count,
            configuration: configuration
        ).map { $0 ? configuration.videoToken : audioToken }
    }

    /// Tokens of a rendered prompt without the rows of media, times of frames included.
    func textTokenCount(_ rendered: String, separator: Character?, media: [EncodedMedia]) throws -> Int {
        let encoded = PromptEncoder(tokenizer).encode(
            try expanded(rendered, media).text,
            separator: separator,
            addingSpecialTokens: false
        )
        return encoded.tokens.count { !configuration.isPlaceholder($0) }
    }

    /// The stream of a rendered prompt.
    ///
    /// - Parameters:
    ///   - separator: see ``PromptEncoder``.
    ///   - media: in the order of their placeholders.
    func prompt(
        _ rendered: String,
        separator: Character?,
        addingSpecialTokens: Bool,
        media: [EncodedMedia],
        decoder: DecoderConfiguration
    ) throws -> MediaPrompt {
        let (text, runs) = try expanded(rendered, media)
        let encoded = PromptEncoder(tokenizer).encode(
            text,
            separator: separator,
            addingSpecialTokens: addingSpecialTokens
        )
        var tokens: [Int32] = []
        var ranges: [Range<Int>] = []
        var next = 0
        for (token, range) in zip(encoded.tokens, encoded.ranges) {
            if configuration.isPlaceholder(token), next < runs.count {
                tokens += runs[next]
                ranges += Array(repeating: range, count: runs[next].count)
                next += 1
            } else {
                tokens.append(token)
                ranges.append(range)
            }
        }
        let layout = MediaLayout.stream(media)
        let stream = try TokenStream(
            tokens: tokens,
            media: layout.rows,
            layout: layout.media,
            configuration: decoder
        )
        return MediaPrompt(text: encoded.text, stream: stream, ranges: ranges)
    }
}

/// Media in the order that streams take them.
enum MediaLayout {
    static func stream(_ media: [EncodedMedia]) -> (rows: [MediaRows], media: StreamMedia) {
        var rows: [MediaRows] = []
        var layout = StreamMedia()
        for item in media {
            if let sight = item.plan.sight, let seen = item.sight {
                rows.append(seen)
                if item.plan.input.kind == .image {
                    layout.images.append(sight.grid)
                } else {
                    layout.videos.append(.init(grid: sight.grid, secondsPerGrid: sight.secondsPerGrid))
                }
            }
            if let heard = item.sound, heard.count > 0 {
                rows.append(heard)
                layout.sounds.append(heard.count)
            }
        }
        return (rows, layout)
    }
}

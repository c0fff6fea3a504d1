import Foundation
import Media

/// Films what is said, and says what is filmed, with one model.
public struct Storyteller {
    /// What a clip is described with.
    public static let question = "Describe the video."
    /// Longest description, in tokens.
    private static let longestDescription = 128
    public let studio: FilmStudio
    private let vocabulary: SceneVocabulary

    /// How far a retelling is.
    public enum Step: Sendable {
        case describing(round: Int, PrefillProgress)
        case filming(round: Int, FilmProgress)
    }

    /// - Throws: ``RetellingError/noVocabulary(_:)`` for a model that has no words to compare by, ``MediaUseError`` for one
    ///   that does not see.
    public init(studio: FilmStudio) throws {
        guard studio.runtime.sees else { throw MediaUseError.modelReadsTextAlone }
        self.studio = studio
        vocabulary = try SceneVocabulary(bundleFolder: studio.runtime.bundleFolder)
    }

    /// Describes a clip, films the description, describes that, and so on. The same clip and request give the same bytes.
    ///
    /// - Parameters:
    ///   - request: how to film; its shots and what it begins with are not looked at, and each round has the seed that follows.
    ///   - name: where the clip of a round goes, from 1 on.
    ///   - onStep: called while there is work; an error ends it.
    ///   - onRound: called after each description.
    public func retell(
        _ clip: String,
        rounds: Int,
        request: FilmRequest,
        name: (Int) -> String,
        onStep: (Step) throws -> Void = { _ in },
        onRound: (Retelling.Round) throws -> Void = { _ in }
    ) throws -> Retelling {
        try Retelling(
            clip: clip,
            rounds: rounds,
            vocabulary: vocabulary,
            describe: { clip, round in try describe(clip) { try onStep(.describing(round: round, $0)) } },
            film: { description, round in
                let path = name(round)
                try film(description, like: request, round: round, to: path) {
                    try onStep(.filming(round: round, $0))
                }
                return path
            },
            onRound: onRound
        )
    }

    private func describe(
        _ clip: String,
        onProgress: (PrefillProgress) throws -> Void
    ) throws -> Retelling.Account {
        let conversation = Conversation(runtime: studio.runtime)
        conversation.add(MediaInput(.video, path: clip))
        let answer = try conversation.ask(
            Self.question,
            maximumTokens: Self.longestDescription,
            onProgress: onProgress
        )
        return Retelling.Account(text: answer.text, certainty: answer.statistics.certainty)
    }

    private func film(
        _ description: String,
        like request: FilmRequest,
        round: Int,
        to path: String,
        onProgress: (FilmProgress) throws -> Void
    ) throws {
        var request = request
        request.shots = [FilmRequest.Shot(prompt: description)]
        request.origin = .noise
        request.isStill = false
        request.seed = request.seed &+ UInt64(round)
        let writer = try FilmWriter(
            output: path,
            framesFolder: nil,
            size: try studio.size(of: request),
            framesPerSecond: request.framesPerSecond ?? studio.trainedFramesPerSecond,
            soundRate: request.hasSound ? studio.sampleRate : nil,
            label: FilmWriter.Label(
                title: String(description.prefix(200)),
                comment: "Retold by Soranji \(SoranjiVersion.current) in round \(round), seed \(request.seed)."
            )
        )
        _ = try studio.film(request, onProgress: onProgress, onPiece: writer.append)
        try writer.finish()
    }

    /// What makes a clip's retelling doubtful.
    public func notes(on retelling: Retelling) -> [String] {
        guard let first = retelling.rounds.first else { return [] }
        let name = (first.clip as NSString).lastPathComponent
        var notes: [String] = []
        let receipt = try? studio.runtime.mediaReceipt([MediaInput(.video, path: first.clip)])
        if let note = receipt?.entries.first?.longClipNote {
            notes.append(note + "; the shares are of what it said, not of the clip")
        }
        if let difference = difference(first.clip) {
            notes.append("\(name) has \(difference): the model says the nearest that it knows")
        }
        if let certainty = first.certainty, certainty < Runtime.leastCertainty {
            notes.append(
                "the model is not sure of what it sees in \(name) (\(FixedPoint.text(100 * certainty, places: 0))%): it may "
                    + "not be of the model's world"
            )
        }
        if !retelling.hasMeaning {
            notes.append("what is said of \(name) names nothing of the model's world, so there is nothing to compare")
        } else if let last = retelling.rounds.last, last.description.allSatisfy(\.isWhitespace) {
            notes.append("nothing was said of \(name) in round \(last.number), so nothing more was filmed")
        }
        return notes
    }

    /// Where a clip has another size or rate than the model's world.
    private func difference(_ clip: String) -> String? {
        guard let stream = try? MediaFile(path: clip).description.bestVideo, case .video(let video) = stream.kind else {
            return nil
        }
        let trained = studio.trainedSize
        let rate = video.averageRate ?? Double(studio.trainedFramesPerSecond)
        let isSame = video.displayWidth == trained.width && video.displayHeight == trained.height
        guard !isSame || abs(rate - Double(studio.trainedFramesPerSecond)) > 0.1 else { return nil }
        return
            "\(video.displayWidth)x\(video.displayHeight) pixels and \(FixedPoint.text(rate, places: 1)) frames/s, unlike "
            + "the model's world of \(trained.width)x\(trained.height) and \(studio.trainedFramesPerSecond)"
    }
}

import Foundation
import JSONText
import MediaFixtures
import ModelFiles
import Models
import Sessions
import Testing
import Tokenizers

@testable import Soranji

/// The default model: where its parts are found, how it is put together, and what it makes of files.
struct DefaultModelTests {
    private static let model = UserFolders.variable("SORANJI_TEST_MODEL")
    private static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    private static let template = package + "/Tokenizers/chat_template.jinja"

    @Test func partsAreFoundWhereTheToolIs() throws {
        let folder = TemporaryFolder()
        func place(_ path: String) throws {
            let url = URL(fileURLWithPath: folder.path + "/" + path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try Data("{}".utf8).write(to: url)
        }
        func find(_ program: String, _ variable: String? = nil) throws -> String? {
            try DefaultModel.partsFolder(environment: { _ in variable }, program: folder.path + "/" + program)
        }
        for program in ["usr/bin/soranji", "package/.build/x86_64-unknown-linux-gnu/release/soranji"] {
            try place(program)
            #expect(try find(program) == nil)
        }
        try place("package/Package.swift")
        #expect(try find("package/.build/x86_64-unknown-linux-gnu/release/soranji") == nil)
        try place("package/Experts/model.json")
        try place("usr/share/soranji/Experts/model.json")
        let root = URL(fileURLWithPath: folder.path).resolvingSymlinksInPath().path
        #expect(try find("package/.build/x86_64-unknown-linux-gnu/release/soranji") == root + "/package")
        #expect(try find("usr/bin/soranji") == root + "/usr/share/soranji")
        #expect(try find("usr/bin/soranji", folder.path + "/package") == folder.path + "/package")
        #expect(try find("usr/bin/soranji", "") == root + "/usr/share/soranji")
        #expect(throws: RuntimeError.noParts(folder.path)) { try find("usr/bin/soranji", folder.path) }
    }

    /// Text is spelled as the trunk's own template spells it; media come without the default system message.
    @Test func theTemplateIsTheTrunksForText() throws {
        let ours = try ChatTemplate(source: String(contentsOfFile: Self.template, encoding: .utf8))
        let fixtures = Self.package + "/Tests/TokenizersTests/Fixtures/templates/models/SmolLM2-135M-Instruct.jinja"
        let theirs = try ChatTemplate(source: String(contentsOfFile: fixtures, encoding: .utf8))
        let user = ChatMessage(role: "user", content: "a\n\n b ")
        for messages in [
            [user], [ChatMessage(role: "system", content: " x\n"), user],
            [user, ChatMessage(role: "assistant", content: "c "), ChatMessage(role: "user", content: "")],
        ] {
            #expect(
                try ours.render(messages: messages, bosToken: "", eosToken: "")
                    == theirs.render(messages: messages, bosToken: "", eosToken: "")
            )
        }
        var message = ChatMessage(role: "user", content: "")
        message.extra["content"] = [["type": "video"], ["type": "audio"], ["type": "text", "text": "Q?"]]
        #expect(
            try ours.render(messages: [message], bosToken: "", eosToken: "")
                == "<|im_start|>user\n<jupyter_script><empty_output>Q?<|im_end|>\n<|im_start|>assistant\n"
        )
    }

    @Test func windowsCoverAClip() {
        #expect(WindowPlan.starts(frames: 1, window: 16, slack: 2) == [0])
        #expect(WindowPlan.starts(frames: 18, window: 16, slack: 2) == [0])
        #expect(WindowPlan.starts(frames: 19, window: 16, slack: 2) == [0, 3])
        #expect(WindowPlan.starts(frames: 48, window: 16, slack: 2) == [0, 16, 32])
        #expect(WindowPlan.starts(seconds: 0.3, window: 2, slack: 0.25) == [0])
        #expect(WindowPlan.starts(seconds: 2.2, window: 2, slack: 0.25) == [0])
        #expect(WindowPlan.starts(seconds: 5, window: 2, slack: 0.25) == [0, 2, 3])
        #expect(WindowPlan.starts(seconds: .infinity, window: 2, slack: 0.25).count == 5_000_000)
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func looksAtFilesAndListens() throws {
        let folder = TemporaryFolder()
        try TinyParts.write(to: folder.path + "/parts", template: Self.template)
        let parts = try GrownParts(root: folder.path + "/parts")
        let trunk = try #require(Self.model)
        let bundle = folder.path + "/" + (try DefaultModel.bundleName(trunk: trunk, parts: parts))
        try DefaultModel.assemble(trunk: trunk, parts: parts, into: bundle)
        #expect(throws: ModelFileError.self) { try DefaultModel.assemble(trunk: trunk, parts: parts, into: bundle) }
        #expect(FileManager.default.fileExists(atPath: bundle + "/model.json"))
        #expect(FileManager.default.fileExists(atPath: bundle + "/decoder/codec.safetensors"))

        var answers: [[Int32]] = []
        for threads in [1, 2] {
            var options = Runtime.Options()
            options.threadCount = threads
            options.contextTokens = 512
            let runtime = try Runtime(bundleFolder: bundle, options: options)
            #expect(runtime.sees && runtime.hears)
            let conversation = Conversation(runtime: runtime)
            conversation.add(MediaInput(.video, path: MediaModel.clip))
            let answer = try conversation.ask("What?", maximumTokens: 6)
            answers.append(answer.tokens)
            // Three seconds: two windows of four frames at two a second, the second one from the first second on.
            let entry = try #require(answer.media.entries.first)
            #expect(entry.frameTimes == [0, 0.5, 1, 1.5, 2, 2.5])
            #expect(entry.videoTokens == 2 * 4 && entry.audioTokens == 2 * 3)
            #expect(entry.usedSize == .init(width: 32, height: 32))
            // user, newline ... the windows and "What?" without a system message.
            #expect(answer.statistics.promptTokens < 35)
            #expect(answer.moments.allSatisfy { $0.seconds.upperBound <= 3.01 })
            let usage = try #require(runtime.expertUsage)
            #expect((0..<4).reduce(0) { $0 + usage.count(layer: 15, expert: $1, modality: "video") } == 8)
            #expect((0..<4).reduce(0) { $0 + usage.count(layer: 15, expert: $1, modality: "audio") } == 6)
            #expect(
                (0..<30).allSatisfy { layer in
                    (0..<4).allSatisfy { usage.count(layer: layer, expert: $0, modality: "text") == 0 }
                }
            )
            let next = try conversation.ask("And then?", maximumTokens: 4)
            #expect(next.statistics.cachedTokens >= answer.statistics.promptTokens)
        }
        #expect(answers[0] == answers[1])
        var options = Runtime.Options()
        // A million tokens would be refused for want of memory on many machines.
        options.contextTokens = 8192
        let runtime = try Runtime(bundleFolder: bundle, options: options)
        try others(runtime)
        try scores(runtime)
        try refusals(runtime)
        try storedTextOutlivesOtherFilms(runtime)
    }

    /// Sessions are of this model whatever it films with, and of no other.
    private func storedTextOutlivesOtherFilms(_ runtime: Runtime) throws {
        let path = runtime.bundle.path + "/model.json"
        let before = try runtime.sessionFingerprint()
        let manifest = try JSON.parse([UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
        func differences(_ change: (inout JSON.Object) -> Void) throws -> [String] {
            var object = try #require(manifest.objectValue)
            change(&object)
            try Data(JSON.object(object).text().utf8).write(to: URL(fileURLWithPath: path))
            return try runtime.sessionFingerprint().differences(from: before)
        }
        func add(_ name: String, to object: inout JSON.Object, hash: Character) {
            var files = object["files"]?.objectValue ?? JSON.Object()
            files[name] = ["bytes": 8, "sha256": .string(String(repeating: hash, count: 64))]
            object["files"] = .object(files)
        }
        #expect(try differences { _ in } == [])
        #expect(try differences { add("decoder/flow.safetensors", to: &$0, hash: "1") } == [])
        #expect(try differences { add("decoder/flow.safetensors", to: &$0, hash: "2") } == [])
        #expect(try differences { add("routers.safetensors", to: &$0, hash: "1") } == ["weights"])
        #expect(try differences { add("decoder/codec.safetensors", to: &$0, hash: "1") } == ["weights"])
        func settingDims(_ part: String) throws -> [String] {
            try differences { object in
                var dims = object["dims"]?.objectValue ?? JSON.Object()
                dims[part] = ["width": 1]
                object["dims"] = .object(dims)
            }
        }
        #expect(try settingDims("flow") == [])
        #expect(try settingDims("understanding") == ["weights"])
        #expect(try differences { _ in } == [])
    }

    /// Pictures, recordings, clips without their sound, and clips by another rate.
    private func others(_ runtime: Runtime) throws {
        let clips = (MediaModel.clip as NSString).deletingLastPathComponent
        func receipt(_ kind: MediaInput.Kind, _ name: String, _ change: (inout MediaOptions) -> Void = { _ in }) throws
            -> MediaReceipt.Entry
        {
            let conversation = Conversation(runtime: runtime)
            conversation.add(MediaInput(kind, path: clips + "/" + name))
            change(&conversation.mediaOptions)
            let answer = try conversation.ask("What?", maximumTokens: 2)
            let entry = try #require(answer.media.entries.first)
            // What the plan says before anything is read is what comes.
            #expect(
                try runtime.mediaReceipt(
                    [MediaInput(kind, path: clips + "/" + name)],
                    options: conversation.mediaOptions
                ).tokens == entry.tokens
            )
            return entry
        }
        let picture = try receipt(.image, "alpha.png")
        #expect(picture.imageTokens == 4 && picture.audioTokens == 3 && picture.videoTokens == 0)
        let recording = try receipt(.audio, "tone.wav")
        #expect(recording.audioTokens > 0 && recording.audioTokens % 3 == 0)
        #expect(recording.usedSize == nil)
        var muted = MediaOptions()
        muted.usesSound = false
        let mute = try receipt(.video, "clip.mp4") { $0.usesSound = false }
        let silent = try runtime.readMedia(
            [runtime.mediaPlanner(muted).plan(MediaInput(.video, path: MediaModel.clip))],
            planner: runtime.mediaPlanner(muted)
        )
        #expect(silent[0].sound?.spans.isEmpty == true && silent[0].sight?.spans.count == 2)
        #expect(mute.videoTokens == 8 && mute.audioTokens == 6)
        #expect(mute.notes.contains { $0.contains("silence") })
        let quick = try receipt(.video, "clip.mp4") { $0.framesPerSecond = 8 }
        #expect(quick.frameTimes.count == 24 && quick.videoTokens == 6 * 4 && quick.audioTokens == 2 * 3)
        let few = try receipt(.video, "clip.mp4") { $0.frameCount = 2 }
        #expect(few.frameTimes.count == 2 && few.videoTokens == 4)
        for name in ["long.mkv", "variable-rate.mp4", "moving.gif", "rotated-90.mp4", "late-sound.mkv"] {
            #expect(try receipt(.video, name).videoTokens % 4 == 0)
        }
    }

    /// Placeholders among ids that a user gave are filled with windows of sight and of sound.
    private func scores(_ runtime: Runtime) throws {
        let clips = (MediaModel.clip as NSString).deletingLastPathComponent
        let windows = try #require(runtime.decoder.configuration.media?.windows)
        func tokens(_ sight: Int32, _ seen: Int, _ heard: Int) -> [Int32] {
            let rows = Array(repeating: sight, count: seen * windows.videoRows)
            return [1] + rows + Array(repeating: 16, count: heard * windows.audioRows) + [5, 6, 7]
        }
        for (kind, name, sight) in [
            (MediaInput.Kind.video, "clip.mp4", Int32(15)), (.audio, "tone.wav", 15), (.image, "alpha.png", 14),
        ] {
            let input = MediaInput(kind, path: clips + "/" + name)
            let rows = try runtime.mediaReceipt([input]).tokens
            let count = rows / (windows.videoRows + windows.audioRows)
            let score = try runtime.score(tokens: tokens(sight, count, count), media: [input])
            #expect(score.scoredTokens == 3 && score.media.tokens == rows)
            for (seen, heard) in [(count + 1, count), (count, count + 1), (0, count)] {
                #expect(throws: MediaUseError.self) {
                    try runtime.score(tokens: tokens(sight, seen, heard), media: [input])
                }
            }
        }
        // A clip whose tokens have no place for its sound is looked at alone.
        let clip = MediaInput(.video, path: MediaModel.clip)
        let mute = try runtime.score(tokens: tokens(15, 2, 0), media: [clip])
        #expect(mute.media.entries.first?.notes.contains { $0.contains("no place for it") } == true)
    }

    /// What cannot fit is refused with the flags that make it fit: silence has as many rows as sound.
    private func refusals(_ runtime: Runtime) throws {
        func refusal(_ answerTokens: Int, _ options: MediaOptions = MediaOptions()) throws -> MediaUseError? {
            let conversation = Conversation(runtime: runtime)
            conversation.mediaOptions = options
            conversation.add(MediaInput(.video, path: MediaModel.clip))
            do {
                _ = try conversation.ask("What?", maximumTokens: answerTokens) { _ in throw CancellationError() }
            } catch let error as MediaUseError {
                return error
            } catch is CancellationError {}
            return nil
        }
        let context = runtime.contextTokens
        guard case .tooLong(let prompt, _, _, _, _) = try refusal(context) else {
            Issue.record("it fits")
            return
        }
        // Two windows of four and three rows.
        let text = prompt - 14
        for (room, hint, frames, usesSound) in [
            (13, "use --frames 4", 4, true), (12, "use --frames 4 --no-sound", 4, false),
            (7, "use --frames 4 --no-sound", 4, false), (6, nil, 0, true),
        ] as [(Int, String?, Int, Bool)] {
            let answer = context - text - room
            let error = try #require(try refusal(answer))
            #expect(error.hint == hint, "\(room)")
            guard hint != nil else { continue }
            var options = MediaOptions()
            options.frameCount = frames
            options.usesSound = usesSound
            #expect(try refusal(answer, options) == nil, "\(room)")
        }
    }
}

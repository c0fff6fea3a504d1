import Foundation
import JSONText
import MediaFixtures
import ModelFiles
import Testing

@testable import Soranji
@testable import SoranjiCLI

/// The built program with clips, recordings and pictures, on the tiny checkpoints of the reference.
struct MediaProgramTests {
    private static let clips = testsFolder + "/MediaTests/Fixtures/clips/"
    private static let clip = MediaModel.clip

    private func ask(_ program: Program, _ model: MediaModel, _ arguments: [String]) throws -> Program.Result {
        try program.run(["ask", "-m", model.bundle, "--context", "2048", "-n", "4"] + arguments + ["What?"])
    }

    private func media(_ program: Program, _ model: MediaModel, _ arguments: [String]) throws -> [JSON] {
        let result = try ask(program, model, ["--json"] + arguments)
        #expect(result.status == 0, "\(result.errors)")
        return try #require(JSON.parse(result.output)["media"]?["media"]?.arrayValue)
    }

    @Test func textNeedsNoLibraryOfVideo() throws {
        let program = try Program()
        let linked = try program.run([], environment: ["LD_TRACE_LOADED_OBJECTS=1"])
        #expect(linked.output.contains("libsentencepiece"), "\(linked.output)")
        #expect(!linked.output.contains("libav") && !linked.output.contains("libswscale"), "\(linked.output)")
        // Files that are no libraries, found before the system's.
        for version in 50..<80 {
            try Data("none".utf8).write(to: URL(fileURLWithPath: program.folder + "/libavformat.so.\(version)"))
        }
        let environment = ["LD_LIBRARY_PATH=" + program.folder]
        #expect(try program.run(["tokenize", "--help"], environment: environment).status == 0)
        let refused = try program.run(["media", Self.clips + "clip.mp4"], environment: environment)
        #expect(refused.status == 1)
        #expect(
            refused.errors.contains("clip.mp4: the libraries for video and sound cannot be loaded"),
            "\(refused.errors)"
        )
        #expect(refused.errors.contains("make build"), "\(refused.errors)")
        #expect(try program.run(["media", Self.clips + "clip.mp4"]).status == 0)
    }

    @Test func asksAboutMediaAndTellsWhatBecameOfThem() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let picture = Self.clips + "quarters.png"
        let recording = Self.clips + "tone.flac"
        let entries = try media(
            program,
            model,
            ["--image", picture, "--video", Self.clip, "--audio", recording]
        )
        #expect(entries.map { $0["kind"]?.stringValue } == ["image", "video", "audio"])
        #expect(entries.map { $0["source"]?.stringValue } == [picture, Self.clip, recording])
        #expect(entries[0]["size_before"]?["width"]?.intValue == 48)
        #expect(entries[1]["frames_used"]?.intValue == 6)
        #expect(entries[1]["frames_total"]?.intValue == 30)
        #expect(entries[1]["frame_times"]?.arrayValue?.count == 6)
        #expect(entries[1]["tokens"]?["video"]?.intValue == 18)
        #expect(entries[1]["tokens"]?["audio"]?.intValue == 39)
        #expect(entries[2]["tokens"]?["audio"]?.intValue == 13)
        // The order of the command line is kept.
        let swapped = try media(program, model, ["--audio", recording, "--image", picture])
        #expect(swapped.map { $0["kind"]?.stringValue } == ["audio", "image"])
        // For people, on standard error.
        let shown = try ask(program, model, ["--verbose", "--video", Self.clip])
        #expect(shown.status == 0)
        #expect(shown.errors.contains("frames  6 of 30"))
        #expect(shown.errors.contains("tokens  18 video, 39 audio"))
        #expect(!shown.output.contains("frames  6"))
    }

    @Test func flagsDecideWhatIsLookedAt() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        func one(_ flags: [String]) throws -> JSON {
            try #require(media(program, model, ["--video", Self.clip] + flags).first)
        }
        let deaf = try one(["--no-sound"])
        #expect(deaf["tokens"]?["audio"]?.intValue == 0)
        #expect(deaf["notes"]?.arrayValue?.contains("its sound is left out: --no-sound") == true)
        #expect(try one(["--fps", "4"])["frames_used"]?.intValue == 12)
        #expect(try one(["--frames", "2"])["frame_times"]?.arrayValue?.compactMap(\.doubleValue) == [0, 2.9])
        let small = try one(["--max-pixels", "2048"])
        let size = small["size_after"]
        #expect((size?["width"]?.intValue ?? 99) * (size?["height"]?.intValue ?? 99) <= 2048)
        #expect(try ask(program, model, ["--video", Self.clip, "--fps", "1", "--frames", "2"]).status == 2)
        #expect(try ask(program, model, ["--video", Self.clip, "--frames", "0"]).status == 2)
        // What a question would take, without asking it.
        let plan = try program.json(["media", Self.clip, "--model", model.bundle, "--json", "--frames", "2"])
        #expect(plan["ask"]?["media"]?.arrayValue?.first?["frames_used"]?.intValue == 2)
        #expect(plan["ask"]?["tokens"]?["video"]?.intValue == 6)
    }

    @Test func whatDoesNotFitIsRefusedWithNumbersAndTheFlag() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_vl_moe", hasText: true)
        let arguments = ["ask", "-m", model.bundle, "--context", "4096", "-n", "4000", "--video", Self.clip]
        let refused = try program.run(arguments + ["--frames", "30", "What?"])
        #expect(refused.status == 1)
        #expect(refused.output.isEmpty)
        #expect(refused.errors.contains("but the context holds 4096"))
        #expect(refused.errors.contains("the answer may have 4000"))
        #expect(refused.errors.contains("90 video"))
        let frames = try #require(refused.errors.split(separator: " ").last.map { $0.filter(\.isNumber) })
        #expect(refused.errors.contains("hint: use --frames \(frames)"))
        // With the model's own length within reach, that is what helps.
        let narrow = [
            "ask", "-m", model.bundle, "--context", "300", "-n", "20", "--frames", "30", "--video", Self.clip,
        ]
        #expect(
            try program.run(narrow + ["What?"]).errors.contains("hint: use --context 381; the model was trained for")
        )
    }

    @Test func filesThatAreNotWhatTheyShouldBeAreNamed() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: Self.clip)))
        func write(_ name: String, _ bytes: [UInt8]) throws -> String {
            let path = program.folder + "/" + name
            try AtomicFile.write(bytes, to: path)
            return path
        }
        var broken = bytes
        for index in broken.indices where index % 3 == 0 { broken[index] ^= 0x5A }
        let wrong = [
            (["--video", try write("empty.mp4", [])], "empty.mp4: the file is empty"),
            (["--video", try write("half.mp4", Array(bytes[..<20_000]))], "half.mp4: "),
            (["--video", try write("broken.mp4", broken)], "broken.mp4: "),
            (["--video", try write("text.mp4", Array("no clip".utf8))], "text.mp4: not a clip"),
            (["--video", "/no/such.mp4"], "/no/such.mp4: cannot open"),
            (["--video", program.folder], "not a regular file"),
            (["--video", Self.clips + "tone.wav"], "there is no moving picture in it"),
            (["--audio", Self.clips + "long.mp4"], "long.mp4: there is no sound in it"),
            (["--image", Self.clips + "tone.wav"], "there is no picture in it"),
            (["--image", Self.clips + "moving.webp"], "moving.webp: "),
            (["--audio", Self.clips + "far-gap.mkv"], "tokens"),
        ]
        for (flags, message) in wrong {
            let result = try ask(program, model, flags)
            // Libraries that know animated WebP read it.
            if message.hasPrefix("moving.webp"), result.status == 0 { continue }
            #expect(result.status == 1, "\(flags)")
            #expect(result.errors.hasPrefix("error: ") && result.errors.contains(message), "\(result.errors)")
            #expect(result.output.isEmpty)
        }
        // A name does not matter.
        let renamed = try write("clip.wav", bytes)
        #expect(try media(program, model, ["--video", renamed]).first?["frames_used"]?.intValue == 6)
        let text = try OnlyText()
        let blind = try withExtendedLifetime(text) {
            try program.run(["media", Self.clip, "--model", text.bundle])
        }
        #expect(blind.status == 1)
        #expect(blind.errors.hasPrefix("error: the model reads text alone\nhint: "))
    }

    /// Mutated clips: an answer or an error, never a trap.
    @Test func mutatedClipsEndWell() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_vl_moe", hasText: true)
        let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: Self.clip)))
        var state: UInt64 = 7
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        for number in 0..<25 {
            var mutated = bytes
            for _ in 0..<20 { mutated[mutated.count - 1 - random(1600)] = UInt8(random(256)) }
            for _ in 0..<5 { mutated[random(mutated.count)] = UInt8(random(256)) }
            let path = program.folder + "/m\(number).mp4"
            try AtomicFile.write(mutated, to: path)
            let result = try ask(program, model, ["--video", path])
            #expect(result.status == 0 || result.status == 1, "\(result.status) \(result.errors)")
            #expect(result.status == 0 || result.errors.hasPrefix("error: "), "\(result.errors)")
        }
    }

    /// An index that claims ten hours of frames, of which a second is there.
    @Test func framesThatAreNotThereAreLeftOut() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let frames = LosslessFiles.clip(frames: 4, height: 32, width: 32)
        var bytes = LosslessFiles.avi(frames, height: 32, width: 32, rate: 2)
        // The stream's length in frames stands 32 bytes into its header.
        let header = try #require(bytes.firstRange(of: Array("vidsDIB ".utf8))).lowerBound + 32
        for (index, byte) in [0x40, 0x19, 0x01, 0x00].enumerated() { bytes[header + index] = UInt8(byte) }
        let path = program.folder + "/claims.avi"
        try AtomicFile.write(bytes, to: path)
        let result = try ask(program, model, ["--json", "--video", path, "--max-pixels", "1024", "--frames", "40"])
        #expect(result.status == 0, "\(result.errors)")
        let entry = try #require(JSON.parse(result.output)["media"]?["media"]?.arrayValue?.first)
        #expect((entry["frames_used"]?.intValue ?? 99) < 8)
        #expect(entry["tokens"]?["video"]?.intValue ?? 99 < 8)
    }

    @Test func scoresTokensWithAPicture() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_omni_moe_thinker")
        let golden = try SafetensorsFile(path: MediaModel.fixture(model.name) + "/golden.safetensors")
        let entry = try #require(golden.entry(named: "image.in.input_ids"))
        let ids = try #require(golden.bytes(of: entry))
        let tokens = stride(from: 0, to: ids.count, by: 8).map { ids.loadUnaligned(fromByteOffset: $0, as: Int64.self) }
        let picture = program.folder + "/i.bmp"
        try AtomicFile.write(
            LosslessFiles.bmp(LosslessFiles.picture(height: 64, width: 96), height: 64, width: 96),
            to: picture
        )
        let list = tokens.map(String.init).joined(separator: ",")
        let score = try program.json(["score", "-m", model.bundle, "--tokens", list, "--image", picture, "--json"])
        #expect(score["tokens"]?.intValue == tokens.count)
        #expect(score["media"]?["tokens"]?["image"]?.intValue == tokens.count { $0 == 300 || $0 == 301 || $0 == 304 })
        let lacking = try program.run(["score", "-m", model.bundle, "--tokens", "5,6,7", "--image", picture])
        #expect(lacking.status == 1 && lacking.errors.contains("image"))
    }

    @Test func transcribes() throws {
        let program = try Program()
        let model = try SpeechModel()
        let arguments = ["transcribe", Self.clips + "tone.flac", "-m", model.bundle]
        let plain = try program.run(arguments)
        #expect(plain.status == 0, "\(plain.errors)")
        let json = try program.json(arguments + ["--json"])
        #expect(json["segments"]?.arrayValue != nil)
        let silent = try program.run(["transcribe", Self.clips + "long.mp4", "-m", model.bundle])
        #expect(silent.status == 1 && silent.errors.contains("long.mp4: "))
    }

    @Test func chatsAboutAClip() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let script = """
            /video \(Self.clip)
            What?
            /image /no/such.png
            And then?
            /help
            """
        let result = try program.run(["chat", "-m", model.bundle, "--context", "1024", "-n", "4"], input: script)
        // One of its commands failed.
        #expect(result.status == 1)
        #expect(result.errors.contains("Added clip.mp4 for the next question:"))
        #expect(result.errors.contains("tokens  18 video, 39 audio"))
        #expect(result.errors.contains("/no/such.png: cannot open"))
        #expect(result.errors.contains("/audio FILE"))
        // A clip that cannot fit is taken out again: else it would stand in the way of every question.
        let tight = try program.run(
            ["chat", "-m", model.bundle, "--context", "100", "-n", "4"],
            input: "/video \(Self.clip)\nWhat?\nHi?\n/stats\n"
        )
        #expect(tight.errors.contains("Taken out again: clip.mp4."))
        #expect(tight.errors.contains("keys and values"))
    }

    /// A model without encoders.
    private final class OnlyText {
        let bundle = NSTemporaryDirectory() + "soranji-text-\(UUID().uuidString)"

        init() throws {
            try ModelImporter.importModel(
                source: testsFolder + "/ModelsTests/Fixtures/goldens/olmoe",
                into: bundle,
                weights: .f32
            )
        }

        deinit { try? FileManager.default.removeItem(atPath: bundle) }
    }
}

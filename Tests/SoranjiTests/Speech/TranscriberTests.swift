import Foundation
import JSONText
import Soranji
import Testing

/// The tiny random Whisper with a vocabulary made here: its words mean nothing, so the rules are what is checked.
struct TranscriberTests {
    /// A checkpoint folder and the bundle made of it, removed with the value.
    private final class Model {
        let folder: String
        let bundle: String

        init(generation: [String: JSON] = [:], tokenizes: Bool = true) throws {
            let root = NSTemporaryDirectory() + "soranji-speech-\(UUID().uuidString)"
            folder = root + "/checkpoint"
            bundle = root + "/bundle"
            let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appendingPathComponent("ModelsTests/Fixtures/goldens/whisper").path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for name in ["config.json", "model.safetensors"] {
                try FileManager.default.copyItem(atPath: golden + "/" + name, toPath: folder + "/" + name)
            }
            var settings: JSON.Object = JSON.Object([
                ("decoder_start_token_id", 181), ("eos_token_id", 180), ("no_timestamps_token_id", 190),
                ("is_multilingual", true), ("max_initial_timestamp_index", 10),
                ("suppress_tokens", [181, 182, 183, 184, 185, 186, 187, 188, 189]),
                ("begin_suppress_tokens", [180]),
                ("lang_to_id", ["<|en|>": 182, "<|de|>": 183]), ("task_to_id", ["transcribe": 184, "translate": 185]),
            ])
            for (key, value) in generation { settings[key] = value }
            try write("generation_config.json", .object(settings))
            if tokenizes { try write("tokenizer.json", Self.tokenizer) }
            try ModelImporter.importModel(source: folder, into: bundle, weights: .f32)
        }

        deinit {
            try? FileManager.default.removeItem(atPath: URL(fileURLWithPath: folder).deletingLastPathComponent().path)
        }

        private func write(_ name: String, _ json: JSON) throws {
            try json.text().write(toFile: folder + "/" + name, atomically: false, encoding: .utf8)
        }

        /// Byte-level BPE without merges: 180 letters (Latin, from U+0100 on where they run out), then control tokens.
        private static let tokenizer: JSON = {
            // The alphabet of bytes: printable ones stand for themselves, others from U+0100 on.
            let printable = Array(33...126) + Array(161...172) + Array(174...255)
            let others = (0...255).filter { !printable.contains($0) }.indices.map { 256 + $0 }
            let alphabet = (printable + others).compactMap(Unicode.Scalar.init).map { String(Character($0)) }
            var vocabulary = JSON.Object()
            for (id, letter) in alphabet.prefix(180).enumerated() { vocabulary[letter] = .integer(Int64(id)) }
            let names = [180: "<|endoftext|>", 181: "<|startoftranscript|>", 182: "<|en|>", 183: "<|de|>"]
            let added = (180..<256).map { id -> JSON in
                [
                    "id": .integer(Int64(id)), "content": .string(names[id] ?? "<|\(id)|>"), "special": true,
                    "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                ]
            }
            return [
                "version": "1.0", "added_tokens": .array(added),
                "pre_tokenizer": [
                    "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
                ],
                "decoder": ["type": "ByteLevel"], "model": ["type": "BPE", "vocab": .object(vocabulary), "merges": []],
            ]
        }()
    }

    private func sound(seconds: Double) -> SampleSource {
        SampleSource((0..<Int(seconds * 16_000)).map { 0.4 * sin(Float($0) * 0.05) })
    }

    @Test func windowsFollowEachOtherAndRepeatExactly() throws {
        let model = try Model()
        var seen: [Transcript] = []
        for threads in [1, 2] {
            let transcriber = try Transcriber(bundleFolder: model.bundle, threadCount: threads)
            #expect(transcriber.languages == ["de", "en"])
            var done = 0.0
            var parts: [Transcript.Segment] = []
            let transcript = try transcriber.transcribe(
                sound(seconds: 5),
                onProgress: { segments, seconds, total in
                    #expect(seconds > done && seconds <= total)
                    done = seconds
                    parts += segments
                }
            )
            #expect(done == 5 && transcript.duration == 5 && parts == transcript.segments)
            #expect(["de", "en"].contains(transcript.language ?? ""))
            for segment in transcript.segments {
                #expect(segment.start < segment.end && segment.end <= 5 && !segment.text.isEmpty)
                #expect(!segment.text.contains("<|"))
            }
            seen.append(transcript)
        }
        #expect(seen[0] == seen[1])
    }

    @Test func settingsCount() throws {
        let model = try Model()
        let transcriber = try Transcriber(bundleFolder: model.bundle, threadCount: 2)
        var options = Transcriber.Options()
        options.language = "German"
        options.temperatures = [0]
        #expect(try transcriber.transcribe(sound(seconds: 1), options: options).language == "de")
        options.language = "fr"
        #expect(throws: SpeechError.unknownLanguage("fr", known: ["de", "en"])) {
            try transcriber.transcribe(sound(seconds: 1), options: options)
        }
        #expect(throws: SpeechError.noSound) { try transcriber.transcribe(SampleSource([])) }
        #expect(try transcriber.transcribe(sound(seconds: 3), isCancelled: { true }).segments.isEmpty)
        // What is improbable and silent is passed over.
        options.language = nil
        options.leastLogProbability = 1
        options.silenceShare = -1
        #expect(try transcriber.transcribe(sound(seconds: 3), options: options).segments.isEmpty)
    }

    @Test func modelsOfOneLanguageHaveNoTask() throws {
        let model = try Model(generation: ["is_multilingual": false])
        let transcriber = try Transcriber(bundleFolder: model.bundle, threadCount: 2)
        #expect(transcriber.languages.isEmpty)
        var options = Transcriber.Options()
        options.temperatures = [0]
        #expect(try transcriber.transcribe(sound(seconds: 1), options: options).language == nil)
        options.translates = true
        #expect(throws: SpeechError.cannotTranslate) {
            try transcriber.transcribe(sound(seconds: 1), options: options)
        }
    }

    @Test func badSettingsAreNamed() throws {
        for (key, value) in [
            ("no_timestamps_token_id", 256), ("suppress_tokens", 5), ("begin_suppress_tokens", ["x"]),
            ("lang_to_id", ["<|en|>": -4]), ("max_initial_timestamp_index", -1),
        ] as [(String, JSON)] {
            let model = try Model(generation: [key: value])
            let error = #expect(throws: SpeechError.self) { try Transcriber(bundleFolder: model.bundle) }
            #expect(error?.description.contains(key) == true)
        }
        let mute = try Model(tokenizes: false)
        #expect(throws: RuntimeError.noTokenizer("checkpoint")) { try Transcriber(bundleFolder: mute.bundle) }
        let error = #expect(throws: SpeechError.self) { try Runtime(bundleFolder: mute.bundle) }
        #expect(error?.hint?.contains("transcribe") == true)
    }
}

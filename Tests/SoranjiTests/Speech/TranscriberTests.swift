import Foundation
import JSONText
import MediaFixtures
import Soranji
import Testing

/// The tiny random Whisper with a vocabulary made here: its words mean nothing, so the rules are what is checked.
struct TranscriberTests {
    private func sound(seconds: Double) -> SampleSource {
        SampleSource((0..<Int(seconds * 16_000)).map { 0.4 * sin(Float($0) * 0.05) })
    }

    @Test func windowsFollowEachOtherAndRepeatExactly() throws {
        let model = try SpeechModel()
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
        let model = try SpeechModel()
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
        let model = try SpeechModel(generation: ["is_multilingual": false])
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
            let model = try SpeechModel(generation: [key: value])
            let error = #expect(throws: SpeechError.self) { try Transcriber(bundleFolder: model.bundle) }
            #expect(error?.description.contains(key) == true)
        }
        let mute = try SpeechModel(tokenizes: false)
        #expect(throws: RuntimeError.noTokenizer("checkpoint")) { try Transcriber(bundleFolder: mute.bundle) }
        let error = #expect(throws: SpeechError.self) { try Runtime(bundleFolder: mute.bundle) }
        #expect(error?.hint?.contains("transcribe") == true)
    }
}

import Foundation
import Media
import Testing

struct ProcessorSettingsTests {
    /// A folder with the given files, removed with the value.
    private final class Folder {
        let path = NSTemporaryDirectory() + "soranji-settings-\(UUID().uuidString)"

        init(_ files: [String: String]) throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            for (name, text) in files { try text.write(toFile: path + "/" + name, atomically: false, encoding: .utf8) }
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    @Test func readsTheFilesOfQwen3VL() throws {
        let folder = try Folder([
            "preprocessor_config.json": """
            {"size": {"longest_edge": 16777216, "shortest_edge": 65536}, "patch_size": 16, "temporal_patch_size": 2,
             "merge_size": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
             "processor_class": "Qwen3VLProcessor", "image_processor_type": "Qwen2VLImageProcessorFast"}
            """,
            "video_preprocessor_config.json": """
            {"size": {"longest_edge": 25165824, "shortest_edge": 4096}, "patch_size": 16, "temporal_patch_size": 2,
             "merge_size": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "fps": 2,
             "video_processor_type": "Qwen3VLVideoProcessor"}
            """,
        ])
        let settings = try ProcessorSettings(folder: folder.path, family: .qwen3VL)
        #expect(settings.image.resize == SmartResize(unit: 32, minimumPixels: 65_536, maximumPixels: 16_777_216))
        #expect(try settings.image.patches == PatchLayout())
        #expect(
            settings.video.resize
                == SmartResize(
                    unit: 32,
                    minimumPixels: 4096,
                    maximumPixels: 25_165_824,
                    scope: .clip(temporalUnit: 2)
                )
        )
        #expect(settings.video.sampling == FrameSampling())
        #expect(settings.video.samples && settings.video.capsPixelsPerFrame == nil)
    }

    /// Sizes as the reference's class gives them, with and without its cap.
    @Test(arguments: [
        (4096, 25_165_824, 64, 1280, 720, 832, 448), (4096, 25_165_824, 768, 1920, 1080, 224, 128),
        (4096, 25_165_824, 10, 96, 64, 96, 64), (4096, 25_165_824, 5, 3840, 2160, 1152, 640),
        (131_072, 786_432, 4, 1920, 1080, 576, 320), (131_072, 786_432, 8, 1920, 1080, 480, 256),
        (131_072, 786_432, 64, 1280, 720, 480, 256), (131_072, 786_432, 768, 1920, 1080, 480, 256),
        (131_072, 786_432, 10, 96, 64, 160, 96), (131_072, 786_432, 5, 3840, 2160, 512, 288),
    ])
    func framesAreCappedAsInTheReference(
        least: Int,
        most: Int,
        frames: Int,
        width: Int,
        height: Int,
        usedWidth: Int,
        usedHeight: Int
    ) throws {
        func settings(_ cap: String) throws -> VideoSettings {
            let folder = try Folder([
                "video_preprocessor_config.json": """
                {"size": {"longest_edge": \(most), "shortest_edge": \(least)}, "cap_pixels_per_frame": \(cap),
                 "video_processor_type": "Qwen3VLVideoProcessor"}
                """
            ])
            return try ProcessorSettings(folder: folder.path, family: .qwen3VL).video
        }
        let capped = try settings("true").resize(frames: frames).size(width: width, height: height, frames: frames)
        #expect(capped == (usedWidth, usedHeight))
        let free = try settings("false")
        #expect(free.resize(frames: frames) == free.resize)
    }

    @Test func readsTheFileOfQwen3Omni() throws {
        let folder = try Folder([
            "preprocessor_config.json": """
            {"dither": 0.0, "feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 128, "hop_length": 160,
             "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "Qwen2VLImageProcessor", "image_std": [0.5, 0.5, 0.5],
             "max_pixels": 12845056, "merge_size": 2, "min_pixels": 3136, "n_fft": 400, "patch_size": 16,
             "sampling_rate": 16000, "temporal_patch_size": 2, "chunk_length": 300}
            """
        ])
        let settings = try ProcessorSettings(folder: folder.path, family: .qwen3Omni)
        let rule = SmartResize(unit: 32, minimumPixels: 3136, maximumPixels: 12_845_056)
        #expect(settings.image.resize == rule && settings.video.resize == rule)
        #expect(settings.sound.melBins == 128 && !settings.sound.fillsWindow)
        #expect(settings.video.sampling.multiple == 2 && !settings.video.samples)
    }

    @Test func classDefaultsFillTheGaps() throws {
        let empty = try Folder([:])
        let whisper = try ProcessorSettings(folder: empty.path, family: .whisper)
        #expect(whisper.sound.melBins == 80 && whisper.sound.windowSeconds == 30 && whisper.sound.fillsWindow)
        let clip = try ProcessorSettings(folder: empty.path, family: .qwen3VL).video.resize
        #expect(clip.minimumPixels == 131_072 && clip.maximumPixels == 786_432 && clip.scope == .clip(temporalUnit: 2))
        let older = try Folder(["preprocessor_config.json": #"{"image_processor_type": "Qwen2VLImageProcessor"}"#])
        let image = try ProcessorSettings(folder: older.path, family: .qwen3VL).image
        #expect(image.patches.patch == 14 && image.resize.maximumPixels == 1_003_520)
    }

    @Test func readsTheSingleFile() throws {
        let folder = try Folder([
            "processor_config.json": """
            {"image_processor": {"patch_size": 8}, "video_processor": {"max_frames": 12},
             "feature_extractor": {"feature_size": 64}}
            """,
            "preprocessor_config.json": #"{"patch_size": 4, "feature_size": 3}"#,
        ])
        let settings = try ProcessorSettings(folder: folder.path, family: .qwen3VL)
        #expect(settings.image.patches.patch == 8 && settings.video.sampling.maximumFrames == 12)
        #expect(settings.sound.melBins == 64)
    }

    @Test(arguments: [
        (#"{"patch_size": "16"}"#, "patch_size"), (#"{"patch_size": 0}"#, "patch_size"),
        (#"{"size": {"longest_edge": -1}}"#, "size.longest_edge"), (#"{"size": 5}"#, "size"),
        (#"{"image_mean": [1, 2]}"#, "image_mean"), (#"{"image_std": [1, 0, 1]}"#, "image_std"),
        (#"{"resample": 2}"#, "resample"), (#"{"hop_length": 320}"#, "hop_length"), (#"{"fps": 1e400}"#, "fps"),
        (#"{"min_frames": 9, "max_frames": 3}"#, "min_frames"), (#"{"min_pixels": 9, "max_pixels": 3}"#, "size"),
        (#"{"dither": 0.5}"#, "dither"), ("[1]", ""), ("{", ""),
    ])
    func errorsNameTheKey(text: String, key: String) throws {
        let folder = try Folder(["preprocessor_config.json": text])
        let error = #expect(throws: ProcessorSettingsError.self) {
            try ProcessorSettings(folder: folder.path, family: .qwen3Omni)
        }
        #expect(error?.key == key)
        #expect(error?.description.contains("preprocessor_config.json") == true)
    }

    @Test func readsSampling() throws {
        let folder = try Folder([
            "generation_config.json":
                #"{"do_sample": true, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "eos_token_id": [151645, 151643]}"#
        ])
        let settings = try GenerationSettings(folder: folder.path)
        #expect(settings.samples == true && settings.temperature == 0.7 && settings.topK == 20 && settings.topP == 0.8)
        #expect(settings.endTokens == [151_645, 151_643] && settings.repetitionPenalty == nil)
        let wrong = try Folder(["generation_config.json": #"{"eos_token_id": "x"}"#])
        #expect(throws: ProcessorSettingsError.self) { try GenerationSettings(folder: wrong.path) }
    }
}

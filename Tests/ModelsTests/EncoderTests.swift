import Foundation
import JSONText
import ModelFiles
import Models
import Tensor
import Testing

/// The encoders against the outputs of `transformers` 5.23.0, from the checkpoint's own config.json and
/// model.safetensors.
struct EncoderTests {
    @Test(arguments: ["qwen3_omni_moe_thinker", "qwen3_vl_moe"], [1, 2])
    func visionRowsAndDeepstack(name: String, threads: Int) throws {
        let golden = try GoldenCase(name)
        let bundle = try EncoderBundle(golden, weights: .f32)
        // One batch of everything, and one frame a batch.
        for batchPatches in [4096, 1] {
            let tower = try VisionTower(
                file: try #require(try bundle.opened().encoder(named: "vision")),
                pool: ThreadPool(threadCount: threads),
                batchPatches: batchPatches
            )
            var compared = 0
            for run in golden.runs {
                for (rows, grids) in [
                    ("pixel_values", "image_grid_thw"), ("pixel_values_videos", "video_grid_thw"),
                ] {
                    guard golden.contains("\(run).in.\(rows)") else { continue }
                    let patches = try golden.floats("\(run).in.\(rows)").values
                    let grids = try golden.grids("\(run).in.\(grids)")
                    let output = try patches.withUnsafeBufferPointer { try tower.encode($0, grids: grids) }
                    // A run of both pictures and video keeps the outputs of the last call, of the video.
                    if rows == "pixel_values", golden.contains("\(run).in.pixel_values_videos") { continue }
                    try compare(output.rows, golden, "\(run).out.visual#pooler_output")
                    #expect(output.deepstack.count == 3)
                    for (index, deep) in output.deepstack.enumerated() {
                        try compare(deep, golden, "\(run).out.visual#deepstack_features\(index)")
                    }
                    compared += 1
                }
            }
            #expect(compared == 3 || compared == 4)
        }
    }

    @Test(arguments: [1, 2])
    func audioRows(threads: Int) throws {
        let golden = try GoldenCase("qwen3_omni_moe_thinker")
        let bundle = try EncoderBundle(golden, weights: .f32)
        let tower = try AudioTower(
            file: try #require(try bundle.opened().encoder(named: "audio")),
            pool: ThreadPool(threadCount: threads)
        )
        for run in ["all", "audio", "audio_in_video"] {
            let mel = try golden.floats("\(run).in.input_features")
            let frames = mel.shape[2]
            let output = try mel.values.withUnsafeBufferPointer {
                try tower.encode([.binsFirst($0, frames: frames)])
            }
            #expect(output.tokens == [tower.configuration.tokens(frames: frames)])
            try compare(output.rows, golden, "\(run).out.audio_tower#pooler_output")
        }
    }

    private func compare(_ rows: [Float], _ golden: GoldenCase, _ name: String) throws {
        let expected = try golden.floats(name).values
        #expect(rows.count == expected.count)
        let largest = zip(rows, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(largest < 1e-5, "\(golden.name) \(name): \(largest)")
    }

    /// The same rows from both orders of the values, from clips together and alone, in batches of any size.
    @Test func clipsDoNotSeeEachOther() throws {
        let golden = try GoldenCase("qwen3_omni_moe_thinker")
        let bundle = try EncoderBundle(golden, weights: .f32)
        let file = try #require(try bundle.opened().encoder(named: "audio"))
        let pool = ThreadPool(threadCount: 2)
        let mel = try golden.floats("audio.in.input_features")
        let frames = mel.shape[2]
        let turned = (0..<frames * 128).map { mel.values[$0 % 128 * frames + $0 / 128] }
        let small = try AudioTower(file: file, pool: pool, batchTokens: 1)
        let large = try AudioTower(file: file, pool: pool)
        try mel.values.withUnsafeBufferPointer { bins in
            try turned.withUnsafeBufferPointer { framesFirst in
                let clip = LogMelClip.binsFirst(bins, frames: frames)
                let alone = try large.encode([clip])
                #expect(try small.encode([clip]).rows == alone.rows)
                #expect(try large.encode([.framesFirst(framesFirst, frames: frames, bins: 128)]).rows == alone.rows)
                let short = LogMelClip.framesFirst(framesFirst, frames: 131, bins: 128)
                let three = [clip, short, clip]
                let together = try large.encode(three)
                #expect(together.tokens == [38, 17, 38])
                let parts = try alone.rows + large.encode([short]).rows + alone.rows
                #expect(together.rows == parts)
                #expect(try small.encode(three).rows == parts)
                #expect(try large.encode([]).rows.isEmpty)
                #expect(try large.encode([LogMelClip.binsFirst(bins, frames: 0)]).tokens == [0])
                #expect(throws: ModelError.self) { try large.encode([.binsFirst(bins, frames: frames + 1)]) }
                #expect(throws: ModelError.self) { try large.encode([.binsFirst(bins, frames: .max)]) }
                #expect(throws: ModelError.self) { try large.encode([.binsFirst(bins, frames: -1)]) }
            }
        }
    }

    /// bf16 and quantized weights: near what floats give for the same tower, with room for the rounding of the weights.
    @Test(arguments: [(WeightType.bf16, Float(0.03)), (.f16, 0.005), (.q8, 0.05)])
    func otherWeightTypes(type: WeightType, bound: Float) throws {
        let golden = try GoldenCase("qwen3_omni_moe_thinker")
        let bundle = try EncoderBundle(golden, weights: type)
        let opened = try bundle.opened()
        let pool = ThreadPool(threadCount: 2)
        let vision = try VisionTower(bundle: opened, pool: pool)
        let patches = try golden.floats("video.in.pixel_values_videos").values
        let grids = try golden.grids("video.in.video_grid_thw")
        let pictures = try patches.withUnsafeBufferPointer { try vision.encode($0, grids: grids) }
        try compare(pictures.rows, golden, "video.out.visual#pooler_output", relative: bound)
        let audio = try AudioTower(bundle: opened, pool: pool)
        let mel = try golden.floats("audio.in.input_features")
        let sound = try mel.values.withUnsafeBufferPointer {
            try audio.encode([.binsFirst($0, frames: mel.shape[2])])
        }
        try compare(sound.rows, golden, "audio.out.audio_tower#pooler_output", relative: bound)
    }

    /// The root of the mean square of the differences, against that of the rows.
    private func compare(_ rows: [Float], _ golden: GoldenCase, _ name: String, relative: Float) throws {
        let expected = try golden.floats(name).values
        #expect(rows.count == expected.count)
        let difference = zip(rows, expected).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let size = expected.reduce(Float(0)) { $0 + $1 * $1 }
        #expect((difference / size).squareRoot() < relative, "\(name): \((difference / size).squareRoot())")
    }

    @Test func gridsThatDoNotFitAreRefused() throws {
        let golden = try GoldenCase("qwen3_vl_moe")
        let bundle = try EncoderBundle(golden, weights: .f32)
        let tower = try VisionTower(bundle: bundle.opened(), pool: ThreadPool(threadCount: 1))
        let patches = [Float](repeating: 0.1, count: 8 * 1536)
        try patches.withUnsafeBufferPointer { rows in
            let tokens = try tower.encode(rows, grids: [PatchGrid(frames: 2, height: 2, width: 2)]).tokens
            #expect(tokens == 2)
            for (frames, height, width) in [
                (1, 2, 2), (3, 2, 2), (1, 3, 2), (0, 2, 4), (1, -2, -4), (1, Int.max - 1, 2), (Int.max, 2, 2),
                (1, 1 << 40, 1 << 40),
            ] {
                let grid = PatchGrid(frames: frames, height: height, width: width)
                #expect(throws: ModelError.self) { try tower.encode(rows, grids: [grid]) }
            }
            #expect(throws: ModelError.self) { try tower.encode(rows, grids: []) }
        }
        #expect(throws: ModelError.self) { try AudioTower(bundle: bundle.opened(), pool: ThreadPool(threadCount: 1)) }
    }

    @Test(arguments: [
        ("depth", "100000"), ("hidden_size", "33"), ("num_heads", "0"), ("num_position_embeddings", "26"),
        ("deepstack_visual_indexes", "[0, 4]"), ("deepstack_visual_indexes", "[1, 0]"), ("hidden_act", "\"relu\""),
        ("patch_size", "-1"), ("spatial_merge_size", "1.5"), ("out_hidden_size", "null"), ("in_channels", "\"3\""),
    ])
    func absurdVisionSettings(key: String, value: String) throws {
        let golden = try GoldenCase("qwen3_vl_moe")
        #expect(throws: ModelError.self) { try VisionConfiguration(changed(golden, "vision_config", key, value)) }
    }

    @Test(arguments: [
        ("encoder_layers", "0"), ("d_model", "31"), ("encoder_attention_heads", "5"), ("num_mel_bins", "1000000"),
        ("n_window_infer", "50"), ("n_window", "null"), ("max_source_positions", "3"),
        ("activation_function", "\"silu\""),
        ("downsample_hidden_size", "-8"),
    ])
    func absurdAudioSettings(key: String, value: String) throws {
        let golden = try GoldenCase("qwen3_omni_moe_thinker")
        #expect(throws: ModelError.self) { try AudioConfiguration(changed(golden, "audio_config", key, value)) }
    }

    private func changed(_ golden: GoldenCase, _ section: String, _ key: String, _ value: String) throws -> JSON {
        guard case .object(var settings) = try golden.configuration()[section] else { return .null }
        settings[key] = try JSON.parse(Array(value.utf8))
        return .object(settings)
    }

    /// A name that the checkpoint lacks, and one that nothing uses, are named by the import.
    @Test func missingAndLeftOverTensorsAreNamed() throws {
        let golden = try GoldenCase("qwen3_vl_moe")
        let source = try CheckpointSource(path: golden.path)
        var plan = try EncoderBundle.plan(golden, source)
        plan.encoders[0].matrices[0].source.tensor = "model.visual.patch_embed.other"
        plan.ignoredTensors.remove("lm_head.weight")
        let target = NSTemporaryDirectory() + "soranji-test-\(UUID().uuidString)"
        let error = #expect(throws: ModelFileError.self) {
            try BundleImporter(weights: .f32).run(plan, from: source, to: target)
        }
        let text = error.map(String.init(describing:)) ?? ""
        #expect(text.contains("missing tensors: model.visual.patch_embed.other"))
        #expect(text.contains("not used: lm_head.weight, model.visual.patch_embed.proj.weight"))
        #expect(!FileManager.default.fileExists(atPath: target))
    }
}

extension GoldenCase {
    func configuration() throws -> JSON {
        try JSON.parse(Array(Data(contentsOf: URL(fileURLWithPath: path + "/config.json"))))
    }

    func grids(_ name: String) throws -> [PatchGrid] {
        let values = try integers(name).values.map { Int($0) }
        return stride(from: 0, to: values.count, by: 3).map {
            PatchGrid(frames: values[$0], height: values[$0 + 1], width: values[$0 + 2])
        }
    }
}

/// A bundle of a checkpoint's encoders alone, in a temporary folder.
final class EncoderBundle {
    let path: String

    init(_ golden: GoldenCase, weights: WeightType) throws {
        path = NSTemporaryDirectory() + "soranji-test-\(UUID().uuidString)"
        let source = try CheckpointSource(path: golden.path)
        try BundleImporter(weights: weights).run(Self.plan(golden, source), from: source, to: path)
    }

    static func plan(_ golden: GoldenCase, _ source: CheckpointSource) throws -> ImportPlan {
        let configuration = try golden.configuration()
        var plan = ImportPlan(architecture: "encoders", configuration: [:])
        let isOmni = golden.name.contains("omni")
        let prefix = isOmni ? "visual." : "model.visual."
        plan.encoders.append(
            try EncoderPlan.vision(
                prefix: prefix,
                names: isOmni ? .omni : .visionLanguage,
                configuration: configuration["vision_config"] ?? .null
            )
        )
        if let audio = configuration["audio_config"] {
            plan.encoders.append(try EncoderPlan.audio(prefix: "audio_tower.", configuration: audio))
        }
        plan.ignoredTensors = Set(
            source.tensors.map(\.name).filter { !$0.hasPrefix(prefix) && !$0.hasPrefix("audio_tower.") }
        )
        return plan
    }

    func opened() throws -> ModelFiles.Bundle { try ModelFiles.Bundle(path: path) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

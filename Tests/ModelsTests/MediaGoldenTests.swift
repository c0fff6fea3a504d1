import Experts
import Foundation
import JSONText
import KVCache
import ModelFiles
import Models
import Tensor
import Testing

/// Qwen3-Omni's thinker and Qwen3-VL against the outputs of `transformers` 5.23.0, with the reference's encoder outputs
/// as rows: positions, logits, experts and greedy tokens of every run.
struct MediaGoldenTests {
    static let cases = ["qwen3_omni_moe_thinker", "qwen3_vl_moe"]

    @Test(arguments: cases)
    func positionsAreTheReferences(name: String) throws {
        let folder = try MediaGoldenCase(name)
        let configuration = try folder.configuration()
        let settings = try #require(configuration.media)
        #expect(folder.runs.count >= 4)
        for run in folder.runs where folder.golden.contains("\(run).out.position_ids") {
            let result = try StreamPositions(
                tokens: folder.tokens(run),
                media: folder.layout(run),
                configuration: settings
            )
            #expect(result.positions == (try folder.positions(run)), "\(name) \(run)")
            #expect(result.delta == (try folder.delta(run)), "\(name) \(run)")
        }
    }

    @Test(arguments: cases)
    func logitsExpertsAndGreedyTokens(name: String) throws {
        let folder = try MediaGoldenCase(name)
        let bundle = try TemporaryBundle(importing: folder.path, weights: .f32)
        let decoder = try Decoder(bundle: Bundle(path: bundle.path))
        for threads in [1, 2] {
            for chunk in [512, 7, 1] {
                let runner = try makeRunner(decoder, threads: threads, chunk: chunk)
                for run in folder.runs { try check(folder, run, runner) }
            }
        }
        for run in folder.runs where folder.golden.contains("\(run).out.greedy_ids") {
            for chunk in [512, 7, 1] {
                try checkGreedy(folder, run, makeRunner(decoder, threads: 2, chunk: chunk))
            }
        }
    }

    @Test(arguments: cases)
    func bytesDoNotDependOnChunksAndThreads(name: String) throws {
        let folder = try MediaGoldenCase(name)
        let bundle = try TemporaryBundle(importing: folder.path, weights: .q8)
        let decoder = try Decoder(bundle: Bundle(path: bundle.path))
        let run = folder.runs.contains("audio_in_video") ? "audio_in_video" : "image_video"
        var first: [[Float]]?
        for (threads, chunk) in [(1, 512), (2, 512), (2, 7), (1, 3), (2, 1)] {
            let runner = try makeRunner(decoder, threads: threads, chunk: chunk)
            var rows: [[Float]] = []
            var table = runner.makeTable()
            try append(folder.stream(run, decoder.configuration), runner, &table) { _, logits in
                rows.append(Array(logits))
            }
            if let first { #expect(rows == first, "\(threads) threads, chunks of \(chunk)") } else { first = rows }
        }
    }

    /// The other layout of Qwen3-VL's expert tensors, `[experts, inputs, outputs]`.
    @Test func transposedExpertsAreTheSameModel() throws {
        let folder = try MediaGoldenCase("qwen3_vl_moe")
        let copy = try copied(folder, isSwapped: { $0.contains(".mlp.experts.") })
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let bundle = try TemporaryBundle(importing: copy, weights: .f32)
        let decoder = try Decoder(bundle: Bundle(path: bundle.path))
        let runner = try makeRunner(decoder, threads: 2, chunk: 512)
        for run in folder.runs { try check(folder, run, runner) }
    }

    /// Rows from the bundle's own towers instead of the reference's.
    @Test(arguments: cases)
    func endToEndFromPixelsAndMel(name: String) throws {
        let folder = try MediaGoldenCase(name)
        let bundle = try TemporaryBundle(importing: folder.path, weights: .f32)
        let opened = try ModelFiles.Bundle(path: bundle.path)
        let decoder = try Decoder(bundle: opened)
        let runner = try makeRunner(decoder, threads: 2, chunk: 512)
        for run in folder.runs {
            try check(folder, run, runner, rows: folder.encodedRows(run, opened, runner.pool))
        }
    }

    @Test(arguments: cases)
    func decodingAfterMediaAllocatesNothing(name: String) throws {
        let folder = try MediaGoldenCase(name)
        let bundle = try TemporaryBundle(importing: folder.path, weights: .q8)
        let decoder = try Decoder(bundle: Bundle(path: bundle.path))
        let runner = try makeRunner(decoder, threads: 2, chunk: 512)
        let run = folder.runs.contains("audio_in_video") ? "audio_in_video" : "image_video"
        var table = runner.makeTable()
        try append(folder.stream(run, decoder.configuration), runner, &table) { _, _ in }
        try table.reserve(positions: 900)
        try table.prepareFollowingText()
        var sampler = Sampler(SamplingSettings(), vocabularySize: decoder.configuration.vocabularySize)
        var token: Int32 = 5
        func step() throws {
            try withUnsafePointer(to: token) { pointer in
                try runner.append(UnsafeBufferPointer(start: pointer, count: 1), to: &table, logits: .last) {
                    token = sampler.sample($1)
                }
            }
        }
        for _ in 0..<400 { try step() }
        try expectNoAllocation { for _ in 0..<300 { try step() } }
    }

    @Test func expertsAreCountedByModality() throws {
        let folder = try MediaGoldenCase("qwen3_omni_moe_thinker")
        let bundle = try TemporaryBundle(importing: folder.path, weights: .f32)
        let decoder = try Decoder(bundle: Bundle(path: bundle.path))
        let runner = try makeRunner(decoder, threads: 1, chunk: 7)
        var table = runner.makeTable()
        let stream = try folder.stream("all", decoder.configuration)
        try append(stream, runner, &table) { _, _ in }
        #expect(stream.counts == [.text: 16, .image: 6, .video: 12, .audio: 14])
        for (modality, count) in stream.counts {
            for layer in 0..<4 {
                let choices = (0..<8).reduce(0) { $0 + runner.statistics[modality, layer, $1] }
                #expect(choices == UInt64(3 * count), "\(modality), layer \(layer)")
            }
        }
    }

    /// A whole checkpoint: settings in `thinker_config`, names under `thinker.`, and the parts that speak.
    @Test func theThinkerOfAWholeCheckpoint() throws {
        let folder = try MediaGoldenCase("qwen3_omni_moe_thinker")
        let copy = try copied(
            folder,
            rename: { "thinker." + $0 },
            extra: ["talker.model.norm.weight", "code2wav.pre.bias"],
            settings: { ["model_type": "qwen3_omni_moe", "thinker_config": $0] }
        )
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let plan = try Families.plan(for: CheckpointSource(path: copy))
        #expect(
            plan.notes == ["the talker and code2wav (2 tensors) are left out: this version answers in text"]
        )
        let bundle = try TemporaryBundle(importing: copy, weights: .f32)
        let decoder = try Decoder(bundle: ModelFiles.Bundle(path: bundle.path))
        let runner = try makeRunner(decoder, threads: 1, chunk: 512)
        for run in folder.runs { try check(folder, run, runner) }
    }

    @Test(arguments: [
        ("qwen3_omni_moe_thinker", "model.layers.2.mlp.experts.3.up_proj.weight"),
        ("qwen3_vl_moe", "model.language_model.layers.1.mlp.experts.gate_up_proj"),
        ("qwen3_vl_moe", "model.visual.blocks.0.attn.qkv.bias"),
    ])
    func missingAndLeftOverTensorsAreNamed(name: String, tensor: String) throws {
        let folder = try MediaGoldenCase(name)
        let copy = try copied(folder, rename: { $0 == tensor ? nil : $0 }, extra: ["model.surprise"])
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let error = #expect(throws: ModelFileError.self) { try TemporaryBundle(importing: copy, weights: .f32) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(tensor), "\(text)")
        #expect(text.contains("model.surprise"), "\(text)")
    }

    @Test func settingsThatNoModelHasAreRefused() throws {
        let folder = try MediaGoldenCase("qwen3_omni_moe_thinker")
        let changes: [(String, JSON)] = [
            ("image_token_id", 4000), ("image_token_id", 301), ("position_id_per_seconds", 0),
            ("position_id_per_seconds", .null), ("audio_token_id", -1), ("vision_config", .null),
        ]
        for (key, value) in changes {
            func changed(_ json: JSON) -> JSON {
                guard case .object(var object) = json else { return json }
                object[key] = value
                return .object(object)
            }
            let copy = try copied(folder, settings: changed)
            defer { try? FileManager.default.removeItem(atPath: copy) }
            #expect(throws: ModelError.self, "\(key) \(value)") {
                try Families.plan(for: CheckpointSource(path: copy))
            }
        }
    }

    /// A changed copy of a checkpoint; the caller removes it.
    private func copied(
        _ folder: MediaGoldenCase,
        isSwapped: (String) -> Bool = { _ in false },
        rename: (String) -> String? = { $0 },
        extra: [String] = [],
        settings: (JSON) -> JSON = { $0 }
    ) throws -> String {
        let copy = NSTemporaryDirectory() + "soranji-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        let config = try JSON.parse(Array(Data(contentsOf: URL(fileURLWithPath: folder.path + "/config.json"))))
        try Data(settings(config).text().utf8).write(to: URL(fileURLWithPath: copy + "/config.json"))
        try CheckpointCopy.write(
            from: folder.path + "/model.safetensors",
            to: copy + "/model.safetensors",
            isSwapped: isSwapped,
            rename: rename,
            extra: extra
        )
        return copy
    }

    // MARK: Running

    private func makeRunner(_ decoder: Decoder, threads: Int, chunk: Int) throws -> DecoderRunner {
        try DecoderRunner(
            decoder: decoder,
            pool: ThreadPool(threadCount: threads),
            element: .f32,
            maximumPositions: 1024,
            chunkTokens: chunk
        )
    }

    private func append(
        _ stream: TokenStream,
        _ runner: DecoderRunner,
        _ table: inout PageTable,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) -> Void
    ) throws {
        var begin = 0
        while begin < stream.count {
            let end = min(stream.count, begin + runner.chunkTokens)
            try stream.withChunk(begin..<end) { chunk in
                try runner.append(chunk, to: &table, logits: .all) { onLogits(begin + $0, $1) }
            }
            begin = end
        }
    }

    private func check(
        _ folder: MediaGoldenCase,
        _ run: String,
        _ runner: DecoderRunner,
        rows: [MediaRows]? = nil
    ) throws {
        let stream = try folder.stream(run, runner.decoder.configuration, rows: rows)
        let expected: (shape: [Int], values: [Float]) = try folder.golden.floats("\(run).out.logits")
        let vocabulary = expected.shape[2]
        var choices: [Int: [Int32]] = [:]
        runner.onRouting = { layer, experts in choices[layer, default: []] += experts }
        var largest: Float = 0
        var table = runner.makeTable()
        try append(stream, runner, &table) { position, logits in
            for index in 0..<vocabulary {
                let distance = abs(logits[index] - expected.values[position * vocabulary + index])
                largest = distance <= largest ? largest : distance
            }
        }
        #expect(largest < 1e-4, "\(folder.name) \(run): \(largest)")
        #expect(table.count == expected.shape[1])
        let layers = folder.golden.routedLayers(run)
        #expect(layers == Array(0..<runner.decoder.configuration.layerCount))
        for layer in layers {
            let expected = try folder.golden.integers("\(run).out.router.\(layer)#2")
            let got = try #require(choices[layer])
            #expect(got.count == expected.values.count)
            let perToken = expected.shape[1]
            for token in 0..<expected.shape[0] {
                let range = token * perToken..<(token + 1) * perToken
                let want = Set(expected.values[range].map { Int32($0) })
                #expect(Set(got[range]) == want, "\(folder.name) \(run) layer \(layer) token \(token)")
            }
        }
    }

    private func checkGreedy(_ folder: MediaGoldenCase, _ run: String, _ runner: DecoderRunner) throws {
        let expected = try folder.golden.integers("\(run).out.greedy_ids").values.map { Int32($0) }
        let stream = try folder.stream(run, runner.decoder.configuration)
        var sampler = Sampler(SamplingSettings(), vocabularySize: runner.decoder.configuration.vocabularySize)
        var table = runner.makeTable()
        var tokens = stream.tokens
        var pending: Int32 = 0
        try append(stream, runner, &table) { position, logits in
            if position == stream.count - 1 { pending = sampler.sample(logits) }
        }
        tokens.append(pending)
        while tokens.count < expected.count {
            try withUnsafePointer(to: pending) { pointer in
                try runner.append(UnsafeBufferPointer(start: pointer, count: 1), to: &table, logits: .last) {
                    pending = sampler.sample($1)
                }
            }
            tokens.append(pending)
        }
        #expect(tokens == expected, "\(folder.name) \(run)")
    }
}

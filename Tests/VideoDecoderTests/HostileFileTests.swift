import FilmTestSupport
import Foundation
import JSONText
import ModelFiles
import Tensor
import Testing

@testable import VideoDecoder

/// Damaged weights and settings end with an error, or film something; nothing ends the process.
struct HostileFileTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "soranji-film-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: Golden(name).file.file.path)))
    }

    /// Reads weights and runs them where they can be read.
    private func run(_ bytes: [UInt8], isFlow: Bool, _ settings: FilmSettings) throws {
        let path = folder + "/\(UUID().uuidString).safetensors"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try SafetensorsFile(path: path)
        let pool = ThreadPool(threadCount: 1)
        if isFlow {
            let decoder = try FlowDecoder(file, settings: settings, prefix: "w.")
            let runner = try FlowRunner(decoder, gridRows: 2, gridColumns: 1, maximumPromptRows: 2, pool: pool)
            try runner.readPrompt(count: 2) { range, memory, stride in
                for row in range { memory[row * stride] = Float(row) }
            }
            var options = ChunkFilmer.Options()
            options.steps = 1
            let filmer = ChunkFilmer(runners: [runner], options: options)
            let plan = ChunkFilmer.Plan(kind: .numbered(0), firstFrame: 0, history: [], stream: 0)
            let tokens = try filmer.film(plan).tokens
            #expect(filmer.latents(tokens).count == 2 * 4 * 2 * settings.codec.channels)
        } else {
            let codec = try PatchCodec(file, settings: settings.codec, prefix: "w.")
            let runner = try PatchCodecRunner(codec, rows: 1, columns: 1, maximumFrames: 1, pool: pool)
            var frame = [Float](repeating: 0, count: runner.frameFloats)
            runner.synthesize([Float](repeating: 1, count: runner.latentFloats), count: 1, into: &frame)
        }
    }

    @Test(arguments: ["codec", "flow"])
    func damagedWeights(name: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let original = try bytes(name)
        let settings = try Golden(name).settings()
        try run(original, isFlow: name == "flow", settings)
        var random = NoiseSource(seed: 11, stream: 0)
        var refused = 0
        for round in 0..<150 {
            var damaged = original
            if round % 10 == 0 {
                damaged.removeLast(Int(abs(random.normal()) * 20000) % damaged.count)
            } else {
                // Mostly the header; the weights themselves in every third round.
                let reach = round % 3 == 0 ? damaged.count : 3000
                for _ in 0..<3 {
                    damaged[Int(abs(random.normal()) * 1e6) % reach] = UInt8(Int(abs(random.normal()) * 90) % 256)
                }
            }
            do { try run(damaged, isFlow: name == "flow", settings) } catch { refused += 1 }
        }
        #expect(refused > 30)
    }

    @Test func onlyTokensWithAHalfCanBeShifted() throws {
        let dims = TinyDecoder.dims(trunkLayers: [0])
        func settings(_ flag: JSON, side: Int) throws -> FilmSettings {
            var object = try #require(dims.objectValue)
            var flow = try #require(dims["flow"]?.objectValue)
            flow["both_grids"] = flag
            flow["token_latents"] = .integer(Int64(side))
            object["flow"] = .object(flow)
            return try FilmSettings(dims: .object(object), path: "settings")
        }
        #expect(try !FilmSettings(dims: dims, path: "settings").flow.usesBothGrids)
        #expect(try settings(.bool(true), side: 2).flow.usesBothGrids)
        #expect(throws: FilmError.self) { try settings(.bool(true), side: 1) }
        #expect(try !settings(.bool(false), side: 1).flow.usesBothGrids)
        for flag: JSON in [.integer(1), .null, .string("true")] {
            #expect(throws: FilmError.self) { try settings(flag, side: 2) }
        }
    }

    @Test func damagedSettings() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let text = try #require(Golden("flow").file.metadata["config"])
        let original = try bytes("flow")
        var refused = 0
        var taken = 0
        let values = ["0", "-1", "1", "3", "1e300", "9223372036854775807", "null", "[]", "\"8\"", "65536"]
        for (index, value) in values.enumerated() {
            for name in [
                "frame_px", "fps", "sample_rate", "patch_px", "rim_px", "channels", "width", "depth", "heads", "window",
                "hop", "bands", "low_hz", "high_hz", "floor", "experts", "expert_top", "expert_hidden",
                "trunk_layers", "chunk_frames", "token_latents", "rim_latents", "history_chunks",
            ] {
                // The first place that has the name, or the last.
                let pattern = "\"\(name)\": "
                let range = text.range(of: pattern, options: index % 2 == 0 ? [] : .backwards)
                guard let range, let end = text[range.upperBound...].firstIndex(where: { ",}".contains($0) }) else {
                    Issue.record("no setting \(name)")
                    continue
                }
                let changed = text.replacingCharacters(in: range.upperBound..<end, with: value)
                do {
                    let settings = try FilmSettings(dims: JSON.parse(Array(changed.utf8)), path: "settings")
                    var sound = SoundSynthesis(settings.mel, sampleRate: settings.world.sampleRate)
                    _ = sound.push(Array(repeating: 0.5, count: settings.mel.bands))
                    try run(original, isFlow: true, settings)
                    taken += 1
                } catch { refused += 1 }
            }
        }
        #expect(refused > 100 && taken > 0)
    }

    /// A film of any length uses the same pages over and over.
    @Test func pagesAreUsedAgain() throws {
        let golden = try Golden("flow")
        let decoder = try FlowDecoder(golden.file, settings: golden.settings(), prefix: "w.")
        let pool = ThreadPool(threadCount: 1)
        let plain = try FlowRunner(decoder, gridRows: 2, gridColumns: 2, maximumPromptRows: 1, pool: pool)
        let shifted = try FlowRunner(
            decoder,
            gridRows: 2,
            gridColumns: 2,
            isShifted: true,
            maximumPromptRows: 1,
            sharingPromptOf: plain,
            pool: pool
        )
        var options = ChunkFilmer.Options()
        options.steps = 2
        let filmer = ChunkFilmer(runners: [plain, shifted], options: options)
        var history: [CommittedChunk] = []
        var seen: Set<ObjectIdentifier> = []
        for chunk in 0..<20 {
            let plan = ChunkFilmer.Plan(
                kind: chunk == 0 ? .numbered(0) : .inside,
                firstFrame: 2 * chunk,
                history: history,
                stream: UInt64(chunk)
            )
            let committed = try filmer.commit(plan, filmer.film(plan).tokens)
            #expect(committed.pages.count == 2)
            seen.formUnion(committed.pages.map { ObjectIdentifier($0) })
            history.append(committed)
            if history.count > 2 { filmer.recycle(history.removeFirst()) }
        }
        #expect(seen.count <= 10)
    }
}

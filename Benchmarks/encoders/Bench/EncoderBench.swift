import Foundation
import JSONText
import ModelFiles
import Models
import Tensor

/// Times an encoder on inputs from a file, and writes what came out:
///
///     EncoderBench CHECKPOINT BUNDLE vision|audio WEIGHTS INPUT OUTPUT THREADS REPEATS FRAMESxHEIGHTxWIDTH
///
/// CHECKPOINT holds config.json with a `vision_config` or `audio_config` and tensors without a prefix; BUNDLE is made of
/// it if it is not there. INPUT and OUTPUT are raw f32: rows of patches or log-mel [bins][frames], rows of tokens. Prints
/// seconds by the clock and of all processors, a line for every repeat.
@main struct EncoderBench {
    struct Usage: Error, CustomStringConvertible {
        var description: String { "wrong arguments; see EncoderBench.swift for them" }
    }

    static func main() {
        do {
            try run(CommandLine.arguments)
        } catch {
            FileHandle.standardError.write(Data("EncoderBench: \(error)\n".utf8))
            exit(error is Usage ? 2 : 1)
        }
    }

    private static func run(_ arguments: [String]) throws {
        guard arguments.count >= 10, let threads = Int(arguments[7]), let repeats = Int(arguments[8]) else {
            throw Usage()
        }
        let (kind, weights) = (arguments[3], WeightType(rawValue: arguments[4]))
        try makeBundle(from: arguments[1], at: arguments[2], kind, weights)
        let bundle = try ModelFiles.Bundle(path: arguments[2])
        let data = try Data(contentsOf: URL(fileURLWithPath: arguments[5]))
        let input = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        let pool = ThreadPool(threadCount: threads)
        let encode: () throws -> [Float]
        if kind == "vision" {
            let sizes = arguments[9].split(separator: "x").compactMap { Int($0) }
            guard sizes.count == 3 else { throw Usage() }
            let grid = PatchGrid(frames: sizes[0], height: sizes[1], width: sizes[2])
            let tower = try VisionTower(bundle: bundle, pool: pool)
            encode = { try input.withUnsafeBufferPointer { try tower.encode($0, grids: [grid]) }.rows }
        } else {
            let tower = try AudioTower(bundle: bundle, pool: pool)
            let frames = input.count / tower.configuration.melBins
            encode = { try input.withUnsafeBufferPointer { try tower.encode([.binsFirst($0, frames: frames)]) }.rows }
        }
        var rows: [Float] = []
        for _ in 0..<repeats {
            let clock = ContinuousClock()
            let start = (clock.now, processorSeconds)
            rows = try encode()
            let duration = (clock.now - start.0).components
            let seconds = Double(duration.seconds) + Double(duration.attoseconds) * 1e-18
            print(String(format: "%.3f %.3f", seconds, processorSeconds - start.1))
        }
        try rows.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: arguments[6])) }
    }

    /// Of all threads so far.
    private static var processorSeconds: Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    private static func makeBundle(
        from checkpoint: String,
        at path: String,
        _ kind: String,
        _ weights: WeightType?
    ) throws {
        guard !ModelFiles.Bundle.exists(at: path) else { return }
        let source = try CheckpointSource(path: checkpoint)
        let configuration = try JSON.parse(Array(Data(contentsOf: URL(fileURLWithPath: checkpoint + "/config.json"))))
        var plan = ImportPlan(architecture: "encoder", configuration: [:])
        plan.encoders = [
            kind == "vision"
                ? try EncoderPlan.vision(
                    prefix: "",
                    names: .omni,
                    configuration: configuration["vision_config"] ?? .null
                ) : try EncoderPlan.audio(prefix: "", configuration: configuration["audio_config"] ?? .null)
        ]
        try BundleImporter(weights: weights).run(plan, from: source, to: path)
    }
}

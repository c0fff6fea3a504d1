import Foundation
import JSONText

/// A decoder with random weights for a tiny model: 32x32 pixels, 4 frames a second, clips of 8 frames.
package enum TinyDecoder {
    package static let framesPerSecond = 4
    package static let sampleRate = 8000
    package static let chunkFrames = 2

    private static let width = 16
    private static let channels = 6
    private static let bands = 12
    private static let token = 4 * 6
    private static let sound = 8 * 12

    package static func dims(trunkLayers: [Int], usesBothGrids: Bool = false) -> JSON {
        [
            "world": ["frame_px": 32, "fps": 4, "frames": 8, "sample_rate": 8000],
            "codec": ["patch_px": 8, "rim_px": 2, "channels": 6, "width": 24, "depth": 1, "heads": 2],
            "mel": ["window": 512, "hop": 250, "bands": 12, "low_hz": 60, "high_hz": 1900, "floor": 0.001],
            "flow": [
                "width": 16, "depth": 2, "heads": 2, "experts": 3, "expert_top": 2, "expert_hidden": 8,
                "trunk_layers": .array(trunkLayers.map { .integer(Int64($0)) }), "chunk_frames": 2, "token_latents": 2,
                "history_chunks": 2, "both_grids": .bool(usesBothGrids),
            ],
            "prompt_prefix_rows": 3,
        ]
    }

    /// Writes a folder as `Training/` does.
    package static func write(
        to folder: String,
        trunkLayers: [Int],
        promptWidth: Int,
        usesBothGrids: Bool = false
    ) throws {
        try FileManager.default.createDirectory(atPath: folder + "/decoder", withIntermediateDirectories: true)
        let model: JSON = ["dims": dims(trunkLayers: trunkLayers, usesBothGrids: usesBothGrids)]
        try Data(model.text().utf8).write(to: URL(fileURLWithPath: folder + "/model.json"))
        try save(codec, to: folder + "/decoder/codec.safetensors", seed: 1)
        try save(flow(promptWidth), to: folder + "/decoder/flow.safetensors", seed: 2)
    }

    private static var codec: [(String, [Int])] {
        [
            ("mean", [192]), ("basis", [channels, 192]), ("scale", [channels]), ("inlet.weight", [24, 54]),
            ("inlet.bias", [24]), ("norm.gain", [24]), ("outlet.weight", [432, 24]), ("outlet.bias", [432]),
            ("blocks.0.norm1.gain", [24]), ("blocks.0.norm2.gain", [24]), ("blocks.0.qkv.weight", [72, 24]),
            ("blocks.0.out.weight", [24, 24]), ("blocks.0.gate_up.weight", [128, 24]),
            ("blocks.0.down.weight", [24, 64]), ("blocks.0.sharpness", [2]),
        ]
    }

    private static func flow(_ promptWidth: Int) -> [(String, [Int])] {
        let d = width
        func linear(_ name: String, _ rows: Int, _ columns: Int) -> [(String, [Int])] {
            [("\(name).weight", [rows, columns]), ("\(name).bias", [rows])]
        }
        var tensors: [(String, [Int])] = [
            ("frame", [2, d]), ("kind", [3, d]), ("prompt_mean", [promptWidth]), ("prompt_scale", [promptWidth]),
            ("sound_mean", [sound]), ("sound_scale", [sound]),
        ]
        for (name, rows, columns) in [
            ("video_in", d, token), ("sound_in", d, sound), ("place", d, 16), ("prompt_in", d, promptWidth),
            ("time_in", d, 128), ("time_out", d, d), ("modulation", 6 * d, d), ("last", 2 * d, d),
            ("video_out", token, d), ("sound_out", sound, d),
        ] { tensors += linear(name, rows, columns) }
        for block in 0..<2 {
            tensors += [
                ("blocks.\(block).qkv.weight", [3 * d, d]), ("blocks.\(block).prompt_kv.weight", [2 * d, d]),
                ("blocks.\(block).out.weight", [d, d]), ("blocks.\(block).sharpness", [2, 2]),
                ("blocks.\(block).table", [6, d]), ("blocks.\(block).experts.router", [3, d]),
                ("blocks.\(block).experts.gate_up", [3, 16, d]), ("blocks.\(block).experts.down", [3, d, 8]),
            ]
        }
        return tensors
    }

    private static func save(_ tensors: [(String, [Int])], to path: String, seed: UInt64) throws {
        var state = seed
        var header = JSON.Object()
        var data = Data()
        for (name, shape) in tensors {
            let count = shape.reduce(1, *)
            let reach: Float = shape.count > 1 ? 1.2 / Float(shape[shape.count - 1]).squareRoot() : 0.3
            let centre: Float = name.hasSuffix("scale") || name.hasSuffix("gain") ? 1 : 0
            let begin = data.count
            for _ in 0..<count {
                // Knuth's generator; its upper bits are good enough for weights.
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let value = centre + reach * (Float(state >> 40) * 0x1p-23 - 1)
                withUnsafeBytes(of: value) { data.append(contentsOf: $0) }
            }
            header[name] = [
                "dtype": "F32", "shape": .array(shape.map { .integer(Int64($0)) }),
                "data_offsets": [.integer(Int64(begin)), .integer(Int64(data.count))],
            ]
        }
        let text = Array(JSON.object(header).text().utf8)
        var file = Data()
        withUnsafeBytes(of: UInt64(text.count).littleEndian) { file.append(contentsOf: $0) }
        file.append(contentsOf: text)
        file.append(data)
        try file.write(to: URL(fileURLWithPath: path))
    }
}

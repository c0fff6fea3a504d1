import CKernels
import Foundation
import JSONText
import Tensor

/// Small random parts for the real trunk: two routed layers, an eye and an ear of a few numbers.
enum TinyParts {
    /// Tensors of the trunk.
    private static let width = 576

    static let dims: JSON = [
        "world": ["frame_px": 32, "fps": 2, "sample_rate": 4000],
        "codec": ["patch_px": 16, "channels": 4],
        "mel": ["window": 256, "hop": 500, "bands": 4, "low_hz": 60, "high_hz": 1900, "floor": 0.001],
        "understanding": [
            "eye_width": 16, "eye_depth": 1, "eye_heads": 2, "ear_width": 16, "ear_depth": 1, "ear_heads": 2,
            "eye_frames": 2, "token_latents": 2, "ear_columns": 4, "window_frames": 4, "experts": 2, "expert_top": 1,
            "expert_hidden": 8, "expert_every": 15,
        ],
        "video_slots": ["thing", "motion"], "audio_slots": ["sound"],
        "placeholders": ["image": 14, "video": 15, "audio": 16],
    ]

    /// Writes `Experts` and the chat template below `root`.
    ///
    /// - Parameter template: of the repository.
    static func write(to root: String, template: String) throws {
        var generator = SplitMix64(state: 11)
        var files = JSON.Object()
        func random(_ shape: [Int], _ scale: Float) -> [Float] {
            (0..<shape.reduce(1, *)).map { _ in Float.random(in: -scale...scale, using: &generator) }
        }
        func add(_ name: String, _ tensors: [(String, [Int])]) throws {
            var header = JSON.Object()
            var body: [UInt8] = []
            for (tensor, shape) in tensors {
                let isGain = ["gain", "gains", "sharpness", "scale", "spread"].contains { tensor.hasSuffix($0) }
                let scale: Float = isGain ? 0.1 : shape.count > 1 ? 0.2 : 0.05
                let values = random(shape, scale).map { isGain ? 1 + $0 : $0 }
                header[tensor] = [
                    "dtype": "F32", "shape": .array(shape.map { .integer(Int64($0)) }),
                    "data_offsets": [.integer(Int64(body.count)), .integer(Int64(body.count + 4 * values.count))],
                ]
                body += values.withUnsafeBytes { Array($0) }
            }
            let text = Array(JSON.object(header).text().utf8)
            let bytes = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text + body
            let url = URL(fileURLWithPath: root + "/Experts/" + name)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try Data(bytes).write(to: url)
            files[name] = ["bytes": .integer(Int64(bytes.count)), "sha256": .string(sha256(bytes))]
        }
        func sense(_ name: String, inputs: Int, tokens: Int, slots: Int) -> [(String, [Int])] {
            [
                (name + "inlet.weight", [16, inputs]), (name + "inlet.bias", [16]), (name + "spot", [tokens, 16]),
                (name + "queries", [slots, 16]), (name + "blocks.0.norm1.gain", [16]),
                (name + "blocks.0.norm2.gain", [16]), (name + "blocks.0.qkv.weight", [48, 16]),
                (name + "blocks.0.out.weight", [16, 16]), (name + "blocks.0.gate_up.weight", [64, 16]),
                (name + "blocks.0.down.weight", [16, 32]), (name + "blocks.0.sharpness", [2]),
                (name + "norm.gain", [16]), (name + "outlet.weight", [width, 16]),
            ]
        }
        try add(
            "encoders/senses.safetensors",
            sense("eye.", inputs: 2 * 4 * 4, tokens: 2, slots: 2) + sense("ear.", inputs: 16, tokens: 4, slots: 1)
                + [("centre", [width]), ("spread", [])]
        )
        try add(
            "decoder/codec.safetensors",
            [("mean", [768]), ("basis", [4, 768]), ("scale", [4]), ("inlet.bias", [2])]
        )
        var routers: [(String, [Int])] = [("marks", [4, width]), ("gains", [3])]
        for layer in ["00", "15"] {
            for expert in 0..<4 {
                try add("L\(layer)/E00\(expert).safetensors", [("gate_up", [16, width]), ("down", [width, 8])])
            }
            let number = layer == "00" ? 0 : 15
            routers += [("video.\(number).router", [2, width]), ("audio.\(number).router", [2, width])]
        }
        try add("routers.safetensors", routers)
        let manifest: JSON = ["format": "soranji-parts", "version": 1, "files": .object(files), "dims": dims]
        try Data(manifest.text().utf8).write(to: URL(fileURLWithPath: root + "/Experts/model.json"))
        try FileManager.default.createDirectory(atPath: root + "/Tokenizers", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: template, toPath: root + "/Tokenizers/chat_template.jinja")
    }

    private static func sha256(_ bytes: [UInt8]) -> String {
        var state = sk_sha256()
        sk_sha256_begin(&state)
        sk_sha256_update(&state, bytes, bytes.count)
        var digest = [UInt8](repeating: 0, count: 32)
        sk_sha256_finish(&state, &digest)
        return digest.map { String(format: "%02x", $0) }.joined()
    }
}

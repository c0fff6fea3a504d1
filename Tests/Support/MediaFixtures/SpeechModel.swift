import Foundation
import JSONText
import Soranji

/// A checkpoint folder and the bundle made of it, removed with the value.
package final class SpeechModel {
    package let folder: String
    package let bundle: String

    package init(generation: [String: JSON] = [:], tokenizes: Bool = true) throws {
        let root = NSTemporaryDirectory() + "soranji-speech-\(UUID().uuidString)"
        folder = root + "/checkpoint"
        bundle = root + "/bundle"
        let golden = testsFolder + "/ModelsTests/Fixtures/goldens/whisper"
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

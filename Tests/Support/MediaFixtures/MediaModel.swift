import Foundation
import JSONText
import Soranji

/// The tests' folder.
package let testsFolder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

/// A tiny model that sees (and hears), imported from the reference's checkpoint; with a byte-level tokenizer and the
/// processors' settings of the reference's end-to-end clip where they are asked for.
package final class MediaModel {
    package let folder: String
    package let name: String

    /// Control tokens of the reference's toy tokenizer, in order from 256 on.
    package static let controlTokens = [
        "<|im_end|>", "<|endoftext|>", "<|image_pad|>", "<|video_pad|>", "<|audio_pad|>", "<|vision_start|>",
        "<|vision_end|>", "<|audio_start|>", "<|audio_end|>",
    ]

    package static let clip = testsFolder + "/MediaTests/Fixtures/clips/clip.mp4"

    package init(_ name: String, hasText: Bool = false) throws {
        self.name = name
        folder = NSTemporaryDirectory() + "soranji-media-\(UUID().uuidString)"
        let checkpoint = folder + "/checkpoint"
        try FileManager.default.createDirectory(atPath: checkpoint, withIntermediateDirectories: true)
        let source = Self.fixture(name)
        try FileManager.default.copyItem(
            atPath: source + "/model.safetensors",
            toPath: checkpoint + "/model.safetensors"
        )
        var config = try JSON.parse(Array(Data(contentsOf: URL(fileURLWithPath: source + "/config.json"))))
        if hasText {
            guard case .object(var object) = config else { return }
            for (key, token) in [
                ("image_token_id", 258), ("video_token_id", 259), ("audio_token_id", 260),
                ("vision_start_token_id", 261), ("vision_end_token_id", 262), ("audio_start_token_id", 263),
                ("audio_end_token_id", 264),
            ] where object[key] != nil {
                object[key] = .integer(Int64(token))
            }
            config = .object(object)
            try write(Self.tokenizer, "tokenizer.json")
            try write(["chat_template": .string(Self.template), "eos_token": "<|im_end|>"], "tokenizer_config.json")
            try write(Self.imageSettings, "preprocessor_config.json")
            try write(
                name == "qwen3_vl_moe" ? Self.clipSettings : Self.imageSettings,
                "video_preprocessor_config.json"
            )
        }
        try write(config, "config.json")
        try ModelImporter.importModel(source: checkpoint, into: folder + "/bundle", weights: .f32)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    package static func fixture(_ name: String) -> String { testsFolder + "/ModelsTests/Fixtures/goldens/" + name }

    package var bundle: String { folder + "/bundle" }

    package func open(context: Int = 1024, threads: Int = 2) throws -> Runtime {
        var options = Runtime.Options()
        options.contextTokens = context
        options.threadCount = threads
        options.cacheElement = .f32
        return try Runtime(bundleFolder: bundle, options: options)
    }

    private func write(_ json: JSON, _ name: String) throws {
        try Data(json.text().utf8).write(to: URL(fileURLWithPath: folder + "/checkpoint/" + name))
    }

    private static let imageSettings: JSON = [
        "image_processor_type": "Qwen2VLImageProcessor", "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "size": ["shortest_edge": 1024, "longest_edge": 65536],
    ]
    private static let clipSettings: JSON = [
        "video_processor_type": "Qwen3VLVideoProcessor", "size": ["shortest_edge": 1024, "longest_edge": 1_048_576],
    ]

    /// Content in parts, as the families' templates take it.
    private static let template = """
        {%- for m in messages %}<|im_start|>{{ m.role }}
        {% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}\
        {% if c.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>\
        {% elif c.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>\
        {% elif c.type == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>\
        {% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>
        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
        {% endif %}
        """

    /// Bytes as GPT-2 spells them, sorted, then the control tokens.
    private static let tokenizer: JSON = {
        var spellings: [UInt32] = []
        var moved: UInt32 = 256
        for byte in UInt32(0)...255 {
            if 33...126 ~= byte || 161...172 ~= byte || 174...255 ~= byte {
                spellings.append(byte)
            } else {
                spellings.append(moved)
                moved += 1
            }
        }
        var vocabulary = JSON.Object()
        for (id, spelling) in spellings.sorted().enumerated() {
            vocabulary[String(Character(Unicode.Scalar(spelling) ?? "?"))] = .integer(Int64(id))
        }
        let added = controlTokens.enumerated().map { index, text -> JSON in
            [
                "id": .integer(Int64(256 + index)), "content": .string(text), "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
            ]
        }
        return [
            "version": "1.0", "added_tokens": .array(added), "normalizer": .null,
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
            "post_processor": .null, "decoder": ["type": "ByteLevel"],
            "model": ["type": "BPE", "vocab": .object(vocabulary), "merges": []],
        ]
    }()
}

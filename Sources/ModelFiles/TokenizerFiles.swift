import JSONText

/// What a checkpoint knows about text, and about how pictures and sound are prepared, as files of a bundle.
enum TokenizerFiles {
    /// Name of the file that holds a GGUF's tokenizer.
    static let ggufName = "tokenizer.gguf.json"

    /// Files of a folder that are taken along as they are.
    static let folderNames = [
        "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
        "generation_config.json", "preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json",
    ]

    /// Whether one of the files is a vocabulary.
    static func holdVocabulary(_ names: [String]) -> Bool {
        names.contains { ["tokenizer.json", "tokenizer.model", ggufName].contains($0) }
    }

    private static let maximumElements = 1 << 23

    /// The files that the source has.
    static func names(of source: CheckpointSource) -> [String] {
        if let gguf = source.gguf {
            return gguf.first.keys.contains { $0.hasPrefix("tokenizer.") } ? [ggufName] : []
        }
        guard let folder = source.folder else { return [] }
        return folderNames.filter { Paths.isRegularFile(folder + "/" + $0) }
    }

    /// A GGUF's tokenizer as plain JSON: `tokenizer.ggml.*` and `tokenizer.chat_template` without their prefixes,
    /// so {model, pre, tokens, scores, token_type, merges, bos_token_id, ..., chat_template}.
    static func json(of gguf: GGUFFile) throws(ModelFileError) -> JSON {
        var object = JSON.Object()
        for key in gguf.keys where key.hasPrefix("tokenizer.") {
            guard let value = gguf.metadata[key] else { continue }
            // Small numbers grow in JSON: a hostile array of bytes would fill the memory.
            if let count = value.arrayValue?.count, count > maximumElements {
                throw ModelFileError(
                    .malformed,
                    gguf.file.path,
                    "'\(key)' has \(count) elements, more than any tokenizer"
                )
            }
            let name = key.hasPrefix("tokenizer.ggml.") ? key.dropFirst("tokenizer.ggml.".count) : key.dropFirst(10)
            object[String(name)] = value.json
        }
        return .object(object)
    }

    /// Writes them into a bundle that is being made.
    static func write(_ names: [String], of source: CheckpointSource, to staging: StagingFolder) throws(ModelFileError)
    {
        for name in names {
            if let gguf = source.gguf {
                try staging.write(Array(try json(of: gguf.first).text().utf8), to: name)
            } else if let folder = source.folder {
                try staging.copy(folder + "/" + name, to: name)
            }
        }
    }
}

extension BundleManifest {
    /// Whether the bundle can read text: settings alone are no vocabulary.
    package var hasVocabulary: Bool { TokenizerFiles.holdVocabulary(tokenizerFiles) }
}

import JSONText

extension Inspection {
    /// A checkpoint that is not imported yet.
    package init(source: CheckpointSource) throws(ModelFileError) {
        self.init(path: source.path, kind: source.kind)
        licence = source.licence
        tensors = source.tensors.map { tensor in
            Tensor(
                name: tensor.name,
                part: Self.part(of: tensor.name),
                shape: tensor.shape,
                type: tensor.type.name,
                bytes: tensor.byteCount
            )
        }
        if let gguf = source.gguf?.first {
            describe(gguf)
        } else {
            describe(configuration: source.configuration)
            tokenizer = try Self.tokenizer(
                files: TokenizerFiles.names(of: source),
                folder: source.folder ?? source.path,
                hasChatTemplate: try source.chatTemplate() != nil
            )
        }
    }

    /// A bundle: the trunk's header, the manifest, and one shard of each layer.
    package init(bundle: Bundle) throws(ModelFileError) {
        self.init(path: bundle.path, kind: "bundle")
        architecture = bundle.architecture
        licence = bundle.manifest.provenance.licence
        provenance = bundle.manifest.provenance
        describe(configuration: bundle.configuration)
        for entry in bundle.trunk.tensors { tensors.append(Self.tensor(entry, of: bundle.trunk, prefix: "")) }
        for layer in bundle.manifest.expertLayers {
            for (expert, copies) in [(0, layer.routed), (nil, layer.hasShared ? 1 : 0)] as [(Int?, Int)]
            where copies > 0 {
                let path = bundle.shardPath(layer: layer.layer, expert: expert)
                let file = try SafetensorsFile(path: path)
                let prefix = ImportPlan.Expert.path(layer: layer.layer, expert: expert) + " "
                for entry in file.tensors {
                    var tensor = Self.tensor(entry, of: file, prefix: prefix)
                    tensor.copies = copies
                    // A layer's only expert is its dense MLP.
                    if expert == nil, layer.routed == 0 { tensor.part = "mlp" }
                    tensors.append(tensor)
                }
            }
        }
        let routing = bundle.manifest.expertLayers.filter { $0.routed > 0 }
        if let most = routing.map(\.routed).max() {
            let settings = bundle.configuration["router"]
            router = Router(
                expertCount: most,
                expertsPerToken: settings?["expertsPerToken"]?.intValue,
                layerCount: routing.count,
                sharedLayerCount: routing.filter(\.hasShared).count,
                scoring: settings?["scoring"]?.stringValue
            )
        }
        let names = bundle.manifest.tokenizerFiles
        tokenizer = try Self.tokenizer(files: names, folder: bundle.path, hasChatTemplate: false)
    }

    /// A tensor of a bundle's file: packed ones by the shape that they stand for.
    private static func tensor(_ entry: SafetensorsFile.Entry, of file: SafetensorsFile, prefix: String) -> Tensor {
        let name = prefix + entry.name
        guard let shape = file.metadata[entry.name].flatMap(PackedShape.init) else {
            return Tensor(
                name: name,
                part: part(of: name),
                shape: entry.shape,
                type: entry.type.name.lowercased(),
                bytes: entry.byteCount
            )
        }
        return Tensor(
            name: name,
            part: part(of: name),
            shape: (shape.isGated ? [2] : []) + [shape.rows, shape.columns],
            type: shape.type.rawValue,
            bytes: entry.byteCount
        )
    }

    private mutating func describe(_ gguf: GGUFFile) {
        architecture = gguf.string("general.architecture")
        let prefix = (architecture ?? "") + "."
        layerCount = gguf.integer(prefix + "block_count")
        hiddenSize = gguf.integer(prefix + "embedding_length")
        contextLength = gguf.integer(prefix + "context_length")
        let gating = gguf.integer(prefix + "expert_gating_func")
        if let experts = gguf.integer(prefix + "expert_count"), experts > 0 {
            router = routedLayers(
                experts: experts,
                perToken: gguf.integer(prefix + "expert_used_count"),
                scoring: gating.flatMap { [1: "softmax", 2: "sigmoid", 3: "softmaxOfChosen"][$0] }
            )
        }
        guard let model = gguf.string("tokenizer.ggml.model") else { return }
        tokenizer = Tokenizer(
            model: Self.modelNames[model] ?? model,
            preTokenizer: gguf.string("tokenizer.ggml.pre"),
            vocabularySize: gguf.metadata["tokenizer.ggml.tokens"]?.arrayValue?.count,
            hasChatTemplate: gguf.string("tokenizer.chat_template") != nil,
            files: []
        )
    }

    private static let modelNames = ["gpt2": "byte-level BPE", "llama": "SentencePiece"]

    /// A folder's `config.json`, or the configuration of a bundle, which has words of its own.
    private mutating func describe(configuration: JSON) {
        architecture = architecture ?? configuration["model_type"]?.stringValue
        // Models that also see or hear keep the settings of their text part apart.
        let settings = configuration["text_config"] ?? configuration
        func first(_ keys: String...) -> Int? { keys.lazy.compactMap { settings[$0]?.intValue }.first }
        layerCount = first("num_hidden_layers") ?? settings["layers"]?.arrayValue?.count
        hiddenSize = first("hidden_size", "hiddenSize")
        contextLength = first("max_position_embeddings", "contextLength")
        if let experts = first("num_local_experts", "num_experts", "n_routed_experts"), experts > 0 {
            router = routedLayers(
                experts: experts,
                perToken: first("num_experts_per_tok", "experts_per_token"),
                scoring: settings["scoring_func"]?.stringValue
            )
        }
    }

    /// Counts the layers that have router tensors, from the numbers in their names.
    private func routedLayers(experts: Int, perToken: Int?, scoring: String?) -> Router {
        func layers(_ part: String) -> Int {
            Set(
                tensors.lazy.filter { $0.part == part }.compactMap { tensor in
                    tensor.name.split(separator: ".").lazy.compactMap { Int($0) }.first
                }
            ).count
        }
        return Router(
            expertCount: experts,
            expertsPerToken: perToken,
            layerCount: layers("router"),
            sharedLayerCount: layers("shared experts"),
            scoring: scoring
        )
    }

    /// Describes tokenizer files; nil when there are none that split text.
    private static func tokenizer(
        files: [String],
        folder: String,
        hasChatTemplate: Bool
    ) throws(ModelFileError) -> Tokenizer? {
        func json(_ name: String) throws(ModelFileError) -> JSON? {
            guard files.contains(name) else { return nil }
            let file = try MappedFile(path: folder + "/" + name)
            do throws(JSONError) {
                return try file.json()
            } catch {
                throw ModelFileError(.malformed, file.path, "\(error)")
            }
        }
        var result = Tokenizer(
            model: "",
            preTokenizer: nil,
            vocabularySize: nil,
            hasChatTemplate: hasChatTemplate || files.contains("chat_template.jinja"),
            files: files
        )
        if let gguf = try json(TokenizerFiles.ggufName) {
            let model = gguf["model"]?.stringValue ?? "unknown"
            result.model = modelNames[model] ?? model
            result.preTokenizer = gguf["pre"]?.stringValue
            result.vocabularySize = gguf["tokens"]?.arrayValue?.count
            result.hasChatTemplate = gguf["chat_template"]?.stringValue != nil
            return result
        }
        if !result.hasChatTemplate, let settings = try json("tokenizer_config.json") {
            result.hasChatTemplate = settings["chat_template"].map { !$0.isNull } ?? false
        }
        if let settings = try json("tokenizer.json") {
            let model = settings["model"]?["type"]?.stringValue ?? "unknown"
            result.model = model == "BPE" && isByteLevel(settings) ? "byte-level BPE" : model
            let vocabulary = settings["model"]?["vocab"]
            let added = settings["added_tokens"]?.arrayValue ?? []
            let known = vocabulary?.objectValue
            let extra = added.count { token in token["content"]?.stringValue.flatMap { known?[$0] } == nil }
            result.vocabularySize = (known?.count ?? vocabulary?.arrayValue?.count).map { $0 + extra }
            return result
        }
        if files.contains("tokenizer.model") {
            result.model = "SentencePiece"
            return result
        }
        return nil
    }

    /// Whether a tokenizer.json works on bytes: its pre-tokenizer or decoder says so.
    private static func isByteLevel(_ settings: JSON) -> Bool {
        func mentions(_ value: JSON?) -> Bool {
            if value?["type"]?.stringValue == "ByteLevel" { return true }
            let steps = value?["pretokenizers"]?.arrayValue ?? value?["decoders"]?.arrayValue ?? []
            return steps.contains { $0["type"]?.stringValue == "ByteLevel" }
        }
        return mentions(settings["pre_tokenizer"]) || mentions(settings["decoder"])
    }
}

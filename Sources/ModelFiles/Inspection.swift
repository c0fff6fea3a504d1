import JSONText

/// What is in a bundle, a GGUF file or a folder of safetensors, without reading its weights.
package struct Inspection: Sendable {
    /// The name that was asked about.
    package var path: String
    /// "bundle", "gguf" or "safetensors".
    package var kind: String
    /// Family identifier, e.g. "olmoe"; nil when the checkpoint does not say.
    package var architecture: String?
    package var licence: String?
    /// Layers, width of the residual stream, positions that the model was made for.
    package var layerCount: Int?
    package var hiddenSize: Int?
    package var contextLength: Int?
    package var tokenizer: Tokenizer?
    package var router: Router?
    /// Of a bundle: where it came from.
    package var provenance: BundleManifest.Provenance?
    package var tensors: [Tensor]

    package struct Tensor: Sendable, Equatable {
        package var name: String
        /// "embedding", "attention", "router", "experts", "shared experts", "mlp", "norms", "output", "other".
        package var part: String
        package var shape: [Int]
        package var type: String
        /// Bytes of one copy.
        package var bytes: Int
        /// How many alike there are: experts of a bundle's layer are listed once.
        package var copies = 1

        /// Weights of one copy.
        package var weights: Int { ElementType.product(shape) ?? 0 }
    }

    package struct Tokenizer: Sendable, Equatable {
        /// "byte-level BPE", "SentencePiece", or what the file calls itself.
        package var model: String
        /// The rule that splits text before merging, where it has a name.
        package var preTokenizer: String?
        package var vocabularySize: Int?
        package var hasChatTemplate: Bool
        package var files: [String]
    }

    package struct Router: Sendable, Equatable {
        package var expertCount: Int
        package var expertsPerToken: Int?
        /// Layers that route.
        package var layerCount: Int
        /// Layers with an expert that every token uses beside the routed ones.
        package var sharedLayerCount: Int
        /// "softmax", "sigmoid" ..., where the checkpoint says.
        package var scoring: String?
    }

    /// Sizes of a group of tensors.
    package struct Sum: Sendable, Equatable {
        package var name: String
        package var tensors = 0
        package var weights = 0
        package var bytes = 0
    }

    /// Opens whatever `path` is. Cost: headers only, and the tokenizer's file for its size.
    package init(path: String) throws(ModelFileError) {
        if Paths.isFolder(path), Bundle.exists(at: path) {
            try self.init(bundle: try Bundle(path: path))
        } else {
            try self.init(source: try CheckpointSource(path: path))
        }
    }

    init(path: String, kind: String) {
        self.path = path
        self.kind = kind
        tensors = []
    }

    /// Sizes by part, in the order of ``partNames``.
    package var parts: [Sum] { sums(\.part, order: Self.partNames) }
    /// Sizes by element type, largest first.
    package var types: [Sum] {
        sums(\.type, order: []).sorted { ($0.bytes, $1.name) > ($1.bytes, $0.name) }
    }
    package var total: Sum {
        tensors.reduce(into: Sum(name: "total")) { sum, tensor in sum.add(tensor) }
    }

    static let partNames = [
        "embedding", "attention", "router", "experts", "shared experts", "mlp", "norms", "output", "other",
    ]

    /// What cannot be true of a model: the header is damaged, or made to harm.
    package var doubts: [String] {
        var doubts: [String] = []
        func check(_ name: String, _ value: Int?, _ range: ClosedRange<Int>) {
            guard let value, !range.contains(value) else { return }
            doubts.append("\(name) of \(value) cannot be true")
        }
        check("a layer count", layerCount, 1...BundleManifest.maximumLayers)
        check("a width", hiddenSize, 1...1 << 24)
        check("a context", contextLength, 1...1 << 30)
        check("a vocabulary", tokenizer?.vocabularySize, 1...1 << 24)
        check("an expert count", router?.expertCount, 1...BundleManifest.maximumExperts)
        if let router, let chosen = router.expertsPerToken, !(1...max(1, router.expertCount)).contains(chosen) {
            doubts.append("\(chosen) of \(router.expertCount) experts cannot be chosen")
        }
        return doubts
    }

    private func sums(_ key: KeyPath<Tensor, String>, order: [String]) -> [Sum] {
        var names = order
        var sums: [String: Sum] = [:]
        for tensor in tensors {
            let name = tensor[keyPath: key]
            if !names.contains(name) { names.append(name) }
            sums[name, default: Sum(name: name)].add(tensor)
        }
        return names.compactMap { sums[$0] }
    }

    /// The part that a tensor belongs to, from its name: the bundle's own, GGUF's or Hugging Face's.
    static func part(of name: String) -> String {
        func has(_ texts: String...) -> Bool { texts.contains { name.contains($0) } }
        if has("shexp", "shared_expert", "/shared") { return "shared experts" }
        if has("_norm", "norm.", "layernorm"), !has("_exps") { return "norms" }
        if has("router", "ffn_gate_inp", "exp_probs_b", "mlp.gate.", "block_sparse_moe.gate.") { return "router" }
        if has("_exps", ".experts.", "experts/", "ffn_gate.", "ffn_up.", "ffn_down."), isExpert(name) {
            return "experts"
        }
        if has("attn", "attention") { return "attention" }
        if has("mlp", "ffn_", "feed_forward") { return "mlp" }
        if has("embed") || name == "token_embd.weight" { return "embedding" }
        if has("lm_head") || name == "output" || name == "output.weight" { return "output" }
        return has("norm") ? "norms" : "other"
    }

    /// `blk.N.ffn_gate.weight` is a dense layer's; `blk.N.ffn_gate.E.weight` an expert's.
    private static func isExpert(_ name: String) -> Bool {
        guard name.contains("ffn_"), !name.contains("_exps") else { return true }
        return name.split(separator: ".").dropFirst(3).first.map { $0.allSatisfy(\.isNumber) } ?? false
    }
}

extension Inspection.Sum {
    mutating func add(_ tensor: Inspection.Tensor) {
        tensors += tensor.copies
        weights &+= tensor.weights &* tensor.copies
        bytes &+= tensor.bytes &* tensor.copies
    }
}

extension Inspection {
    package var json: JSON {
        func number(_ value: Int?) -> JSON { value.map { .integer(Int64($0)) } ?? .null }
        func text(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
        func sum(_ sum: Sum) -> JSON {
            [
                "name": .string(sum.name), "tensors": number(sum.tensors), "weights": number(sum.weights),
                "bytes": number(sum.bytes),
            ]
        }
        var object = JSON.Object([
            ("path", .string(path)), ("kind", .string(kind)), ("architecture", text(architecture)),
            ("licence", text(licence)), ("layers", number(layerCount)), ("hidden_size", number(hiddenSize)),
            ("context_length", number(contextLength)), ("weights", number(total.weights)),
            ("bytes", number(total.bytes)),
            ("parts", .array(parts.map(sum))), ("types", .array(types.map(sum))), ("tokenizer", .null),
            ("router", .null),
        ])
        if let tokenizer {
            object["tokenizer"] = [
                "model": .string(tokenizer.model), "pre_tokenizer": text(tokenizer.preTokenizer),
                "vocabulary_size": number(tokenizer.vocabularySize), "chat_template": .bool(tokenizer.hasChatTemplate),
                "files": .array(tokenizer.files.map { .string($0) }),
            ]
        }
        if let router {
            object["router"] = [
                "experts": number(router.expertCount), "experts_per_token": number(router.expertsPerToken),
                "layers": number(router.layerCount), "layers_with_shared_expert": number(router.sharedLayerCount),
                "scoring": text(router.scoring),
            ]
        }
        if let provenance { object["provenance"] = provenance.json }
        if !doubts.isEmpty { object["doubts"] = .array(doubts.map { .string($0) }) }
        object["tensors"] = .array(
            tensors.map { tensor in
                [
                    "name": .string(tensor.name), "part": .string(tensor.part), "type": .string(tensor.type),
                    "shape": .array(tensor.shape.map { .integer(Int64($0)) }), "bytes": number(tensor.bytes),
                    "copies": number(tensor.copies),
                ]
            }
        )
        return .object(object)
    }
}

import JSONText

/// A checkpoint's settings: `config.json`, or GGUF metadata without the architecture's prefix.
package struct Settings {
    package let json: JSON
    /// Prepended to keys in errors, so that they name what the user can find in the file.
    private let prefix: String

    package init(_ json: JSON, prefix: String = "") {
        self.json = json
        self.prefix = prefix
    }

    package subscript(key: String) -> JSON? {
        guard let value = json[key], !value.isNull else { return nil }
        return value
    }

    package func optionalInteger(_ keys: String...) throws -> Int? {
        for key in keys {
            guard let value = self[key] else { continue }
            guard let integer = value.intValue else { throw invalid(key, value) }
            return integer
        }
        return nil
    }

    package func integer(_ keys: String...) throws -> Int {
        for key in keys { if let value = try optionalInteger(key) { return value } }
        throw ModelError.missingSetting(prefix + keys[0])
    }

    package func optionalNumber(_ keys: String...) throws -> Double? {
        for key in keys {
            guard let value = self[key] else { continue }
            guard let number = value.doubleValue else { throw invalid(key, value) }
            return number
        }
        return nil
    }

    package func flag(_ key: String, default fallback: Bool) throws -> Bool {
        guard let value = self[key] else { return fallback }
        guard let flag = value.boolValue else { throw invalid(key, value) }
        return flag
    }

    package func text(_ key: String) -> String? { self[key]?.stringValue }

    package func section(_ key: String) -> Settings? {
        guard let value = self[key], case .object = value else { return nil }
        return Settings(value, prefix: prefix + key + ".")
    }

    private func invalid(_ key: String, _ value: JSON) -> ModelError {
        .invalidConfiguration("'\(prefix + key)' is \(value.text().prefix(60))")
    }

    /// `count` as a number of things that are allocated: positive and sane, so that loops over it end.
    package func count(_ keys: String..., maximum: Int = 16_777_216) throws -> Int {
        for key in keys {
            guard let value = try optionalInteger(key) else { continue }
            guard 1...maximum ~= value else {
                throw ModelError.invalidConfiguration("'\(prefix + key)' is \(value), not in 1...\(maximum)")
            }
            return value
        }
        throw ModelError.missingSetting(prefix + keys[0])
    }
}

/// Names and shapes of a checkpoint's tensors (outermost dimension first), and the values of small ones.
package struct TensorInventory {
    package let shapes: [String: [Int]]
    package let floats: (String) throws -> [Float]

    package init(shapes: [String: [Int]], floats: @escaping (String) throws -> [Float]) {
        self.shapes = shapes
        self.floats = floats
    }

    package func contains(_ name: String) -> Bool { shapes[name] != nil }
}

extension RopeConfiguration {
    /// Reads `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before).
    package init(huggingFace settings: Settings, width: Int, defaultBase: Double = 10_000) throws {
        let parameters = settings.section("rope_parameters") ?? settings.section("rope_scaling")
        let base =
            try settings.section("rope_parameters")?.optionalNumber("rope_theta")
            ?? settings.optionalNumber("rope_theta") ?? defaultBase
        self.init(base: base, width: width)
        guard let parameters else { return }
        let type = parameters.text("rope_type") ?? parameters.text("type") ?? "default"
        let factor = try parameters.optionalNumber("factor")
        let context =
            try parameters.optionalNumber("original_max_position_embeddings")
            ?? settings.optionalNumber("original_max_position_embeddings", "max_position_embeddings") ?? 0
        switch type {
        case "default", "mrope": break
        case "linear": scaling = .linear(factor: factor ?? 1)
        case "llama3":
            scaling = .llama3(
                factor: factor ?? 8,
                lowFrequency: try parameters.optionalNumber("low_freq_factor") ?? 1,
                highFrequency: try parameters.optionalNumber("high_freq_factor") ?? 4,
                originalContext: context
            )
        case "yarn":
            let longest = try settings.optionalNumber("max_position_embeddings") ?? context
            let factor = factor ?? longest / context
            let magnitude = try parameters.optionalNumber("mscale") ?? 0
            let magnitudeAll = try parameters.optionalNumber("mscale_all_dim") ?? 0
            var attention = try parameters.optionalNumber("attention_factor")
            if attention == nil, magnitude != 0, magnitudeAll != 0 {
                attention =
                    Self.yarnMagnitude(factor: factor, weight: magnitude)
                    / Self.yarnMagnitude(factor: factor, weight: magnitudeAll)
            }
            scaling = .yarn(
                factor: factor,
                originalContext: context,
                betaFast: try parameters.optionalNumber("beta_fast") ?? 32,
                betaSlow: try parameters.optionalNumber("beta_slow") ?? 1,
                truncates: try parameters.flag("truncate", default: true),
                attentionFactor: attention ?? Self.yarnMagnitude(factor: factor)
            )
        default:
            throw ModelError.unsupported("rope type '\(type)' (known: default, linear, llama3, yarn)")
        }
    }

    /// Reads `rope.*` metadata and the tensor of frequency divisors that Llama 3.1 files carry.
    package init(gguf settings: Settings, width: Int, inventory: TensorInventory, truncatesYarn: Bool = true) throws {
        self.init(base: try settings.optionalNumber("rope.freq_base") ?? 10_000, width: width)
        if inventory.contains("rope_freqs.weight") {
            scaling = .divisors(try inventory.floats("rope_freqs.weight").map(Double.init))
            return
        }
        let factor = try settings.optionalNumber("rope.scaling.factor", "rope.scale_linear") ?? 1
        switch settings.text("rope.scaling.type") ?? (factor == 1 ? "none" : "linear") {
        case "none": break
        case "linear": scaling = .linear(factor: factor)
        case "yarn":
            let context = try settings.optionalNumber("rope.scaling.original_context_length", "context_length") ?? 0
            scaling = .yarn(
                factor: factor,
                originalContext: context,
                betaFast: try settings.optionalNumber("rope.scaling.yarn_beta_fast") ?? 32,
                betaSlow: try settings.optionalNumber("rope.scaling.yarn_beta_slow") ?? 1,
                truncates: truncatesYarn,
                attentionFactor: try settings.optionalNumber("rope.scaling.attn_factor")
                    ?? Self.yarnMagnitude(factor: factor)
            )
        case let type: throw ModelError.unsupported("rope scaling '\(type)'")
        }
    }
}

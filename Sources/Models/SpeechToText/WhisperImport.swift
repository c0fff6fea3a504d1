import ModelFiles

/// How a Whisper checkpoint of Hugging Face becomes a bundle.
///
/// Bundle names: `encoder.conv1`, `encoder.L00.attention.q`, `decoder.L00.cross.k`, each matrix with `_bias` where it has
/// one, norms with `.weight` and `.bias`.
package enum WhisperImport {
    package static func plan(_ configuration: WhisperConfiguration, _ inventory: TensorInventory) -> ImportPlan {
        var plan = ImportPlan(architecture: WhisperConfiguration.architecture, configuration: configuration.json)
        // Older files keep the model without its outer name.
        let prefix = inventory.contains("encoder.conv1.weight") ? "" : "model."
        func matrix(_ name: String, _ source: String, hasBias: Bool = true, joins: Bool = false, full: Bool = false) {
            var slice = ImportPlan.Slice(source + ".weight")
            slice.joinsInnerDimensions = joins
            plan.trunkMatrices.append(.init(name, slice, keepsFullPrecision: full))
            if hasBias { plan.trunkVectors.append(.init(name + "_bias", .init(source + ".bias"))) }
        }
        func norm(_ name: String, _ source: String) {
            for part in [".weight", ".bias"] { plan.trunkVectors.append(.init(name + part, .init(source + part))) }
        }
        func attention(_ name: String, _ source: String) {
            for part in ["q", "k", "v"] { matrix("\(name).\(part)", "\(source).\(part)_proj", hasBias: part != "k") }
            matrix(name + ".o", source + ".out_proj")
        }
        for (side, layers) in [("encoder", configuration.encoder.layers), ("decoder", configuration.decoder.layers)] {
            let root = prefix + side
            matrix(side + ".positions", root + ".embed_positions", hasBias: false, full: true)
            norm(side + ".norm", root + ".layer_norm")
            for layer in 0..<layers {
                let (name, source) = (WhisperWeights.name(side, layer), "\(root).layers.\(layer)")
                norm(name + ".attention_norm", source + ".self_attn_layer_norm")
                attention(name + ".attention", source + ".self_attn")
                if side == "decoder" {
                    norm(name + ".cross_norm", source + ".encoder_attn_layer_norm")
                    attention(name + ".cross", source + ".encoder_attn")
                }
                norm(name + ".ffn_norm", source + ".final_layer_norm")
                matrix(name + ".up", source + ".fc1")
                matrix(name + ".down", source + ".fc2")
            }
        }
        // Two small products whose rounding every later layer would inherit.
        matrix("encoder.conv1", prefix + "encoder.conv1", joins: true, full: true)
        matrix("encoder.conv2", prefix + "encoder.conv2", joins: true, full: true)
        matrix("embedding", prefix + "decoder.embed_tokens", hasBias: false)
        if configuration.tiesEmbeddings {
            plan.ignoredTensors.insert("proj_out.weight")
        } else {
            matrix("output", "proj_out", hasBias: false)
        }
        return plan
    }
}

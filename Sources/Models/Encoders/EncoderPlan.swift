import JSONText
import ModelFiles

/// The encoders' part of an import: which tensors of a checkpoint make `encoders/vision.safetensors` and
/// `encoders/audio.safetensors`. A family appends these to its plan; the importer reports what is missing or left over.
package enum EncoderPlan {
    package static let visionName = "vision"
    package static let audioName = "audio"

    /// How checkpoints call the parts of the vision tower's mergers.
    package struct VisionNames: Sendable {
        /// The list of mergers that serve the decoder's first layers.
        package var deepstack: String
        package var norm: String
        package var first: String
        package var second: String

        /// Qwen3-Omni: `merger.ln_q`, `merger.mlp.0`, `merger.mlp.2`, `merger_list.j`.
        package static let omni = VisionNames(deepstack: "merger_list", norm: "ln_q", first: "mlp.0", second: "mlp.2")
        /// Qwen3-VL: `merger.norm`, `merger.linear_fc1`, `merger.linear_fc2`, `deepstack_merger_list.j`.
        package static let visionLanguage = VisionNames(
            deepstack: "deepstack_merger_list",
            norm: "norm",
            first: "linear_fc1",
            second: "linear_fc2"
        )
    }

    /// The vision tower.
    ///
    /// - Parameters:
    ///   - prefix: before every name: "visual.", "thinker.visual.", "model.visual.".
    ///   - configuration: the checkpoint's `vision_config`.
    package static func vision(
        prefix: String,
        names: VisionNames,
        configuration json: JSON
    ) throws -> ImportPlan.Encoder {
        let configuration = try VisionConfiguration(json)
        var plan = Builder(encoder: .init(name: visionName, configuration: json), prefix: prefix)
        plan.addConvolution("patch_embed", "patch_embed.proj")
        plan.encoder.matrices.append(
            .init("positions", .init(prefix + "pos_embed.weight"), keepsFullPrecision: true)
        )
        for block in 0..<configuration.depth {
            let source = "blocks.\(block)."
            let name = EncoderWeights.blockName(block)
            plan.addNorm(name + "norm1", source + "norm1")
            plan.addLinear(name + "qkv", source + "attn.qkv")
            plan.addLinear(name + "output", source + "attn.proj")
            plan.addNorm(name + "norm2", source + "norm2")
            plan.addLinear(name + "fc1", source + "mlp.linear_fc1")
            plan.addLinear(name + "fc2", source + "mlp.linear_fc2")
        }
        func addMerger(_ name: String, _ source: String) {
            plan.addNorm(name + ".norm", source + "." + names.norm)
            plan.addLinear(name + ".fc1", source + "." + names.first)
            plan.addLinear(name + ".fc2", source + "." + names.second)
        }
        addMerger("merger", "merger")
        for index in configuration.deepstackBlocks.indices {
            addMerger("deepstack.\(index)", "\(names.deepstack).\(index)")
        }
        return plan.encoder
    }

    /// The audio tower.
    ///
    /// - Parameters:
    ///   - prefix: "audio_tower." or "thinker.audio_tower.".
    ///   - configuration: the checkpoint's `audio_config`.
    package static func audio(prefix: String, configuration json: JSON) throws -> ImportPlan.Encoder {
        let configuration = try AudioConfiguration(json)
        var plan = Builder(encoder: .init(name: audioName, configuration: json), prefix: prefix)
        // The nine taps come before the channels, so that a tap's channels lie together in the rows that they meet.
        for number in 1...3 { plan.addConvolution("conv\(number)", "conv2d\(number)", taps: 9) }
        var slice = ImportPlan.Slice(prefix + "conv_out.weight")
        slice.columnGroups = configuration.convolvedBins
        plan.encoder.matrices.append(.init("conv_out", slice))
        for block in 0..<configuration.depth {
            let source = "layers.\(block)."
            let name = EncoderWeights.blockName(block)
            plan.addNorm(name + "norm1", source + "self_attn_layer_norm")
            for part in ["q", "k", "v"] { plan.addLinear(name + part, source + "self_attn.\(part)_proj") }
            plan.addLinear(name + "output", source + "self_attn.out_proj")
            plan.addNorm(name + "norm2", source + "final_layer_norm")
            plan.addLinear(name + "fc1", source + "fc1")
            plan.addLinear(name + "fc2", source + "fc2")
        }
        plan.addNorm("final_norm", "ln_post")
        plan.addLinear("proj1", "proj1")
        plan.addLinear("proj2", "proj2")
        return plan.encoder
    }

    private struct Builder {
        var encoder: ImportPlan.Encoder
        let prefix: String

        mutating func addLinear(_ name: String, _ source: String) {
            encoder.matrices.append(.init(name, .init(prefix + source + ".weight")))
            encoder.vectors.append(.init(name + ".bias", .init(prefix + source + ".bias")))
        }

        mutating func addNorm(_ name: String, _ source: String) {
            encoder.vectors.append(.init(name + ".weight", .init(prefix + source + ".weight")))
            encoder.vectors.append(.init(name + ".bias", .init(prefix + source + ".bias")))
        }

        mutating func addConvolution(_ name: String, _ source: String, taps: Int = 1) {
            var slice = ImportPlan.Slice(prefix + source + ".weight")
            slice.joinsInnerDimensions = true
            slice.columnGroups = taps
            encoder.matrices.append(.init(name, slice))
            encoder.vectors.append(.init(name + ".bias", .init(prefix + source + ".bias")))
        }
    }
}

import ModelFiles

/// Where a checkpoint keeps what the decoder needs: a table from the checkpoint's names to ours.
///
/// `{L}` stands for the layer, `{E}` for the expert. A name that the checkpoint lacks is simply not used; the importer
/// reports required ones that are missing and source tensors that no entry used.
package struct CheckpointNames {
    package var embedding: String
    package var output: String
    package var finalNorm: String
    /// Layer parts by our names ("attention.q", "router", ...).
    package var layer: [String: String]
    /// Dense MLP of a layer, and the expert that every token uses beside the routed ones.
    package var dense: Gated
    package var shared: Gated?
    package var experts: [ExpertNames]
    package var ignored: [String] = []

    package struct Gated {
        package var gate: String
        package var up: String
        package var down: String

        package init(gate: String, up: String, down: String) {
            self.gate = gate
            self.up = up
            self.down = down
        }
    }

    /// How the routed experts are stored; the first form whose tensors exist is used.
    package enum ExpertNames {
        /// One tensor per expert and part.
        case separate(Gated)
        /// One tensor per part, `[experts, rows, columns]`, with optional biases `[experts, rows]`.
        case stacked(Gated, biases: Gated?)
        /// Gate and up in one tensor.
        case fused(gateUp: String, down: String, biases: (gateUp: String, down: String)?, order: FusedOrder)
    }

    package enum FusedOrder {
        /// `[experts, 2 * width, hidden]`: gate rows, then up rows.
        case halves
        /// `[experts, hidden, 2 * width]`: gate columns, then up columns.
        case halfColumns
        /// `[experts, hidden, 2 * width]`: gate and up columns alternate (gpt-oss).
        case alternatingColumns
        /// `[experts, 2 * width, hidden]`: gate and up rows alternate (gpt-oss' 4-bit blocks).
        case alternatingRows
    }

    /// The names that Hugging Face checkpoints share.
    package static func huggingFace(prefix: String = "model.") -> CheckpointNames {
        let layer = prefix + "layers.{L}."
        func gated(_ path: String) -> Gated {
            Gated(
                gate: layer + path + "gate_proj.weight",
                up: layer + path + "up_proj.weight",
                down: layer + path + "down_proj.weight"
            )
        }
        var parts: [String: String] = [
            "attention_norm": "input_layernorm.weight", "ffn_norm": "post_attention_layernorm.weight",
            "router": "mlp.gate.weight", "router_selection_bias": "mlp.gate.e_score_correction_bias",
            "attention.q_norm": "self_attn.q_norm.weight", "attention.k_norm": "self_attn.k_norm.weight",
            "attention.sinks": "self_attn.sinks",
            "attention.q_a": "self_attn.q_a_proj.weight", "attention.q_a_norm": "self_attn.q_a_layernorm.weight",
            "attention.q_b": "self_attn.q_b_proj.weight", "attention.kv_a": "self_attn.kv_a_proj_with_mqa.weight",
            "attention.kv_a_norm": "self_attn.kv_a_layernorm.weight", "attention.kv_b": "self_attn.kv_b_proj.weight",
        ]
        for part in ["q", "k", "v", "o"] {
            parts["attention.\(part)"] = "self_attn.\(part)_proj.weight"
            parts["attention.\(part)_bias"] = "self_attn.\(part)_proj.bias"
        }
        parts["attention.q_a_bias"] = "self_attn.q_a_proj.bias"
        parts["attention.kv_a_bias"] = "self_attn.kv_a_proj_with_mqa.bias"
        return CheckpointNames(
            embedding: prefix + "embed_tokens.weight",
            output: "lm_head.weight",
            finalNorm: prefix + "norm.weight",
            layer: parts.mapValues { layer + $0 },
            dense: gated("mlp."),
            shared: gated("mlp.shared_experts."),
            experts: [
                .separate(gated("mlp.experts.{E}.")),
                .fused(
                    gateUp: layer + "mlp.experts.gate_up_proj",
                    down: layer + "mlp.experts.down_proj",
                    biases: nil,
                    order: .halves
                ),
                .fused(
                    gateUp: layer + "mlp.experts.gate_up_proj",
                    down: layer + "mlp.experts.down_proj",
                    biases: nil,
                    order: .halfColumns
                ),
            ],
            ignored: [layer + "self_attn.rotary_emb.inv_freq"]
        )
    }

    /// The names that GGUF files share.
    package static let gguf: CheckpointNames = {
        let layer = "blk.{L}."
        var parts: [String: String] = [
            "attention_norm": "attn_norm.weight", "ffn_norm": "ffn_norm.weight", "router": "ffn_gate_inp.weight",
            "router_bias": "ffn_gate_inp.bias", "router_selection_bias": "exp_probs_b.bias",
            "attention.q_norm": "attn_q_norm.weight", "attention.k_norm": "attn_k_norm.weight",
            "attention.o": "attn_output.weight", "attention.o_bias": "attn_output.bias",
            "attention.sinks": "attn_sinks.weight",
            "attention.q_a": "attn_q_a.weight", "attention.q_a_norm": "attn_q_a_norm.weight",
            "attention.q_b": "attn_q_b.weight", "attention.kv_a": "attn_kv_a_mqa.weight",
            "attention.kv_a_norm": "attn_kv_a_norm.weight", "attention.kv_b": "attn_kv_b.weight",
            "attention.k_b": "attn_k_b.weight", "attention.v_b": "attn_v_b.weight",
        ]
        for part in ["q", "k", "v"] {
            parts["attention.\(part)"] = "attn_\(part).weight"
            parts["attention.\(part)_bias"] = "attn_\(part).bias"
        }
        func gated(_ suffix: String, ending: String = ".weight") -> Gated {
            Gated(
                gate: layer + "ffn_gate" + suffix + ending,
                up: layer + "ffn_up" + suffix + ending,
                down: layer + "ffn_down" + suffix + ending
            )
        }
        return CheckpointNames(
            embedding: "token_embd.weight",
            output: "output.weight",
            finalNorm: "output_norm.weight",
            layer: parts.mapValues { layer + $0 },
            dense: gated(""),
            shared: gated("_shexp"),
            experts: [
                .stacked(gated("_exps"), biases: gated("_exps", ending: ".bias")),
                .fused(
                    gateUp: layer + "ffn_gate_up_exps.weight",
                    down: layer + "ffn_down_exps.weight",
                    biases: nil,
                    order: .halves
                ),
                .separate(gated(".{E}")),
            ],
            ignored: ["rope_freqs.weight", layer + "attn_rot_embd.weight"]
        )
    }()
}

extension String {
    /// Fills in a name of the table.
    func filled(layer: Int? = nil, expert: Int? = nil) -> String {
        var result = self
        if let layer { result = result.replacing("{L}", with: String(layer)) }
        if let expert { result = result.replacing("{E}", with: String(expert)) }
        return result
    }
}

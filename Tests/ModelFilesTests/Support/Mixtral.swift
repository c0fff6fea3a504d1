import Foundation
import JSONText

@testable import ModelFiles

/// The tiny checkpoint of the fixtures, and a plan for it written by hand.
enum Mixtral {
    static let layers = 3
    static let experts = 8

    static func folder() throws -> String {
        guard let path = Foundation.Bundle.module.path(forResource: "Fixtures", ofType: nil) else {
            throw CocoaError(.fileNoSuchFile)
        }
        return path + "/mixtral"
    }

    static func source() throws -> CheckpointSource { try CheckpointSource(path: try folder()) }

    static func plan() -> ImportPlan {
        var plan = ImportPlan(architecture: "mixtral", configuration: ["hidden": 48])
        plan.trunkMatrices = [
            .init("embedding", .init("model.embed_tokens.weight")), .init("output", .init("lm_head.weight")),
        ]
        plan.trunkVectors = [.init("norm", .init("model.norm.weight"))]
        for layer in 0..<layers {
            let prefix = "model.layers.\(layer)."
            for part in ["q", "k", "v", "o"] {
                plan.trunkMatrices.append(.init("\(layer).\(part)", .init("\(prefix)self_attn.\(part)_proj.weight")))
            }
            plan.trunkMatrices.append(
                .init("\(layer).router", .init(prefix + "block_sparse_moe.gate.weight"), keepsFullPrecision: true)
            )
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                plan.trunkVectors.append(.init("\(layer).\(norm)", .init(prefix + norm + ".weight")))
            }
            for expert in 0..<experts {
                func part(_ name: String) -> ImportPlan.Slice {
                    .init("\(prefix)block_sparse_moe.experts.\(expert).\(name).weight")
                }
                plan.experts.append(
                    .init(layer: layer, expert: expert, gate: part("w1"), up: part("w3"), down: part("w2"))
                )
            }
        }
        return plan
    }

    /// A tensor's values, row by row.
    static func values(_ name: String, of source: CheckpointSource) throws -> [Float] {
        let values = source.tensor(named: name)?.withRawBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
        guard let values else { throw CocoaError(.fileReadCorruptFile) }
        return values
    }
}

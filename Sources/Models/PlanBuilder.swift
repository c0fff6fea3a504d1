import Experts
import JSONText
import ModelFiles

/// Turns a configuration and a table of names into the plan that the importer carries out.
///
/// Bundles hold one convention whatever the source: rotary pairs half a head apart, gate before up, latent attention's
/// key and value projections per head and ready to be absorbed.
struct PlanBuilder {
    let architecture: String
    let configuration: DecoderConfiguration
    let names: CheckpointNames
    let inventory: TensorInventory
    /// The source keeps rotary pairs adjacent (2i, 2i + 1): rows are re-ordered on import.
    let hasAdjacentRotaryPairs: Bool

    func plan() throws -> ImportPlan {
        var plan = ImportPlan(architecture: architecture, configuration: try configuration.json())
        plan.trunkMatrices.append(.init("embedding", .init(names.embedding)))
        if !configuration.tiesEmbeddings { plan.trunkMatrices.append(.init("output", .init(names.output))) }
        plan.trunkVectors.append(.init("final_norm", .init(names.finalNorm)))
        for (layer, settings) in configuration.layers.enumerated() {
            addAttention(layer, to: &plan)
            addVector("ffn_norm", layer, to: &plan)
            if settings.hasRoutedExperts {
                plan.trunkMatrices.append(
                    .init(bundleName("router", layer), slice("router", layer), keepsFullPrecision: true)
                )
                if configuration.hasRouterBias { addVector("router_bias", layer, to: &plan) }
                if configuration.hasSelectionBias { addVector("router_selection_bias", layer, to: &plan) }
                addExperts(layer, to: &plan)
            }
            if settings.hasSharedExpert {
                let gated = settings.hasRoutedExperts ? names.shared ?? names.dense : names.dense
                plan.experts.append(
                    .init(
                        layer: layer,
                        expert: nil,
                        gate: .init(gated.gate.filled(layer: layer)),
                        up: .init(gated.up.filled(layer: layer)),
                        down: .init(gated.down.filled(layer: layer))
                    )
                )
            }
        }
        for name in names.ignored {
            if name.contains("{L}") {
                for layer in 0..<configuration.layerCount { plan.ignoredTensors.insert(name.filled(layer: layer)) }
            } else {
                plan.ignoredTensors.insert(name)
            }
        }
        // A tied checkpoint may still carry the copy.
        if configuration.tiesEmbeddings { plan.ignoredTensors.insert(names.output) }
        return plan
    }

    private func bundleName(_ part: String, _ layer: Int) -> String { DecoderWeights.name(part, layer: layer) }

    private func slice(_ part: String, _ layer: Int, rows: [Int]? = nil) -> ImportPlan.Slice {
        .init((names.layer[part] ?? part).filled(layer: layer), rows: rows.map { .list($0) })
    }

    private func addVector(_ part: String, _ layer: Int, rows: [Int]? = nil, to plan: inout ImportPlan) {
        plan.trunkVectors.append(.init(bundleName(part, layer), slice(part, layer, rows: rows)))
    }

    private func addMatrix(_ part: String, _ layer: Int, rows: [Int]? = nil, to plan: inout ImportPlan) {
        plan.trunkMatrices.append(.init(bundleName(part, layer), slice(part, layer, rows: rows)))
    }

    private func addAttention(_ layer: Int, to plan: inout ImportPlan) {
        addVector("attention_norm", layer, to: &plan)
        switch configuration.attention {
        case .grouped(let attention):
            for (part, heads) in [("q", attention.headCount), ("k", attention.kvHeadCount), ("v", 0)] {
                let rows = heads == 0 ? nil : rotaryRows(heads: heads, headWidth: attention.headWidth, begin: 0)
                addMatrix("attention.\(part)", layer, rows: rows, to: &plan)
                if attention.hasInputBias { addVector("attention.\(part)_bias", layer, rows: rows, to: &plan) }
                if attention.headNorm != .none, part != "v" {
                    let width = attention.headNorm == .perHead ? 1 : heads
                    addVector(
                        "attention.\(part)_norm",
                        layer,
                        rows: rotaryRows(heads: width, headWidth: attention.headWidth, begin: 0),
                        to: &plan
                    )
                }
            }
            addMatrix("attention.o", layer, to: &plan)
            if attention.hasOutputBias { addVector("attention.o_bias", layer, to: &plan) }
            if attention.hasSinks { addVector("attention.sinks", layer, to: &plan) }
        case .latent(let attention): addLatentAttention(attention, layer, to: &plan)
        }
    }

    private func addLatentAttention(
        _ attention: DecoderConfiguration.LatentAttention,
        _ layer: Int,
        to plan: inout ImportPlan
    ) {
        let queryRows = rotaryRows(
            heads: attention.headCount,
            headWidth: attention.plainWidth + attention.ropeWidth,
            begin: attention.plainWidth
        )
        if attention.queryRank != nil {
            addMatrix("attention.q_a", layer, to: &plan)
            addVector("attention.q_a_norm", layer, to: &plan)
            addMatrix("attention.q_b", layer, rows: queryRows, to: &plan)
            if attention.hasBias { addVector("attention.q_a_bias", layer, to: &plan) }
        } else {
            addMatrix("attention.q", layer, rows: queryRows, to: &plan)
        }
        let latentRows = rotaryRows(
            heads: 1,
            headWidth: attention.latentRank + attention.ropeWidth,
            begin: attention.latentRank
        )
        addMatrix("attention.kv_a", layer, rows: latentRows, to: &plan)
        addVector("attention.kv_a_norm", layer, to: &plan)
        if attention.hasBias {
            addVector("attention.kv_a_bias", layer, rows: latentRows, to: &plan)
            addVector("attention.o_bias", layer, to: &plan)
        }
        addMatrix("attention.o", layer, to: &plan)
        let joined = (names.layer["attention.kv_b"] ?? "").filled(layer: layer)
        let keys = (names.layer["attention.k_b"] ?? "").filled(layer: layer)
        let values = (names.layer["attention.v_b"] ?? "").filled(layer: layer)
        let isSplit = !keys.isEmpty && inventory.contains(keys)
        for head in 0..<attention.headCount {
            let first = head * (attention.plainWidth + attention.valueWidth)
            let middle = first + attention.plainWidth
            // Key side: latent rows x plain columns, the transpose of what makes keys out of latents.
            plan.trunkMatrices.append(
                .init(
                    DecoderWeights.name("attention.k_b", layer: layer, head: head),
                    isSplit
                        ? .init(keys, leadingIndex: head)
                        : .init(joined, isTransposed: true, columns: first..<middle)
                )
            )
            plan.trunkMatrices.append(
                .init(
                    DecoderWeights.name("attention.v_b", layer: layer, head: head),
                    isSplit
                        ? .init(values, leadingIndex: head)
                        : .init(joined, rows: .range(middle..<middle + attention.valueWidth))
                )
            )
        }
        if isSplit { plan.ignoredTensors.insert(joined) }
    }

    /// Row order that moves adjacent rotary pairs half the rotated range apart; nil when the source has it so already.
    private func rotaryRows(heads: Int, headWidth: Int, begin: Int) -> [Int]? {
        guard hasAdjacentRotaryPairs else { return nil }
        let half = configuration.rope.width / 2
        var rows: [Int] = []
        rows.reserveCapacity(heads * headWidth)
        for head in 0..<heads {
            let first = head * headWidth
            rows += (first..<first + begin)
            rows += (0..<half).map { first + begin + 2 * $0 }
            rows += (0..<half).map { first + begin + 2 * $0 + 1 }
            rows += (first + begin + 2 * half..<first + headWidth)
        }
        return rows
    }

    private func addExperts(_ layer: Int, to plan: inout ImportPlan) {
        guard let router = configuration.router else { return }
        let form = names.experts.first { isPresent($0, layer) } ?? names.experts[0]
        for expert in 0..<router.expertCount { plan.experts.append(expertPlan(form, layer, expert)) }
    }

    /// Whether the checkpoint has its experts in this form; fused tensors are told apart by their shape.
    private func isPresent(_ form: CheckpointNames.ExpertNames, _ layer: Int) -> Bool {
        switch form {
        case .separate(let gated), .stacked(let gated, _):
            return inventory.contains(gated.down.filled(layer: layer, expert: 0))
        case .fused(let gateUp, let down, _, let order):
            guard let shape = inventory.shapes[gateUp.filled(layer: layer)], shape.count == 3 else { return false }
            let (outputs, inputs) = order.isTransposed ? (2, 1) : (1, 2)
            guard shape[outputs] == 2 * configuration.expertWidth, shape[inputs] == configuration.hiddenSize else {
                return false
            }
            // Where twice the width happens to be the hidden size, the other tensor tells.
            guard let shape = inventory.shapes[down.filled(layer: layer)], shape.count == 3 else { return true }
            return shape[outputs] == configuration.hiddenSize && shape[inputs] == configuration.expertWidth
        }
    }

    private func expertPlan(_ form: CheckpointNames.ExpertNames, _ layer: Int, _ expert: Int) -> ImportPlan.Expert {
        let width = configuration.expertWidth
        switch form {
        case .separate(let gated):
            func part(_ name: String) -> ImportPlan.Slice { .init(name.filled(layer: layer, expert: expert)) }
            return .init(
                layer: layer,
                expert: expert,
                gate: part(gated.gate),
                up: part(gated.up),
                down: part(gated.down)
            )
        case .stacked(let gated, let biases):
            func part(_ name: String) -> ImportPlan.Slice {
                .init(name.filled(layer: layer), leadingIndex: expert)
            }
            var plan = ImportPlan.Expert(
                layer: layer,
                expert: expert,
                gate: part(gated.gate),
                up: part(gated.up),
                down: part(gated.down)
            )
            if configuration.hasExpertBias, let biases {
                plan.gateBias = part(biases.gate)
                plan.upBias = part(biases.up)
                plan.downBias = part(biases.down)
            }
            return plan
        case .fused(let gateUp, let down, let biases, let order):
            let gateUp = gateUp.filled(layer: layer)
            func rows(_ number: Int) -> ImportPlan.RowSelection {
                !order.alternates
                    ? .range(number * width..<(number + 1) * width) : .strided(first: number, step: 2, count: width)
            }
            let isTransposed = order.isTransposed
            var plan = ImportPlan.Expert(
                layer: layer,
                expert: expert,
                gate: .init(gateUp, leadingIndex: expert, rows: rows(0), isTransposed: isTransposed),
                up: .init(gateUp, leadingIndex: expert, rows: rows(1), isTransposed: isTransposed),
                down: .init(down.filled(layer: layer), leadingIndex: expert, isTransposed: isTransposed)
            )
            if configuration.hasExpertBias, let biases {
                plan.gateBias = .init(biases.gateUp.filled(layer: layer), leadingIndex: expert, rows: rows(0))
                plan.upBias = .init(biases.gateUp.filled(layer: layer), leadingIndex: expert, rows: rows(1))
                plan.downBias = .init(biases.down.filled(layer: layer), leadingIndex: expert)
            }
            return plan
        }
    }
}

extension CheckpointNames.FusedOrder {
    fileprivate var isTransposed: Bool { self == .halfColumns || self == .alternatingColumns }
    fileprivate var alternates: Bool { self == .alternatingColumns || self == .alternatingRows }
}

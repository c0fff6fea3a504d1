import CKernels
import Tensor

/// One gated MLP as the kernels read it: views into a mapped shard.
package struct ExpertWeights: Sendable {
    /// Gate and up, panel by panel; `rows` is the expert's width.
    package let gateUp: WeightMatrix
    package let down: WeightMatrix
    package let gateBias: WeightVector?
    package let upBias: WeightVector?
    package let downBias: WeightVector?

    package init(
        gateUp: WeightMatrix,
        down: WeightMatrix,
        gateBias: WeightVector?,
        upBias: WeightVector?,
        downBias: WeightVector?
    ) {
        self.gateUp = gateUp
        self.down = down
        self.gateBias = gateBias
        self.upBias = upBias
        self.downBias = downBias
    }

    package var width: Int { gateUp.rows }
}

/// The function between gate, up and down.
package enum GatedActivation: Codable, Sendable, Equatable {
    /// silu(gate) * up
    case silu
    /// gpt-oss: clamped to ±limit, (up + 1) * gate * sigmoid(alpha * gate)
    case clampedSwiGLU(alpha: Float, limit: Float)
}

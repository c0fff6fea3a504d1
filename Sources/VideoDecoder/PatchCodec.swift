import CKernels
import ModelFiles
import Tensor

/// Weights of the codec: pixels of a patch to a few dozen numbers, and back.
///
/// Analysis is a fixed linear map; synthesis is its transpose plus a learned part that sees the neighbouring patches. A
/// frame needs no other frame. `Training/README.md` has the mathematics.
package final class PatchCodec: Sendable {
    package let settings: FilmSettings.Codec
    struct Block: Sendable {
        let firstNorm: WeightVector
        let secondNorm: WeightVector
        let qkv: WeightMatrix
        let out: WeightMatrix
        let gateUp: WeightMatrix
        let down: WeightMatrix
        /// Per head: what normalised queries are multiplied with.
        let sharpness: [Float]
    }
    /// `[patch numbers]`
    let mean: WeightVector
    /// Pixels less the mean to latents.
    let analysis: WeightMatrix
    /// Latents to pixels; the bias is the mean.
    let synthesis: Linear
    let inlet: Linear
    let blocks: [Block]
    let norm: WeightVector
    let outlet: Linear

    /// Hidden units of a block's gated layer.
    static func hiddenWidth(_ width: Int) -> Int { 32 * Int((Double(width) * 8 / 3 / 32).rounded(.toNearestOrEven)) }

    /// Reads a checkpoint.
    package init(_ file: SafetensorsFile, settings: FilmSettings.Codec, prefix: String = "") throws {
        self.settings = settings
        let reader = TensorReader(file, prefix: prefix)
        let numbers = settings.patchPixels * settings.patchPixels * 3
        let channels = settings.channels
        let meanValues = try reader.floats("mean", [numbers])
        let basis = try reader.floats("basis", [channels, numbers])
        let scale = try reader.floats("scale", [channels])
        guard scale.allSatisfy({ abs($0) > 1e-30 }) else {
            throw FilmError.badTensor(path: reader.path, name: "scale", "has zeros")
        }
        mean = try TensorReader.vector(meanValues)
        let forward = basis.indices.map { basis[$0] / scale[$0 / numbers] }
        analysis = try TensorReader.pack(forward, channels, numbers, as: SK_F32)
        let backward = basis.indices.map { basis[$0 % channels * numbers + $0 / channels] * scale[$0 % channels] }
        synthesis = Linear(
            matrix: try TensorReader.pack(backward, numbers, channels, as: SK_F32),
            bias: try TensorReader.vector(meanValues)
        )
        let width = settings.width
        let hidden = Self.hiddenWidth(width)
        inlet = try reader.linear("inlet", width, 9 * channels)
        blocks = try (0..<settings.depth).map { index in
            let name = "blocks.\(index)."
            return Block(
                firstNorm: try reader.vector(name + "norm1.gain", width),
                secondNorm: try reader.vector(name + "norm2.gain", width),
                qkv: try reader.matrix(name + "qkv.weight", 3 * width, width),
                out: try reader.matrix(name + "out.weight", width, width),
                gateUp: try reader.gatedMatrix(name + "gate_up.weight", width: hidden, columns: width),
                down: try reader.matrix(name + "down.weight", width, hidden),
                sharpness: try reader.floats(name + "sharpness", [settings.headCount])
            )
        }
        norm = try reader.vector("norm.gain", width)
        let window = settings.patchPixels + 2 * settings.rimPixels
        outlet = try reader.linear("outlet", window * window * 3, width)
        try reader.finish()
    }
}

import CKernels
import Experts
import ModelFiles
import Tensor

/// Weights of the flow transformer that films a clip chunk by chunk; `Training/README.md` has the mathematics.
///
/// A chunk is some frames: a token for every square of latents of a frame, then one sound token a frame. It predicts the
/// clean tokens from noisy ones.
package final class FlowDecoder: Sendable {
    /// What a chunk is in its shot.
    package enum ChunkKind: Sendable, Equatable {
        /// By its number in the shot, which tells how far that has come; 0 begins it.
        case numbered(Int)
        /// One that does not begin a shot; it is not known how far that has come.
        case inside
        /// A single frame.
        case still

        /// Kinds without a number; they come first in the table.
        static let plainCount = 3

        /// The kind's row in the table of a decoder that is told the first `told` numbers: later ones are as any other.
        func row(told: Int) -> Int {
            switch self {
            case .numbered(0): 0
            case .numbered(let number) where 0 < number && number <= told: Self.plainCount - 1 + number
            case .inside, .numbered: 1
            case .still: 2
            }
        }
    }

    struct Block: Sendable {
        let qkv: WeightMatrix
        let promptKeysValues: WeightMatrix
        let out: WeightMatrix
        /// Per head: what normalised queries are multiplied with, for clips and for the prompt; the square root of the
        /// head's width is divided out already.
        let clipScale: [Float]
        let promptScale: [Float]
        /// `[6][width]`: shift, scale and gate of attention, then of the experts, added to the modulation.
        let table: [Float]
        let router: WeightMatrix
        let gateUp: [WeightMatrix]
        let down: [WeightMatrix]
    }

    package let settings: FilmSettings
    /// Numbers of one row of a prompt: keys before their rotation and values of the trunk's layers.
    package let promptWidth: Int
    let videoIn: Linear
    let soundIn: Linear
    let place: Linear
    let promptIn: Linear
    let timeIn: Linear
    let timeOut: Linear
    let modulation: Linear
    let last: Linear
    let videoOut: Linear
    let soundOut: Linear
    /// `[chunk frames][width]` and `[kinds][width]`
    let frame: [Float]
    let kind: [Float]
    let promptMean: [Float]
    let promptScale: [Float]
    let soundMean: [Float]
    let soundScale: [Float]
    let blocks: [Block]
    let routing: RouterConfiguration

    var width: Int { settings.flow.width }
    var headWidth: Int { settings.flow.width / settings.flow.headCount }

    /// Reads a checkpoint.
    package init(_ file: SafetensorsFile, settings: FilmSettings, prefix: String = "") throws {
        self.settings = settings
        let reader = TensorReader(file, prefix: prefix)
        let flow = settings.flow
        let d = flow.width
        let window = settings.windowWidth
        let sound = settings.soundWidth
        guard let mean = file.entry(named: prefix + "prompt_mean"), mean.shape.count == 1, mean.shape[0] > 0 else {
            throw FilmError.badTensor(path: reader.path, name: "prompt_mean", "is missing or no vector")
        }
        promptWidth = mean.shape[0]
        videoIn = try reader.linear("video_in", d, window)
        soundIn = try reader.linear("sound_in", d, sound)
        place = try reader.linear("place", d, 16)
        promptIn = try reader.linear("prompt_in", d, promptWidth)
        timeIn = try reader.linear("time_in", d, 128)
        timeOut = try reader.linear("time_out", d, d)
        modulation = try reader.linear("modulation", 6 * d, d)
        last = try reader.linear("last", 2 * d, d)
        videoOut = try reader.linear("video_out", window, d)
        soundOut = try reader.linear("sound_out", sound, d)
        frame = try reader.floats("frame", [flow.chunkFrames, d])
        kind = try reader.floats("kind", [ChunkKind.plainCount + flow.toldChunks, d])
        promptMean = try reader.floats("prompt_mean", [promptWidth])
        promptScale = try reader.floats("prompt_scale", [promptWidth])
        soundMean = try reader.floats("sound_mean", [sound])
        soundScale = try reader.floats("sound_scale", [sound])
        guard (promptScale + soundScale).allSatisfy({ abs($0) > 1e-30 }) else {
            throw FilmError.badTensor(path: reader.path, name: "prompt_scale", "or 'sound_scale' has zeros")
        }
        let perHead = 1 / Float(flow.width / flow.headCount).squareRoot()
        blocks = try (0..<flow.depth).map { index in
            let name = "blocks.\(index)."
            let sharpness = try reader.floats(name + "sharpness", [2, flow.headCount]).map { $0 * perHead }
            return Block(
                qkv: try reader.matrix(name + "qkv.weight", 3 * d, d),
                promptKeysValues: try reader.matrix(name + "prompt_kv.weight", 2 * d, d),
                out: try reader.matrix(name + "out.weight", d, d),
                clipScale: Array(sharpness[..<flow.headCount]),
                promptScale: Array(sharpness[flow.headCount...]),
                table: try reader.floats(name + "table", [6, d]),
                router: try reader.matrix(name + "experts.router", flow.expertCount, d),
                gateUp: try reader.gatedMatrices(
                    name + "experts.gate_up",
                    flow.expertCount,
                    width: flow.expertWidth,
                    columns: d
                ),
                down: try reader.matrices(name + "experts.down", flow.expertCount, d, flow.expertWidth)
            )
        }
        routing = RouterConfiguration(
            expertCount: flow.expertCount,
            expertsPerToken: flow.expertsPerToken,
            scoring: .softmax,
            renormalizes: true
        )
        // The head that named things in training films nothing.
        try reader.finish(ignoring: ["probe."])
    }
}

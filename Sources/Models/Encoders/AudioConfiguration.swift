import JSONText
import Tensor

/// The audio tower of Qwen3-Omni, from the checkpoint's `audio_config`.
package struct AudioConfiguration: Sendable, Equatable {
    package var hiddenSize: Int
    package var depth: Int
    package var headCount: Int
    package var mlpWidth: Int
    package var melBins: Int
    /// Half a chunk of frames; chunks go through the convolutions on their own.
    package var halfChunk: Int
    /// Chunks of one window of attention.
    package var chunksPerWindow: Int
    /// Channels of the convolutions.
    package var channels: Int
    package var outputSize: Int
    /// Length of the table of sinusoids.
    package var maximumPositions: Int
    package var activation: Pointwise

    package static let normEpsilon: Float = 1e-5

    package var headWidth: Int { hiddenSize / headCount }
    /// Frames of a whole chunk.
    package var chunkFrames: Int { 2 * halfChunk }
    /// Rows of frequency after the convolutions.
    package var convolvedBins: Int { Self.convolved(Self.convolved(Self.convolved(melBins))) }

    /// Length after one convolution of 3 with stride 2 and padding 1.
    package static func convolved(_ length: Int) -> Int { (length + 1) / 2 }

    /// Tokens that a chunk of `frames` frames becomes.
    package static func tokens(chunkOf frames: Int) -> Int { convolved(convolved(convolved(frames))) }

    /// Tokens that `frames` frames of a clip become: 13 a second of 100 frames.
    package func tokens(frames: Int) -> Int {
        let whole = frames / chunkFrames
        return whole * Self.tokens(chunkOf: chunkFrames) + Self.tokens(chunkOf: frames % chunkFrames)
    }

    /// - Throws: ``ModelError`` naming the setting that is missing or absurd.
    package init(_ json: JSON) throws {
        let settings = Settings(json, prefix: "audio_config.")
        hiddenSize = try settings.count("d_model", maximum: 65536)
        depth = try settings.count("encoder_layers", "num_hidden_layers", maximum: 1024)
        headCount = try settings.count("encoder_attention_heads", maximum: 4096)
        mlpWidth = try settings.count("encoder_ffn_dim", maximum: 1_048_576)
        melBins = try settings.count("num_mel_bins", maximum: 1024)
        halfChunk = try settings.count("n_window", maximum: 1000)
        let window = try settings.count("n_window_infer", maximum: 100_000)
        channels = try settings.count("downsample_hidden_size", maximum: 4096)
        outputSize = try settings.count("output_dim", maximum: 65536)
        maximumPositions = try settings.count("max_source_positions", maximum: 10_000_000)
        let name = settings.text("activation_function") ?? "gelu"
        switch name {
        case "gelu": activation = .gelu
        case "gelu_pytorch_tanh", "gelu_new": activation = .geluTanh
        default: throw ModelError.unsupported("activation '\(name)' of the audio tower")
        }
        chunksPerWindow = window / (2 * halfChunk)
        func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
            guard holds else { throw ModelError.invalidConfiguration("audio_config: " + what()) }
        }
        try require(
            hiddenSize % headCount == 0 && headWidth <= 256 && hiddenSize >= 4 && hiddenSize % 2 == 0,
            "\(headCount) heads of a width of \(hiddenSize)"
        )
        try require(chunksPerWindow > 0, "windows of \(window) frames are shorter than a chunk of \(2 * halfChunk)")
        let positions = Self.tokens(chunkOf: chunkFrames)
        try require(positions <= maximumPositions, "\(maximumPositions) positions are fewer than a chunk has")
    }
}

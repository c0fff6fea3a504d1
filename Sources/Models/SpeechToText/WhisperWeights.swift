import CKernels
import Experts
import ModelFiles
import Tensor

/// Whisper's tensors: views into the bundle's mapped trunk, checked against the configuration.
package struct WhisperWeights: Sendable {
    struct Attention: Sendable {
        let q: Linear
        let k: Linear
        let v: Linear
        let output: Linear
    }

    struct Layer: Sendable {
        let attentionNorm: LayerNorm
        let attention: Attention
        /// Only in the decoder: attention to the encoded sound.
        let cross: (norm: LayerNorm, attention: Attention)?
        let ffnNorm: LayerNorm
        let up: Linear
        let down: Linear
    }

    let conv1: Linear
    let conv2: Linear
    let encoderLayers: [Layer]
    let encoderNorm: LayerNorm
    /// `[sourcePositions][hidden]`
    let encoderPositions: [Float]
    let embedding: WeightMatrix
    let output: WeightMatrix
    let decoderLayers: [Layer]
    let decoderNorm: LayerNorm
    /// `[targetPositions][hidden]`
    let decoderPositions: [Float]

    static func name(_ side: String, _ layer: Int) -> String { side + (layer < 10 ? ".L0" : ".L") + String(layer) }

    /// - Throws: ``ModelError/wrongShape`` or ``ModelFileError`` naming the tensor.
    package init(bundle: Bundle, configuration: WhisperConfiguration) throws {
        let reader = Reader(bundle: bundle)
        let hidden = configuration.hiddenSize
        conv1 = try reader.linear("encoder.conv1", hidden, 3 * configuration.melBins)
        conv2 = try reader.linear("encoder.conv2", hidden, 3 * hidden)
        encoderPositions = try reader.table("encoder.positions", configuration.sourcePositions, hidden)
        encoderLayers = try (0..<configuration.encoder.layers).map {
            try reader.layer(Self.name("encoder", $0), hidden, configuration.encoder.width, hasCross: false)
        }
        encoderNorm = try reader.norm("encoder.norm", hidden)
        embedding = try bundle.matrix("embedding", configuration.vocabularySize, hidden)
        output =
            configuration.tiesEmbeddings
            ? embedding : try bundle.matrix("output", configuration.vocabularySize, hidden)
        decoderPositions = try reader.table("decoder.positions", configuration.targetPositions, hidden)
        decoderLayers = try (0..<configuration.decoder.layers).map {
            try reader.layer(Self.name("decoder", $0), hidden, configuration.decoder.width, hasCross: true)
        }
        decoderNorm = try reader.norm("decoder.norm", hidden)
    }

    private struct Reader {
        let bundle: Bundle

        func linear(_ name: String, _ rows: Int, _ columns: Int) throws -> Linear {
            Linear(
                matrix: try bundle.matrix(name, rows, columns),
                bias: bundle.hasVector(named: name + "_bias") ? try bundle.vector(name + "_bias", rows) : nil
            )
        }

        func norm(_ name: String, _ count: Int) throws -> LayerNorm {
            // The epsilon that every released model has; the checkpoints do not say.
            LayerNorm(
                weight: try bundle.vector(name + ".weight", count),
                bias: try bundle.vector(name + ".bias", count),
                epsilon: 1e-5
            )
        }

        func attention(_ name: String, _ hidden: Int) throws -> Attention {
            func part(_ part: String) throws -> Linear { try linear("\(name).\(part)", hidden, hidden) }
            return Attention(q: try part("q"), k: try part("k"), v: try part("v"), output: try part("o"))
        }

        func layer(_ name: String, _ hidden: Int, _ width: Int, hasCross: Bool) throws -> Layer {
            Layer(
                attentionNorm: try norm(name + ".attention_norm", hidden),
                attention: try attention(name + ".attention", hidden),
                cross: hasCross
                    ? (try norm(name + ".cross_norm", hidden), try attention(name + ".cross", hidden)) : nil,
                ffnNorm: try norm(name + ".ffn_norm", hidden),
                up: try linear(name + ".up", width, hidden),
                down: try linear(name + ".down", hidden, width)
            )
        }

        /// A packed matrix as plain rows.
        func table(_ name: String, _ rows: Int, _ columns: Int) throws -> [Float] {
            let packed = try bundle.matrix(name, rows, columns)
            var kernelMatrix = packed.kernelMatrix
            return withExtendedLifetime(packed) {
                [Float](unsafeUninitializedCapacity: rows * columns) { buffer, initialized in
                    if let start = buffer.baseAddress {
                        for row in 0..<rows { sk_unpack_row(&kernelMatrix, Int32(row), start + row * columns) }
                    }
                    initialized = rows * columns
                }
            }
        }
    }
}

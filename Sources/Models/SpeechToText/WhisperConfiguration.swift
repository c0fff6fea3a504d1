import JSONText
import ModelFiles

/// Dimensions of a Whisper model (Radford et al. 2022): an encoder of log-mel windows and a decoder of text.
package struct WhisperConfiguration: Sendable, Equatable {
    package static let architecture = "whisper"

    package var vocabularySize: Int
    package var melBins: Int
    package var hiddenSize: Int
    package var encoder: Stack
    package var decoder: Stack
    /// Positions of an encoded window, each of two frames of 10 ms: 1500 in the released models.
    package var sourcePositions: Int
    /// Tokens of a window at most: 448 in the released models.
    package var targetPositions: Int
    package var tiesEmbeddings: Bool
    package var scalesEmbeddings: Bool
    package var startToken: Int32
    package var endToken: Int32

    package struct Stack: Sendable, Equatable {
        package var layers: Int
        package var heads: Int
        package var width: Int
    }

    /// Frames that a window must have.
    package var windowFrames: Int { sourcePositions * 2 }

    /// Reads `config.json`, or what ``json`` made of it: the names are the same.
    package init(huggingFace settings: Settings) throws {
        func stack(_ name: String) throws -> Stack {
            Stack(
                layers: try settings.count("\(name)_layers", maximum: 1024),
                heads: try settings.count("\(name)_attention_heads", maximum: 4096),
                width: try settings.count("\(name)_ffn_dim", maximum: 1 << 20)
            )
        }
        vocabularySize = try settings.count("vocab_size")
        melBins = try settings.count("num_mel_bins", maximum: 512)
        hiddenSize = try settings.count("d_model", maximum: 65_536)
        encoder = try stack("encoder")
        decoder = try stack("decoder")
        sourcePositions = try settings.count("max_source_positions", maximum: 65_536)
        targetPositions = try settings.count("max_target_positions", maximum: 65_536)
        tiesEmbeddings = try settings.flag("tie_word_embeddings", default: true)
        scalesEmbeddings = try settings.flag("scale_embedding", default: false)
        let activation = settings.text("activation_function") ?? "gelu"
        guard activation == "gelu" else { throw ModelError.unsupported("activation '\(activation)'") }
        for (name, stack) in [("encoder", encoder), ("decoder", decoder)] where hiddenSize % stack.heads != 0 {
            throw ModelError.invalidConfiguration(
                "'d_model' is \(hiddenSize), no multiple of '\(name)_attention_heads' (\(stack.heads))"
            )
        }
        let vocabulary = vocabularySize
        func token(_ key: String, default fallback: Int) throws -> Int32 {
            let id = try settings.optionalInteger(key) ?? fallback
            guard 0..<vocabulary ~= id else {
                throw ModelError.invalidConfiguration("'\(key)' is \(id), not in the vocabulary of \(vocabulary)")
            }
            return Int32(id)
        }
        startToken = try token("decoder_start_token_id", default: 50_257)
        endToken = try token("eos_token_id", default: 50_256)
    }

    package init(json: JSON) throws { try self.init(huggingFace: Settings(json)) }

    /// What `bundle.json` keeps.
    package var json: JSON {
        [
            "vocab_size": .integer(Int64(vocabularySize)), "num_mel_bins": .integer(Int64(melBins)),
            "d_model": .integer(Int64(hiddenSize)),
            "encoder_layers": .integer(Int64(encoder.layers)),
            "encoder_attention_heads": .integer(Int64(encoder.heads)),
            "encoder_ffn_dim": .integer(Int64(encoder.width)),
            "decoder_layers": .integer(Int64(decoder.layers)),
            "decoder_attention_heads": .integer(Int64(decoder.heads)),
            "decoder_ffn_dim": .integer(Int64(decoder.width)),
            "max_source_positions": .integer(Int64(sourcePositions)),
            "max_target_positions": .integer(Int64(targetPositions)),
            "tie_word_embeddings": .bool(tiesEmbeddings), "scale_embedding": .bool(scalesEmbeddings),
            "activation_function": "gelu",
            "decoder_start_token_id": .integer(Int64(startToken)), "eos_token_id": .integer(Int64(endToken)),
        ]
    }
}

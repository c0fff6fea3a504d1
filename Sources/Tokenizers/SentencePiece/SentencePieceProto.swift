/// The parts of a sentencepiece model file (`sentencepiece.ModelProto`) that matter here: read to check a file before the
/// library sees it, written to rebuild a model from GGUF metadata.
struct SentencePieceProto: Sendable {
    enum PieceType: UInt64, Sendable { case normal = 1, unknown, control, userDefined, unused, byte }

    struct Piece: Sendable {
        var text: [UInt8]
        var score: Float = 0
        var type = PieceType.normal
    }

    enum ModelType: UInt64, Sendable { case unigram = 1, bytePair, word, character }

    /// What is wrong with a model.
    struct Malformed: Error, CustomStringConvertible {
        var description: String
    }

    var pieces: [Piece] = []
    var modelType = ModelType.unigram
    var byteFallback = false
    /// The space mark ends words instead of beginning them.
    var spacesAreSuffixes = false
    var addsDummyPrefix = true
    var removesExtraWhitespaces = true
    var escapesWhitespaces = true
    var precompiledCharsMap: [UInt8] = []
    /// Texts of the special pieces; the library finds their ids by them.
    var unknownText = "<unk>"
    var beginText = "<s>"
    var endText = "</s>"
    var padText = "<pad>"

    /// A model with an identity normalizer.
    init(pieces: [Piece], modelType: ModelType, byteFallback: Bool, addsDummyPrefix: Bool) {
        self.pieces = pieces
        self.modelType = modelType
        self.byteFallback = byteFallback
        self.addsDummyPrefix = addsDummyPrefix
        removesExtraWhitespaces = false
    }

    /// Reads a serialized model.
    init(_ bytes: [UInt8]) throws(Malformed) {
        var reader = ProtobufReader(bytes[...])
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let message)): pieces.append(try Self.piece(message))
            case (2, .bytes(let message)): try readTrainer(message)
            case (3, .bytes(let message)): try readNormalizer(message)
            default: break
            }
        }
    }

    private static func piece(_ message: ArraySlice<UInt8>) throws(Malformed) -> Piece {
        var reader = ProtobufReader(message)
        var piece = Piece(text: [])
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let text)): piece.text = Array(text)
            case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
            case (3, .integer(let code)):
                guard let type = PieceType(rawValue: code) else {
                    throw Malformed(description: "a piece of type \(code)")
                }
                piece.type = type
            default: break
            }
        }
        return piece
    }

    private mutating func readTrainer(_ message: ArraySlice<UInt8>) throws(Malformed) {
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (3, .integer(let code)):
                guard let type = ModelType(rawValue: code) else { throw Malformed(description: "model type \(code)") }
                modelType = type
            case (24, .integer(let flag)): spacesAreSuffixes = flag != 0
            case (35, .integer(let flag)): byteFallback = flag != 0
            case (45, .bytes(let text)): unknownText = String(decoding: text, as: UTF8.self)
            case (46, .bytes(let text)): beginText = String(decoding: text, as: UTF8.self)
            case (47, .bytes(let text)): endText = String(decoding: text, as: UTF8.self)
            case (48, .bytes(let text)): padText = String(decoding: text, as: UTF8.self)
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ message: ArraySlice<UInt8>) throws(Malformed) {
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (2, .bytes(let map)): precompiledCharsMap = Array(map)
            case (3, .integer(let flag)): addsDummyPrefix = flag != 0
            case (4, .integer(let flag)): removesExtraWhitespaces = flag != 0
            case (5, .integer(let flag)): escapesWhitespaces = flag != 0
            default: break
            }
        }
    }

    func serialized() -> [UInt8] {
        var model = ProtobufWriter()
        for piece in pieces {
            var message = ProtobufWriter()
            message.bytes(1, piece.text)
            message.float(2, piece.score)
            message.integer(3, piece.type.rawValue)
            model.bytes(1, message.output)
        }
        var trainer = ProtobufWriter()
        trainer.integer(3, modelType.rawValue)
        trainer.integer(4, UInt64(pieces.count))
        trainer.integer(24, spacesAreSuffixes ? 1 : 0)
        trainer.integer(35, byteFallback ? 1 : 0)
        trainer.bytes(45, Array(unknownText.utf8))
        trainer.bytes(46, Array(beginText.utf8))
        trainer.bytes(47, Array(endText.utf8))
        trainer.bytes(48, Array(padText.utf8))
        model.bytes(2, trainer.output)
        var normalizer = ProtobufWriter()
        normalizer.bytes(1, Array((precompiledCharsMap.isEmpty ? "identity" : "user_defined").utf8))
        if !precompiledCharsMap.isEmpty { normalizer.bytes(2, precompiledCharsMap) }
        normalizer.integer(3, addsDummyPrefix ? 1 : 0)
        normalizer.integer(4, removesExtraWhitespaces ? 1 : 0)
        normalizer.integer(5, escapesWhitespaces ? 1 : 0)
        model.bytes(3, normalizer.output)
        return model.output
    }
}

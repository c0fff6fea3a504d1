import JSONText

extension SentencePieceTokenizer {
    /// Reads `tokenizer.model`.
    static func load(
        _ bytes: [UInt8],
        name: String,
        added: [AddedToken]
    ) throws(TokenizerError) -> SentencePieceTokenizer {
        do {
            var proto = try SentencePieceProto(bytes)
            try proto.check()
            // The library finds user-defined pieces in any text. Those that the configuration calls special must be
            // found only where control tokens are wanted.
            var isChanged = false
            for token in added where token.isSpecial && Int(token.id) < proto.pieces.count {
                guard proto.pieces[Int(token.id)].type == .userDefined else { continue }
                proto.pieces[Int(token.id)].type = .control
                isChanged = true
            }
            return try SentencePieceTokenizer(proto, model: isChanged ? proto.serialized() : bytes, added: added)
        } catch {
            throw .sentencePiece(file: name, reason: "\(error)")
        }
    }
}

extension GGUFTokenizer {
    /// Rebuilds the model of a vocabulary "llama" (byte pairs) or "t5" (unigram).
    func sentencePiece(_ vocabulary: Vocabulary) throws(TokenizerError) -> SentencePieceTokenizer {
        let scores = try file.array(root["scores"], "scores")
        guard scores.count == vocabulary.texts.count else {
            throw file.invalid("scores", "has \(scores.count) entries for \(vocabulary.texts.count) tokens")
        }
        var pieces: [SentencePieceProto.Piece] = []
        pieces.reserveCapacity(scores.count)
        for (index, text) in vocabulary.texts.enumerated() {
            guard let score = scores[index].doubleValue else {
                throw file.invalid("scores[\(index)]", "must be a number")
            }
            let type = SentencePieceProto.PieceType(rawValue: UInt64(vocabulary.types[index].rawValue)) ?? .normal
            pieces.append(SentencePieceProto.Piece(text: Array(text.utf8), score: Float(score), type: type))
        }
        try markUnknown(&pieces)
        var proto = SentencePieceProto(
            pieces: pieces,
            modelType: vocabulary.model == "t5" ? .unigram : .bytePair,
            byteFallback: pieces.contains { $0.type == .byte },
            addsDummyPrefix: try file.bool(root["add_space_prefix"], "add_space_prefix", default: true)
        )
        proto.removesExtraWhitespaces = try file.bool(
            root["remove_extra_whitespaces"],
            "remove_extra_whitespaces",
            default: false
        )
        for (index, value) in try file.array(root["precompiled_charsmap"], "precompiled_charsmap").enumerated() {
            guard let number = value.intValue, -128...255 ~= number else {
                throw file.invalid("precompiled_charsmap[\(index)]", "must be a byte")
            }
            proto.precompiledCharsMap.append(UInt8(truncatingIfNeeded: number))
        }
        func text(_ key: String) throws(TokenizerError) -> String? {
            guard let id = try file.id(root[key], key) else { return nil }
            guard Int(id) < vocabulary.texts.count else { throw file.invalid(key, "is \(id), beyond the vocabulary") }
            return vocabulary.texts[Int(id)]
        }
        proto.beginText = try text("bos_token_id") ?? proto.beginText
        proto.endText = try text("eos_token_id") ?? proto.endText
        proto.padText = try text("padding_token_id") ?? proto.padText
        if let unknown = proto.pieces.first(where: { $0.type == .unknown }) {
            proto.unknownText = String(decoding: unknown.text, as: UTF8.self)
        }
        do {
            try proto.check()
            return try SentencePieceTokenizer(proto, model: proto.serialized(), added: [])
        } catch {
            throw .sentencePiece(file: file.name, reason: "\(error)")
        }
    }

    /// The library wants exactly one unknown piece; files of some converters name it only by id.
    private func markUnknown(_ pieces: inout [SentencePieceProto.Piece]) throws(TokenizerError) {
        let named = try file.id(root["unknown_token_id"], "unknown_token_id").map { Int($0) }
        if pieces.contains(where: { $0.type == .unknown }) { return }
        guard let id = named ?? pieces.firstIndex(where: { $0.text == Array("<unk>".utf8) }), id < pieces.count else {
            throw file.invalid("unknown_token_id", "names no token, and no token has the type unknown")
        }
        pieces[id].type = .unknown
    }
}

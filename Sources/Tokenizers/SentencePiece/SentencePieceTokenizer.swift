/// Text to tokens through libsentencepiece, with control and added tokens split out before.
struct SentencePieceTokenizer: Sendable {
    let processor: SentencePieceProcessor
    let addedTokens: [AddedToken]
    private let matcher: AddedTokenMatcher
    private let addedByID: [Int32: AddedToken]
    /// Pieces by id as they read in text: spaces for marks, bytes for byte pieces.
    private let texts: [[UInt8]]
    private let types: [SentencePieceProto.PieceType]
    /// Whether a space that was not in the source begins every text, and whether runs of spaces were cut there.
    let addsDummyPrefix: Bool
    let removesExtraWhitespaces: Bool

    /// What the library itself writes for an unknown piece.
    private static let unknownSurface = Array(" \u{2047} ".utf8)

    /// - Parameter added: tokens beyond the model, or with flags for its control pieces.
    init(_ proto: SentencePieceProto, model: [UInt8], added: [AddedToken]) throws(SentencePieceProcessor.Failure) {
        processor = try SentencePieceProcessor(model)
        addsDummyPrefix = proto.addsDummyPrefix
        removesExtraWhitespaces = proto.removesExtraWhitespaces
        types = proto.pieces.map(\.type)
        texts = proto.pieces.map(Self.text(of:))
        var tokens = added
        let known = Set(added.map(\.id))
        for (index, piece) in proto.pieces.enumerated() where piece.type == .control {
            let id = Int32(truncatingIfNeeded: index)
            guard !known.contains(id), piece.text.count <= AddedTokenMatcher.maximumLength else { continue }
            tokens.append(AddedToken(id: id, text: String(decoding: piece.text, as: UTF8.self), isSpecial: true))
        }
        addedTokens = tokens
        // Pieces that the model itself finds stay with it: it knows that no space goes before what follows them.
        matcher = AddedTokenMatcher(
            tokens.compactMap { token in
                let isOwn = Int(token.id) < proto.pieces.count && proto.pieces[Int(token.id)].type != .control
                return isOwn && !token.isSpecial ? nil : (token, Array(token.text.utf8))
            }
        )
        addedByID = Dictionary(tokens.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    private static func text(of piece: SentencePieceProto.Piece) -> [UInt8] {
        switch piece.type {
        case .byte:
            if let byte = piece.text.withUnsafeBufferPointer(BytePairModel.byte(ofTokenText:)) { return [byte] }
        case .unknown: return unknownSurface
        case .control: return piece.text
        default: break
        }
        var result: [UInt8] = []
        var position = 0
        while position < piece.text.count {
            if piece.text[position...].starts(with: BytePairModel.spaceMark) {
                result.append(0x20)
                position += BytePairModel.spaceMark.count
            } else {
                result.append(piece.text[position])
                position += 1
            }
        }
        return result
    }

    /// One more than the highest id.
    var count: Int { max(texts.count, Int(addedTokens.map(\.id).max() ?? -1) + 1) }

    func encode(_ text: UnsafeBufferPointer<UInt8>, parsingSpecialTokens: Bool, into output: inout TokenOutput) {
        matcher.forEachStretch(of: text, range: 0..<text.count, parsingSpecialTokens: parsingSpecialTokens) {
            (range, token) in
            if let token { return output.append(token.id, range) }
            let before = output.ids.count
            let slice = UnsafeBufferPointer(rebasing: text[range])
            let succeeded = processor.encode(slice) { token in
                let lower = range.lowerBound + token.range.lowerBound
                output.append(token.id, lower..<range.lowerBound + token.range.upperBound)
            }
            // The library fails only without memory; the stretch is then unknown rather than missing.
            if !succeeded, output.ids.count == before { output.append(processor.unknownID, range) }
        }
    }

    /// What the token puts into decoded text; nil for ids that the vocabulary lacks.
    func bytes(of id: Int32) -> [UInt8]? {
        if id >= 0, Int(id) < texts.count { return texts[Int(id)] }
        return addedByID[id].map { Array($0.text.utf8) }
    }

    func addedToken(_ id: Int32) -> AddedToken? { addedByID[id] }

    func isByte(_ id: Int32) -> Bool { id >= 0 && Int(id) < types.count && types[Int(id)] == .byte }

    /// The piece's text as the vocabulary spells it, by the exact text.
    func id(of text: String) -> Int32? {
        if let added = addedTokens.first(where: { $0.text.utf8.elementsEqual(text.utf8) }) { return added.id }
        return processor.id(of: text)
    }
}

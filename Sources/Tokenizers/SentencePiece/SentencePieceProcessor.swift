import CSentencePiece

/// A loaded sentencepiece model. Immutable after loading: the library encodes and decodes from many threads at once.
final class SentencePieceProcessor: @unchecked Sendable {
    private let handle: OpaquePointer

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// - Parameter model: a serialized `ModelProto`, checked before (``SentencePieceProto/check()``).
    init(_ model: [UInt8]) throws(Failure) {
        var error: UnsafeMutablePointer<CChar>?
        let created = model.withUnsafeBytes { sk_sentencepiece_create($0.baseAddress, $0.count, &error) }
        defer { sk_sentencepiece_free(error) }
        guard let created else {
            throw Failure(description: error.map { String(cString: $0) } ?? "out of memory")
        }
        handle = created
    }

    deinit { sk_sentencepiece_destroy(handle) }

    var count: Int { Int(sk_sentencepiece_count(handle)) }

    struct Token {
        var id: Int32
        var range: Range<Int>
    }

    /// The tokens of a text in order; ill-formed bytes count as U+FFFD. False when the library fails (memory).
    func encode(_ text: UnsafeBufferPointer<UInt8>, _ body: (Token) -> Void) -> Bool {
        guard !text.isEmpty else { return true }
        var tokens: UnsafeMutablePointer<sk_sentencepiece_token>?
        var count = 0
        let succeeded = text.withMemoryRebound(to: CChar.self) {
            sk_sentencepiece_encode(handle, $0.baseAddress, $0.count, &tokens, &count, nil)
        }
        guard succeeded, let tokens else { return false }
        defer { sk_sentencepiece_free(tokens) }
        for index in 0..<count {
            let token = tokens[index]
            let lower = min(Int(token.begin), text.count)
            body(Token(id: token.id, range: lower..<max(lower, min(Int(token.end), text.count))))
        }
        return true
    }

    /// The text of ids below ``count``, by the library's own rules.
    func decode(_ ids: [Int32]) -> [UInt8]? {
        var text: UnsafeMutablePointer<CChar>?
        var count = 0
        guard sk_sentencepiece_decode(handle, ids, ids.count, &text, &count, nil), let text else { return nil }
        defer { sk_sentencepiece_free(text) }
        return Array(UnsafeRawBufferPointer(start: text, count: count))
    }

    /// The id of exactly this piece.
    func id(of piece: String) -> Int32? {
        var piece = piece
        return piece.withUTF8 { bytes in
            let id = bytes.withMemoryRebound(to: CChar.self) { sk_sentencepiece_id(handle, $0.baseAddress, $0.count) }
            // The library answers with the unknown piece for all that it does not know.
            var text: UnsafePointer<CChar>?
            var count = 0
            guard sk_sentencepiece_piece(handle, id, &text, &count), let text else { return nil }
            let found = UnsafeRawBufferPointer(start: text, count: count)
            return found.elementsEqual(bytes) ? id : nil
        }
    }

    func score(of id: Int32) -> Float { sk_sentencepiece_score(handle, id) }
    var unknownID: Int32 { sk_sentencepiece_unknown_id(handle) }
    var beginID: Int32? { Self.present(sk_sentencepiece_bos_id(handle)) }
    var endID: Int32? { Self.present(sk_sentencepiece_eos_id(handle)) }

    private static func present(_ id: Int32) -> Int32? { id < 0 ? nil : id }
}

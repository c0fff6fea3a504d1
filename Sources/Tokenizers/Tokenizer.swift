/// Text to token ids and back, for every kind of vocabulary.
///
/// A value that can be shared between threads: encoding keeps no state.
package struct Tokenizer: Sendable {
    enum Engine: Sendable {
        case bytePair(BytePairTokenizer)
        case sentencePiece(SentencePieceTokenizer)
    }

    let engine: Engine
    /// Ids put before and after a text when special tokens are added.
    let prefix: [Int32]
    let suffix: [Int32]
    /// One more than the highest id.
    package let vocabularySize: Int
    /// Beginning and end of text; nil where the vocabulary has none.
    package let bosToken: Int32?
    package let eosToken: Int32?
    package let padToken: Int32?
    package let unknownToken: Int32?
    /// Tokens after which nothing more is to be generated.
    package let endOfGenerationTokens: Set<Int32>
    /// Control and added tokens in the order of their ids.
    package let specialTokens: [AddedToken]
    /// Jinja source of the template for conversations, and further named ones ("tool_use", "rag").
    package let chatTemplate: String?
    package let namedChatTemplates: [String: String]

    /// Texts of the beginning and the end for templates; empty where there are none.
    package var bosText: String { bosToken.map(text(of:)) ?? "" }
    package var eosText: String { eosToken.map(text(of:)) ?? "" }

    // MARK: Encoding

    /// The tokens of a text.
    ///
    /// - Parameters:
    ///   - addingSpecialTokens: put the beginning (and what else the vocabulary wants) around the text.
    ///   - parsingSpecialTokens: read control tokens such as `<|im_start|>` in the text as such. Only for text that a
    ///     template made: what users write must stay text.
    /// - Complexity: O(n log n) at worst, O(n) for text with words; over 5 MB/s.
    package func encode(_ text: String, addingSpecialTokens: Bool, parsingSpecialTokens: Bool) -> [Int32] {
        var text = text
        return text.withUTF8 {
            output(for: $0, addingSpecialTokens, parsingSpecialTokens, tracking: false).ids
        }
    }

    /// The tokens of bytes that should be UTF-8 but need not be.
    ///
    /// Byte-level vocabularies keep every byte: one that is not part of a well-formed sequence counts as a symbol (such
    /// as U+FFFD is) where words are cut, and becomes its own byte token. Sentencepiece reads it as U+FFFD.
    package func encode(_ bytes: [UInt8], addingSpecialTokens: Bool, parsingSpecialTokens: Bool) -> [Int32] {
        bytes.withUnsafeBufferPointer {
            output(for: $0, addingSpecialTokens, parsingSpecialTokens, tracking: false).ids
        }
    }

    /// The tokens of a text and the bytes of it that each covers.
    ///
    /// - Complexity: a few times that of ``encode(_:addingSpecialTokens:parsingSpecialTokens:)-(String,_,_)``.
    package func encodeWithRanges(
        _ text: String,
        addingSpecialTokens: Bool,
        parsingSpecialTokens: Bool
    ) -> TokenizedText {
        var text = text
        let output = text.withUTF8 { self.output(for: $0, addingSpecialTokens, parsingSpecialTokens, tracking: true) }
        return TokenizedText(tokens: output.ids, ranges: output.ranges)
    }

    private func output(
        for text: UnsafeBufferPointer<UInt8>,
        _ addingSpecialTokens: Bool,
        _ parsingSpecialTokens: Bool,
        tracking: Bool
    ) -> TokenOutput {
        var output = TokenOutput(tracking: tracking)
        output.ids.reserveCapacity(text.count / 3 + 8)
        if addingSpecialTokens { for id in prefix { output.append(id, 0..<0) } }
        switch engine {
        case .bytePair(let tokenizer):
            tokenizer.encode(text, parsingSpecialTokens: parsingSpecialTokens, into: &output)
        case .sentencePiece(let tokenizer):
            tokenizer.encode(text, parsingSpecialTokens: parsingSpecialTokens, into: &output)
        }
        if addingSpecialTokens { for id in suffix { output.append(id, text.count..<text.count) } }
        return output
    }

    // MARK: Decoding

    /// The text of tokens. Ill-formed byte sequences, and ids that the vocabulary lacks, read as U+FFFD.
    ///
    /// - Parameter skippingSpecialTokens: leave control tokens out; otherwise they read as they are written.
    package func decode(_ tokens: [Int32], skippingSpecialTokens: Bool) -> String {
        var detokenizer = StreamingDetokenizer(self, skippingSpecialTokens: skippingSpecialTokens)
        var bytes: [UInt8] = []
        for token in tokens { detokenizer.append(token, to: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What a token puts into decoded text, which may be part of a character; nil for ids that the vocabulary lacks.
    package func tokenBytes(_ id: Int32) -> [UInt8]? {
        switch engine {
        case .bytePair(let tokenizer): tokenizer.bytes(of: id)
        case .sentencePiece(let tokenizer): tokenizer.bytes(of: id)
        }
    }

    /// Whether the token is a control token.
    package func isSpecial(_ id: Int32) -> Bool {
        switch engine {
        case .bytePair(let tokenizer): tokenizer.addedToken(id)?.isSpecial ?? false
        case .sentencePiece(let tokenizer): tokenizer.addedToken(id)?.isSpecial ?? false
        }
    }

    /// The id of a token by its text as the vocabulary spells it.
    package func tokenID(_ text: String) -> Int32? {
        switch engine {
        case .bytePair(let tokenizer):
            tokenizer.addedTokens.first { $0.text.utf8.elementsEqual(text.utf8) }?.id
                ?? tokenizer.model.vocabulary.id(of: text)
        case .sentencePiece(let tokenizer): tokenizer.id(of: text)
        }
    }

    private func text(of id: Int32) -> String { String(decoding: tokenBytes(id) ?? [], as: UTF8.self) }

    /// The unknown piece of sentencepiece reads " ⁇ " even at the start of a text.
    func isUnknownPiece(_ id: Int32) -> Bool {
        if case .sentencePiece(let tokenizer) = engine { return id == tokenizer.processor.unknownID }
        return false
    }

    /// Whether decoded text drops a space at its start.
    var leadingSpace: LeadingSpace {
        switch engine {
        case .bytePair(let tokenizer): tokenizer.decoding.leadingSpace
        case .sentencePiece(let tokenizer):
            tokenizer.removesExtraWhitespaces ? .dropsAll : tokenizer.addsDummyPrefix ? .dropsOne : .keeps
        }
    }
}

/// What decoding does with spaces at the start of a text that encoding put there.
enum LeadingSpace: Sendable {
    case keeps
    case dropsOne
    /// All of them, over as many tokens as they fill.
    case dropsAll
    /// Those of the first token, wherever they stand in it (Hugging Face's Metaspace).
    case dropsInFirstToken
}

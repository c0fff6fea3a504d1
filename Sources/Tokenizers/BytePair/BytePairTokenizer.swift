/// Byte-pair encoding as Hugging Face's `tokenizers` does it: added tokens, normalizer, pre-tokenizer, merges.
struct BytePairTokenizer: Sendable {
    /// How tokens turn back into text.
    struct Decoding: Sendable {
        enum Pieces: Sendable {
            /// Letters of the byte alphabet.
            case byteAlphabet
            /// `▁` (or another mark) for the space, `<0x..>` for bytes.
            case spaceMark([UInt8], byteFallback: Bool)
        }

        var pieces = Pieces.byteAlphabet
        var leadingSpace = LeadingSpace.keeps
    }

    let model: BytePairModel
    let normalizer: Normalizer
    let preTokenizer: PreTokenizer
    /// Words come out of the pre-tokenizer in the byte alphabet.
    private let hasAlphabetStep: Bool
    let decoding: Decoding
    let addedTokens: [AddedToken]
    /// Looked for in the source, and in the normalized text.
    private let sourceMatcher: AddedTokenMatcher
    private let normalizedMatcher: AddedTokenMatcher
    private let addedByID: [Int32: AddedToken]

    init(
        model: BytePairModel,
        normalizer: Normalizer,
        preTokenizer: PreTokenizer,
        decoding: Decoding,
        addedTokens: [AddedToken]
    ) {
        self.model = model
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.decoding = decoding
        self.addedTokens = addedTokens
        hasAlphabetStep = preTokenizer.steps.contains {
            if case .byteAlphabet = $0 { true } else { false }
        }
        sourceMatcher = AddedTokenMatcher(
            addedTokens.filter { !$0.isNormalized }.map { ($0, Array($0.text.utf8)) }
        )
        normalizedMatcher = AddedTokenMatcher(
            addedTokens.filter(\.isNormalized).map { ($0, normalizer.normalized(Array($0.text.utf8))) }
        )
        addedByID = Dictionary(addedTokens.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Appends the tokens of the text, without those that a template adds around it.
    func encode(_ text: UnsafeBufferPointer<UInt8>, parsingSpecialTokens: Bool, into output: inout TokenOutput) {
        var encoder = Encoder(tokenizer: self, textCount: text.count, tracking: output.isTracking)
        sourceMatcher.forEachStretch(of: text, range: 0..<text.count, parsingSpecialTokens: parsingSpecialTokens) {
            (range, token) in
            if let token { return output.append(token.id, range) }
            var aligned = AlignedText(text, range: range, tracking: output.isTracking)
            normalizer.apply(to: &aligned)
            guard !normalizedMatcher.isEmpty else { return encoder.encode(aligned, &output) }
            let bytes = aligned.bytes
            bytes.withUnsafeBufferPointer { buffer in
                normalizedMatcher.forEachStretch(
                    of: buffer,
                    range: 0..<buffer.count,
                    parsingSpecialTokens: parsingSpecialTokens
                ) { range, token in
                    if let token { return output.append(token.id, aligned.source(of: range)) }
                    let part = aligned.rewritten { _, part in part.copy(range, of: aligned) }
                    encoder.encode(part, &output)
                }
            }
        }
    }

    // MARK: Decoding

    /// What the token puts into decoded text; nil for ids that the vocabulary lacks.
    func bytes(of id: Int32) -> [UInt8]? {
        if let added = addedByID[id] { return Array(added.text.utf8) }
        guard model.vocabulary.contains(id) else { return nil }
        return model.vocabulary.withText(of: id) { text in
            var bytes: [UInt8] = []
            switch decoding.pieces {
            case .byteAlphabet:
                // Texts outside the alphabet stand for themselves.
                if !ByteAlphabet.decode(text, into: &bytes) { bytes = Array(text) }
            case .spaceMark(let mark, let byteFallback):
                if byteFallback, let byte = BytePairModel.byte(ofTokenText: text) { return [byte] }
                var position = 0
                while position < text.count {
                    if !mark.isEmpty, text[position...].starts(with: mark) {
                        bytes.append(0x20)
                        position += mark.count
                    } else {
                        bytes.append(text[position])
                        position += 1
                    }
                }
            }
            return bytes
        }
    }

    func addedToken(_ id: Int32) -> AddedToken? { addedByID[id] }

    /// Encodes normalized stretches of one text, with what they share.
    private struct Encoder: ~Copyable {
        let tokenizer: BytePairTokenizer
        var cache: WordCache
        var symbols = SymbolList()
        var letters: [UInt8] = []
        let isTracking: Bool

        init(tokenizer: BytePairTokenizer, textCount: Int, tracking: Bool) {
            self.tokenizer = tokenizer
            cache = WordCache(textCount: textCount)
            isTracking = tracking
        }

        mutating func encode(_ text: AlignedText, _ output: inout TokenOutput) {
            var text = text
            let words = tokenizer.preTokenizer.words(of: &text)
            text.bytes.withUnsafeBufferPointer { buffer in
                for word in words {
                    if tokenizer.model.splitsAtSpaceMark {
                        encodeParts(of: word, buffer, text, &output)
                    } else {
                        encode(word, buffer, text, &output)
                    }
                }
            }
        }

        /// Cuts a word before each space mark that follows something else.
        private mutating func encodeParts(
            of word: Range<Int>,
            _ buffer: UnsafeBufferPointer<UInt8>,
            _ text: AlignedText,
            _ output: inout TokenOutput
        ) {
            let mark = BytePairModel.spaceMark
            var start = word.lowerBound
            var position = word.lowerBound
            var wasMark = true
            while position < word.upperBound {
                let isMark =
                    buffer[position] == mark[0] && position + 2 < word.upperBound && buffer[position + 1] == mark[1]
                    && buffer[position + 2] == mark[2]
                if isMark, !wasMark {
                    encode(start..<position, buffer, text, &output)
                    start = position
                }
                wasMark = isMark
                position += isMark ? 3 : 1
            }
            if start < word.upperBound { encode(start..<word.upperBound, buffer, text, &output) }
        }

        @inline(__always)
        private mutating func encode(
            _ word: Range<Int>,
            _ buffer: UnsafeBufferPointer<UInt8>,
            _ text: AlignedText,
            _ output: inout TokenOutput
        ) {
            let bytes = UnsafeBufferPointer(rebasing: buffer[word])
            guard !isTracking else { return encodeTracking(bytes, word, text, &output) }
            let key = WordCache.Key(bytes)
            if let key, cache.append(key, to: &output.ids) { return }
            merge(bytes)
            output.ids.append(contentsOf: symbols.ids)
            if let key { cache.store(key, symbols.ids) }
        }

        private mutating func encodeTracking(
            _ bytes: UnsafeBufferPointer<UInt8>,
            _ word: Range<Int>,
            _ text: AlignedText,
            _ output: inout TokenOutput
        ) {
            // In the byte alphabet a symbol is a letter of one or two bytes.
            let letterEnds = tokenizer.hasAlphabetStep ? Self.scalarEnds(bytes) : nil
            merge(bytes)
            var start = letterEnds == nil ? symbols.skippedAtStart : 0
            var letters = symbols.skippedAtStart
            for (id, count) in zip(symbols.ids, symbols.counts) {
                letters += Int(count)
                let end = letterEnds.map { letters <= $0.count ? $0[letters - 1] : bytes.count } ?? letters
                output.append(id, text.source(of: word.lowerBound + start..<word.lowerBound + min(end, bytes.count)))
                start = end
            }
        }

        private static func scalarEnds(_ text: UnsafeBufferPointer<UInt8>) -> [Int] {
            var ends: [Int] = []
            Normalizer.forEachScalar(text) { _, range in ends.append(range.upperBound) }
            return ends
        }

        /// Leaves the word's tokens in `symbols`.
        private mutating func merge(_ word: UnsafeBufferPointer<UInt8>) {
            symbols.removeAll()
            let model = tokenizer.model
            guard tokenizer.hasAlphabetStep else { return merge(word, model) }
            var plain: [UInt8] = []
            if !ByteAlphabet.decode(word, into: &plain) { plain = Array(word) }
            plain.withUnsafeBufferPointer { merge($0, model) }
        }

        private mutating func merge(_ word: UnsafeBufferPointer<UInt8>, _ model: BytePairModel) {
            if model.ignoresMerges, let id = wholeWord(word, model) {
                symbols.append(id, count: word.count)
                return
            }
            model.symbols(of: word, into: &symbols)
            symbols.merge(model.merges)
        }

        private mutating func wholeWord(_ word: UnsafeBufferPointer<UInt8>, _ model: BytePairModel) -> Int32? {
            // No token is longer; a document without spaces must not be copied for nothing.
            guard word.count <= 4096 else { return nil }
            var id: Int32?
            if case .bytes = model.symbols {
                letters.removeAll(keepingCapacity: true)
                ByteAlphabet.encode(word, into: &letters)
                id = model.vocabulary.id(of: letters)
            } else {
                id = model.vocabulary.id(of: word)
            }
            // Text must not turn into a control token by this way.
            guard let id, tokenizer.addedByID[id]?.isSpecial != true else { return nil }
            return id
        }
    }
}

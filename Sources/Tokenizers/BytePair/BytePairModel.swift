/// A byte-pair vocabulary: what the smallest symbols are and how they merge.
struct BytePairModel: Sendable {
    /// What a word is cut into before merging.
    enum Symbols: Sendable {
        /// Bytes, through the printable alphabet: nothing is ever unknown in a complete vocabulary.
        case bytes
        /// Scalars; those that the vocabulary lacks become byte tokens (`<0xE2>`) or the unknown token.
        case scalars(byteFallback: Bool)
    }

    let vocabulary: Vocabulary
    let merges: MergeTable
    let symbols: Symbols
    /// A word that is itself a token is not cut at all.
    let ignoresMerges: Bool
    let unknown: Int32?
    /// Neighbouring unknown symbols become one token.
    let fusesUnknown: Bool
    /// Id of each byte: of its letter in the alphabet, or of its `<0x..>` token; -1 for none.
    let byteTokens: [Int32]
    /// Id of each printable ASCII scalar for scalar symbols; -1 for none.
    private let asciiTokens: [Int32]
    /// Merges never cross the border before a `▁` that follows something else, so words can end there. True of
    /// vocabularies that sentencepiece trained; without it a whole document would be one word.
    let splitsAtSpaceMark: Bool

    init(
        vocabulary: Vocabulary,
        merges: [(left: Int32, right: Int32, result: Int32)],
        symbols: Symbols,
        ignoresMerges: Bool,
        unknown: Int32?,
        fusesUnknown: Bool
    ) {
        self.vocabulary = vocabulary
        self.merges = MergeTable(merges)
        self.symbols = symbols
        self.ignoresMerges = ignoresMerges
        self.unknown = unknown
        self.fusesUnknown = fusesUnknown
        asciiTokens = (0..<0x80).map { vocabulary.id(of: [UInt8($0)]) ?? -1 }
        switch symbols {
        case .bytes:
            byteTokens = (0..<256).map { byte in
                var letter: [UInt8] = []
                ByteAlphabet.encode(CollectionOfOne(UInt8(byte)), into: &letter)
                return vocabulary.id(of: letter) ?? -1
            }
            splitsAtSpaceMark = false
        case .scalars:
            byteTokens = (0..<256).map { vocabulary.id(of: Self.byteTokenText(UInt8($0))) ?? -1 }
            splitsAtSpaceMark =
                !ignoresMerges && vocabulary.id(of: Self.spaceMark) != nil
                && !merges.contains { vocabulary.withText(of: $0.result, Self.hasInnerSpaceMark) }
        }
    }

    private static func byteTokenText(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x" + (digits.count == 1 ? "0" : "") + digits + ">"
    }

    /// The byte of a token such as `<0xE2>`.
    static func byte(ofTokenText text: UnsafeBufferPointer<UInt8>) -> UInt8? {
        guard text.count == 6, text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
    }

    static let spaceMark: [UInt8] = [0xE2, 0x96, 0x81]

    /// Whether a `▁` follows another scalar than `▁`.
    private static func hasInnerSpaceMark(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var seenOther = false
        var position = 0
        while position < text.count {
            let scalar = UTF8Scanning.scalar(text, at: position)
            if scalar.value != 0x2581 {
                seenOther = true
            } else if seenOther {
                return true
            }
            position += scalar.count
        }
        return false
    }

    /// Cuts a word into its smallest symbols.
    func symbols(of word: UnsafeBufferPointer<UInt8>, into symbols: inout SymbolList) {
        switch self.symbols {
        case .bytes:
            for byte in word { append(byteTokens[Int(byte)], count: 1, to: &symbols) }
        case .scalars(let byteFallback):
            var position = 0
            while position < word.count {
                let scalar = UTF8Scanning.scalar(word, at: position)
                let range = position..<position + scalar.count
                position += scalar.count
                let id =
                    scalar.value < 0x80
                    ? asciiTokens[Int(scalar.value)]
                    : vocabulary.id(of: UnsafeBufferPointer(rebasing: word[range])) ?? -1
                if id < 0, byteFallback, range.allSatisfy({ byteTokens[Int(word[$0])] >= 0 }) {
                    for index in range { append(byteTokens[Int(word[index])], count: 1, to: &symbols) }
                } else {
                    append(id, count: range.count, to: &symbols)
                }
            }
        }
    }

    private func append(_ id: Int32, count: Int, to symbols: inout SymbolList) {
        if id >= 0 {
            symbols.append(id, count: count)
        } else if let unknown {
            if fusesUnknown, symbols.endsWithUnknown {
                symbols.extendLast(by: count)
            } else {
                symbols.append(unknown, count: count, isUnknown: true)
            }
        } else {
            symbols.skip(count)
        }
    }
}

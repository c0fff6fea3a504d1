extension SentencePieceProto {
    /// Finds what the library would not survive or not notice.
    func check() throws(Malformed) {
        guard !pieces.isEmpty else { throw Malformed(description: "no pieces") }
        var unknown = 0
        var seen = Set<[UInt8]>()
        seen.reserveCapacity(pieces.count)
        for (id, piece) in pieces.enumerated() {
            if piece.text.isEmpty { throw Malformed(description: "piece \(id) is empty") }
            if piece.text.count > 4096 { throw Malformed(description: "piece \(id) has \(piece.text.count) bytes") }
            if piece.text.contains(0) { throw Malformed(description: "piece \(id) holds a zero byte") }
            guard let text = String(validating: piece.text, as: UTF8.self) else {
                throw Malformed(description: "piece \(id) is not UTF-8")
            }
            if !piece.score.isFinite { throw Malformed(description: "piece \(id) has the score \(piece.score)") }
            if piece.type == .unknown { unknown += 1 }
            if !seen.insert(piece.text).inserted {
                throw Malformed(description: "piece \(id), '\(text)', is there twice")
            }
        }
        guard unknown == 1 else { throw Malformed(description: "\(unknown) unknown pieces instead of one") }
        if !precompiledCharsMap.isEmpty { try Self.check(charsMap: precompiledCharsMap) }
    }

    /// Checks a normalization table: a double-array trie and the pool of texts it leads to.
    ///
    /// The library follows it without looking at bounds. So from every node every byte must stay inside the array, and
    /// every text must begin inside the pool, which must end a text.
    private static func check(charsMap map: [UInt8]) throws(Malformed) {
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(map[offset + $1]) << UInt32(8 * $1) }
        }
        func malformed(_ what: String) -> Malformed { Malformed(description: "a normalization table " + what) }
        guard map.count > 4 else { throw malformed("without content") }
        let trieSize = Int(word(0))
        guard trieSize >= 1024, trieSize % 1024 == 0, trieSize <= map.count - 4 else {
            throw malformed("with a trie of \(trieSize) bytes in \(map.count)")
        }
        let units = trieSize / 4
        let poolSize = map.count - 4 - trieSize
        guard poolSize > 0, map.last == 0 else { throw malformed("whose last text has no end") }
        for index in 0..<units {
            let unit = word(4 + 4 * index)
            if unit >> 31 == 1 {
                // A leaf: where its text begins.
                guard Int(unit & 0x7FFF_FFFF) < poolSize else { throw malformed("with a text outside of it") }
                continue
            }
            // Bit 9 says that the offset counts in blocks of 256.
            let offset = Int(unit >> 10) << (unit >> 9 & 1 == 1 ? 8 : 0)
            guard (index ^ offset) | 0xFF < units else { throw malformed("whose trie leaves its array") }
        }
    }
}

extension PrefixIndex {
    /// For each of the first `count` full pages of a context, a hash of everything up to its end. Equal contexts have equal
    /// hashes in every process; unequal ones may have, so what is found by a hash is compared.
    package static func hashes(of content: ContextContent, pages count: Int) -> [UInt64] {
        var hash = rootHash
        return (0..<min(count, content.tokens.count / PageLayout.positions)).map { page in
            let range = page * PageLayout.positions..<(page + 1) * PageLayout.positions
            hash = chain(hash, content.tokens[range])
            hash = chain(hash, content.media(in: range), content.position(range.lowerBound))
            return hash
        }
    }
}

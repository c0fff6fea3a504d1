import Tensor

/// Full pages by the hash of everything up to their end, so that a context can start from the pages of an equal prefix.
///
/// The hash only finds candidates: a hit counts when the token ids are equal and the page continues the very page
/// matched before it, so a collision cannot give a wrong context. Least recently used pages leave when the byte
/// limit is passed; contexts that hold them keep them.
package struct PrefixIndex {
    private struct Entry {
        var page: Page
        var lastUse: UInt64
    }

    private var entries: [UInt64: Entry] = [:]
    private var clock: UInt64 = 0
    private let byteLimit: Int

    package init(byteLimit: Int) { self.byteLimit = byteLimit }

    package var residentBytes: Int { entries.values.reduce(0) { $0 + $1.page.layout.recordBytes } }

    /// The longest run of full pages that hold exactly the first `limit` tokens of `content`: the same ids at the same
    /// positions, and rows of the same media.
    ///
    /// - Complexity: O(n) in the matched tokens.
    package mutating func longestPrefix(of content: ContextContent, limit: Int) -> [Page] {
        clock += 1
        var matched: [Page] = []
        var hash = Self.rootHash
        var begin = 0
        while begin + PageLayout.positions <= min(limit, content.tokens.count) {
            let range = begin..<begin + PageLayout.positions
            hash = Self.chain(hash, content.tokens[range])
            hash = Self.chain(hash, content.media(in: range), content.position(begin))
            let predecessor = matched.last?.identity ?? 0
            // A sealed page continues sealed ones alone, so the two forms of a prefix never mix up.
            let keys = [Self.key(hash, isSealed: true), Self.key(hash, isSealed: false)]
            guard
                let key = keys.first(where: { key in
                    guard let page = entries[key]?.page else { return false }
                    return page.predecessorIdentity == predecessor && page.isFull
                        && page.holdsSame(as: content, from: begin)
                }), let page = entries[key]?.page
            else { break }
            entries[key]?.lastUse = clock
            matched.append(page)
            begin += PageLayout.positions
        }
        return matched
    }

    /// The same for plain text.
    package mutating func longestPrefix(of tokens: [Int32]) -> [Page] {
        longestPrefix(of: ContextContent(tokens: tokens), limit: tokens.count)
    }

    /// Offers the full pages of a context for sharing.
    package mutating func insert(_ table: PageTable) {
        clock += 1
        var hash = Self.rootHash
        var previous: UInt64 = 0
        for page in table.pages {
            guard page.isFull else { break }
            hash =
                page.chainHash
                ?? Self.chain(Self.chain(hash, page.tokens[...]), page.media, page.position(0))
            let key = Self.key(hash, isSealed: page.isSealed)
            if let known = entries[key], known.page.holdsSame(as: page), known.page.predecessorIdentity == previous {
                entries[key]?.lastUse = clock
                previous = known.page.identity
                // The same tokens after the same pages: one copy is enough, the context keeps its own.
                continue
            }
            guard page.predecessorIdentity == nil || page.predecessorIdentity == previous else { break }
            page.chainHash = hash
            page.predecessorIdentity = previous
            entries[key] = Entry(page: page, lastUse: clock)
            previous = page.identity
        }
        evict()
    }

    private mutating func evict() {
        var bytes = residentBytes
        while bytes > byteLimit, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            entries.removeValue(forKey: oldest.key)
            bytes -= oldest.value.page.layout.recordBytes
        }
    }

    /// Where the two forms of a page are kept.
    private static func key(_ hash: UInt64, isSealed: Bool) -> UInt64 { isSealed ? ~hash : hash }

    static let rootHash: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// Continues a 64-bit hash over token ids (the finaliser is SplitMix64's).
    static func chain(_ hash: UInt64, _ tokens: ArraySlice<Int32>) -> UInt64 {
        var state = hash
        for token in tokens {
            state = (state ^ UInt64(UInt32(bitPattern: token))) &* 0xBF58_476D_1CE4_E5B9
            state = (state ^ (state >> 27)) &* 0x94D0_49BB_1331_11EB
            state ^= state >> 31
        }
        return state
    }

    /// Continues it over what tells pages with equal ids apart.
    static func chain(_ hash: UInt64, _ media: [MediaRun], _ position: RotaryPosition) -> UInt64 {
        guard !media.isEmpty || position != RotaryPosition(position.time.rounded()) else { return hash }
        var state = mix(hash, position.time.bitPattern)
        for run in media {
            for lane in 0..<run.digest.scalarCount { state = mix(state, run.digest[lane]) }
            state = mix(state, UInt64(truncatingIfNeeded: run.first))
            state = mix(state, UInt64(truncatingIfNeeded: run.firstRow))
        }
        return state
    }

    private static func mix(_ hash: UInt64, _ value: UInt64) -> UInt64 {
        let state = (hash ^ value) &* 0xBF58_476D_1CE4_E5B9
        return state ^ (state >> 29)
    }
}

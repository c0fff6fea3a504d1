import KVCache
import Tensor
import Testing

private let layout = PageLayout(
    layerCount: 2,
    kvHeadCount: 2,
    keyWidth: 12,
    valueWidth: 12,
    ropeColumns: 0..<12,
    element: .f32
)

private let spectrum = RotarySpectrum(frequencies: (0..<6).map { 1 / Double($0 + 1) }, sections: [2, 2, 2])

struct PageTableTests {
    private func filled(_ tokens: [Int32], chunk: Int = 50) throws -> PageTable {
        var table = PageTable(layout: layout, spectrum: spectrum)
        var begin = 0
        while begin < tokens.count {
            let end = min(tokens.count, begin + chunk)
            try table.prepareAppend(tokens[begin..<end])
            for position in begin..<end { mark(table, position, Float(tokens[position])) }
            table.commitAppend()
            begin = end
        }
        return table
    }

    private func mark(_ table: PageTable, _ position: Int, _ value: Float) {
        let page = table.pages[position / PageLayout.positions]
        page.keys(layer: 1, head: 1).assumingMemoryBound(to: Float.self)[position % PageLayout.positions] = value
    }

    private func value(_ table: PageTable, _ position: Int) -> Float {
        let page = table.pages[position / PageLayout.positions]
        return page.keys(layer: 1, head: 1).assumingMemoryBound(to: Float.self)[position % PageLayout.positions]
    }

    @Test func keepsTokensInOrder() throws {
        let tokens = (0..<300).map { Int32($0) }
        let table = try filled(tokens)
        #expect(table.tokens == tokens)
        #expect(table.count == 300)
        #expect(table.pages.count == 3)
    }

    @Test func forkCopiesOnlyTheWrittenPage() throws {
        let original = try filled((0..<300).map { Int32($0) })
        var fork = original
        try fork.prepareAppend([7])
        mark(fork, 300, 7)
        fork.commitAppend()
        #expect(fork.pages[0] === original.pages[0])
        #expect(fork.pages[1] === original.pages[1])
        #expect(fork.pages[2] !== original.pages[2])
        #expect(value(fork, 299) == 299)
        #expect(value(fork, 300) == 7)
        #expect(original.count == 300)
        #expect(original.tokens.count == 300)
    }

    @Test func truncatedTablesGrowAgain() throws {
        var table = try filled((0..<300).map { Int32($0) })
        table.truncate(to: 130)
        #expect(table.tokens == (0..<130).map { Int32($0) })
        try table.prepareAppend([9, 9])
        table.commitAppend()
        #expect(table.tokens == (0..<130).map { Int32($0) } + [9, 9])
    }

    @Test func anAbandonedChunkLeavesNothing() throws {
        var table = try filled((0..<100).map { Int32($0) })
        try table.prepareAppend([1, 2, 3])
        try table.prepareAppend([4])
        table.commitAppend()
        #expect(table.tokens == (0..<100).map { Int32($0) } + [4])
    }

    @Test func prefixesAreSharedByContent() throws {
        var index = PrefixIndex(byteLimit: .max)
        let tokens = (0..<300).map { Int32($0) }
        let table = try filled(tokens)
        index.insert(table)
        let same = index.longestPrefix(of: tokens + [5])
        #expect(same.count == 2)
        #expect(same.first === table.pages[0])
        var different = tokens
        different[200] = 9999
        #expect(index.longestPrefix(of: different).count == 1)
        different[0] = 9999
        #expect(index.longestPrefix(of: different).isEmpty)
        #expect(index.longestPrefix(of: Array(tokens[128...])).isEmpty)
    }

    @Test func theIndexKeepsItsByteLimit() throws {
        var index = PrefixIndex(byteLimit: 3 * layout.pageBytes)
        for start in 0..<10 {
            index.insert(try filled((0..<256).map { Int32($0 + 1000 * start) }))
            #expect(index.residentBytes <= 3 * layout.pageBytes)
        }
        #expect(index.longestPrefix(of: (0..<256).map { Int32($0 + 9000) }).count >= 1)
    }

    // MARK: Media

    /// `count` tokens of which 100 ..< 160 are rows of one piece of media, seen as frames of 4 x 5.
    private func stream(_ count: Int, digest: UInt64, time: Double = 3.25) -> ContextContent {
        let positions = (0..<count).map { slot -> RotaryPosition in
            guard 100..<160 ~= slot else { return RotaryPosition(Double(slot < 100 ? slot : slot - 40)) }
            let cell = (slot - 100) % 20
            return RotaryPosition(
                time: 100 + Double((slot - 100) / 20) * time,
                row: 100 + Double(cell / 5),
                column: 100 + Double(cell % 5)
            )
        }
        return ContextContent(
            tokens: (0..<count).map { Int32($0) },
            positions: positions,
            media: [MediaRun(first: 100, count: 60, digest: [digest, 1, 2, 3], firstRow: 0)]
        )
    }

    private func filled(_ content: ContextContent, chunk: Int) throws -> PageTable {
        var table = PageTable(layout: layout, spectrum: spectrum)
        var begin = 0
        while begin < content.tokens.count {
            let end = min(content.tokens.count, begin + chunk)
            try content.positions[begin..<end].withUnsafeBufferPointer {
                try table.prepareAppend(
                    content.tokens[begin..<end],
                    positions: .listed($0),
                    media: MediaRun.clipped(content.media, to: begin..<end)
                )
            }
            table.commitAppend()
            begin = end
        }
        return table
    }

    @Test(arguments: [1, 7, 128, 512])
    func tablesKnowTheirContent(chunk: Int) throws {
        let content = stream(400, digest: 9)
        let table = try filled(content, chunk: chunk)
        #expect(table.content == content)
        #expect(table.nextPosition == 360)
        #expect(table.pages[3].media.isEmpty)
        var cut = table
        cut.truncate(to: 130)
        #expect(cut.content.media == [MediaRun(first: 100, count: 30, digest: [9, 1, 2, 3], firstRow: 0)])
        #expect(cut.nextPosition == 105, "30 rows end in the second row of a frame of five columns")
    }

    @Test func onlyEqualMediaShareAPrefix() throws {
        var index = PrefixIndex(byteLimit: .max)
        let content = stream(400, digest: 9)
        index.insert(try filled(content, chunk: 33))
        #expect(index.longestPrefix(of: content, limit: 400).count == 3)
        #expect(index.longestPrefix(of: content, limit: 300).count == 2)
        #expect(index.longestPrefix(of: stream(400, digest: 10), limit: 400).isEmpty)
        #expect(index.longestPrefix(of: stream(400, digest: 9, time: 3), limit: 400).isEmpty)
        #expect(index.longestPrefix(of: content.tokens).isEmpty)
        #expect(
            index.longestPrefix(of: ContextContent(tokens: content.tokens, positions: content.positions), limit: 400)
                .isEmpty
        )
    }

    @Test func commonPrefixesEndAtOtherMedia() {
        let content = stream(400, digest: 9)
        #expect(content.commonPrefix(with: content, limit: 1000) == 400)
        #expect(content.commonPrefix(with: content, limit: 399) == 399)
        #expect(content.commonPrefix(with: stream(400, digest: 10), limit: 400) == 100)
        #expect(content.commonPrefix(with: stream(400, digest: 9, time: 3), limit: 400) == 120)
        var cut = content
        cut.media = [
            MediaRun(first: 100, count: 28, digest: [9, 1, 2, 3], firstRow: 0),
            MediaRun(first: 128, count: 32, digest: [9, 1, 2, 3], firstRow: 28),
        ]
        #expect(content.commonPrefix(with: cut, limit: 400) == 400)
        cut.media[1].firstRow = 29
        #expect(content.commonPrefix(with: cut, limit: 400) == 128)
        cut.media.removeLast()
        #expect(content.commonPrefix(with: cut, limit: 400) == 128)
    }

    @Test func textAfterMediaFollowsTheLargestPosition() throws {
        var table = try filled(stream(150, digest: 4), chunk: 50)
        #expect(table.nextPosition == 107.5, "the third frame is at 106.5")
        try table.prepareAppend([1, 2, 3])
        table.commitAppend()
        #expect((150..<153).map { table.position($0) } == [107.5, 108.5, 109.5].map { RotaryPosition($0) })
    }
}

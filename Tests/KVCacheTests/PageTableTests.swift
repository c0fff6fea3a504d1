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

struct PageTableTests {
    private func filled(_ tokens: [Int32], chunk: Int = 50) throws -> PageTable {
        var table = PageTable(layout: layout)
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
}

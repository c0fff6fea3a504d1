import Tensor
import Testing

@testable import KVCache

struct RecallTests {
    private static let world = RecallWorld(count: 2700, seed: 1)
    private var world: RecallWorld { Self.world }

    private func settings(_ change: (inout RecallSettings) -> Void = { _ in }) -> RecallSettings {
        var settings = RecallSettings(firstPosition: 0, localPositions: 640, retrievedPages: 3)
        change(&settings)
        return settings
    }

    @Test(arguments: [PageLayout.Element.q8, .q8v4])
    func sealedPagesGiveNearlyTheSame(element: PageLayout.Element) throws {
        let exact = try world.run()
        let sealed = try world.run(element)
        // The first group sees no sealed page.
        let group = 512 * world.heads * world.width
        #expect(exact[..<group] == sealed[..<group])
        #expect(world.difference(exact, sealed) > 0)
        #expect(world.difference(exact, sealed) < (element == .q8 ? 0.02 : 0.1))
    }

    @Test(arguments: [PageLayout.Element?.none, .q8, .q8v4], [false, true])
    func anyCutAndThreadsGiveTheSameBytes(element: PageLayout.Element?, recalls: Bool) throws {
        let recall = recalls ? settings() : nil
        let reference = try world.run(element, recall, threads: 1)
        for (chunk, threads) in [(512, 2), (1, 2), (1, 3), (100, 3), (7, 1)] {
            #expect(try world.run(element, recall, chunk: chunk, threads: threads) == reference)
        }
    }

    @Test func sinksTakePartOnce() throws {
        var world = world
        world.sinks = (0..<world.heads).map { Float($0) - 3 }
        let reference = try world.run(.q8, settings(), threads: 1)
        for chunk in [1, 333] { #expect(try world.run(.q8, settings(), chunk: chunk) == reference) }
        var whole = settings()
        whole.turnsFarKeys = true
        whole.retrievedPages = 32
        #expect(world.difference(try world.run(nil, whole), try world.run()) < 1e-5)
    }

    @Test func aWindowOverEverythingIsExact() throws {
        let exact = try world.run(.q8)
        #expect(try world.run(.q8, settings { $0.localPositions = 4096 }) == exact)
        #expect(try world.run(.q8, settings { $0.firstPosition = 2700 }) == exact)
        let plain = try world.run()
        #expect(try world.run(nil, settings { $0.localPositions = 4096 }) == plain)
    }

    @Test func everyPageWithItsTrueDistanceIsExact() throws {
        let whole = settings {
            $0.retrievedPages = 32
            $0.turnsFarKeys = true
        }
        #expect(world.difference(try world.run(), try world.run(nil, whole)) < 1e-5)
        #expect(world.difference(try world.run(.q8), try world.run(.q8, whole)) < 1e-5)
        let part = settings { $0.turnsFarKeys = true }
        #expect(world.difference(try world.run(.q8), try world.run(.q8, part)) > 1e-3)
    }

    @Test func exactUntilTheFirstPosition() throws {
        let later = try world.run(.q8, settings { $0.firstPosition = 1500 })
        let exact = try world.run(.q8)
        let edge = 1500 * world.heads * world.width
        #expect(later[..<edge] == exact[..<edge])
        #expect(later[edge...] != exact[edge...])
    }

    @Test func listsHoldTheBestPages() throws {
        let count = 128 * 64
        let world = RecallWorld(count: count, seed: 9)
        let settings = settings()
        let attention = try world.attention(threads: 1, recall: settings)
        let pool = ThreadPool(threadCount: 1)
        var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: world.sealing(.q8, settings))
        var output = [Float](repeating: 0, count: count * world.heads * world.width)
        try world.append(0..<count, chunk: 512, to: &table, attention, pool: pool, output: &output)
        let selection = try #require(attention.selection)
        // What was listed for the last chunk, against a look at every page.
        let first = count - 512
        for position in stride(from: first, to: count, by: 64) {
            for head in 0..<world.kvHeads {
                let end = settings.firstLocalPage(position: position)
                let scored = try (1..<end).map { page in
                    let score = try score(world, selection, table, head, position, page)
                    return Candidate(score: score, page: Int32(page))
                }
                let best = scored.sorted { $0.isBefore($1) }.prefix(3).map(\.page).sorted()
                #expect(Array(selection.pages(head: head, position: position, chunk: first)) == [0] + best)
            }
        }
        let statistics = attention.recallStatistics
        #expect(statistics.lists > 0)
        #expect(statistics.listedPages <= 4 * statistics.lists)
        #expect(statistics.candidatePages > statistics.listedPages)
    }

    private func score(
        _ world: RecallWorld,
        _ selection: RecallSelection,
        _ table: PageTable,
        _ head: Int,
        _ position: Int,
        _ page: Int
    ) throws -> Float {
        let number = page / PageIndexBlock.pages
        var scores = [Float](repeating: 0, count: PageIndexBlock.pages)
        let unused = try AlignedBuffer<Float>(count: 1)
        return world.queries.withUnsafeBufferPointer { queries in
            let request = PagedAttention.Request(
                layer: 0,
                firstPosition: 0,
                tokenCount: world.count,
                queries: queries.baseAddress!,
                output: unused.pointer,
                scale: 0.3,
                window: nil,
                sinks: nil
            )
            selection.search.setQueries(request, head: head, position: position, list: 0, worker: 0)
            let block = table.blocks[number].columns(layer: 0, head: head)
            selection.search.score(block, next: nil, lists: 1, worker: 0, into: &scores)
            return scores[page % PageIndexBlock.pages]
        }
    }

    @Test func aPageWithAFittingKeyIsFound() throws {
        var world = RecallWorld(count: 128 * 40, seed: 3)
        // Far keys are not turned, queries are turned by the window's length: undo that in the key.
        let settings = settings()
        let position = world.count - 4
        let rotary = try RotaryEmbedding(world.spectrum)
        let pairs = world.width / 2
        let angles = try AlignedBuffer<Float>(count: 2 * pairs)
        rotary.writeQueryAngles(
            position: RotaryPosition(Double(settings.localPositions - 1)),
            cosines: angles.pointer,
            sines: angles.pointer + pairs
        )
        for slot in stride(from: 700, to: 2300, by: 700) {
            let target = slot * world.kvHeads * world.width
            let query = position * world.heads * world.width
            for pair in 0..<pairs {
                let (a, b) = (world.queries[query + pair], world.queries[query + pair + pairs])
                let (cosine, sine) = (angles.pointer[pair], angles.pointer[pairs + pair])
                world.keys[target + pair] = 8 * (a * cosine - b * sine)
                world.keys[target + pair + pairs] = 8 * (b * cosine + a * sine)
            }
        }
        let attention = try world.attention(threads: 2, recall: settings)
        var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: world.sealing(.q8v4, settings))
        var output = [Float](repeating: 0, count: world.queries.count)
        try world.append(
            0..<world.count,
            chunk: 512,
            to: &table,
            attention,
            pool: ThreadPool(threadCount: 2),
            output: &output
        )
        let selection = try #require(attention.selection)
        let list = selection.pages(head: 0, position: position, chunk: world.count - 512)
        #expect(Array(list) == [0, 5, 10, 16])
    }

    @Test func queriesThatAreNotNumbersListSomePages() throws {
        var world = world
        for index in world.queries.indices.suffix(40 * world.heads * world.width) { world.queries[index] = .nan }
        let output = try world.run(.q8, settings())
        #expect(output.prefix(1000).allSatisfy { !$0.isNaN })
        #expect(output.suffix(10).allSatisfy { $0.isNaN })
    }

    // MARK: Contexts

    @Test func cutContextsGoOnAsIfNothingHadBeen() throws {
        let settings = settings()
        let reference = try world.run(.q8, settings)
        let attention = try world.attention(threads: 2, recall: settings)
        let pool = ThreadPool(threadCount: 2)
        var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: world.sealing(.q8, settings))
        var output = [Float](repeating: 0, count: reference.count)
        try world.append(0..<2700, chunk: 512, to: &table, attention, pool: pool, output: &output)
        #expect(table.pages.prefix(20).allSatisfy { $0.isSealed })
        for (cut, kept) in [(2650, 2648), (2561, 2560), (2559, 2048), (700, 512), (3, 0)] {
            table.truncate(to: cut)
            #expect(table.count == kept)
            output = reference.map { _ in 0 }
            try world.append(kept..<2700, chunk: 90, to: &table, attention, pool: pool, output: &output)
            let edge = kept * world.heads * world.width
            #expect(output[edge...] == reference[edge...])
        }
    }

    /// Contexts that end between two positions of the grid go on with the lists that they hold, or that were stored.
    @Test func listsGoWithTheContext() throws {
        let settings = settings()
        let reference = try world.run(.q8, settings)
        let attention = try world.attention(threads: 2, recall: settings)
        let pool = ThreadPool(threadCount: 2)
        let sealing = world.sealing(.q8, settings)
        var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: sealing)
        var output = [Float](repeating: 0, count: reference.count)
        try world.append(0..<2651, chunk: 512, to: &table, attention, pool: pool, output: &output)
        let numbers = try #require(table.encodedLists)
        func goesOn(_ table: PageTable, from first: Int, chunk: Int) throws -> Bool {
            var table = table
            output = reference.map { _ in 0 }
            try world.append(first..<2700, chunk: chunk, to: &table, attention, pool: pool, output: &output)
            return output[(first * 96)...] == reference[(first * 96)...]
        }
        func reopened() throws -> PageTable {
            try PageTable(
                layout: world.layout,
                spectrum: world.spectrum,
                sealing: sealing,
                pages: Array(table.pages.prefix(21)),
                count: 2651,
                pool: pool
            )
        }
        var stored = try reopened()
        #expect(stored.encodedLists == nil)
        #expect(try !goesOn(stored, from: 2651, chunk: 9))
        try stored.decodeLists(numbers)
        #expect(stored.encodedLists == numbers)
        #expect(try goesOn(stored, from: 2651, chunk: 9))
        // Two that share the lists, and one that is cut back to where they are known still.
        #expect(try goesOn(table, from: 2651, chunk: 512))
        #expect(try goesOn(table, from: 2651, chunk: 1))
        var cut = table
        cut.truncate(to: 2650)
        #expect(cut.count == 2650)
        #expect(try goesOn(cut, from: 2650, chunk: 3))
        // Numbers that cannot be lists are left alone, whatever they are.
        var random = SplitMix64(state: 4)
        for round in 0..<500 {
            var hostile = numbers
            if round % 2 == 0 { hostile.removeLast(Int.random(in: 0...numbers.count, using: &random)) }
            if !hostile.isEmpty {
                let value = Int32.random(in: round % 3 == 0 ? -2...30 : .min ... .max, using: &random)
                hostile[Int.random(in: 0..<hostile.count, using: &random)] = value
            }
            var other = try reopened()
            try other.decodeLists(hostile)
            guard let lists = other.encodedLists else { continue }
            for head in 0..<world.kvHeads where !lists.isEmpty {
                let pages = other.lists?.list(layer: 0, head: head).map { Int($0) } ?? []
                #expect(pages.allSatisfy { (0..<21).contains($0) } && pages.count <= settings.listCapacity)
            }
        }
    }

    @Test func forksDoNotSeeEachOther() throws {
        let settings = settings()
        let reference = try world.run(.q8v4, settings)
        let attention = try world.attention(threads: 2, recall: settings)
        let pool = ThreadPool(threadCount: 2)
        var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: world.sealing(.q8v4, settings))
        var output = [Float](repeating: 0, count: reference.count)
        try world.append(0..<1400, chunk: 512, to: &table, attention, pool: pool, output: &output)
        var fork = table
        try world.append(1400..<2700, chunk: 512, to: &table, attention, pool: pool, output: &output)
        #expect(output == reference)
        var other = RecallWorld(count: 2700, seed: 77)
        other.queries.replaceSubrange(0..<1400 * 96, with: world.queries[0..<1400 * 96])
        try other.append(1400..<2000, chunk: 300, to: &fork, attention, pool: pool, output: &output)
        table.truncate(to: 1400)
        try world.append(1024..<2700, chunk: 200, to: &table, attention, pool: pool, output: &output)
        #expect(output[(1400 * 96)...] == reference[(1400 * 96)...])
    }

    @Test func sealedPagesAreSharedInWholeGroups() throws {
        let settings = settings()
        let reference = try world.run(.q8, settings)
        let attention = try world.attention(threads: 2, recall: settings)
        let pool = ThreadPool(threadCount: 2)
        let sealing = world.sealing(.q8, settings)
        var index = PrefixIndex(byteLimit: .max)
        var output = [Float](repeating: 0, count: reference.count)
        // The same beginning is offered open, then sealed.
        for end in [900, 1300, 2700] {
            var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: sealing)
            try world.append(0..<end, chunk: 512, to: &table, attention, pool: pool, output: &output)
            index.insert(table)
        }
        for (limit, expected) in [(2700, 2688), (2100, 2048), (1000, 512), (500, 384), (100, 0)] {
            let pages = index.longestPrefix(of: ContextContent(tokens: (0..<2700).map { Int32($0) }), limit: limit)
            var table = try PageTable(layout: world.layout, spectrum: world.spectrum, sealing: sealing, sharing: pages)
            #expect(table.count <= expected)
            #expect(table.count >= expected / 512 * 512)
            let first = table.count
            output = reference.map { _ in 0 }
            try world.append(first..<2700, chunk: 512, to: &table, attention, pool: pool, output: &output)
            #expect(output[(first * 96)...] == reference[(first * 96)...])
        }
    }

    @Test func openPagesAreUsedAgain() throws {
        let pool = ThreadPool(threadCount: 1)
        let attention = try world.attention(threads: 1, recall: nil)
        var table = PageTable(layout: world.layout, spectrum: world.spectrum, sealing: world.sealing(.q8, nil))
        var output = [Float](repeating: 0, count: world.queries.count)
        try world.append(0..<2600, chunk: 512, to: &table, attention, pool: pool, output: &output)
        #expect(table.pages.count == 24)
        #expect(table.pages.count { $0.isSealed } == 20)
        #expect(table.tokens == (0..<2600).map { Int32($0) })
        #expect(table.pages[0].layout.recordBytes < world.layout.pageBytes)
    }
}

import Foundation
import KVCache
import MediaFixtures
import Models
import Sessions
import Tensor
import Testing

@testable import Soranji

/// Stored contexts whose pages are sealed, and those that are recalled: the very bytes of a run that never stopped.
struct LongSessionTests {
    private static let tokens: [Int32] = (0..<1900).map { (slot: Int) -> Int32 in
        let number = slot * 31 + slot / 97 + 7
        return Int32(number % 250)
    }
    private static let follow: [Int32] = [3, 99, 17, 4, 5]

    /// The bits of the logits behind each of some tokens.
    private func logits(_ runtime: Runtime, _ table: inout PageTable) throws -> [[UInt32]] {
        var rows: [[UInt32]] = []
        for token in Self.follow {
            try [token].withUnsafeBufferPointer { buffer in
                try runtime.runner.append(buffer, to: &table, logits: .last) { rows.append($1.map(\.bitPattern)) }
            }
        }
        return rows
    }

    private func read(_ runtime: Runtime, _ table: inout PageTable, upTo end: Int) throws {
        try runtime.prefill(
            TokenStream(text: Self.tokens),
            table.count..<end,
            table: &table,
            onProgress: { _ in },
            onLogits: { _ in }
        )
    }

    /// What a run that never stopped gives.
    private func expected(_ place: SessionPlace, _ element: Runtime.CacheElement, _ recalls: Bool) throws -> [[UInt32]]
    {
        let runtime = try place.runtime(element, recalls: recalls)
        var table = runtime.makePageTable()
        try read(runtime, &table, upTo: Self.tokens.count)
        return try logits(runtime, &table)
    }

    /// Reads and stores the tokens in several processes' places, each of which goes on where the one before stopped: in
    /// the middle of a page, of a group, and of tokens that share a list of pages.
    private func store(
        _ place: SessionPlace,
        _ element: Runtime.CacheElement,
        _ recalls: Bool,
        ends: [Int] = [300, 555, 1301, 1702, 1898]
    ) throws {
        for end in ends {
            let runtime = try place.runtime(element, recalls: recalls)
            let library = place.store.library
            let session =
                library.exists("s")
                ? try library.open("s", access: .writing)
                : try library.create("s", manifest: runtime.sessionManifest())
            let begin = session.stream.count
            try session.append(StreamEntry(firstToken: begin, tokens: Array(Self.tokens[begin..<end])))
            var table = try runtime.storedTable(session, limit: begin)
            #expect(table.count == begin)
            try read(runtime, &table, upTo: end)
            try session.store(&table, upTo: end, runtime: runtime)
            #expect(session.storedTokens == end)
            #expect(table.pages.filter(\.isSealed).count == (element.isSealed ? end / 512 * 4 : 0))
            #expect(!runtime.lacksIndex(session))
        }
    }

    private func reopened(
        _ place: SessionPlace,
        _ name: String,
        _ element: Runtime.CacheElement,
        _ recalls: Bool
    ) throws -> [[UInt32]] {
        let runtime = try place.runtime(element, recalls: recalls)
        let session = try place.store.library.open(name, access: .reading)
        var table = try runtime.storedTable(session, limit: .max)
        #expect(table.count == session.stream.count)
        try read(runtime, &table, upTo: Self.tokens.count)
        return try logits(runtime, &table)
    }

    @Test(arguments: Runtime.CacheElement.allCases, [false, true])
    func reopenedContextsGiveTheSameLogits(element: Runtime.CacheElement, recalls: Bool) throws {
        let place = try SessionPlace()
        let expected = try expected(place, element, recalls)
        try store(place, element, recalls)
        #expect(try reopened(place, "s", element, recalls) == expected)
        // A fork, and a copy by way of a file.
        _ = try place.store.fork("s", as: "fork")
        #expect(try reopened(place, "fork", element, recalls) == expected)
        try place.store.export("fork", to: place.folder + "/exported")
        _ = try place.store.importSession(from: place.folder + "/exported", as: "copy")
        #expect(try reopened(place, "copy", element, recalls) == expected)
        // Going on has changed nothing that is stored.
        for name in ["s", "fork", "copy"] { #expect(try place.store.verify(name).isSound) }
    }

    /// Sealed pages take the place of the open ones; those can be given back.
    @Test func replacedPagesAreGivenBack() throws {
        let place = try SessionPlace()
        try store(place, .q8v4, true, ends: [300, 500, 1800])
        let before = try place.store.library.open("s", access: .reading).retired.count
        // Two open pages and the growing one, stored twice; one of them grew once more.
        #expect(before == 5)
        #expect(try place.store.prune().records == before)
        #expect(try place.store.verify("s").isSound)
        let expected = try expected(place, .q8v4, true)
        #expect(try reopened(place, "s", .q8v4, true) == expected)
    }

    @Test(arguments: [Runtime.CacheElement.f16, .q8])
    func openingReadsTheIndexAlone(element: Runtime.CacheElement) throws {
        let place = try SessionPlace()
        try store(place, element, true)
        let runtime = try place.runtime(element, recalls: true)
        let layers = runtime.layerCount
        func open(_ access: StoredSession.Access = .reading) throws -> StoredSession {
            try place.store.library.open("s", access: access)
        }
        func blocks(_ table: PageTable) -> [[UInt8]] {
            var blocks: [[UInt8]] = []
            while let (block, _) = table.indexBlock(blocks.count) { blocks.append(Array(block.bytes)) }
            return blocks
        }
        let table = try runtime.storedTable(open(), limit: .max)
        #expect(table.indexBytes > 0 && blocks(table).count == 1)
        for page in table.pages {
            #expect((0..<layers).allSatisfy { !page.record.isKnownIntact(layer: $0) })
        }
        // Without an index it is made from the pages, and comes out the same.
        try open(.writing).forgetIndex([0])
        #expect(try runtime.lacksIndex(open()))
        let made = try runtime.storedTable(open(), limit: .max)
        #expect(blocks(made) == blocks(table))
        for page in made.pages.prefix(12) {
            #expect((0..<layers).allSatisfy { page.record.isKnownIntact(layer: $0) })
        }
        let expected = try expected(place, element, true)
        #expect(try reopened(place, "s", element, true) == expected)
        // Damaged pages cannot be described.
        let page = try open().pages[5]
        try place.flip("s/pages", at: page.offset + 100)
        #expect(throws: PageDamage(page: 5, layer: 0)) { try runtime.storedTable(open(), limit: .max) }
        #expect(try place.runtime(element, recalls: false).storedTable(open(), limit: .max).count == 1898)
    }

    @Test func damagedIndicesAreMadeAnew() throws {
        let place = try SessionPlace()
        let document = SessionPlace.document(110)
        let first = try place.open(element: .q8, recalls: true)
        first.add(document)
        let answer = try first.ask("What is line 7?", maximumTokens: 12)
        #expect(answer.context.lists > 0)
        let conversation = Conversation(runtime: try place.runtime(.q8, recalls: true))
        conversation.add(document)
        #expect(try conversation.ask("What is line 7?", maximumTokens: 12).tokens == answer.tokens)
        let stored = try place.store.library.open("s", access: .reading)
        let block = try #require(stored.index[0])
        try place.flip("s/pages", at: block.offset + 64)
        #expect(try !place.store.verify("s").isSound)
        let second = try place.open(element: .q8, recalls: true)
        #expect(try second.ask("What is line 7?", maximumTokens: 12).tokens == answer.tokens)
        #expect(second.receipt.reusedTokens == first.tokenCount)
        #expect(second.receipt.misses.count == 1 && second.receipt.misses[0].contains("index of pages 0 to"))
        #expect(try place.store.verify("s").isSound)
        let third = try place.open(element: .q8, recalls: true)
        #expect(try third.ask("What is line 7?", maximumTokens: 12).tokens == answer.tokens)
        #expect(third.receipt.misses.isEmpty)
    }

    /// A session that was read exactly gets its index with the first question that needs one.
    @Test func anIndexIsStoredWhenItIsNeeded() throws {
        let place = try SessionPlace()
        let first = try place.open(element: .q8v4, recalls: false)
        first.add(SessionPlace.document(110))
        _ = try first.ask("What is line 7?", maximumTokens: 2)
        #expect(try place.store.library.open("s", access: .reading).indexedPages == 0)
        let second = try place.open(element: .q8v4, recalls: true)
        let answer = try second.ask("What is line 7?", maximumTokens: 8)
        #expect(second.receipt.reusedTokens == first.tokenCount && second.receipt.storedTokens == 0)
        let session = try place.store.library.open("s", access: .reading)
        #expect(session.indexedPages == first.tokenCount / 512 * 4)
        #expect(try place.store.verify("s").isSound)
        let third = try place.open(element: .q8v4, recalls: true)
        #expect(try third.ask("What is line 7?", maximumTokens: 8).tokens == answer.tokens)
    }

    @Test(arguments: [Runtime.CacheElement.q8, .q8v4], [false, true])
    func damagedSealedPagesAreReadAnew(element: Runtime.CacheElement, recalls: Bool) throws {
        let place = try SessionPlace()
        let first = try place.open(element: element, recalls: recalls)
        first.add(SessionPlace.document(60))
        let expected = try first.ask("What is line 7?", maximumTokens: 8).tokens
        let count = first.tokenCount
        let stored = try place.store.library.open("s", access: .reading)
        let sealed = first.runtime.runner.sealing?.layout
        // A sealed page's second layer, the one after it, and the open last page.
        let last = stored.pages.count - 1
        try place.flip("s/pages", at: stored.pages[0].offset + (sealed?.layerBytes ?? 0) + 100)
        try place.flip("s/pages", at: stored.pages[last].offset + 10)
        #expect(try place.store.verify("s").damage.map(\.page) == [0, last])
        let second = try place.open(element: element, recalls: recalls)
        #expect(try second.ask("What is line 7?", maximumTokens: 8).tokens == expected)
        #expect(second.receipt.misses.filter { $0.contains("was damaged") }.count == 2)
        #expect(try place.store.verify("s").isSound)
        let third = try place.open(element: element, recalls: recalls)
        #expect(try third.ask("What is line 7?", maximumTokens: 8).tokens == expected)
        #expect(third.receipt.misses.isEmpty && third.receipt.reusedTokens == count)
    }

    /// Any byte of any record that changes is found, and answers stay what they were.
    @Test func everyFlippedByteIsFound() throws {
        let place = try SessionPlace()
        let first = try place.open(element: .q8, recalls: true)
        first.add(SessionPlace.document(100))
        let expected = try first.ask("What is line 7?", maximumTokens: 4).tokens
        let stored = try place.store.library.open("s", access: .reading)
        var generator = SplitMix64(state: 5)
        for entry in [stored.pages[0], stored.pages[7], stored.pages[stored.pages.count - 1]] + stored.indexBlocks {
            let form = stored.manifest.forms[entry.form]
            let place_ = entry.offset + Int.random(in: 0..<form.recordBytes, using: &generator)
            try place.flip("s/pages", at: place_)
            #expect(try place.store.verify("s").damage.count == 1)
            #expect(
                try place.open(element: .q8, recalls: true).ask("What is line 7?", maximumTokens: 4).tokens == expected
            )
            // What attention did not come to is still damaged, and is cut off on demand.
            if try !place.store.verify("s").isSound { try place.flip("s/pages", at: place_) }
            #expect(try place.store.verify("s").isSound)
        }
    }

    /// Sealed pages are taken over in whole groups, open ones behind them as they are.
    @Test func sealedPagesAreTakenOverFromOtherSessions() throws {
        let place = try SessionPlace()
        let first = try place.open("first", element: .q8, recalls: true)
        first.add(SessionPlace.document(60))
        _ = try first.ask("What is line 7?", maximumTokens: 2)
        #expect(first.tokenCount > 1100)
        for lines in [60, 42] {
            let document = SessionPlace.document(lines)
            let plain = Conversation(runtime: try place.runtime(.q8, recalls: true))
            plain.add(document)
            let expected = try plain.ask("What is line 7?", maximumTokens: 8).tokens
            let second = try place.open("second\(lines)", element: .q8, recalls: true)
            second.add(document)
            #expect(try second.ask("What is line 7?", maximumTokens: 8).tokens == expected)
            let pages = first.tokenCount / 128
            #expect(second.receipt.adoptedTokens == (lines == 60 ? pages : 4) * 128)
            #expect(second.receipt.reusedTokens == second.receipt.adoptedTokens)
            let again = try place.open("second\(lines)", element: .q8, recalls: true)
            #expect(try again.ask("What is line 7?", maximumTokens: 8).tokens == expected)
            #expect(again.receipt.misses.isEmpty && again.receipt.reusedTokens == again.tokenCount)
            #expect(try place.store.verify("second\(lines)").isSound)
        }
    }

    @Test func formsThatDoNotFitAreRefused() throws {
        let place = try SessionPlace()
        let first = try place.open(element: .q8)
        first.add(SessionPlace.document(3))
        _ = try first.ask("What?", maximumTokens: 2)
        #expect {
            try place.open(element: .q8v4)
        } throws: { error in
            error as? SessionUseError == .otherCache(session: "s", stored: "q8", asked: "q8v4")
        }
        // Records that are smaller than what would be read from them.
        let runtime = try place.runtime(.q8)
        var manifest = try runtime.sessionManifest()
        manifest.forms[1].partBytes /= 2
        var other = try runtime.sessionManifest()
        other.forms.insert(RecordForm(parts: 1, partBytes: 1), at: 2)
        for (name, manifest) in [("small", manifest), ("other", other)] {
            _ = try place.store.library.create(name, manifest: manifest)
            #expect {
                try SessionConversation(runtime: runtime, name: name, library: place.store.library)
            } throws: { error in
                (error as? SessionError)?.kind == .malformed
            }
        }
    }

    @Test func answersWithoutALimitEnd() throws {
        let place = try SessionPlace()
        let runtime = try place.runtime()
        #expect(runtime.trainedContextTokens > runtime.contextTokens)
        #expect(runtime.answerRoom(after: 100) == 2972)
        #expect(runtime.answerRoom(after: 3072) == 0 && runtime.answerRoom(after: 5000) == 0)
        var options = Runtime.Options()
        let trained = runtime.trainedContextTokens
        options.contextTokens = trained + 10_000
        options.attention.mode = .recall
        let long = try Runtime(bundleFolder: place.model.bundle, options: options)
        #expect(long.answerRoom(after: 100) == trained - 100)
        #expect(long.answerRoom(after: trained - 1) == Runtime.answerTokensBeyondTraining)
        #expect(long.answerRoom(after: trained + 9000) == 1000)
    }
}

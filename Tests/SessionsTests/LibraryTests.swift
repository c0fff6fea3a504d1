import Foundation
import Glibc
import KVCache
import Tensor
import Testing

@testable import Sessions

struct LibraryTests {
    private func made(_ test: TestLibrary, _ name: String = "book", tokens: [Int] = [300, 84, 501]) throws {
        let session = try test.library.create(name, manifest: Truth.manifest())
        for count in tokens { try Truth.extend(session, by: count) }
    }

    private func diskBytes(_ test: TestLibrary) -> Int {
        test.library.names().reduce(0) { $0 + Folders.diskBytes(test.library.folder($1)) }
    }

    @Test func forksShareAndDiverge() throws {
        let test = TestLibrary()
        try made(test)
        do {
            let fork = try test.library.fork("book", as: "branch")
            #expect(fork.stream == (try test.library.open("book", access: .reading)).stream)
            #expect(try fork.recordFile.byteCount() == 0)
            #expect(fork.sources.map(\.name) == ["book"])
            #expect(fork.lists != nil && Truth.isWhole(fork))
            try Truth.check(fork)
        }
        #expect { try test.library.fork("book", as: "branch") } throws: { ($0 as? SessionError)?.kind == .exists }
        // Each goes its own way; the other does not see it.
        let branch = try test.library.open("branch", access: .writing)
        try Truth.extend(branch, by: 300)
        try Truth.check(branch)
        #expect(try test.library.open("book", access: .reading).stream.count == 885)
        let book = try test.library.open("book", access: .writing)
        try Truth.extend(book, by: 10)
        try Truth.check(book)
        try Truth.check(try test.library.open("branch", access: .reading))
        // The group that was open, what came after it, and what ranking knows are the branch's own.
        let own = zip([2, 4, 1], Truth.forms).reduce(0) { $0 + $1.0 * $1.1.recordBytes }
        #expect(try branch.recordFile.byteCount() == own)
        #expect(test.library.forks(of: book) == ["branch"])
        // A fork of the fork names both.
        let leaf = try test.library.fork("branch", as: "leaf")
        #expect(Set(leaf.sources.map(\.name)) == ["book", "branch"])
        try Truth.check(leaf)
    }

    @Test func removedParentsServeTheirForks() throws {
        let test = TestLibrary()
        try made(test)
        try test.library.fork("book", as: "branch")
        try test.library.fork("branch", as: "leaf")
        let removal = try test.library.remove("book")
        #expect(removal.keptFor == ["branch", "leaf"])
        #expect(test.library.names() == ["branch", "leaf"])
        // The name is free again, and means another session.
        try made(test, tokens: [7])
        try Truth.check(try test.library.open("branch", access: .reading))
        #expect(try test.library.verify("leaf").isSound)
        #expect(try test.library.remove("branch").keptFor == [])
        try Truth.check(try test.library.open("leaf", access: .reading))
        let last = try test.library.remove("leaf")
        #expect(last.keptFor == [] && last.freedBytes > 7 * 4096)
        #expect(Folders.names(in: test.library.root + "/.kept").isEmpty)
        #expect(test.library.names() == ["book"])
        #expect { try test.library.remove("none") } throws: { ($0 as? SessionError)?.kind == .missing }
        let writer = try test.library.open("book", access: .writing)
        #expect { try test.library.remove("book") } throws: { ($0 as? SessionError)?.kind == .busy }
        _ = writer
    }

    @Test func aDamagedSessionCanBeRemoved() throws {
        let test = TestLibrary()
        try made(test)
        try Data("x".utf8).write(to: URL(fileURLWithPath: test.library.folder("book") + "/session.json"))
        _ = try test.library.remove("book")
        #expect(test.library.names().isEmpty)
    }

    @Test func sessionsWithoutAFileSayWhatHelps() throws {
        let test = TestLibrary()
        for file in ["pages", "journal", "session.json"] {
            try made(test)
            #expect(unlink(test.library.folder("book") + "/" + file) == 0)
            #expect(try test.library.namesWithDamaged() == ["book"])
            let error = #expect(throws: SessionError.self) { try test.library.open("book", access: .reading) }
            #expect(error?.kind == .damaged && error?.subject == "book" && error?.reason.contains("/\(file)") == true)
            #expect(!(try test.library.verify("book").isSound))
            if file == "pages" {
                #expect(error?.hint?.contains("verify book --repair") == true)
                _ = try test.library.repair("book")
                let session = try test.library.open("book", access: .writing)
                #expect(session.storedTokens == 0 && session.stream.count > 0)
                try Truth.storePages(of: session)
                try Truth.check(session)
            } else {
                #expect(error?.hint?.contains("session rm book") == true)
            }
            _ = try test.library.remove("book")
            #expect(try test.library.namesWithDamaged() == [])
        }
    }

    @Test func aFolderThatCannotBeReadIsTold() throws {
        let test = TestLibrary()
        #expect(try test.library.namesWithDamaged() == [])
        try Data("x".utf8).write(to: URL(fileURLWithPath: test.library.root))
        let error = #expect(throws: SessionError.self) { try test.library.namesWithDamaged() }
        #expect(error?.hint?.contains("SORANJI_SESSIONS") == true)
    }

    @Test func pruningGivesBackOnlyWhatNobodyUses() throws {
        let test = TestLibrary()
        try made(test, tokens: [300])
        // The fork has the page that the book replaces next.
        try test.library.fork("book", as: "branch")
        do {
            let book = try test.library.open("book", access: .writing)
            for _ in 0..<5 { try Truth.extend(book, by: 3) }
            #expect(book.retired.count == 5)
        }
        // What a killed fork or import left.
        #expect(mkdir(test.library.root + "/x.partial-1-0", 0o700) == 0)
        do {
            let reader = try test.library.open("book", access: .reading)
            defer { withExtendedLifetime(reader) {} }
            let busy = try test.library.prune()
            #expect(busy.busy == ["book"] && busy.leftovers == 1 && busy.records == 0)
        }
        #expect(!Folders.exists(test.library.root + "/x.partial-1-0"))
        try pruneAndCheck(test, records: 4)
        try pruneAndCheck(test, records: 0)
        _ = try test.library.remove("branch")
        try pruneAndCheck(test, records: 1)
    }

    private func pruneAndCheck(_ test: TestLibrary, records: Int) throws {
        let before = diskBytes(test)
        let result = try test.library.prune()
        #expect(result.records == records && result.busy.isEmpty)
        if records > 0 { #expect(diskBytes(test) < before) }
        for name in test.library.names() {
            try Truth.check(try test.library.open(name, access: .reading))
            let found = try test.library.verify(name)
            #expect(found.isSound, "\(found.damage)")
        }
    }

    @Test func exportsAndImportsWhole() throws {
        let test = TestLibrary()
        try made(test)
        try test.library.fork("book", as: "branch")
        do {
            let branch = try test.library.open("branch", access: .writing)
            try Truth.extend(branch, by: 142)
        }
        let path = test.path + "/branch.session"
        try test.library.export("branch", to: path)
        #expect { try test.library.export("branch", to: path) } throws: { ($0 as? SessionError)?.kind == .exists }
        let other = TestLibrary()
        let imported = try other.library.importSession(from: path, as: "copy")
        try Truth.check(imported)
        let branch = try test.library.open("branch", access: .reading)
        #expect(imported.stream == branch.stream && imported.sources.isEmpty)
        #expect(imported.lists != nil && imported.indexedPages == 8 && Truth.isWhole(imported))
        #expect(imported.manifest.identifier != branch.manifest.identifier)
        #expect(try other.library.verify("copy").isSound)
        #expect { try other.library.importSession(from: other.library.root, as: "third") } throws: {
            ($0 as? SessionError)?.kind == .missing && "\($0)".contains("folder")
        }
        #expect { try other.library.importSession(from: path, as: "copy") } throws: {
            ($0 as? SessionError)?.kind == .exists
        }
        #expect(Folders.names(in: other.library.root).filter { !$0.hasPrefix(".") } == ["copy"])
        // It can be written to.
        try Truth.extend(try other.library.open("copy", access: .writing), by: 200)
        try Truth.check(try other.library.open("copy", access: .reading))
    }

    @Test func damagedExportsAreRefused() throws {
        let test = TestLibrary()
        try made(test, tokens: [200])
        let path = test.path + "/book.session"
        try test.library.export("book", to: path)
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        var numbers = SplitMix64(state: 9)
        let broken = test.path + "/broken.session"
        for round in 0..<120 {
            var bytes = whole
            if round % 3 == 0 {
                bytes.removeLast(Int.random(in: 1...bytes.count, using: &numbers))
            } else if round % 3 == 1 {
                bytes.append(0)
            } else {
                // Half of them in the small sections.
                let end = Bool.random(using: &numbers) ? 1200 : bytes.count
                bytes[Int.random(in: 0..<end, using: &numbers)] ^= .random(in: 1...255, using: &numbers)
            }
            try Data(bytes).write(to: URL(fileURLWithPath: broken))
            #expect(throws: SessionError.self) { try test.library.importSession(from: broken, as: "n\(round)") }
        }
        #expect(test.library.names() == ["book"])
        #expect(Folders.names(in: test.library.root).filter { $0.contains(".partial-") }.isEmpty)
    }

    @Test func equalBeginningsAreFound() throws {
        let test = TestLibrary()
        try made(test, "long", tokens: [700])
        try made(test, "short", tokens: [300])
        _ = try test.library.create("other", manifest: Truth.manifest(weights: "else"))
        let fingerprint = Truth.manifest().fingerprint
        var content = ContextContent(tokens: (0..<600).map(Truth.token))
        func search(_ limit: Int = 600, excluding: String? = nil) -> (name: String, pages: Int)? {
            var search = PrefixSearch()
            return test.library.bestPrefix(
                of: content,
                limit: limit,
                fingerprint: fingerprint,
                excluding: excluding,
                &search
            ).map { ($0.session.name, $0.pages) }
        }
        #expect(search()?.name == "long" && search()?.pages == 4)
        #expect(search(excluding: "long")?.name == "short" && search(excluding: "long")?.pages == 2)
        #expect(search(255)?.pages == 1)
        #expect(search(127) == nil)
        // From the file, from a damaged file, and without one.
        let index = test.library.root + "/.prefixes"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: index))
        #expect(search()?.pages == 4)
        for cut in [0, 5, bytes.count / 2, bytes.count - 1] {
            try bytes.prefix(cut).write(to: URL(fileURLWithPath: index))
            #expect(search()?.pages == 4)
        }
        unlink(index)
        content.tokens[300] += 1
        #expect(search()?.pages == 2)
        var result = PrefixSearch()
        _ = test.library.bestPrefix(of: content, limit: 600, fingerprint: fingerprint, excluding: nil, &result)
        #expect(result.candidates.first { $0.name == "other" }?.reason.contains("other weights") == true)
        #expect(
            result.candidates.first { $0.name == "long" }?.reason
                == "from page 2 on (token 256) it reads otherwise"
        )
        content.tokens[3] += 1
        #expect(search() == nil)
        // A session that grew since.
        content = ContextContent(tokens: (0..<600).map(Truth.token))
        try Truth.extend(try test.library.open("short", access: .writing), by: 300)
        #expect(search(excluding: "long")?.pages == 4)
        // Taken over by reference.
        let session = try test.library.create("new", manifest: Truth.manifest())
        try session.append(Truth.entry(from: 0, count: 600))
        let long = try test.library.open("long", access: .reading)
        try session.adopt(long, pages: 4)
        #expect(session.storedTokens == 512)
        #expect(try session.recordFile.byteCount() == 0)
        try Truth.storePages(of: session)
        try Truth.check(session)
    }
}

import Foundation
import JSONText
import KVCache
import Tensor
import Testing

@testable import Sessions

struct StoreTests {
    @Test func whatWasWrittenIsThereAgain() throws {
        let test = TestLibrary()
        var numbers = SplitMix64(state: 1)
        do {
            let session = try test.library.create("book", manifest: Truth.manifest())
            for _ in 0..<12 {
                try Truth.extend(session, by: Int.random(in: 1...400, using: &numbers))
                try Truth.check(session)
            }
        }
        let session = try test.library.open("book", access: .reading)
        try Truth.check(session)
        #expect(session.storedTokens == session.stream.count && Truth.isWhole(session))
        #expect(session.stream.pendingText == Array("?".utf8))
        #expect(session.stream.notes.count == 12)
        #expect(test.library.names() == ["book"])
        let found = try test.library.verify("book")
        #expect(found.isSound && found.notes.isEmpty && found.soundTokens == session.stream.count)
    }

    @Test func cutsBackAndContinues() throws {
        let test = TestLibrary()
        let session = try test.library.create("cut", manifest: Truth.manifest())
        try Truth.extend(session, by: 300)
        try Truth.extend(session, by: 200)
        // Other tokens from 310 on: the page of 256..<384 keeps what it holds up to there.
        try session.append(Truth.entry(from: 310, count: 0))
        #expect(session.stream.count == 310 && session.storedTokens == 310 && session.pages.count == 3)
        #expect(session.stream.notes.map(\.firstToken) == [0, 300, 310])
        try session.append(Truth.entry(from: 100, count: 3))
        #expect(session.stream.count == 103 && session.pages.map(\.filled) == [100])
        try Truth.extend(session, by: 500)
        let again = try test.library.open("cut", access: .reading)
        #expect(again.stream == session.stream && again.pages == session.pages)
        #expect(again.storedTokens == 603)
        let found = try test.library.verify("cut")
        #expect(found.isSound, "\(found.damage)")
    }

    @Test func whatIsTakenBackWasNeverThere() throws {
        let test = TestLibrary()
        let before: (stream: SessionStream, pages: [PageEntry])
        do {
            let session = try test.library.create("back", manifest: Truth.manifest())
            try Truth.extend(session, by: 700)
            before = (session.stream, session.pages)
            let mark = session.mark
            try session.append(Truth.entry(from: 700, count: 300))
            try session.append(Truth.entry(from: 1000, count: 5))
            #expect(!session.hasNewRecords(since: mark) && session.hasNewRecords(since: nil))
            try session.rollBack(to: mark)
        }
        do {
            let session = try test.library.open("back", access: .writing)
            #expect(session.stream == before.stream && session.pages == before.pages)
            #expect(session.ending == .clean)
            let mark = session.mark
            try Truth.extend(session, by: 60)
            #expect(session.hasNewRecords(since: mark))
        }
        try Truth.check(try test.library.open("back", access: .reading))
        #expect(try test.library.verify("back").isSound)
    }

    @Test func keepsPositionsAndMedia() throws {
        let test = TestLibrary()
        let digest = MediaRun.Digest(1, 2, 3, 4)
        var entry = Truth.entry(from: 0, count: 200)
        do {
            let session = try test.library.create("media", manifest: Truth.manifest())
            entry.media = [MediaRun(first: 20, count: 100, digest: digest, firstRow: 0)]
            try session.append(entry)
            var second = Truth.entry(
                from: 200,
                count: 50,
                positions: (0..<50).map { RotaryPosition(time: 200.5 + Double($0), row: 3, column: Double($0)) }
            )
            second.media = [MediaRun(first: 0, count: 50, digest: digest, firstRow: 100)]
            try session.append(second)
        }
        let content = try test.library.open("media", access: .reading).stream.content
        #expect(content.positions.count == 250)
        #expect(content.position(199) == RotaryPosition(199))
        #expect(content.position(201) == RotaryPosition(time: 201.5, row: 3, column: 1))
        #expect(
            content.media == [
                MediaRun(first: 20, count: 100, digest: digest, firstRow: 0),
                MediaRun(first: 200, count: 50, digest: digest, firstRow: 100),
            ]
        )
    }

    @Test func oneWriterAndAnyReaders() throws {
        let test = TestLibrary()
        let writer = try test.library.create("shared", manifest: Truth.manifest())
        try Truth.extend(writer, by: 200)
        #expect { try test.library.open("shared", access: .writing) } throws: {
            ($0 as? SessionError)?.kind == .busy && "\($0)".contains("another process is writing")
        }
        let reader = try test.library.open("shared", access: .reading)
        try Truth.extend(writer, by: 300)
        // The reader has the state that it opened, whatever the writer does.
        #expect(reader.stream.count == 200)
        try Truth.check(reader)
        #expect(try test.library.open("shared", access: .reading).stream.count == 500)
    }

    @Test func namesAndPlacesThatCannotBe() throws {
        let test = TestLibrary()
        for name in ["", ".", "..", ".x", "a/b", "-x", "a b", "x\0y", String(repeating: "n", count: 101)] {
            #expect { try test.library.create(name, manifest: Truth.manifest()) } throws: {
                ($0 as? SessionError)?.kind == .invalidName
            }
        }
        for name in ["a", "Buch-1", "本", "x.y_z+1@2"] { _ = try test.library.create(name, manifest: Truth.manifest()) }
        #expect { try test.library.create("a", manifest: Truth.manifest()) } throws: {
            ($0 as? SessionError)?.kind == .exists
        }
        #expect { try test.library.open("none", access: .reading) } throws: {
            ($0 as? SessionError)?.kind == .missing
        }
        #expect(test.library.names().count == 4)
    }

    @Test func anEntryThatMakesNoSenseIsNotWritten() throws {
        let test = TestLibrary()
        let session = try test.library.create("sane", manifest: Truth.manifest())
        try Truth.extend(session, by: 10)
        #expect(throws: SessionError.self) { try session.append(Truth.entry(from: 11, count: 1)) }
        #expect(throws: SessionError.self) {
            try Truth.record(page: 0, filled: 11, form: 0).withUnsafeBytes {
                _ = try session.append(pages: [NewPage(page: 0, filled: 11, record: $0)])
            }
        }
        try Truth.check(session)
        try Truth.extend(session, by: 200)
        try Truth.check(try test.library.open("sane", access: .reading))
        #expect(try test.library.verify("sane").isSound)
    }
}

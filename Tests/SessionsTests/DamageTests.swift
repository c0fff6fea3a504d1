import Foundation
import Glibc
import JSONText
import KVCache
import Tensor
import Testing

@testable import Sessions

struct DamageTests {
    private func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

    /// In place, as a disk would.
    private func overwrite(_ path: String, at offset: Int, _ byte: UInt8) throws {
        let descriptor = open(path, O_WRONLY)
        #expect(descriptor >= 0)
        defer { close(descriptor) }
        #expect(withUnsafePointer(to: byte) { pwrite(descriptor, $0, 1, off_t(offset)) } == 1)
    }

    private func made(_ test: TestLibrary) throws {
        let session = try test.library.create("s", manifest: Truth.manifest())
        for count in [300, 84, 500, 3, 1, 201] { try Truth.extend(session, by: count) }
    }

    /// A single damaged byte, anywhere in any file, is found, and what is read is never wrong.
    @Test func everyFlippedByteIsDetected() throws {
        let test = TestLibrary()
        try made(test)
        let files = try test.files(of: "s").map { ($0, try bytes($0)) }.filter { !$0.1.isEmpty }
        #expect(files.count == 3)
        var numbers = SplitMix64(state: 3)
        var undetected: [String] = []
        for _ in 0..<1000 {
            // Every other flip in the whole, the others in a file of any size.
            let total = files.reduce(0) { $0 + $1.1.count }
            var place = Int.random(in: 0..<total, using: &numbers)
            var file = 0
            if Bool.random(using: &numbers) {
                file = Int.random(in: 0..<files.count, using: &numbers)
                place = Int.random(in: 0..<files[file].1.count, using: &numbers)
            } else {
                while place >= files[file].1.count {
                    place -= files[file].1.count
                    file += 1
                }
            }
            let (path, original) = files[file]
            let flipped = original[place] ^ UInt8.random(in: 1...255, using: &numbers)
            try overwrite(path, at: place, flipped)
            if try test.library.verify("s").isSound { undetected.append("\(path) at \(place)") }
            if let session = try? test.library.open("s", access: .reading) {
                for entry in session.usedRecords {
                    let record = try session.mapped(entry)
                    let truth = Truth.record(page: entry.page, filled: entry.filled, form: entry.form)
                    let form = Truth.forms[entry.form]
                    for part in 0..<form.checksumCount where record.isIntact(layer: part) {
                        let range = form.range(part).clamped(to: 0..<form.usedBytes)
                        let stored = UnsafeRawBufferPointer(start: record.bytes + range.lowerBound, count: range.count)
                        #expect(stored.elementsEqual(truth[range]))
                    }
                }
                #expect(session.stream.content.tokens == (0..<session.stream.count).map(Truth.token))
                if let lists = session.lists { #expect(lists == Truth.lists(session.storedTokens)) }
            }
            try overwrite(path, at: place, original[place])
        }
        #expect(undetected.isEmpty, "\(undetected.prefix(10))")
        #expect(try test.library.verify("s").isSound)
    }

    @Test func verifyNamesThePageAndRepairCutsThere() throws {
        let test = TestLibrary()
        try made(test)
        let before = try test.library.open("s", access: .reading)
        let entry = before.pages[4]
        let path = test.library.folder("s") + "/" + StoredSession.recordName
        let place = entry.offset + Truth.forms[entry.form].partBytes + 17
        try overwrite(path, at: place, try bytes(path)[place] ^ 1)
        let found = try test.library.verify("s")
        #expect(found.damage == [.init(page: 4, text: "page 4: layer 1 is damaged", isNeeded: true)])
        #expect(found.soundTokens == 512)
        _ = try test.library.repair("s")
        let session = try test.library.open("s", access: .writing)
        #expect(session.stream.count == before.stream.count)
        #expect(session.storedTokens == 512)
        #expect(try test.library.verify("s").isSound)
        // The stream has the tokens, so the pages can be made again.
        try Truth.storePages(of: session)
        #expect(session.storedTokens == session.stream.count)
        try Truth.check(session)
    }

    /// A damaged block of the index is told, and repairing loses nothing else.
    @Test func aDamagedIndexIsForgotten() throws {
        let test = TestLibrary()
        try made(test)
        let before = try test.library.open("s", access: .reading)
        let entry = try #require(before.index[0])
        #expect(entry.filled == 8)
        let path = test.library.folder("s") + "/" + StoredSession.recordName
        let place = entry.offset + 2 * Truth.forms[Truth.index].partBytes + 5
        try overwrite(path, at: place, try bytes(path)[place] ^ 4)
        let found = try test.library.verify("s")
        #expect(found.damage.map(\.text) == ["the index of pages 0 to 7: layer 2 is damaged"])
        #expect(found.soundTokens == before.storedTokens)
        _ = try test.library.repair("s")
        let session = try test.library.open("s", access: .writing)
        #expect(session.index.isEmpty && session.pages == before.pages && session.lists == before.lists)
        #expect(try test.library.verify("s").isSound)
        try Truth.extend(session, by: 5)
        try Truth.check(session)
        #expect(Truth.isWhole(session))
    }

    @Test func aDamagedJournalIsRefusedAndCutOnDemand() throws {
        let test = TestLibrary()
        try made(test)
        let path = test.library.folder("s") + "/" + Journal.name
        let size = try bytes(path).count
        try overwrite(path, at: size / 2, try bytes(path)[size / 2] ^ 0x10)
        for access in [StoredSession.Access.reading, .writing] {
            #expect { try test.library.open("s", access: access) } throws: {
                ($0 as? SessionError)?.kind == .damaged && ($0 as? SessionError)?.hint?.contains("--repair") == true
            }
        }
        // Nothing was cut behind anyone's back.
        #expect(try bytes(path).count == size)
        #expect(try !test.library.verify("s").isSound)
        _ = try test.library.repair("s")
        let session = try test.library.open("s", access: .writing)
        try Truth.check(session)
        try Truth.extend(session, by: 77)
        #expect(try test.library.verify("s").isSound)
    }

    /// Whatever a killed process left of its last entry is cut off.
    @Test func tornTailsAreCutAtEveryByte() throws {
        let test = TestLibrary()
        let session = try test.library.create("s", manifest: Truth.manifest())
        try session.append(Truth.entry(from: 0, count: 20))
        let path = test.library.folder("s") + "/" + Journal.name
        let first = try bytes(path).count
        try session.append(Truth.entry(from: 20, count: 2))
        let whole = try bytes(path)
        for size in first...whole.count {
            try Data(whole[..<size]).write(to: URL(fileURLWithPath: path))
            let count = try test.library.open("s", access: .reading).stream.count
            #expect(count == (size == whole.count ? 22 : 20))
            #expect(try test.library.verify("s").isSound)
        }
        // Grown, but never written.
        try Data(whole[..<first] + [UInt8](repeating: 0, count: 5000)).write(to: URL(fileURLWithPath: path))
        #expect(try test.library.open("s", access: .reading).stream.count == 20)
    }

    @Test func recordsWithoutAnEntryAreNotUsed() throws {
        let test = TestLibrary()
        try made(test)
        let path = test.library.folder("s") + "/" + StoredSession.recordName
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        handle.write(Data([UInt8](repeating: 7, count: 6000)))
        try handle.close()
        let found = try test.library.verify("s")
        #expect(found.isSound && found.notes.contains { $0.contains("6000 bytes of pages have no entry") })
        let session = try test.library.open("s", access: .writing)
        try Truth.extend(session, by: 100)
        try Truth.check(session)
        let again = try test.library.verify("s")
        #expect(again.isSound && again.notes.isEmpty)
    }

    /// Journals with right checksums and random contents, and random files: an error, never a trap or a wait.
    @Test func hostileFilesAreRefused() throws {
        let test = TestLibrary()
        try made(test)
        let folder = test.library.folder("s")
        let journal = try bytes(folder + "/journal")
        let manifest = try bytes(folder + "/session.json")
        var numbers = SplitMix64(state: 11)
        func random(_ count: Int) -> [UInt8] { (0..<count).map { _ in .random(in: 0...255, using: &numbers) } }
        func attempt() {
            if let session = try? test.library.open("s", access: .reading) {
                for record in (try? session.records(count: session.pages.count)) ?? [] { _ = record.isIntact(layer: 0) }
                for block in session.indexBlocks { _ = (try? session.mapped(block))?.isIntact(layer: 0) }
                _ = session.stream.entries()
            }
            _ = try? test.library.verify("s")
        }
        for round in 0..<400 {
            var bytes: [UInt8] = round % 2 == 0 ? journal : []
            var head = Journal()
            if round % 2 == 0 {
                let file = try SessionFile(path: folder + "/journal", writing: false)
                try Data(journal).write(to: URL(fileURLWithPath: folder + "/journal"))
                let fresh = try SessionFile(path: folder + "/journal", writing: false)
                try head.read(fresh) { _ in nil }
                _ = file
            }
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                // Valid payloads with a few bytes changed, or random ones.
                var payload = random(Int.random(in: 0...200, using: &numbers))
                var type = UInt32.random(in: 0...9, using: &numbers)
                if Bool.random(using: &numbers) {
                    let page = PageEntry(page: 0, filled: 5, source: 0, form: 0, offset: 0, checksums: [1, 2, 3])
                    let valid = [
                        JournalEntry.stream(Truth.entry(from: 0, count: 9)), .pages([page]),
                        .pages([page], lists: StoredLists(tokens: 5, numbers: [1, 2])), .index([page]),
                        .unindexed([0, 7]),
                    ][Int.random(in: 0..<5, using: &numbers)]
                    payload = valid.payload
                    if Bool.random(using: &numbers) { type = valid.type }
                    for _ in 0..<Int.random(in: 0...3, using: &numbers) {
                        payload[Int.random(in: 0..<payload.count, using: &numbers)] = .random(
                            in: 0...255,
                            using: &numbers
                        )
                    }
                }
                bytes += entry(type: type, payload: payload, &head)
            }
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/journal"))
            attempt()
            try Data(random(Int.random(in: 0...300, using: &numbers))).write(
                to: URL(fileURLWithPath: folder + "/session.json")
            )
            attempt()
            var text = String(decoding: manifest.dropLast(16), as: UTF8.self)
            let words = ["1000", "3", "700", "\"w\"", "soranji-session"]
            let word = words[Int.random(in: 0..<words.count, using: &numbers)]
            let values = ["-1", "0", "99999999999999999999", "4294967296", "null", "[]", "9223372036854775807"]
            text = text.replacingOccurrences(of: word, with: values[Int.random(in: 0..<values.count, using: &numbers)])
            let body = Array(text.utf8)
            try Data(body + Array("crc32c \(Checksum.text(Checksum.of(body)))\n".utf8)).write(
                to: URL(fileURLWithPath: folder + "/session.json")
            )
            attempt()
            try Data(manifest).write(to: URL(fileURLWithPath: folder + "/session.json"))
        }
        // A pipe in the place of a file is not waited for.
        unlink(folder + "/journal")
        #expect(mkfifo(folder + "/journal", 0o600) == 0)
        #expect(throws: SessionError.self) { try test.library.open("s", access: .reading) }
    }

    /// An entry with right checksums, whatever is in it.
    private func entry(type: UInt32, payload: [UInt8], _ journal: inout Journal) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(0x3145_4A53 as UInt32)
        writer.put(type)
        writer.put(journal.sequence)
        writer.put(UInt64(payload.count))
        writer.put(journal.chain)
        let head = writer.bytes
        writer.put(Checksum.of(head))
        let checksum = Checksum.of(payload, after: journal.chain)
        var tail = ByteWriter()
        tail.put(checksum)
        let bytes = writer.bytes + payload + tail.bytes
        journal.advance(bytes: bytes.count, checksum: checksum)
        return bytes
    }
}

import Foundation
import Glibc
import Tensor
import Testing

@testable import Sessions

/// Processes that are killed while they write a session, and disks that are full: this test binary, started again.
@Suite(.serialized) struct KilledSessionTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let target = environment["SORANJI_TEST_SESSION_TARGET"]
    private static let full = environment["SORANJI_TEST_SESSION_FULL"]
    private static let kills = environment["SORANJI_TEST_SESSION_KILLS"].flatMap(Int.init) ?? 40

    private static func child(_ variable: String, _ value: String, prefix: String = "") throws -> Process {
        let child = Process()
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        child.executableURL = URL(fileURLWithPath: "/bin/bash")
        child.arguments = [
            "-c", prefix + "exec \"$0\" --testing-library swift-testing --filter KilledSessionTests", program,
        ]
        child.environment = environment.merging([variable: value]) { $1 }
        child.standardOutput = FileHandle.nullDevice
        child.standardError = FileHandle.nullDevice
        return child
    }

    /// The child's part: appends without an end, until it is killed or its parent is gone.
    @Test(.enabled(if: target != nil, "is run by another test of this suite"))
    func writeUntilKilled() throws {
        let root = try #require(Self.target)
        let library = SessionLibrary(root: root)
        let session =
            library.exists("s")
            ? try library.open("s", access: .writing) : try library.create("s", manifest: Truth.manifest())
        var numbers = SplitMix64(state: UInt64(getpid()))
        let parent = getppid()
        // What the one before had read and not stored.
        try Truth.storePages(of: session)
        while getppid() == parent { try Truth.extend(session, by: Int.random(in: 1...300, using: &numbers)) }
    }

    @Test(.enabled(if: target == nil && full == nil, "does not run itself"))
    func everyReopenedSessionIsAPrefixOfTheTruth() throws {
        let test = TestLibrary()
        let root = test.path + "/sessions"
        let journal = root + "/s/" + Journal.name
        func size() -> Int {
            var status = stat()
            return stat(journal, &status) == 0 ? Int(status.st_size) : 0
        }
        var numbers = SplitMix64(state: 5)
        var torn = 0
        var before = 0
        for round in 0..<Self.kills {
            let child = try Self.child("SORANJI_TEST_SESSION_TARGET", root)
            let start = size()
            try child.run()
            defer { kill(child.processIdentifier, SIGKILL) }
            var tries = 0
            // The first ones die at any moment, also before anything is there.
            if round % 8 == 0 {
                usleep(UInt32.random(in: 0...300_000, using: &numbers))
            } else {
                while size() <= start, tries < 30_000, child.isRunning {
                    usleep(1000)
                    tries += 1
                }
                usleep(UInt32.random(in: 0...20_000, using: &numbers))
            }
            kill(child.processIdentifier, SIGKILL)
            child.waitUntilExit()
            #expect(child.terminationReason == .uncaughtSignal)
            guard test.library.exists("s") else {
                // Not made yet: nothing under the name.
                #expect(!FileManager.default.fileExists(atPath: root + "/s"))
                continue
            }
            let session = try test.library.open("s", access: .reading)
            if session.ending != .clean { torn += 1 }
            try Truth.check(session)
            #expect(Truth.isWhole(session))
            #expect(session.stream.count >= before, "what was durable is gone")
            before = session.stream.count
            let found = try test.library.verify("s")
            #expect(found.isSound, "\(found.damage)")
        }
        #expect(before > 0)
        // And it goes on as if nothing had happened.
        let session = try test.library.open("s", access: .writing)
        try Truth.storePages(of: session)
        try Truth.extend(session, by: 200)
        #expect(session.storedTokens == session.stream.count && Truth.isWhole(session))
        #expect(try test.library.verify("s").isSound)
    }

    /// The child's part: files may not grow past a limit, as on a full disk.
    @Test(.enabled(if: full != nil, "is run by another test of this suite"))
    func writeUntilFull() throws {
        let root = try #require(Self.full)
        let library = SessionLibrary(root: root)
        let session = try library.create("full", manifest: Truth.manifest())
        var failure: SessionError?
        for _ in 0..<10_000 where failure == nil {
            let (stream, pages) = (session.stream, session.pages)
            do {
                try session.append(Truth.entry(from: session.stream.count, count: 130))
            } catch {
                failure = error
                #expect(session.stream == stream && session.pages == pages)
                continue
            }
            let read = session.stream
            do {
                try Truth.storePages(of: session)
            } catch {
                failure = error as? SessionError
                #expect(session.stream == read && session.pages == pages)
            }
        }
        let error = try #require(failure)
        guard case .system(let code) = error.kind else {
            Issue.record("\(error)")
            return
        }
        #expect(code == EFBIG || code == ENOSPC)
        #expect(error.hint?.contains("is as it was") == true)
        // The session as it was, for this process and for others.
        try Truth.check(session)
        let reader = try library.open("full", access: .reading)
        #expect(reader.stream == session.stream && reader.pages == session.pages)
        #expect(reader.ending == .clean)
        try Truth.check(reader)
        #expect(try library.verify("full").isSound)
    }

    @Test(.enabled(if: target == nil && full == nil, "does not run itself"), arguments: [64, 200])
    func aFullDiskLeavesTheSessionAsItWas(kibibytes: Int) throws {
        let test = TestLibrary()
        let child = try Self.child(
            "SORANJI_TEST_SESSION_FULL",
            test.path + "/sessions",
            prefix: "trap '' XFSZ; ulimit -f \(kibibytes); "
        )
        try child.run()
        child.waitUntilExit()
        #expect(child.terminationReason == .exit && child.terminationStatus == 0)
        let session = try test.library.open("full", access: .writing)
        #expect(session.stream.count > 0)
        try Truth.storePages(of: session)
        try Truth.extend(session, by: 1000)
        try Truth.check(session)
    }
}

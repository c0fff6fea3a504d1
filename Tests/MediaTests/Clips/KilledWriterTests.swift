import Foundation
import Glibc
import Testing

@testable import Media

/// A process that is killed while it writes a clip.
struct KilledWriterTests {
    /// Where the child process writes; set for it alone.
    private static let target = ProcessInfo.processInfo.environment["SORANJI_TEST_CLIP_TARGET"]

    /// The child's part: frames without an end, until it is killed or its parent is gone.
    @Test(.enabled(if: target != nil, "is run by the other test of this suite"))
    func writeUntilKilled() throws {
        let path = try #require(Self.target)
        let settings = ClipSettings(container: .mp4, width: 64, height: 48, framesPerSecond: 24)
        let writer = try ClipWriter(path: path, settings: settings)
        let pictures = try (0..<24).map { try ClipWriterTests.picture($0) }
        let parent = getppid()
        for number in 0..<10_000_000 where getppid() == parent {
            try writer.append(pictures[number % pictures.count])
        }
    }

    @Test(.enabled(if: target == nil, "does not run itself"), arguments: [true, false])
    func aKillLeavesNothingUnderTheName(hasOlder: Bool) throws {
        let folder = try ClipFolder()
        let path = folder.file("clip.mp4")
        if hasOlder { _ = try folder.write([1, 2, 3], to: "clip.mp4") }
        let child = Process()
        child.executableURL = URL(
            fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        )
        child.arguments = ["--testing-library", "swift-testing", "--filter", "KilledWriterTests"]
        child.environment = ProcessInfo.processInfo.environment.merging(["SORANJI_TEST_CLIP_TARGET": path]) { $1 }
        child.standardOutput = FileHandle.nullDevice
        child.standardError = FileHandle.nullDevice
        try child.run()
        defer { kill(child.processIdentifier, SIGKILL) }
        // Until some of the clip is on the disk.
        var written = 0
        var tries = 0
        while written < 20_000, tries < 3000, child.isRunning {
            usleep(20_000)
            tries += 1
            let partial = folder.names.first { $0.hasSuffix(".partial") }
            var status = stat()
            if let partial, stat(folder.file(partial), &status) == 0 { written = Int(status.st_size) }
        }
        #expect(written >= 20_000, "the child wrote \(written) bytes")
        kill(child.processIdentifier, SIGKILL)
        child.waitUntilExit()
        #expect(child.terminationReason == .uncaughtSignal)
        let names = folder.names
        #expect(names.contains("clip.mp4") == hasOlder)
        #expect(names.count { $0.hasSuffix(".partial") } == 1)
        if hasOlder { #expect(try ByteFile.read(path) == [1, 2, 3]) }
    }
}

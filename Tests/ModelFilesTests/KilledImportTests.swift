import Foundation
import Testing

@testable import ModelFiles

/// An import that is killed with SIGKILL, in a process of its own: this test binary, started again for one test.
struct KilledImportTests {
    private static let variable = "SORANJI_TEST_IMPORT_TARGET"

    /// What the child does: import, and stop for ever in the progress call, everything written but nothing in place.
    @Test(.enabled(if: ProcessInfo.processInfo.environment[variable] != nil))
    func childImports() throws {
        let target = try #require(ProcessInfo.processInfo.environment[Self.variable])
        try BundleImporter(weights: .q8).run(
            Mixtral.plan(),
            from: try Mixtral.source(),
            to: target,
            progress: { while $0.bytesDone == $0.bytesTotal { sleep(1) } }
        )
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment[variable] == nil))
    func nothingIsLeftUnderTheFinalName() throws {
        let folder = try TemporaryFolder()
        let target = folder.path + "/model"
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        child.arguments = ["--testing-library", "swift-testing", "--filter", "KilledImportTests"]
        child.environment = ProcessInfo.processInfo.environment.merging([Self.variable: target]) { $1 }
        child.standardOutput = FileHandle.nullDevice
        child.standardError = FileHandle.nullDevice
        try child.run()
        let last = "/experts/L02/E007.safetensors"
        func staged() -> String? { folder.names.first { $0.hasPrefix("model.partial-") } }
        let deadline = Date().addingTimeInterval(60)
        while Date() < deadline, child.isRunning {
            if let staged = staged(), Paths.byteCount("\(folder.path)/\(staged)\(last)") ?? 0 > 0 { break }
            usleep(2_000)
        }
        kill(child.processIdentifier, SIGKILL)
        child.waitUntilExit()
        #expect(child.terminationReason == .uncaughtSignal)
        #expect(staged() != nil)
        #expect(!Paths.exists(target))
        // The next import sweeps up and succeeds.
        try BundleImporter(weights: .q8).run(Mixtral.plan(), from: try Mixtral.source(), to: target)
        #expect(folder.names == ["model"])
        _ = try ModelFiles.Bundle(path: target).shard(layer: 2, expert: 7)
    }
}

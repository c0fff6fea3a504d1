import Glibc
import JSONText
import Testing

@testable import Soranji
@testable import SoranjiCLI

/// Imported models in the cache folder, and imports that cannot work.
struct ModelsTests {
    /// A copy of the checkpoint that a test may change.
    private func copy(_ program: Program, _ name: String) throws -> String {
        let path = program.folder + "/" + name
        _ = try Subprocess.run("cp", ["-r", checkpoint, path], input: [], timeout: 30, maximumOutput: 1000)
        return path
    }

    private func names(_ report: JSON, _ key: String) -> [String] {
        report[key]?.arrayValue?.compactMap { $0["source"]?.stringValue } ?? []
    }

    @Test func listsAndRemovesModels() throws {
        let program = try Program()
        let empty = try program.run(["models"])
        #expect(empty.status == 0 && empty.output.isEmpty && empty.errors.hasPrefix("no model was imported into "))
        let first = try copy(program, "first")
        let second = try copy(program, "second")
        for source in [first, second] {
            #expect(try program.run(["score", "-m", source, "--tokens", "1,2,3"]).status == 0)
        }
        let report = try program.json(["models", "list", "--json"])
        // The one that was used last comes first.
        #expect(names(report, "models") == [second, first])
        #expect(report["models"]?.arrayValue?.first?["state"]?.stringValue == "current")
        #expect((report["models"]?.arrayValue?.first?["bytes"]?.intValue ?? 0) > 1000)
        let table = try program.run(["models", "list"])
        #expect(table.output.hasPrefix("name") && table.output.contains(first))
        #expect(table.errors.hasPrefix("2 models, "))

        // Using a model again is written down, too.
        #expect(try program.run(["score", "-m", first, "--tokens", "1,2,3"]).status == 0)
        #expect(names(try program.json(["models", "list", "--json"]), "models") == [first, second])

        let unasked = try program.run(["models", "rm", "--all"])
        #expect(unasked.status == 1 && unasked.errors.contains("hint: give --yes"))
        let unknown = try program.run(["models", "rm", "third", "--yes"])
        #expect(unknown.status == 1 && unknown.errors.contains("error: there is no imported model 'third'"))
        let recent = try program.json(["models", "rm", "--unused-days", "1", "--yes", "--json"])
        #expect(names(recent, "removed").isEmpty)
        let named = try program.json(["models", "rm", "second-", "--yes", "--json"])
        #expect(names(named, "removed") == [second])

        // A source that changed gets a new copy; the old one is of no use.
        try AtomicFile.write(Array("{}".utf8), to: first + "/generation_config.json")
        #expect(try program.run(["score", "-m", first, "--tokens", "1,2,3"]).errors.hasPrefix("importing "))
        let outdated = try program.json(["models", "rm", "--outdated", "--yes", "--json"])
        #expect(outdated["removed"]?.arrayValue?.map { $0["state"]?.stringValue } == ["outdated"])
        #expect(try program.run(["models", "rm", "--all", "--yes"]).status == 0)
        #expect(names(try program.json(["models", "list", "--json"]), "models").isEmpty)
        #expect(access(first + "/config.json", F_OK) == 0)
    }

    /// Whoever is slower uses the copy of the one that was faster.
    @Test func severalProcessesImportAtOnce() throws {
        let program = try Program()
        let source = try copy(program, "shared")
        let command = "'\(Program.path)' score -m '\(source)' --tokens 1,2,3"
        let result = try program.shell(
            ["models", "list"],
            """
            ; export SORANJI_CACHE='\(program.folder)/together' HOME='\(program.folder)'
            for i in 1 2 3 4 5 6 7 8; do \(command) > /dev/null & pids="$pids $!"; done
            for pid in $pids; do wait $pid || exit 7; done
            ls "$SORANJI_CACHE/bundles"
            """
        )
        #expect(result.status == 0 && !result.errors.contains("error:"), "\(result.errors)")
        #expect(result.output.split(separator: "\n").count { $0.hasPrefix("shared-") } == 1)
        #expect(!result.output.contains(".partial-"))
    }

    @Test(arguments: [[], ["--all", "--outdated"], ["x", "--all"], ["--unused-days", "-1"]])
    func refusesUnclearRemovals(_ arguments: [String]) throws {
        #expect(try Program().run(["models", "rm", "--yes"] + arguments).status == 2)
    }

    @Test func tokenizersAreCheckedBeforeWeights() throws {
        let program = try Program()
        let source = try copy(program, "broken")
        try AtomicFile.write(Array("{\"model\": {\"type\": \"Abacus\"}}".utf8), to: source + "/tokenizer.json")
        let target = program.folder + "/new/folder/bundle"
        let result = try program.run(["import", source, "-o", target])
        #expect(result.status == 1)
        #expect(result.errors.contains("error: \(source): its tokenizer cannot be used: "))
        #expect(!result.errors.contains(".partial-"))
        #expect(access(program.folder + "/new", F_OK) != 0)
        // Without it the same weights are imported, and missing folders are made.
        unlink(source + "/tokenizer.json")
        #expect(try program.run(["import", source, "-o", target]).status == 0)
        #expect(access(target + "/bundle.json", F_OK) == 0)
    }

    @Test func modelsSayHowTheyWantToBeSampled() throws {
        let program = try Program()
        let source = try copy(program, "sampled")
        let settings = "{\"do_sample\": true, \"temperature\": 0.6, \"top_k\": 20, \"min_p\": 0.05}"
        try AtomicFile.write(Array(settings.utf8), to: source + "/generation_config.json")
        let bundle = program.folder + "/bundle"
        #expect(try program.run(["import", source, "-o", bundle]).status == 0)
        let sampling = try #require(try Runtime(bundleFolder: bundle).recommendedSampling())
        #expect(sampling.temperature == 0.6 && sampling.topK == 20 && sampling.minP == 0.05 && sampling.topP == 1)
        #expect(try Runtime(bundleFolder: bundle).recommendedSampling() == sampling)
    }
}

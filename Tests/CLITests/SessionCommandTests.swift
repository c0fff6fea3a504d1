import Glibc
import JSONText
import MediaFixtures
import Testing

@testable import Soranji
@testable import SoranjiCLI

struct SessionCommandTests {
    @Test func readsOnceAndLooksAfterSessions() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_vl_moe", hasText: true)
        let path = program.folder + "/book.txt"
        let text = (0..<30).map { "Line \($0) has number \($0 * 37 % 100).\n" }.joined()
        try AtomicFile.write(Array(text.utf8), to: path)
        let ask = ["ask", "--model", model.bundle, "-n", "6", "--session", "book", "--context", "1K"]
        let first = try program.json(ask + ["--json", "--doc", path, "What is line 3?"])
        #expect(first["session"]?["new"]?.boolValue == true)
        #expect(first["session"]?["reused_tokens"]?.intValue == 0)
        #expect(unlink(path) == 0)
        let second = try program.json(ask + ["--json", "What is line 3?"])
        let stored = try #require(first["session"]?["stored_tokens"]?.intValue)
        #expect(second["session"]?["reused_tokens"]?.intValue == stored && stored > 500)
        #expect(second["answer"] == first["answer"])
        #expect(second["documents"]?.arrayValue?.first?["source"]?.stringValue == path)
        let told = try program.run(ask + ["--keep", "--verbose", "And line 4?"])
        #expect(told.status == 0)
        #expect(told.errors.contains("session book: \(FixedPoint.grouped(stored)) of "))

        let list = try program.json(["session", "list", "--json"])
        #expect(list["sessions"]?.arrayValue?.map { $0["name"]?.stringValue } == ["book"])
        let show = try program.run(["session", "show", "book"])
        #expect(show.status == 0 && show.output.contains("document   \(path)") && show.output.contains("And line 4?"))
        #expect(try program.run(["session", "fork", "book", "draft"]).status == 0)
        #expect(try program.json(["session", "show", "book", "--json"])["forks"] == ["draft"])
        let twice = try program.run(["session", "fork", "book", "draft"])
        #expect(twice.status == 1 && twice.errors.contains("error: draft: there is a session of this name already"))
        #expect(try program.run(["session", "verify"]).output.contains("book: sound"))
        let nowhere = try program.run(["session", "export", "draft", program.folder + "/no/book.session"])
        #expect(nowhere.status == 1 && nowhere.errors.contains("hint: make it first: mkdir -p"))
        #expect(!nowhere.errors.contains("partial"))
        #expect(try program.run(["session", "import", "/no/file", "copy"]).errors.contains("session export"))
        let file = program.folder + "/book.session"
        #expect(try program.run(["session", "export", "draft", file]).status == 0)
        #expect(try program.run(["session", "import", file, "copy"]).status == 0)
        let copy = try program.json(ask.map { $0 == "book" ? "copy" : $0 } + ["--json", "Are you sure?"])
        #expect(copy["session"]?["reused_tokens"]?.intValue ?? 0 > stored)
        let nobody = try program.run(["session", "rm", "nobody"])
        #expect(nobody.status == 1 && nobody.errors.contains("nobody: there is no session of this name"))
        let unasked = try program.run(["session", "rm", "book"])
        #expect(unasked.status == 1 && unasked.errors.contains("hint: give --yes"))
        let removed = try program.json(["session", "rm", "book", "copy", "--yes", "--json"])
        #expect(removed["removed"]?.arrayValue?.map { $0["kept_for"] } == [["draft"], []])
        #expect(try program.run(["session", "verify", "draft"]).status == 0)
        #expect(try program.run(["session", "prune"]).status == 0)
        let missing = try program.run(["session", "show", "book"])
        #expect(missing.status == 1 && missing.errors.contains("hint: soranji session list"))
        #expect(try program.run(["ask", "--keep", "x"]).status == 2)
        let name = try program.run(["ask", "--model", model.bundle, "--session", "a/b", "x"])
        #expect(name.status == 2 && name.errors.contains("no name for a session"))
    }

    /// Who asks again need not say again how keys and values are kept.
    @Test func sessionsKnowHowTheyKeepKeysAndValues() throws {
        let program = try Program()
        let model = try MediaModel("qwen3_vl_moe", hasText: true)
        let ask = ["ask", "--model", model.bundle, "-n", "3", "--session", "codes", "--context", "1K", "--json"]
        let first = try program.json(ask + ["--kv", "q8", "--keep", "What is a line?"])
        #expect(first["context"]?["kv"] == "q8")
        let second = try program.json(ask + ["And a circle?"])
        #expect(second["context"]?["kv"] == "q8")
        #expect(second["session"]?["reused_tokens"]?.intValue ?? 0 > 0)
        let other = try program.run(ask + ["--kv", "f32", "And a circle?"])
        #expect(other.status == 1 && other.errors.contains("keeps keys and values as q8, not f32"))
        #expect(other.errors.contains("hint: leave --kv out"))
        #expect(try program.json(["session", "list", "--json"])["sessions"]?.arrayValue?.first?["kv"] == "q8")
        #expect(try program.run(["session", "list"]).output.contains("  q8  "))
    }
}

import Glibc
import JSONText
import MediaFixtures
import Testing

@testable import Soranji
@testable import SoranjiCLI

/// Files that may not grow any more, as on a full disk: nothing that was stored is lost, and nothing half is left.
struct FullDiskTests {
    private let program: Program
    private let model: MediaModel

    init() throws {
        program = try Program()
        model = try MediaModel("qwen3_vl_moe", hasText: true)
    }

    private func document(_ name: String, lines: Int) throws -> String {
        let path = program.folder + "/\(name).txt"
        let text = (0..<lines).map { "Line \($0) of \(name) has number \($0 * 37 % 100).\n" }.joined()
        try AtomicFile.write(Array(text.utf8), to: path)
        return path
    }

    /// - Parameter kibibytes: how large files may get; nil for no limit.
    private func ask(_ session: String, _ more: [String], kibibytes: Int?) throws -> Program.Result {
        try program.shell(
            ["ask", "--model", model.bundle, "-n", "6", "--context", "3K", "--session", session, "--verbose"] + more,
            "",
            first: kibibytes.map { "ulimit -f \($0)" } ?? ""
        )
    }

    private func show(_ session: String) throws -> JSON { try program.json(["session", "show", session, "--json"]) }

    private func pageKibibytes(_ session: String) -> Int {
        var status = stat()
        let path = program.folder + "/.local/share/soranji/sessions/\(session)/pages"
        return stat(path, &status) == 0 ? Int(status.st_size) / 1024 : 0
    }

    @Test func theSessionIsAsItWas() throws {
        let first = try ask("book", ["--doc", try document("first", lines: 12), "Which line?"], kibibytes: nil)
        #expect(first.status == 0, "\(first.errors)")
        let before = try show("book")
        let limit = pageKibibytes("book")
        #expect(limit > 0)
        let second = try document("second", lines: 20)
        let refused = try ask("book", ["--doc", second, "Which line?"], kibibytes: limit)
        #expect(refused.status == 1 && refused.errors.contains("error: book: the session could not be written"))
        #expect(refused.errors.contains("hint: files may not grow"))
        for key in ["tokens", "stored_tokens", "documents", "bytes"] {
            #expect(try show("book")[key] == before[key], "\(key)")
        }
        // A turn that cannot be kept is not there, and the error has a line of its own.
        let unkept = try ask("book", ["--keep", "Which line?"], kibibytes: limit)
        #expect(unkept.status == 1 && unkept.errors.contains("could not be written"))
        #expect(unkept.output.isEmpty || unkept.output.hasSuffix("\n"))
        #expect(try show("book")["messages"] == [] && (try show("book"))["tokens"] == before["tokens"])
        // Other questions are answered as before.
        let again = try ask("book", ["Which line?"], kibibytes: limit)
        #expect(again.status == 0 && again.output == first.output)
        #expect(try program.run(["session", "verify", "book"]).status == 0)
        // And once there is room, everything goes on.
        #expect(try ask("book", ["--doc", second, "--keep", "Which line?"], kibibytes: nil).status == 0)
        #expect(try show("book")["messages"]?.arrayValue?.count == 2)
        #expect(try program.run(["session", "verify", "book"]).status == 0)
    }

    @Test func aNewSessionIsNotThere() throws {
        let refused = try ask("new", ["--doc", try document("first", lines: 12), "Which line?"], kibibytes: 16)
        #expect(refused.status == 1 && refused.errors.contains("new: the session could not be written"))
        #expect(try program.json(["session", "list", "--json"])["sessions"] == [])
    }

    @Test func whatWasReadStaysAndQuestionsAreAnswered() throws {
        let long = try document("long", lines: 60)
        let whole = try ask("whole", ["--doc", long, "Which line?"], kibibytes: nil)
        let tokens = try show("whole")["tokens"]?.intValue ?? 0
        #expect(tokens > 1100)
        // Room for one chunk of 512, not for two.
        let limit = pageKibibytes("whole") * 800 / tokens
        #expect(try program.run(["session", "rm", "whole", "--yes"]).status == 0)
        let stopped = try ask("long", ["--doc", long, "Which line?"], kibibytes: limit)
        #expect(stopped.status == 1 && stopped.errors.contains("the next question goes on from there"))
        let left = try show("long")
        #expect(left["tokens"]?.intValue == tokens && left["stored_tokens"]?.intValue == 512)
        let answered = try ask("long", ["Which line?"], kibibytes: limit)
        #expect(answered.status == 0 && answered.output == whole.output)
        #expect(answered.errors.contains("so what is read now is not stored"))
        #expect(try show("long")["stored_tokens"]?.intValue == 512)
        #expect(try ask("long", ["Which line?"], kibibytes: nil).status == 0)
        #expect(try show("long")["stored_tokens"]?.intValue == tokens)
    }
}

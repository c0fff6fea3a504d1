import JSONText
import Testing

@testable import Soranji
@testable import SoranjiCLI

/// The built program: plans, evaluations and books, as far as they need no large model.
struct PlanCommandTests {
    @Test func plansAreShownAndRefused() throws {
        let program = try Program()
        let fits = try program.json([
            "plan", "--model", checkpoint, "--tokens", "4K", "--no-probe", "--memory", "2G", "--json",
        ])
        #expect(fits["fits"]?.boolValue == true)
        #expect(fits["tokens"]?.intValue == 4096)
        let parts = try #require(fits["parts"]?.arrayValue)
        #expect(
            parts.compactMap { $0["name"]?.stringValue } == [
                "trunk", "experts", "pages", "index", "scratch", "program",
            ]
        )
        // Every byte is accounted for.
        let needed = try #require(fits["needed_bytes"]?.intValue)
        let resident = parts.reduce(0) { $0 + ($1["resident_bytes"]?.intValue ?? 0) }
        #expect(resident >= needed)
        for part in parts {
            let split = ["resident_bytes", "mapped_bytes"].reduce(0) { $0 + (part[$1]?.intValue ?? 0) }
            #expect(split == part["bytes"]?.intValue)
        }
        let refused = try program.run(["plan", "--model", checkpoint, "--tokens", "1G", "--no-probe", "--memory", "1M"])
        #expect(refused.status == 1)
        #expect(refused.output.contains("pages") && refused.output.contains("does not fit"))
        #expect(refused.errors.contains("1,073,741,824 tokens") && refused.errors.contains("hint:"))
        #expect(refused.errors.contains("--memory"))
        // What is refused in a plan is refused everywhere, also where it is small.
        let scored = try program.run(["score", "--model", checkpoint, "--tokens", "1 2 3", "--memory", "1K"])
        #expect(scored.status == 1 && scored.errors.contains("3 tokens needs") && scored.errors.contains("--memory"))
        #expect(try program.run(["plan", "--tokens", "-5"]).status == 2)
        let stored = try program.run([
            "plan", "--model", checkpoint, "--tokens", "64K", "--no-probe", "--kv", "q8v4", "--stored",
        ])
        #expect(stored.status == 0 && stored.output.contains("of files, ") && stored.output.contains(" are free in "))
        #expect(try program.run(["plan", "--memory", "0"]).status == 2)
        #expect(try program.run(["plan", "--memory", "9999999P"]).status == 2)
        #expect(try program.run(["plan", "--kv", "q2"]).status == 2)
    }

    @Test func speedsAreMeasured() throws {
        let report = try Program().json(["plan", "--model", checkpoint, "--tokens", "1K", "--json"])
        #expect((report["prefill_seconds"]?.doubleValue ?? 0) > 0)
        #expect((report["decode_tokens_per_second"]?.doubleValue ?? 0) > 0)
        #expect((report["probe"]?["memory_bytes_per_second"]?.doubleValue ?? 0) > 1e6)
    }

    @Test func wrongEvaluationsAreRefused() throws {
        let program = try Program()
        for arguments in [
            ["--task", "nonsense"], ["--lengths", "0"], ["--lengths", "4K,,8K"], ["--depths", "0"], ["--samples", "0"],
            ["--plot", "picture.gif"], ["--style", "loud"], ["--resume", "x", "--seed", "-1"],
        ] {
            let result = try program.run(["eval"] + arguments)
            #expect(result.status == 2, "\(arguments): \(result.errors)")
        }
        let result = try program.run(["eval", "--model", checkpoint])
        #expect(result.status == 1 && result.errors.contains("has no tokenizer"))
        #expect(try LengthList.parse("8K,1K,8K").tokens == [1024, 8192])
        #expect(try TaskList.parse("needle,passkey,needle").tasks == [.needle, .passkey])
        #expect(try TaskList.parse("all").tasks.count == EvaluationTask.allCases.count)
    }

    @Test func booksThatAreNotThereAreNamed() throws {
        let program = try Program()
        let missing = try program.run(["book", "ask", "light", "What?"])
        #expect(missing.status == 1 && missing.errors.contains("there is no book 'light'"))
        #expect(try program.run(["book", "ask", "../light", "What?"]).errors.contains("cannot be a book's name"))
        let unknown = try program.run(["book", "rm", "light"])
        #expect(unknown.status == 1 && unknown.errors.contains("there is no book 'light'"))
        #expect(try program.run(["book", "list"]).errors.contains("there is no book"))
        #expect(try program.run(["book", "build"]).status == 2)
        #expect(try program.run(["book", "build", "x", "--page-words", "1"]).status == 2)
    }
}

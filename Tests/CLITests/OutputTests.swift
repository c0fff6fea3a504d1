import Glibc
import JSONText
import Testing

@testable import Soranji
@testable import SoranjiCLI

/// What happens to output that cannot be written, and to files that are there already.
struct OutputTests {
    /// Whether the machine has the device that every write to fails.
    private static let hasFullDevice: Bool = {
        var status = stat()
        return stat("/dev/full", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
    }()

    private static let commands: [[String]] = [
        ["--help"], ["--version"], ["inspect", checkpoint, "--json"], ["media", clip],
        ["score", "-m", checkpoint, "--tokens", "1,5,9"], ["score", "-m", checkpoint, "--tokens", "1,5,9", "--json"],
        ["bench", "-m", checkpoint, "-p", "4", "-n", "0", "-r", "1"],
    ]

    @Test(.enabled(if: hasFullDevice, "needs /dev/full"), arguments: commands)
    func aFullDiskIsAnError(_ arguments: [String]) throws {
        let result = try Program().shell(arguments, ">/dev/full")
        #expect(result.status == 1)
        #expect(
            result.errors.hasSuffix(
                "error: cannot write to standard output: No space left on device\nhint: free some disk space\n"
            )
        )
    }

    @Test(arguments: commands)
    func aClosedOutputIsAnError(_ arguments: [String]) throws {
        let result = try Program().shell(arguments, ">&-")
        #expect(result.status == 1)
        #expect(result.errors.hasSuffix("error: cannot write to standard output: Bad file descriptor\n"))
    }

    @Test func aClosedPipeEndsQuietly() throws {
        let program = try Program()
        // The reader goes away at once; the writer waits for that.
        let result = try program.shell(["--help"], "| true; echo ${PIPESTATUS[0]}")
        let help = try program.shell(["experts", "stats", "-m", "/nonexistent"], "2>&1 | head -n 0; true")
        #expect(result.errors.isEmpty && help.errors.isEmpty)
        let waiting = try program.shell(["--help"], "> >(exec 0<&-; sleep 1); echo $?")
        #expect(waiting.errors.isEmpty)
    }

    @Test func devicesAreWrittenToAndNotReplaced() throws {
        let score = try Program().run(["score", "-m", checkpoint, "--tokens", "1,5,9", "--logits", "/dev/null"])
        #expect(score.status == 0)
        var status = stat()
        #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
    }

    @Test(.enabled(if: hasFullDevice, "needs /dev/full"))
    func arraysThatDoNotFitAreAnError() throws {
        let score = try Program().run(["score", "-m", checkpoint, "--tokens", "1,5,9", "--logits", "/dev/full"])
        #expect(score.status == 1)
        #expect(score.errors.contains("error: cannot write /dev/full: No space left on device"))
    }
}

/// Scores, counts and measurements that make no sense.
struct RefusalTests {
    @Test func nothingToScoreIsAnError() throws {
        let program = try Program()
        let one = try program.run(["score", "-m", checkpoint, "--tokens", "5"])
        #expect(one.status == 1)
        #expect(one.errors.contains("error: 1 token is too few to score; 2 are needed"))
        #expect(try program.run(["score", "-m", checkpoint, "--tokens", "5", "--top", "2"]).status == 0)
        let few = try program.run(["score", "-m", checkpoint, "--tokens", "1,2,3,4,5", "--window", "8"])
        #expect(few.errors.contains("error: 5 tokens are too few to score; 8 are needed\nhint: use a smaller --window"))
    }

    @Test func windowsFitTheContext() throws {
        let arguments = ["score", "-m", checkpoint, "--tokens", "1,2,3,4,5,6,7,8", "--window", "8"]
        let result = try Program().run(arguments + ["--context", "4"])
        #expect(result.status == 1)
        #expect(result.errors.contains("error: a window of 8 tokens does not fit into the context, which holds 4\n"))
        #expect(result.errors.contains("hint: use --window 4 or less, or --context 8\n"))
    }

    @Test func longContextsAreWarnedOf() throws {
        let arguments = ["score", "-m", checkpoint, "--attention", "exact", "--tokens", "1,2,3", "--context"]
        let program = try Program()
        let inspection = try program.json(["inspect", checkpoint, "--json"])
        let trained = try #require(inspection["context_length"]?.intValue)
        let long = try program.run(arguments + ["\(trained + 1)"])
        #expect(long.status == 0)
        #expect(long.errors.contains("warning: --context \(trained + 1) is more than the"))
        #expect(try program.run(arguments + ["\(trained)"]).errors.isEmpty)
    }

    @Test func countsOfAModalityThatNeverCame() throws {
        let program = try Program()
        _ = try program.run(["score", "-m", checkpoint, "--tokens", "1,2,3"])
        let audio = try program.run(["experts", "stats", "-m", checkpoint, "--modality", "audio"])
        #expect(audio.status == 1 && audio.output.isEmpty)
        #expect(audio.errors.contains("error: no choices by audio tokens were counted for olmoe\n"))
        #expect(audio.errors.contains("hint: what was counted: text\n"))
        let text = try program.run(["experts", "stats", "-m", checkpoint, "--modality", "text"])
        #expect(text.output.contains("choices, text only"))
        let file = try program.run(["experts", "stats", "-m", checkpoint, "--file", "/etc/hostname"])
        #expect(file.errors.hasPrefix("error: 'olmoe' has no tokenizer"))
        #expect(!file.errors.contains("--tokens") && !file.errors.contains("cache"))
    }

    @Test func sizesHaveSuffixes() throws {
        let result = try Program().json(["bench", "-m", checkpoint, "-p", "0.0078125K", "-n", "0", "-r", "1", "--json"])
        #expect(result["prompt_tokens"]?.intValue == 8)
    }
}

/// With the default model, which `make test` provides.
struct AnswerTests {
    private static let model = UserFolders.variable("SORANJI_TEST_MODEL")

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func savedConversationsAreNotReplaced() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let saved = program.folder + "/notes.md"
        try AtomicFile.write(Array("mine".utf8), to: saved)
        let refused = try program.run(["chat", "-m", model, "-n", "4"], input: "/save \(saved)\n")
        #expect(refused.status == 1)
        #expect(refused.errors.contains("error: \(saved) exists already\nhint: /save! \(saved) replaces it"))
        #expect(try DocumentReader().contents(of: saved) == Array("mine".utf8))
        let script = "Say hello.\n/regen\n/undo\nSay goodbye.\n/save! \(saved)\n"
        let replaced = try program.run(["chat", "-m", model, "-n", "4"], input: script)
        #expect(replaced.status == 0, "\(replaced.errors)")
        #expect(replaced.errors.contains("Taken back: Say hello."))
        let text = String(decoding: try DocumentReader().contents(of: saved), as: UTF8.self)
        #expect(text.contains("> Say goodbye.") && !text.contains("hello"))
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func answersEndBeforeAStopText() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let arguments = ["ask", "-m", model, "--json", "Count from one to ten in words."]
        let whole = try #require(try program.json(arguments)["answer"]?.stringValue)
        let middle = whole.index(whole.startIndex, offsetBy: whole.count / 2)
        let stop = String(whole[middle...].prefix(3))
        let cut = try program.json(arguments + ["--stop", "never comes", "--stop", stop])
        let answer = try #require(cut["answer"]?.stringValue)
        #expect(cut["stop_reason"]?.stringValue == "stop_text")
        #expect(whole.hasPrefix(answer) && !answer.contains(stop) && answer.count < whole.count)
        #expect(cut["sampling"]?["seed"]?.intValue == 0)
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func randomSeedsAreNamedAndCanBeUsedAgain() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let arguments = ["ask", "-m", model, "--json", "--temperature", "1.5", "-n", "16", "Tell me a story."]
        let random = try program.json(arguments + ["--seed", "-1"])
        let seed = try #require(random["sampling"]?["seed"]?.intValue)
        #expect(try program.json(arguments + ["--seed", "\(seed)"])["answer"] == random["answer"])
        let text = try program.run(["ask", "-m", model, "--temperature", "1", "-n", "4", "--seed", "7", "-v", "Hi"])
        #expect(text.errors.contains("temperature 1.0, seed 7"))
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func unlimitedAnswersFillTheContext() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let arguments = ["ask", "-m", model, "--json", "-n", "-1", "--temperature", "2", "--context", "96"]
        let answer = try program.json(arguments + ["Write a very long story about the sea."])
        let tokens = (answer["prompt_tokens"]?.intValue ?? 0) + (answer["answer_tokens"]?.intValue ?? 0)
        #expect(tokens == 96 || answer["stop_reason"]?.stringValue == "stop")
        let long = try program.run(["ask", "-m", model, "-n", "-1", "--context", "16", "Why is the sky so very blue?"])
        #expect(long.status == 1 && long.errors.contains("but the context holds 16"))
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func scoresOnlyUTF8() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let file = program.folder + "/latin1.txt"
        try AtomicFile.write(Array("caf".utf8) + [0xE9, 0x0A], to: file)
        let result = try program.run(["score", "-m", model, "--file", file])
        #expect(result.status == 1)
        #expect(result.errors.contains("error: \(file) is not UTF-8: invalid at byte 3\nhint: convert it"))
        try AtomicFile.write([], to: file)
        #expect(
            try program.run(["score", "-m", model, "--file", file]).errors.contains("error: there is nothing to score")
        )
    }
}

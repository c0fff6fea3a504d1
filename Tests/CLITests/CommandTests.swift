import Glibc
import JSONText
import Testing

@testable import Soranji
@testable import SoranjiCLI

struct MediaCommandTests {
    @Test func describesAndReadsAClip() throws {
        let program = try Program()
        let text = try program.run(["media", clip])
        #expect(text.status == 0)
        #expect(text.output.contains("* 0  video  h264  96x64, 10 frames/s, 30 frames, yuv420p"))
        #expect(text.output.contains("* 1  sound  aac   16,000 Hz, mono"))
        let json = try program.json(["media", clip, "--json", "--read", "--fps", "2"])
        #expect(json["streams"]?.arrayValue?.count == 2)
        #expect(json["seconds"]?.doubleValue == 3)
        #expect(json["read"]?["frames"]?.intValue == 6)
        #expect(json["read"]?["sound_seconds"]?.doubleValue == 3.008)
    }

    @Test func namesWhatIsNoClip() throws {
        let program = try Program()
        let missing = try program.run(["media", "/no/such.mp4"])
        #expect(missing.status == 1 && missing.errors.hasPrefix("error: /no/such.mp4: cannot open: No such file"))
        let text = try program.run(["media", #filePath])
        #expect(text.status == 1 && text.errors.contains("not a clip, recording or picture"))
        #expect(text.output.isEmpty)
        #expect(try program.run(["media", clip, "--read", "--fps=-1"]).status == 2)
    }
}

struct UsageTests {
    @Test(arguments: [
        (["--nonsense"], "error: Unknown option '--nonsense'", "hint: soranji --help"),
        (["nonsense"], "error: Unexpected argument 'nonsense'", "hint: soranji --help"),
        (["score"], "error: Give either --tokens or --file.", "hint: soranji score --help"),
        (["score", "--tokens", "1,x"], "'x' is not a token id", "hint: soranji score --help"),
        (
            ["score", "--tokens", "1", "--top=-1"], "error: --top must be from 0 to 1000",
            "hint: soranji score --help"
        ),
        (
            ["score", "--tokens", "1", "--window", "3"], "error: --window must be at least 4",
            "hint: soranji score --help"
        ),
        (
            ["ask", "--temperature=-1", "x"], "error: --temperature must be from 0 to 10, not -1.0.",
            "hint: soranji ask --help"
        ),
        (
            ["ask", "--threads", "0", "x"], "error: --threads must be from 1 to 1024, not 0.",
            "hint: soranji ask --help"
        ),
        (["ask", "--context", "lots", "x"], "expected a number such as 8192 or 32K", "hint: soranji ask --help"),
        (["ask", "--doc", "-"], "error: Standard input is the document", "hint: soranji ask --help"),
        (["ask", "  "], "error: The question is empty.", "hint: soranji ask --help"),
        (["chat", "--doc", "-"], "error: Standard input is the conversation", "hint: soranji chat --help"),
        (["import"], "error: Missing expected argument '<source>'", "hint: soranji import --help"),
        (["import", "a", "-o", "b", "--weights", "q3"], "'q3' is invalid", "hint: soranji import --help"),
        (
            ["experts", "heatmap", "-o", "a.jpg"], "error: --output must end in .png or .svg",
            "hint: soranji experts heatmap --help"
        ),
        (["generate", "x"], "error: Missing where the film goes", "hint: soranji generate --help"),
        (["generate", "-o", "a.mp4"], "error: Missing the prompt", "hint: soranji generate --help"),
        (["generate", "x", "-o", "a.avi"], "'a.avi' has an ending that is not known", "hint: soranji generate --help"),
        (["generate", "x", "-o", "a.mp4", "--size", "64"], "'64' is no size", "hint: soranji generate --help"),
        (
            ["generate", "x", "-o", "a.mp4", "--strength", "1"], "error: --strength needs --edit.",
            "hint: soranji generate --help"
        ),
        (
            ["generate", "x", "-o", "a.mp4", "--join", "a.mp4"], "error: --join needs two clips, not 1.",
            "hint: soranji generate --help"
        ),
        (["bench", "-p", "0", "-n", "0"], "nothing to measure", "hint: soranji bench --help"),
        (["tokenize", "--ids", "--count", "x"], "error: Only one of --ids, --count", "hint: soranji tokenize --help"),
        (["tokenize", "--decode", "1,-2"], "'-2' is not a token id", "hint: soranji tokenize --help"),
    ])
    func wrongCommandLinesEndWithTwo(_ arguments: [String], _ message: String, _ hint: String) throws {
        let result = try Program().run(arguments)
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        let lines = result.errors.split(separator: "\n")
        #expect(lines.first?.hasPrefix("error: ") == true)
        #expect(result.errors.contains(message))
        #expect(lines.last == Substring(hint))
    }

    @Test(arguments: [
        [], ["--help"], ["help", "ask"], ["ask", "-h"], ["chat", "--help"], ["tokenize", "--help"],
        ["inspect", "--help"],
        ["import", "--help"], ["experts", "--help"], ["experts", "stats", "--help"], ["experts", "heatmap", "--help"],
        ["score", "--help"], ["bench", "--help"], ["--version"], ["--generate-completion-script", "bash"],
    ])
    func helpGoesToStandardOutput(_ arguments: [String]) throws {
        let result = try Program().run(arguments)
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        #expect(!result.output.isEmpty)
        let help = result.output.split(separator: "\n")
        // The usage line lists every flag; the rest is wrapped.
        let wrapped = help.filter { !$0.hasPrefix("USAGE") }
        if !arguments.contains("bash") { #expect(wrapped.allSatisfy { $0.count <= 100 }) }
    }

    @Test func failuresEndWithOneAndAHint() throws {
        let program = try Program()
        let missing = try program.run(["ask", "-m", "/nonexistent", "x"])
        #expect(missing.status == 1)
        #expect(missing.errors.hasPrefix("error: there is no model at '/nonexistent'\nhint: "))
        let noDefault = try program.run(["ask", "x"])
        #expect(noDefault.status == 1)
        #expect(noDefault.errors.contains("no --model was given"))
        let document = try program.run(["ask", "--doc", "/nonexistent.txt", "x"])
        #expect(document.status == 1)
        #expect(
            document.errors == "error: cannot open /nonexistent.txt: No such file or directory\nhint: check the path\n"
        )
        let inspect = try program.run(["inspect", "/etc/passwd"])
        #expect(inspect.status == 1)
        #expect(inspect.errors.hasPrefix("error: /etc/passwd: "))
        let imported = try program.run(["import", "/etc", "-o", program.folder + "/b"])
        #expect(imported.status == 1)
        #expect(access(program.folder + "/b", F_OK) != 0)
    }
}

struct ModelCommandTests {
    @Test func importsInspectsScoresAndDraws() throws {
        let program = try Program()
        let bundle = program.folder + "/olmoe"
        let made = try program.run(["import", checkpoint, "-o", bundle, "--weights", "f32"])
        #expect(made.status == 0, "\(made.errors)")
        #expect(made.errors == "made \(bundle)\n")
        let again = try program.run(["import", checkpoint, "-o", bundle])
        #expect(again.status == 1)
        #expect(try program.run(["import", checkpoint, "-o", bundle, "--force"]).status == 0)

        let inspection = try program.json(["inspect", bundle, "--json"])
        #expect(inspection["architecture"]?.stringValue == "olmoe")
        #expect(try program.run(["inspect", bundle, "--tensors"]).output.contains("olmoe"))

        // Nothing was chosen yet.
        let early = try program.run(["experts", "stats", "-m", bundle])
        #expect(early.status == 1)
        #expect(early.errors.contains("hint: "))

        let array = program.folder + "/out.npy"
        let score = try program.json([
            "score", "-m", bundle, "--tokens", "1,5,9,2,7", "--top", "2", "--logits", array, "--json", "--threads", "1",
        ])
        #expect(score["scored_tokens"]?.intValue == 4)
        let positions = try #require(score["positions"]?.arrayValue)
        #expect(positions.map { $0["token"]?.intValue } == [5, 9, 2, 7])
        #expect(
            positions.allSatisfy { $0["top"]?.arrayValue?.count == 2 && ($0["log_probability"]?.doubleValue ?? 1) <= 0 }
        )
        let sum = positions.compactMap { $0["log_probability"]?.doubleValue }.reduce(0, +)
        #expect(abs(sum - (score["log_probability"]?.doubleValue ?? 0)) < 1e-9)
        var status = stat()
        #expect(stat(array, &status) == 0)
        let vocabulary = (Int(status.st_size) - 128) / 4 / 5
        #expect(128 + 5 * vocabulary * 4 == Int(status.st_size) && vocabulary > 10)

        let people = try program.run(["score", "-m", bundle, "--tokens", "1,5,9"])
        #expect(people.output.contains("perplexity"))
        let outside = try program.run(["score", "-m", bundle, "--tokens", "1,1000000"])
        #expect(outside.status == 1)
        #expect(outside.errors.contains("token 1000000 at position 1"))

        // The checkpoint itself is imported into the cache, once.
        let cached = try program.run(["score", "-m", checkpoint, "--tokens", "1,5,9"])
        #expect(cached.errors.hasPrefix("importing "))
        #expect(try program.run(["score", "-m", checkpoint, "--tokens", "1,5,9"]).errors.isEmpty)

        let usage = try program.json(["experts", "stats", "-m", bundle, "--json"])
        let layers = try #require(usage["layers"]?.arrayValue)
        let perToken = 8 * (inspection["router"]?["experts_per_token"]?.intValue ?? 0)
        #expect(layers.allSatisfy { $0["text"]?.arrayValue?.compactMap(\.intValue).reduce(0, +) == perToken })
        #expect(try program.run(["experts", "stats", "-m", bundle]).output.contains("evenness"))
        for (name, start) in [("heat.png", "\u{89}PNG"), ("heat.svg", "<svg")] {
            let path = program.folder + "/" + name
            #expect(try program.run(["experts", "heatmap", "-m", bundle, "-o", path]).status == 0)
            let bytes = try DocumentReader().contents(of: path)
            #expect(bytes.starts(with: start.unicodeScalars.map { UInt8($0.value) }))
        }
        let speed = try program.json(["bench", "-m", bundle, "-p", "8", "-n", "4", "-r", "2", "--json"])
        #expect(speed["prefill_samples"]?.arrayValue?.count == 2)
        #expect((speed["decode_tokens_per_second"]?.doubleValue ?? 0) > 0)
    }

    @Test func textNeedsATokenizer() throws {
        let program = try Program()
        for arguments in [["ask", "x"], ["tokenize", "x"], ["score", "--file", checkpoint + "/config.json"]] {
            let result = try program.run(arguments + ["-m", checkpoint])
            #expect(result.status == 1)
            #expect(result.errors.contains("has no tokenizer"))
        }
    }
}

/// With the default model, which `make test` provides.
struct DefaultModelTests {
    private static let model = UserFolders.variable("SORANJI_TEST_MODEL")

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func answersFromADocument() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let document = program.folder + "/boat.md"
        let text = """
            # The Petrel

            The Petrel is a small ferry. Her captain is Orla Quenby, who took over in 1998.

            The ferry is painted green. She carries forty passengers.
            """
        try AtomicFile.write(Array(text.utf8), to: document)
        let arguments = ["ask", "-m", model, "--doc", document, "-n", "40"]
        let plain = try program.run(arguments + ["--stats", "Who is the captain of the Petrel?"])
        #expect(plain.status == 0)
        #expect(plain.output.contains("Orla Quenby"))
        #expect(plain.output.hasSuffix("\n"))
        #expect(plain.errors.contains("\(document):3"))
        #expect(plain.errors.contains("tokens/s"))

        // The question over standard input, the answer as JSON: the same words for one thread and two.
        let answers = try ["1", "2"].map { threads in
            try program.json(arguments + ["--json", "-t", threads], input: "Who is the captain of the Petrel?\n")
        }
        #expect(answers[0]["answer"]?.stringValue == plain.output.trimmingWhitespace)
        #expect(answers[0]["answer"] == answers[1]["answer"])
        let source = try #require(answers[0]["sources"]?.arrayValue?.first)
        #expect(source["source"]?.stringValue == document)
        #expect(source["lines"]?.arrayValue?.compactMap(\.intValue) == [3, 3])

        let long = try program.run(["ask", "-m", model, "--context", "64", "--doc", document, "Who?"])
        #expect(long.status == 1)
        #expect(long.errors.contains("but the context holds 64"))
        #expect(long.output.isEmpty)
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func chatsOverAPipe() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let saved = program.folder + "/chat.md"
        let script = """
            /nonsense
            Say hello.
            /doc /nonexistent
            Two \\
            lines
            /stats
            /clear
            /save \(saved)
            """
        let result = try program.run(["chat", "-m", model, "-n", "8"], input: script)
        // Nobody sees what failed behind a pipe, but the status tells.
        #expect(result.status == 1)
        #expect(!result.output.trimmingWhitespace.isEmpty)
        #expect(result.errors.contains("there is no command /nonsense"))
        #expect(result.errors.contains("cannot open /nonexistent"))
        #expect(result.errors.contains("keys and values"))
        let text = String(decoding: try DocumentReader().contents(of: saved), as: UTF8.self)
        #expect(text.hasPrefix("# Conversation with "))
        #expect(!text.contains("hello"))
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func tokenizesThereAndBack() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let text = "Größe: 5 µm, 日本, 😀  <|im_end|>"
        let ids = try program.run(["tokenize", "-m", model, "--ids", text]).output.trimmingWhitespace
        #expect(try program.run(["tokenize", "-m", model, "--decode", ids]).output == text + "\n")
        let count = try program.run(["tokenize", "-m", model, "--count"], input: text).output
        #expect(count.trimmingWhitespace == "\(ids.split(separator: ",").count)")
        let tokens = try program.json(["tokenize", "-m", model, "--json", "--parse-special", "a<|im_end|>"])
        #expect(tokens["tokens"]?.arrayValue?.map { $0["special"]?.boolValue } == [false, true])
        #expect(try program.run(["tokenize", "-m", model, "--decode", "99999999"]).status == 1)
    }
}

struct ChatInputTests {
    @Test(arguments: [
        ("", ChatInput.blank), ("  \n", .blank), (" hi there ", .question("hi there")),
        ("/doc a b.pdf", .document("a b.pdf")),
        ("/video a b.mp4", .media(MediaInput(.video, path: "a b.mp4"))),
        ("/audio 'x.wav'", .media(MediaInput(.audio, path: "x.wav"))),
        ("/image p.png", .media(MediaInput(.image, path: "p.png"))), ("/image", .mistake("/image needs a file")),
        ("/doc \"a b.pdf\"", .document("a b.pdf")), ("/doc", .mistake("/doc needs a file")), ("/system", .system(nil)),
        ("/system be brief", .system("be brief")), ("/save x.md", .save("x.md", replacing: false)),
        ("/save! x.md", .save("x.md", replacing: true)),
        ("/save!", .mistake("/save needs a file")), ("/regen", .again), ("/undo", .undo), ("/clear", .clear),
        ("/stats", .stats),
        ("/help", .help), ("/q", .quit), ("/exit", .quit), ("/doc\nx", .question("/doc\nx")),
        ("/foo bar", .mistake("there is no command /foo; /help shows them")),
        ("/etc/passwd is what?", .question("/etc/passwd is what?")),
        ("/ 2", .question("/ 2")), ("a /doc", .question("a /doc")),
    ])
    func readsCommands(_ message: String, _ input: ChatInput) {
        #expect(ChatInput(message) == input)
    }

    @Test func completesCommandsAndPaths() throws {
        #expect(ChatCompletion.lines(for: "/s") == ["/save ", "/stats", "/system "])
        #expect(ChatCompletion.lines(for: "hello").isEmpty)
        #expect(ChatCompletion.lines(for: "/doc /et").contains("/doc /etc/"))
        #expect(ChatCompletion.lines(for: "/doc /nonexistent/x").isEmpty)
        for command in ["/video", "/audio", "/image"] {
            #expect(ChatCompletion.lines(for: command) == [command + " "])
            #expect(ChatCompletion.lines(for: command + " /et").contains(command + " /etc/"))
        }
    }
}

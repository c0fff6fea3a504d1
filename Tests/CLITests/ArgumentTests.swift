import ArgumentParser
import Soranji
import Testing

@testable import SoranjiCLI

struct ArgumentTests {
    @Test(arguments: [
        ("1", 1), ("512M", 512 << 20), ("4G", 4 << 30), ("4g", 4 << 30), ("1.5GiB", 3 << 29), ("32K", 32768), ("7B", 7),
        ("1T", 1 << 40), ("0.5kb", 512),
    ])
    func readsByteSizes(_ text: String, _ bytes: Int) throws {
        #expect(try ByteSize.parse(text).bytes == bytes)
    }

    @Test(arguments: [
        "", "0", "-1", "-4G", "G", "4X", "4GG", "1e9", "4 G", "2000T", "99999999999999999999G", "0.1", ".5G", "5.G",
        "1.2.3G",
        "٤G", "nan", "inf", "0x10", "4Gi",
    ])
    func refusesByteSizes(_ text: String) {
        #expect(throws: InvalidValue.self) { try ByteSize.parse(text) }
    }

    @Test(arguments: [("1", 1), ("8192", 8192), ("32K", 32768), ("1M", 1 << 20), ("1.5k", 1536)])
    func readsTokenCounts(_ text: String, _ tokens: Int) throws {
        #expect(try TokenCount.parse(text).tokens == tokens)
    }

    @Test(arguments: ["0", "-1", "4KB", "1.0001K", "2G", "many"])
    func refusesTokenCounts(_ text: String) {
        #expect(throws: InvalidValue.self) { try TokenCount.parse(text) }
    }

    @Test(arguments: [
        ["--temperature", "-1"], ["--temperature", "nan"], ["--temperature", "11"], ["--top-p", "0"],
        ["--top-p", "1.1"],
        ["--min-p", "1"], ["--repetition-penalty", "0"], ["--repetition-penalty", "inf"], ["--top-k", "-1"],
        ["--max-tokens", "0"], ["--max-tokens", "-2"], ["--seed", "-2"], ["--seed", "x"], ["--presence-penalty", "11"],
        ["--frequency-penalty", "nan"], ["--stop", ""],
    ])
    func refusesSamplingFlags(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try SamplingFlags.parse(arguments) }
    }

    @Test func minusOneIsNoMistake() throws {
        let sampling = try SamplingFlags.parse(["--seed", "-1", "-n", "-1", "--presence-penalty", "-0.5"])
        #expect(sampling.seed == .random && sampling.maxTokens.tokens == nil && sampling.presencePenalty == -0.5)
        #expect(try SamplingFlags.parse(["--max-tokens", "2K"]).maxTokens.tokens == 2048)
        let first = sampling.choice(recommended: nil).options.seed
        #expect((0..<8).contains { _ in sampling.choice(recommended: nil).options.seed != first })
    }

    @Test func flagsGoBeforeTheModelsOwnSettings() throws {
        var recommended = SamplingOptions()
        recommended.temperature = 0.6
        recommended.topK = 20
        let plain = try SamplingFlags.parse([]).choice(recommended: recommended)
        #expect(plain.options == recommended && plain.fromModel == ["temperature", "top_k"])
        let flags = try SamplingFlags.parse(["--temperature", "0", "--top-p", "0.9"]).choice(recommended: recommended)
        #expect(flags.options.temperature == 0 && flags.options.topK == 20 && flags.options.topP == 0.9)
        #expect(flags.fromModel == ["top_k"])
        #expect(flags.lines(style: Style(isEnabled: false)).last == "  temperature 0.0")
        #expect(
            plain.lines(style: Style(isEnabled: false)).last
                == "  temperature 0.6 (the model's), top-k 20 (the model's), seed 0"
        )
        #expect(try SamplingFlags.parse([]).choice(recommended: nil).options == SamplingOptions())
    }

    @Test func readsSharedOptions() throws {
        let sampling = try SamplingFlags.parse([
            "--temperature", "0.7", "--top-k", "40", "--seed", "18446744073709551615",
        ])
        #expect(sampling.temperature == 0.7 && sampling.topK == 40 && sampling.seed == .number(.max))
        let model = try ModelFlags.parse(["-m", "a.gguf", "--threads", "2", "--context", "32K"])
        #expect(model.model == "a.gguf" && model.threads == 2 && model.context?.tokens == 32768)
        for wrong in [["-m", ""], ["-m", "a", "-t", "0"], ["-m", "a", "-t", "5000"], ["-m", "a", "-c", "0"]] {
            #expect(throws: (any Error).self) { try ModelFlags.parse(wrong) }
        }
    }
}

struct ErrorReportTests {
    @Test func usageErrorsEndWithTwo() throws {
        let error = try #require(throws: (any Error).self) { try SoranjiCommand.parseAsRoot(["--nonsense"]) }
        let report = ErrorReport(error, root: SoranjiCommand.self)
        #expect(report.exitCode == 2)
        #expect(report.text == "error: Unknown option '--nonsense'\nhint: soranji --help")
    }

    @Test func helpIsOutput() throws {
        let error = try #require(throws: (any Error).self) { try SoranjiCommand.parseAsRoot(["--version"]) }
        let report = ErrorReport(error, root: SoranjiCommand.self)
        #expect(report.exitCode == 0 && report.isForStandardOutput)
    }

    @Test func failuresEndWithOne() {
        let report = ErrorReport(Failure("no such file: a", hint: "check the path"), root: SoranjiCommand.self)
        #expect(report.exitCode == 1)
        #expect(report.text == "error: no such file: a\nhint: check the path")
        let styled = ErrorReport(Failure("x"), root: SoranjiCommand.self, style: Style(isEnabled: true))
        #expect(styled.text == "\u{1B}[1m\u{1B}[31merror:\u{1B}[0m\u{1B}[0m x")
    }

    @Test func coloursFollowTheVariables() {
        #expect(Style.isWanted(isTerminal: true) { ["TERM": "xterm"][$0] })
        #expect(!Style.isWanted(isTerminal: false) { ["TERM": "xterm"][$0] })
        #expect(!Style.isWanted(isTerminal: true) { ["TERM": "dumb"][$0] })
        #expect(!Style.isWanted(isTerminal: true) { ["TERM": "xterm", "NO_COLOR": "1"][$0] })
        #expect(Style.isWanted(isTerminal: true) { ["TERM": "xterm", "NO_COLOR": ""][$0] })
        #expect(Style.isWanted(isTerminal: false) { ["CLICOLOR_FORCE": "1"][$0] })
    }
}

struct ProgressLineTests {
    private func line(_ completed: Int, of total: Int?, after elapsed: Double, unit: ProgressBar.Unit = .tokens)
        -> ProgressLine
    {
        ProgressLine(
            phase: "reading",
            completed: completed,
            total: total,
            unit: unit,
            elapsed: elapsed,
            newlyCompleted: completed
        )
    }

    @Test func saysHowFarAndHowLong() {
        let text = line(1024, of: 4096, after: 4).text(columns: 100)
        #expect(text == "reading  ███████░░░░░░░░░░░░░░░░░░░░░░░  25%  1,024/4,096 tokens  256 tokens/s  12.0 s left")
        #expect(line(10, of: nil, after: 4).text(columns: 80) == "reading  10 tokens  2.5 tokens/s")
        let bytes = line(1 << 30, of: 4 << 30, after: 2, unit: .bytes).text(columns: 60)
        #expect(bytes == "reading  25%  1.0 GiB/4.0 GiB  512.0 MiB/s  6.00 s left")
        #expect(line(0, of: 10, after: 0).text(columns: 30) == "reading  0%  0/10 tokens")
    }

    @Test(arguments: [0, 1, 10, 20, 40, 60, 200])
    func fitsTheTerminal(_ columns: Int) {
        for completed in [0, 5, 10, 20, Int.max] {
            for total in [nil, 0, 10, Int.max] {
                for elapsed in [0, 0.3, 1e9] {
                    let text = line(completed, of: total, after: elapsed).text(columns: columns)
                    #expect(CharacterWidth.columns(text) <= columns)
                }
            }
        }
    }
}

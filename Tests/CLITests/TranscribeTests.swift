import ArgumentParser
import Soranji
import Testing

@testable import SoranjiCLI

struct TranscribeTests {
    private func parse(_ arguments: String...) throws -> TranscribeCommand {
        try #require(try SoranjiCommand.parseAsRoot(["transcribe"] + arguments) as? TranscribeCommand)
    }

    @Test func readsItsOptions() throws {
        let command = try parse(
            "talk.wav",
            "--model",
            "m",
            "--language",
            "de",
            "--task",
            "translate",
            "--format",
            "srt"
        )
        #expect(command.file == "talk.wav" && command.language == "de")
        #expect(command.task == .translate && command.format == .srt)
        #expect(try parse("a", "-m", "m", "--json", "--format", "json").json)
    }

    @Test(arguments: [
        ["talk.wav"], ["--model", "m"], ["a", "--model", ""], ["a", "-m", "m", "--json", "--format", "srt"],
        ["a", "-m", "m", "--timestamps", "--json"], ["a", "-m", "m", "--timestamps", "--format", "vtt"],
        ["a", "-m", "m", "--task", "sing"], ["a", "-m", "m", "--threads", "0"], ["a", "-m", "m", "--format", "doc"],
    ])
    func refusesWhatDoesNotGoTogether(arguments: [String]) {
        #expect(throws: (any Error).self) { try SoranjiCommand.parseAsRoot(["transcribe"] + arguments) }
    }
}

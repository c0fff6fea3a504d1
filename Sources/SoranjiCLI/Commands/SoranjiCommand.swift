import ArgumentParser
import Soranji

/// The root of the command line.
struct SoranjiCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soranji",
        abstract: "Answers questions and films clips with mixture-of-experts models, on an ordinary CPU.",
        discussion: """
            Examples:
              soranji ask --doc handbook.pdf "How often is the horn sounded?"
              soranji chat --model model.gguf

            Models that are not bundles yet are imported once, into $SORANJI_CACHE, else $XDG_CACHE_HOME/soranji, else \
            ~/.cache/soranji; "soranji models" lists and removes them. Exit codes: 0 done, 1 failed, 2 wrong command \
            line, 130 stopped by Ctrl-C.
            """,
        version: SoranjiVersion.current,
        subcommands: [
            AskCommand.self, ChatCommand.self, GenerateCommand.self, RetellCommand.self, SessionCommand.self,
            TokenizeCommand.self, InspectCommand.self, ImportCommand.self, ModelsCommand.self, ExpertsCommand.self,
            MediaCommand.self, ScoreCommand.self, TranscribeCommand.self, BenchCommand.self, EvalCommand.self,
            PlanCommand.self, BookCommand.self,
        ]
    )
}

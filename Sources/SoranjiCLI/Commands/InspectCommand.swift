import ArgumentParser
import JSONText
import ModelFiles
import Soranji

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a model file holds.",
        discussion: """
            Architecture, sizes by part, weight types, tokenizer, routers and licence of a bundle, a GGUF file or a \
            Hugging Face folder. Only headers are read.

            Examples:
              soranji inspect model.gguf
              soranji inspect ~/models/OLMoE-1B-7B --json
            """
    )

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Also list every tensor.")
    var tensors = false

    @Argument(
        help: "A bundle, a GGUF file or a Hugging Face folder; the default model when it is left out.",
        completion: .file()
    )
    var path: String?

    func run() throws {
        let inspection = try Inspection(path: path ?? defaultPath())
        let text = json ? inspection.json.text(indented: true) : inspection.text(listsTensors: tensors)
        try Terminal.standardOutput.outputLine(text.trimmingWhitespace)
    }

    private func defaultPath() throws -> String {
        guard let cache = UserFolders.cache() else { throw RuntimeError.noCacheFolder }
        return cache + "/models/" + ModelLocator.defaultModelName
    }
}

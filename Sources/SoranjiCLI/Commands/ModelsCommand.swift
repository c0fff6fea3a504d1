import ArgumentParser
import Glibc
import JSONText
import Soranji

struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "List the imported models in the cache folder, and remove them.",
        discussion: """
            GGUF files and folders that were given to --model are imported into the cache folder once. What lies there is a \
            copy: as long as its source is there it is made again when it is needed. Sources are never touched.
            """,
        subcommands: [List.self, Remove.self],
        defaultSubcommand: List.self
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List names, sizes, sources and the last use, most recent first.",
            discussion: """
                'outdated' copies are of a source that has changed since, 'orphaned' ones of a source that is gone.

                Example:
                  soranji models list --json
                """
        )

        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            let models = try ModelCache.list()
            if json {
                let report: JSON = [
                    "folder": .string(try ModelCache.folder()), "models": .array(models.map(\.json)),
                ]
                try Terminal.standardOutput.outputLine(report.text(indented: true))
                return
            }
            guard !models.isEmpty else {
                Terminal.standardError.writeLine("no model was imported into \(try ModelCache.folder()) yet")
                return
            }
            var rows = [["name", "size", "last use", "source"]]
            for model in models {
                let state = model.state == .outdated || model.state == .orphaned ? " (\(model.state.rawValue))" : ""
                rows.append([
                    model.name, FixedPoint.bytes(model.byteCount), LocalTime.text(model.lastUse), model.source + state,
                ])
            }
            for line in TextTable.lines(rows, rightAligned: [1]) { try Terminal.standardOutput.outputLine(line) }
            let bytes = models.reduce(0) { $0 &+ $1.byteCount }
            Terminal.standardError.writeLine(
                "\(FixedPoint.count(models.count, "model")), \(FixedPoint.bytes(bytes)) in \(try ModelCache.folder())"
            )
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Remove imported models from the cache folder.",
            discussion: """
                On a terminal it asks first; elsewhere --yes is needed. What killed imports left behind goes too.

                Examples:
                  soranji models rm SmolLM2-135M-Instruct.Q4_1-0123456789abcdef
                  soranji models rm --unused-days 30 --yes
                  soranji models rm --outdated
                """
        )

        @Argument(help: ArgumentHelp("Names, as 'list' shows them, or their beginnings.", valueName: "name"))
        var names: [String] = []

        @Flag(help: "Remove all of them.")
        var all = false

        @Flag(help: "Remove copies of sources that have changed or are gone.")
        var outdated = false

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp("Remove what was not used for so many days.", valueName: "days")
        )
        var unusedDays: Int?

        @Flag(name: [.short, .long], help: "Do not ask.")
        var yes = false

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws {
            if [!names.isEmpty, all, outdated, unusedDays != nil].count(where: { $0 }) != 1 {
                throw ValidationError("Give names, --all, --outdated or --unused-days.")
            }
            if let unusedDays, !(0...100_000).contains(unusedDays) {
                throw ValidationError("--unused-days must be from 0 to 100000, not \(unusedDays).")
            }
        }

        func run() throws {
            let chosen = try choose(from: ModelCache.list())
            if !chosen.isEmpty, !yes {
                let details = chosen.map { "  \($0.name)  \(FixedPoint.bytes($0.byteCount))" }
                try Confirmation.ask("remove", [summary(chosen)], details: details)
            }
            for model in chosen { try ModelCache.remove(model) }
            let leftovers = try ModelCache.removeLeftovers()
            if json {
                let report: JSON = [
                    "removed": .array(chosen.map(\.json)), "leftovers": .integer(Int64(leftovers)),
                ]
                try Terminal.standardOutput.outputLine(report.text(indented: true))
                return
            }
            Terminal.standardError.writeLine(
                "removed \(summary(chosen))"
                    + (leftovers > 0 ? " and \(FixedPoint.count(leftovers, "unfinished import"))" : "")
            )
        }

        private func choose(from models: [CachedModel]) throws -> [CachedModel] {
            if all { return models }
            if outdated { return models.filter { $0.state == .outdated || $0.state == .orphaned } }
            if let unusedDays {
                let limit = Double(time(nil)) - Double(unusedDays) * 86400
                return models.filter { $0.lastUse <= limit }
            }
            var chosen: [CachedModel] = []
            for name in names {
                let exact = models.filter { $0.name == name }
                let matches = exact.isEmpty ? models.filter { $0.name.hasPrefix(name) } : exact
                guard let match = matches.first, !name.isEmpty else {
                    throw Failure("there is no imported model '\(name)'", hint: "soranji models list")
                }
                guard matches.count == 1 else {
                    throw Failure(
                        "'\(name)' is the beginning of \(matches.count) names",
                        hint: "which one: \(matches.map(\.name).joined(separator: ", "))"
                    )
                }
                if !chosen.contains(match) { chosen.append(match) }
            }
            return chosen
        }

        private func summary(_ models: [CachedModel]) -> String {
            let bytes = models.reduce(0) { $0 &+ $1.byteCount }
            return FixedPoint.count(models.count, "model") + (models.isEmpty ? "" : " (\(FixedPoint.bytes(bytes)))")
        }
    }
}

/// Times as people of this machine read them.
enum LocalTime {
    /// `2026-01-31 08:15`; "?" where there is no such time.
    static func text(_ seconds: Double) -> String {
        guard var value = time_t(exactly: seconds.rounded(.down)) else { return "?" }
        var parts = tm()
        guard localtime_r(&value, &parts) != nil else { return "?" }
        var buffer = [CChar](repeating: 0, count: 64)
        let count = strftime(&buffer, buffer.count, "%Y-%m-%d %H:%M", &parts)
        return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

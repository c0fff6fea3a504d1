import ArgumentParser
import JSONText
import Soranji

struct SessionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session",
        abstract: "Look after stored sessions: what was read once and is not read again.",
        discussion: """
            Sessions are made by 'soranji ask --session NAME'. They lie in $SORANJI_SESSIONS, else in \
            $XDG_DATA_HOME/soranji/sessions, else in ~/.local/share/soranji/sessions, one folder each.

            Examples:
              soranji ask --session book --doc book.txt "Who finds the key?"
              soranji session list
              soranji session fork book draft
              soranji session verify book
            """,
        subcommands: [
            List.self, Show.self, Fork.self, Export.self, Import.self, Remove.self, Verify.self, Prune.self,
        ],
        defaultSubcommand: List.self
    )

    /// Where sessions lie, and how results are printed.
    struct Shared: ParsableArguments {
        @Flag(help: "Print JSON.")
        var json = false

        var store: SessionStore { get throws { try SessionStore.standard() } }

        func print(_ value: JSON) throws(OutputError) {
            try Terminal.standardOutput.outputLine(value.text(indented: true))
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List sessions, the last changed first.",
            discussion: """
                Example:
                  soranji session list --json
                """
        )

        @OptionGroup var shared: Shared

        func run() throws {
            let store = try shared.store
            let sessions = try store.list()
            if shared.json {
                try shared.print(["folder": .string(store.folder), "sessions": .array(sessions.map(\.json))])
                return
            }
            guard !sessions.isEmpty else {
                Terminal.standardError.writeLine("no session in \(store.folder) yet")
                return
            }
            var rows = [["name", "tokens", "size", "kv", "last change", "model"]]
            for session in sessions {
                let missing = session.tokens - session.storedTokens
                let tokens = FixedPoint.grouped(session.tokens) + (missing > 0 ? " (\(missing) to read)" : "")
                let parents = session.parents.isEmpty ? "" : ", pages of \(session.parents.joined(separator: ", "))"
                rows.append([
                    session.name, tokens, FixedPoint.bytes(session.byteCount), session.cacheElement,
                    session.lastChange > 0 ? LocalTime.text(session.lastChange) : "-",
                    session.problem ?? session.model + parents,
                ])
            }
            for line in TextTable.lines(rows, rightAligned: [1, 2]) { try Terminal.standardOutput.outputLine(line) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what a session holds: documents, clips, turns that were kept.",
            discussion: """
                Example:
                  soranji session show book
                """
        )

        @OptionGroup var shared: Shared
        @Argument(help: "The session.") var name: String

        func run() throws {
            let contents = try shared.store.contents(name)
            if shared.json { return try shared.print(contents.json) }
            let output = Terminal.standardOutput
            for line in SessionText(contents, style: output.style).lines { try output.outputLine(line) }
        }
    }

    struct Fork: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a session that begins as another one is now. Pages are shared, not copied.",
            discussion: """
                Example:
                  soranji session fork book draft
                """
        )

        @OptionGroup var shared: Shared
        @Argument(help: "The session to begin with.") var name: String
        @Argument(help: ArgumentHelp("The new session.", valueName: "new-name")) var newName: String

        func run() throws {
            let summary = try shared.store.fork(name, as: newName)
            if shared.json { return try shared.print(summary.json) }
            Terminal.standardError.writeLine(
                "\(newName) begins with the \(FixedPoint.count(summary.tokens, "token")) of \(name); "
                    + "it takes \(FixedPoint.bytes(summary.byteCount))"
            )
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a session with all its pages into one file.",
            discussion: """
                Example:
                  soranji session export book book.session
                """
        )

        @OptionGroup var shared: Shared
        @Argument(help: "The session.") var name: String
        @Argument(help: "The file; it must not be there yet.", completion: .file()) var file: String

        func validate() throws {
            if file.isEmpty { throw ValidationError("The file has no name.") }
        }

        func run() throws {
            let progress = ProgressBar()
            defer { progress.clear() }
            try SessionProgress.watch(progress, "writing") { step in
                try shared.store.export(name, to: file, onProgress: step)
            }
            progress.clear()
            if shared.json { return try shared.print(["name": .string(name), "file": .string(file)]) }
            Terminal.standardError.writeLine("\(name) is in \(file)")
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a session of an exported file.",
            discussion: """
                Every byte is checked before the session is there.

                Example:
                  soranji session import book.session book
                """
        )

        @OptionGroup var shared: Shared
        @Argument(help: "What 'soranji session export' wrote.", completion: .file()) var file: String
        @Argument(help: "The new session.") var name: String

        func run() throws {
            let progress = ProgressBar()
            defer { progress.clear() }
            let summary = try SessionProgress.watch(progress, "reading") { step in
                try shared.store.importSession(from: file, as: name, onProgress: step)
            }
            progress.clear()
            if shared.json { return try shared.print(summary.json) }
            Terminal.standardError.writeLine("\(name): \(FixedPoint.count(summary.tokens, "token"))")
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Remove sessions.",
            discussion: """
                Pages that forks use stay on the disk, under no name, until the forks are removed as well.
                On a terminal it asks first; elsewhere --yes is needed.

                Example:
                  soranji session rm draft --yes
                """
        )

        @OptionGroup var shared: Shared
        @Argument(help: ArgumentHelp("The sessions.", valueName: "name")) var names: [String]
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false

        func run() throws {
            let store = try shared.store
            // Nobody is asked about what is not there.
            for name in names { try store.checkExists(name) }
            if !yes { try Confirmation.ask("remove", names) }
            var removed: [JSON] = []
            for name in names {
                let removal = try store.remove(name)
                removed.append([
                    "name": .string(name), "freed_bytes": .integer(Int64(removal.freedBytes)),
                    "kept_for": .array(removal.keptFor.map(JSON.string)),
                ])
                guard !shared.json else { continue }
                let kept =
                    removal.keptFor.isEmpty
                    ? "" : "; its pages stay for \(removal.keptFor.joined(separator: ", "))"
                Terminal.standardError.writeLine(
                    "removed \(name), \(FixedPoint.bytes(removal.freedBytes)) are free now\(kept)"
                )
            }
            if shared.json { try shared.print(["removed": .array(removed)]) }
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compare every byte of sessions with its checksum.",
            discussion: """
                Exit code 1 when something is damaged. --repair cuts off what is. Damaged pages are read anew with the next \
                question, for their tokens are known; a damaged journal loses the tokens and documents from the damage on.

                Examples:
                  soranji session verify book
                  soranji session verify book --repair
                """
        )

        @OptionGroup var shared: Shared
        @Argument(help: ArgumentHelp("The sessions; all of them when none is named.", valueName: "name"))
        var names: [String] = []
        @Flag(help: "Cut off what is damaged.") var repair = false

        func run() throws {
            let store = try shared.store
            let progress = ProgressBar()
            defer { progress.clear() }
            var isSound = true
            var reports: [JSON] = []
            let names = names.isEmpty ? try store.list().map(\.name) : names
            if names.isEmpty, !shared.json { Terminal.standardError.writeLine("no session in \(store.folder) yet") }
            for name in names {
                let found = try SessionProgress.watch(progress, "checking \(name)") { step in
                    try store.verify(name, repairing: repair, onProgress: step)
                }
                progress.clear()
                isSound = isSound && found.isSound
                reports.append(found.json)
                guard !shared.json else { continue }
                let output = Terminal.standardOutput
                try output.outputLine(
                    found.isSound
                        ? "\(name): sound, \(FixedPoint.count(found.records, "record")), \(FixedPoint.bytes(found.byteCount))"
                        : "\(name): damaged" + (repair ? ", and cut back to what is sound" : "")
                )
                for damage in found.damage {
                    try output.outputLine("  \(damage.text)" + (damage.isNeeded ? "" : " (not in use)"))
                }
                for note in found.notes { try output.outputLine("  \(note)") }
            }
            if shared.json { try shared.print(["sessions": .array(reports)]) }
            if !isSound { throw ExitCode(ExitStatus.failure) }
        }
    }

    struct Prune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give back disk space that no session uses.",
            discussion: """
                Earlier states of last pages, what killed processes left, and pages of removed sessions whose forks are gone.

                Example:
                  soranji session prune
                """
        )

        @OptionGroup var shared: Shared

        func run() throws {
            let result = try shared.store.prune()
            if shared.json {
                return try shared.print([
                    "freed_bytes": .integer(Int64(result.freedBytes)), "pages": .integer(Int64(result.records)),
                    "leftovers": .integer(Int64(result.leftovers)), "busy": .array(result.busy.map(JSON.string)),
                ])
            }
            let notes = Terminal.standardError
            notes.writeLine(
                result.freedBytes > 0
                    ? "\(FixedPoint.bytes(result.freedBytes)) are free now" : "there was nothing to give back"
            )
            if !result.busy.isEmpty { notes.writeLine("in use: \(result.busy.joined(separator: ", "))") }
        }
    }
}

/// Shows how far work on a session is; Ctrl-C ends it.
enum SessionProgress {
    static func watch<Value>(
        _ bar: ProgressBar,
        _ title: String,
        _ body: (_ step: (Int, Int) throws -> Void) throws -> Value
    ) throws -> Value {
        try Interrupt.watch {
            try body { done, total in
                guard !Interrupt.isRequested else { throw ExitStatus.interrupted }
                bar.update(title, completed: done, total: total, unit: .bytes)
            }
        }
    }
}

/// A session's contents for people.
struct SessionText {
    var lines: [String] = []

    init(_ contents: SessionStore.Contents, style: Style) {
        let summary = contents.summary
        lines.append(style.bold(summary.name) + style.dim("  \(contents.identifier)"))
        lines.append("  made with  \(summary.model), \(LocalTime.text(summary.created))")
        let missing = summary.tokens - summary.storedTokens
        lines.append(
            "  tokens     \(FixedPoint.grouped(summary.tokens))"
                + (missing > 0 ? ", of which \(FixedPoint.grouped(missing)) are still to be read" : "")
        )
        lines.append(
            "  pages      \(FixedPoint.grouped(summary.pages)), \(FixedPoint.bytes(summary.byteCount)) of its own"
        )
        if !summary.parents.isEmpty { lines.append("  parents    \(summary.parents.joined(separator: ", "))") }
        if !contents.forks.isEmpty { lines.append("  forks      \(contents.forks.joined(separator: ", "))") }
        if let system = contents.systemPrompt { lines.append("  system     \(system)") }
        for document in contents.documents {
            lines.append("  document   \(document.source), \(FixedPoint.bytes(document.byteCount))")
        }
        for entry in contents.media.entries {
            let seconds = entry.seconds.map { ", \(FixedPoint.duration($0))" } ?? ""
            lines.append(
                "  \(entry.kind.rawValue.padding(to: 9))  \(entry.source)\(seconds), "
                    + FixedPoint.count(entry.tokens, "token")
            )
        }
        for message in contents.messages {
            lines.append("  \(message.role.rawValue.padding(to: 9))  \(message.text.replacing("\n", with: " "))")
        }
    }
}

extension String {
    /// With spaces after it up to so many characters.
    fileprivate func padding(to count: Int) -> String {
        self + String(repeating: " ", count: max(0, count - self.count))
    }
}

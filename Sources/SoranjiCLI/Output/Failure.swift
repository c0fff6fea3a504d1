import ArgumentParser
import Media
import ModelFiles
import Soranji

/// Exit codes of the program.
enum ExitStatus {
    static let success: Int32 = 0
    static let failure: Int32 = 1
    /// The command line itself is wrong.
    static let usage: Int32 = 2
    /// Ctrl-C, as shells report a process that SIGINT ended.
    static let interrupted = ExitCode(130)
}

/// Why a command cannot do its work, with what helps.
struct Failure: HintedError {
    var description: String
    var hint: String?
    var exitCode = ExitStatus.failure

    init(_ description: String, hint: String? = nil) {
        self.description = description
        self.hint = hint
    }

    /// - Parameter rest: what became of the work.
    static func interrupted(_ rest: String = "") -> Failure {
        var failure = Failure("stopped by Ctrl-C" + (rest.isEmpty ? "" : "; \(rest)"))
        failure.exitCode = ExitStatus.interrupted.rawValue
        return failure
    }
}

/// How an error is shown and what exit code it gives: `error: …`, then `hint: …`.
struct ErrorReport: Equatable {
    var text: String
    var isForStandardOutput = false
    var exitCode: Int32

    /// - Parameter root: the command whose parser gave the error.
    init(_ error: any Error, root: any ParsableCommand.Type, style: Style = Style(isEnabled: false)) {
        let code = root.exitCode(for: error)
        if code == .success {
            // Help and version are asked for, so they are the output.
            self.init(text: root.fullMessage(for: error), isForStandardOutput: true, exitCode: ExitStatus.success)
        } else if code == .validationFailure {
            self.init(
                message: Self.trimmed(root.message(for: error)),
                hint: Self.helpCommand(in: root.fullMessage(for: error), root: root),
                exitCode: ExitStatus.usage,
                style: style
            )
        } else if let exit = error as? ExitCode {
            self.init(text: "", exitCode: exit.rawValue)
        } else if let error = error as? ModelFileError {
            self.init(
                message: "\(error.path): \(error.reason)",
                hint: error.hint,
                exitCode: ExitStatus.failure,
                style: style
            )
        } else if let error = error as? MediaError {
            self.init(
                message: "\(error.path): \(error.reason)",
                hint: error.hint,
                exitCode: ExitStatus.failure,
                style: style
            )
        } else {
            let hinted = error as? any HintedError
            let hint = hinted?.hint
            let plain = hinted?.isUsage == true ? ExitStatus.usage : ExitStatus.failure
            let code = (error as? Failure)?.exitCode ?? plain
            self.init(message: Self.trimmed("\(error)"), hint: hint, exitCode: code, style: style)
        }
    }

    private init(text: String, isForStandardOutput: Bool = false, exitCode: Int32) {
        self.text = text
        self.isForStandardOutput = isForStandardOutput
        self.exitCode = exitCode
    }

    private init(message: String, hint: String?, exitCode: Int32, style: Style) {
        var lines = [style.bold(style.red("error:")) + " " + message]
        if let hint { lines.append(style.bold(style.cyan("hint:")) + " " + hint) }
        self.init(text: lines.joined(separator: "\n"), exitCode: exitCode)
    }

    /// The parser ends its usage text with "See 'soranji ask --help' for more information."
    private static func helpCommand(in message: String, root: any ParsableCommand.Type) -> String {
        let quoted = message.split(separator: "'").last { $0.hasSuffix(" --help") || $0.hasSuffix(" -h") }
        return quoted.map(String.init) ?? "\(root._commandName) --help"
    }

    private static func trimmed(_ message: String) -> String {
        var message = message
        while message.last?.isWhitespace == true { message.removeLast() }
        return message
    }
}

import Glibc
import Soranji

/// What is known of an output: whether a person looks at it, how wide it is, whether it shows colours.
struct Terminal: Sendable {
    static let standardOutput = Terminal(descriptor: STDOUT_FILENO)
    static let standardError = Terminal(descriptor: STDERR_FILENO)

    let descriptor: Int32

    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Columns and rows; 80 by 24 where the system does not say.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Colours for terminals, unless `NO_COLOR` is set or the terminal is dumb; `CLICOLOR_FORCE` asks for them anyway.
    var style: Style {
        Style(isEnabled: Style.isWanted(isTerminal: isTerminal, variable: UserFolders.variable))
    }

    /// Writes notes and drawings, at once. Where they cannot be written there is nobody left to tell.
    func write(_ text: String) { _ = send(text) }

    func writeLine(_ text: String = "") { write(text + "\n") }

    /// Writes what a command was asked for, at once: losing some of it is a failure of the command.
    func output(_ text: String) throws(OutputError) {
        let code = send(text)
        guard code == 0 else { throw OutputError(code: code) }
    }

    func outputLine(_ text: String = "") throws(OutputError) { try output(text + "\n") }

    /// Past the C library's buffer, so that every token is seen when it comes.
    ///
    /// - Returns: 0, or `errno`.
    private func send(_ text: String) -> Int32 {
        var text = text
        return text.withUTF8 { bytes -> Int32 in
            var offset = 0
            while offset < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[offset...])
                let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if written > 0 {
                    offset += written
                } else if written == 0 {
                    return EIO
                } else if errno != EINTR {
                    return errno
                }
            }
            return 0
        }
    }
}

/// Standard output takes no more.
struct OutputError: HintedError, Equatable {
    /// The value of `errno`.
    var code: Int32

    /// Whoever read the output has seen enough, as `head` has: no reason to complain.
    var isClosedPipe: Bool { code == EPIPE }

    var description: String { "cannot write to standard output: \(String(cString: strerror(code)))" }

    var hint: String? { code == ENOSPC || code == EDQUOT ? "free some disk space" : nil }
}

/// Standard input, output and error as other programs expect them.
enum StandardStreams {
    /// Streams that were closed before the start are taken up by `/dev/null`, opened the wrong way round: else the next
    /// file that is opened would become one of them, and text for people would go into it. A pipe that is closed later
    /// is an error of the write, not the silent end of the process; so is a file that may not grow (`ulimit -f`).
    static func prepare() {
        for (stream, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(stream, F_GETFD) == -1 {
            // The lowest free number is the one that is missing.
            _ = open("/dev/null", mode)
        }
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Ends the process as a closed pipe ends it by default, without a message.
    static func endByClosedPipe() -> Never {
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
        exit(128 + SIGPIPE)
    }
}

/// Escape sequences for emphasis, or nothing where they are not wanted.
struct Style: Sendable {
    var isEnabled: Bool

    static func isWanted(isTerminal: Bool, variable: (String) -> String?) -> Bool {
        func isSet(_ name: String) -> Bool { variable(name).map { !$0.isEmpty } ?? false }
        if isSet("NO_COLOR") { return false }
        if let force = variable("CLICOLOR_FORCE"), !force.isEmpty, force != "0" { return true }
        return isTerminal && variable("TERM") != "dumb"
    }

    func bold(_ text: String) -> String { wrap(text, "1") }
    func dim(_ text: String) -> String { wrap(text, "2") }
    func red(_ text: String) -> String { wrap(text, "31") }
    func green(_ text: String) -> String { wrap(text, "32") }
    func yellow(_ text: String) -> String { wrap(text, "33") }
    func cyan(_ text: String) -> String { wrap(text, "36") }

    private func wrap(_ text: String, _ code: String) -> String {
        isEnabled && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}

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

    /// Writes text at once, past the C library's buffer, so that every token is seen when it comes.
    func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var offset = 0
            while offset < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[offset...])
                let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if written > 0 {
                    offset += written
                } else if errno != EINTR {
                    // A closed output: there is nobody left to tell.
                    return
                }
            }
        }
    }

    func writeLine(_ text: String = "") { write(text + "\n") }
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

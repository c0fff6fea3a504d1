import Glibc
import Testing

@testable import SoranjiCLI

/// Both ends of a pseudo-terminal, 40 columns wide.
private struct PseudoTerminal {
    let master: Int32
    let slave: Int32

    init() throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        try #require(master >= 0)
        // TIOCSPTLCK and TIOCGPTN, which the module of the C library does not show.
        var lock: Int32 = 0
        try #require(ioctl(master, 0x4004_5431, &lock) == 0)
        var number: UInt32 = 0
        try #require(ioctl(master, 0x8004_5430, &number) == 0)
        slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        try #require(slave >= 0)
        // Keys that are typed before the editor looks must not be eaten as a line.
        var settings = termios()
        tcgetattr(slave, &settings)
        settings.c_lflag &= ~tcflag_t(ICANON | ISIG | ECHO)
        settings.c_iflag &= ~tcflag_t(ICRNL)
        settings.c_oflag &= ~tcflag_t(OPOST)
        tcsetattr(slave, TCSANOW, &settings)
        var size = winsize(ws_row: 10, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0)
        try #require(ioctl(slave, UInt(TIOCSWINSZ), &size) == 0)
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
    }

    func type(_ keys: String) { _ = write(master, keys, keys.utf8.count) }

    /// Everything that was written to the terminal.
    func shown() -> String {
        var shown: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 4096)
        var poll = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        while Glibc.poll(&poll, 1, 200) > 0 {
            let count = read(master, &bytes, bytes.count)
            guard count > 0 else { break }
            shown += bytes[..<count]
        }
        return String(decoding: shown, as: UTF8.self)
    }

    func localFlags() -> tcflag_t {
        var settings = termios()
        tcgetattr(slave, &settings)
        return settings.c_lflag
    }

    func close() {
        Glibc.close(slave)
        Glibc.close(master)
    }
}

@Suite(.serialized)
struct PseudoTerminalTests {
    /// Types all keys, then reads lines until the input would block.
    private func lines(
        _ keys: String,
        count: Int = 1,
        history: [String] = [],
        completions: @escaping (String) -> [String] = { _ in [] }
    ) throws -> (results: [LineEditor.Result], shown: String) {
        setenv("TERM", "xterm", 1)
        let terminal = try PseudoTerminal()
        defer { terminal.close() }
        var settings = termios()
        tcgetattr(terminal.slave, &settings)
        settings.c_lflag |= tcflag_t(ECHOK)
        tcsetattr(terminal.slave, TCSANOW, &settings)
        let before = terminal.localFlags()
        var lines = History()
        for line in history { lines.add(line) }
        var editor = LineEditor(
            history: lines,
            input: terminal.slave,
            output: Terminal(descriptor: terminal.slave),
            completions: completions
        )
        #expect(editor.isInteractive)
        terminal.type(keys)
        let results = (0..<count).map { _ in editor.read(prompt: "> ") }
        #expect(terminal.localFlags() == before)
        return (results, terminal.shown())
    }

    @Test func editsALine() throws {
        let (results, shown) = try lines("helo\u{1B}[Dl\u{5}, 世界\u{1}A \u{5}!\r")
        #expect(results == [.line("A hello, 世界!")])
        #expect(shown.contains("\u{1B}[?2004h"))
        #expect(shown.hasSuffix("A hello, 世界!\r\u{1B}[16C\r\n\u{1B}[?2004l"))
    }

    @Test func controlKeysEndLines() throws {
        #expect(try lines("\u{4}").results == [.end])
        #expect(try lines("\u{3}").results == [.interrupted])
        #expect(try lines("abc\u{3}def\r").results == [.line("def")])
        #expect(try lines("abc\u{1}\u{4}\r").results == [.line("bc")])
    }

    @Test func whatIsTypedAheadBelongsToTheNextLine() throws {
        #expect(try lines("one\rtwo\rthree\r", count: 3).results == [.line("one"), .line("two"), .line("three")])
    }

    @Test func pastedLinesStayTogether() throws {
        let (results, shown) = try lines("\u{1B}[200~first\rsecond\u{1B}[201~ end\r")
        #expect(results == [.line("first\nsecond end")])
        #expect(shown.contains("> first\r\n… second end"))
    }

    @Test func arrowsGoThroughTheHistory() throws {
        let history = ["older", "newer"]
        #expect(try lines("dra\u{1B}[A\u{1B}[A\r", history: history).results == [.line("older")])
        #expect(try lines("dra\u{1B}[A\u{1B}[Bft\r", history: history).results == [.line("draft")])
    }

    @Test func tabCompletes() throws {
        let commands = ["/clear", "/doc ", "/save ", "/stats", "/system "]
        let complete = { (text: String) in commands.filter { $0.hasPrefix(text) } }
        #expect(try lines("/d\t\r", completions: complete).results == [.line("/doc ")])
        let several = try lines("/s\tt\t\r", completions: complete)
        #expect(several.results == [.line("/stats")])
        #expect(several.shown.contains("/save   /stats  /system"))
        #expect(try lines("x\t\r", completions: complete).results == [.line("x")])
    }

    @Test func longLinesWrap() throws {
        let text = String(repeating: "0123456789", count: 9)
        let (results, shown) = try lines(text + "\r")
        #expect(results == [.line(text)])
        #expect(shown.contains(String(("> " + text).prefix(40)) + "\r\n"))
    }
}

struct PlainInputTests {
    @Test func pipesGivePlainLines() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let text = "one\r\ntwo\n\nlast\u{1B}[D"
        _ = write(ends[1], text, text.utf8.count)
        close(ends[1])
        var editor = LineEditor(input: ends[0], output: Terminal(descriptor: ends[0]))
        #expect(!editor.isInteractive)
        let results = (0..<5).map { _ in editor.read(prompt: "> ") }
        #expect(results == [.line("one"), .line("two"), .line(""), .line("last\u{1B}[D"), .end])
        close(ends[0])
    }
}

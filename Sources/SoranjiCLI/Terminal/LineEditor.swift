import Glibc

/// Reads lines from a terminal with editing, history and completion; from anything else, plain lines.
struct LineEditor {
    enum Result: Equatable {
        case line(String)
        /// Ctrl-C on an empty line.
        case interrupted
        /// Ctrl-D on an empty line, or the end of the input.
        case end
    }

    var history: History
    /// Whole lines that may follow from the text before the cursor.
    var completions: (String) -> [String]
    private let input: Int32
    private let output: Terminal
    private var pendingBytes: [UInt8] = []

    init(
        history: History = History(),
        input: Int32 = STDIN_FILENO,
        output: Terminal = .standardOutput,
        completions: @escaping (String) -> [String] = { _ in [] }
    ) {
        self.history = history
        self.completions = completions
        self.input = input
        self.output = output
    }

    /// Whether lines are edited on a terminal.
    var isInteractive: Bool {
        isatty(input) == 1 && output.isTerminal && (getenv("TERM").map { String(cString: $0) } ?? "dumb") != "dumb"
    }

    /// Reads one line, without its line end. The prompt is shown on terminals only.
    mutating func read(prompt: String, continuation: String = "… ") -> Result {
        guard isInteractive, let mode = RawMode(descriptor: input) else {
            if isatty(input) == 1 { output.write(prompt) }
            return readPlainLine()
        }
        let result = edit(prompt: prompt, continuation: continuation)
        // The terminal's own settings come back before anything else is printed.
        _ = consume mode
        return result
    }

    // MARK: Plain lines

    private mutating func readPlainLine() -> Result {
        while true {
            if let end = pendingBytes.firstIndex(of: 0x0A) {
                var line = pendingBytes[..<end]
                if line.last == 0x0D { line.removeLast() }
                let text = String(decoding: line, as: UTF8.self)
                pendingBytes.removeSubrange(...end)
                return .line(text)
            }
            guard fill(timeout: -1) else {
                guard !pendingBytes.isEmpty else { return .end }
                let text = String(decoding: pendingBytes, as: UTF8.self)
                pendingBytes = []
                return .line(text)
            }
        }
    }

    /// Waits for bytes and adds them; false at the end of the input, or after `timeout` milliseconds.
    private mutating func fill(timeout: Int32, interrupted: () -> Void = {}) -> Bool {
        while true {
            var poll = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
            let ready = Glibc.poll(&poll, 1, timeout)
            if ready == 0 { return false }
            if ready < 0 {
                guard errno == EINTR else { return false }
                interrupted()
                continue
            }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = chunk.withUnsafeMutableBytes { Glibc.read(input, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            pendingBytes.append(contentsOf: chunk[..<count])
            return true
        }
    }

    // MARK: Editing

    private mutating func edit(prompt: String, continuation: String) -> Result {
        var decoder = KeyDecoder()
        var buffer = LineBuffer()
        var screen = EditorScreen(output: output, prompt: prompt, continuation: continuation)
        screen.draw(buffer)
        while true {
            let bytes = pendingBytes
            pendingBytes = []
            for (index, byte) in bytes.enumerated() {
                guard let key = decoder.feed(byte), let result = apply(key, &buffer, &screen) else { continue }
                // What was typed ahead belongs to the next line.
                pendingBytes = Array(bytes[(index + 1)...])
                return result
            }
            screen.draw(buffer)
            // A lone ESC is told from a sequence by what follows at once.
            if decoder.isPending {
                if !fill(timeout: 50) { decoder.timeOut() }
                continue
            }
            // After a resize the rows are other ones.
            let current = buffer
            if !fill(timeout: -1, interrupted: { screen.draw(current) }) {
                screen.finish(buffer)
                return buffer.isEmpty ? .end : .line(buffer.text)
            }
        }
    }

    /// - Returns: how the line ends, if this key ends it.
    private mutating func apply(_ key: Key, _ buffer: inout LineBuffer, _ screen: inout EditorScreen) -> Result? {
        switch key {
        case .enter:
            screen.finish(buffer)
            return .line(buffer.text)
        case .interrupt:
            if buffer.isEmpty {
                screen.finish(buffer)
                return .interrupted
            }
            screen.finish(buffer)
            buffer.set("")
        case .endOfInput:
            if buffer.isEmpty {
                screen.finish(buffer)
                return .end
            }
            _ = buffer.apply(.delete)
        case .up:
            if !buffer.moveRow(up: true), let line = history.previous(current: buffer.text) { buffer.set(line) }
        case .down:
            if !buffer.moveRow(up: false), let line = history.next() { buffer.set(line) }
        case .clearScreen: screen.clear()
        case .tab: complete(&buffer, &screen)
        default: _ = buffer.apply(key)
        }
        return nil
    }

    private func complete(_ buffer: inout LineBuffer, _ screen: inout EditorScreen) {
        let before = buffer.textBeforeCursor
        let candidates = completions(before)
        guard buffer.cursor == buffer.characters.count, let first = candidates.first else { return }
        let shared = candidates.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
        if shared.count > before.count {
            buffer.set(shared)
        } else if candidates.count > 1 {
            screen.finish(buffer)
            output.writeLine(candidates.joined(separator: "  "))
        }
    }
}

extension String {
    fileprivate func commonPrefix(with other: String) -> String {
        String(zip(self, other).prefix { $0 == $1 }.map(\.0))
    }
}

/// Draws the edited line again in its place.
private struct EditorScreen {
    let output: Terminal
    let prompt: String
    let continuation: String
    /// The cursor's row below the first one that was drawn.
    private var cursorRow = 0
    private var rowCount = 1

    init(output: Terminal, prompt: String, continuation: String) {
        self.output = output
        self.prompt = prompt
        self.continuation = continuation
    }

    /// One write for the whole picture, so that it does not flicker.
    mutating func draw(_ buffer: LineBuffer) {
        let size = output.size
        let layout = EditorLayout(
            prompt: prompt,
            continuation: continuation,
            buffer: buffer,
            columns: size.columns,
            maximumRows: size.rows - 1
        )
        var text = start + "\u{1B}[J" + layout.rows.joined(separator: "\r\n")
        let up = layout.rows.count - 1 - layout.cursorRow
        if up > 0 { text += "\u{1B}[\(up)A" }
        text += "\r"
        if layout.cursorColumn > 0 { text += "\u{1B}[\(layout.cursorColumn)C" }
        output.write(text)
        cursorRow = layout.cursorRow
        rowCount = layout.rows.count
    }

    /// Leaves the line on the screen and goes below it.
    mutating func finish(_ buffer: LineBuffer) {
        draw(buffer)
        let down = rowCount - 1 - cursorRow
        output.write((down > 0 ? "\u{1B}[\(down)B" : "") + "\r\n")
        cursorRow = 0
        rowCount = 1
    }

    mutating func clear() {
        output.write("\u{1B}[H\u{1B}[2J")
        cursorRow = 0
    }

    /// To the first column of the first row.
    private var start: String { cursorRow > 0 ? "\r\u{1B}[\(cursorRow)A" : "\r" }
}

import Glibc
import Soranji
import Synchronization

/// One line on the terminal that says how far long work is; nothing where nobody looks.
final class ProgressBar: Sendable {
    enum Unit: Sendable {
        case tokens, bytes, steps
    }

    private struct State {
        var phase = ""
        var phaseStart = 0.0
        /// What was done when the phase began: work that was there already says nothing about speed.
        var firstCompleted = 0
        var lastDraw = -Double.infinity
        var isDrawn = false
    }

    private let state = Mutex(State())
    private let terminal: Terminal
    let isVisible: Bool
    /// Seconds between two drawings.
    private let interval = 0.1

    /// - Parameter isVisible: by default only when standard error is a terminal.
    init(terminal: Terminal = .standardError, isVisible: Bool? = nil) {
        self.terminal = terminal
        self.isVisible = isVisible ?? (terminal.isTerminal && UserFolders.variable("TERM") != "dumb")
    }

    /// Draws the line if the last drawing is long enough ago. Cheap enough to call for every token.
    func update(_ phase: String, completed: Int, total: Int?, unit: Unit) {
        guard isVisible else { return }
        let now = Self.now()
        state.withLock { state in
            if state.phase != phase {
                state.phase = phase
                state.phaseStart = now
                state.firstCompleted = completed
                state.lastDraw = -.infinity
            }
            let isLast = total.map { completed >= $0 } ?? false
            guard now - state.lastDraw >= interval || isLast else { return }
            state.lastDraw = now
            let line = ProgressLine(
                phase: phase,
                completed: completed,
                total: total,
                unit: unit,
                elapsed: now - state.phaseStart,
                newlyCompleted: completed - state.firstCompleted
            )
            terminal.write("\r" + line.text(columns: terminal.size.columns - 1) + "\u{1B}[K")
            state.isDrawn = true
        }
    }

    /// Takes the line away, before other output or at the end.
    func clear() {
        state.withLock { state in
            if state.isDrawn { terminal.write("\r\u{1B}[K") }
            state = State()
        }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// The text of a progress line.
struct ProgressLine {
    var phase: String
    var completed: Int
    var total: Int?
    var unit: ProgressBar.Unit
    /// Seconds since the phase began.
    var elapsed: Double
    /// What was done in that time.
    var newlyCompleted: Int

    /// At most `columns` columns; the bar goes first when there is not enough room, then what stands last.
    func text(columns: Int) -> String {
        var parts: [String] = []
        if let total, total > 0 {
            let fraction = min(max(Double(completed) / Double(total), 0), 1)
            parts.append("\(Int(fraction * 100))%")
            parts.append("\(amount(completed))/\(amount(total))\(suffix)")
        } else {
            parts.append(amount(completed) + suffix)
        }
        if let rate {
            parts.append(unit == .bytes ? "\(FixedPoint.bytes(Int(rate)))/s" : "\(shortRate(rate))\(suffix)/s")
            if let total, total > completed, rate > 0 {
                parts.append("\(FixedPoint.duration(Double(total - completed) / rate)) left")
            }
        }
        let numbers = parts.joined(separator: "  ")
        let room = columns - CharacterWidth.columns(phase) - numbers.count - 4
        if let total, total > 0, room >= 8 {
            let width = min(room, 30)
            let filled = Int(Double(width) * min(max(Double(completed) / Double(total), 0), 1))
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
            return "\(phase)  \(bar)  \(numbers)"
        }
        var line = "\(phase)  \(numbers)"
        while parts.count > 1, CharacterWidth.columns(line) > columns {
            parts.removeLast()
            line = "\(phase)  \(parts.joined(separator: "  "))"
        }
        return CharacterWidth.columns(line) > columns ? "" : line
    }

    /// Units in a second, once there is enough to tell.
    private var rate: Double? {
        elapsed >= 0.2 && newlyCompleted > 0 ? Double(newlyCompleted) / elapsed : nil
    }

    private func amount(_ count: Int) -> String {
        unit == .bytes ? FixedPoint.bytes(count) : FixedPoint.grouped(count)
    }

    private func shortRate(_ rate: Double) -> String {
        rate < 10 ? FixedPoint.text(rate, places: 1) : FixedPoint.grouped(Int(min(rate, 1e15)))
    }

    private var suffix: String {
        switch unit {
        case .tokens: " tokens"
        case .bytes, .steps: ""
        }
    }
}

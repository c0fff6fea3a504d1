import Glibc
import Synchronization

/// A terminal that hands over every key at once and unchanged, for as long as the value lives.
///
/// The former settings come back when it is destroyed, and also when a signal ends the process.
struct RawMode: ~Copyable {
    private let descriptor: Int32
    private let former: termios

    /// Nil if `descriptor` is no terminal.
    init?(descriptor: Int32) {
        var settings = termios()
        guard tcgetattr(descriptor, &settings) == 0 else { return nil }
        self.descriptor = descriptor
        former = settings
        Restoration.arm(descriptor: descriptor, settings: settings)
        // No line buffer, no echo, no signals from keys, no translation of CR; output stays as it is.
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
        settings.c_iflag &= ~tcflag_t(IXON | ICRNL | INLCR | BRKINT | ISTRIP)
        tcsetattr(descriptor, TCSADRAIN, &settings)
        Restoration.enterPaste(descriptor)
    }

    deinit {
        var settings = former
        Restoration.leavePaste(descriptor)
        tcsetattr(descriptor, TCSADRAIN, &settings)
        Restoration.disarm()
    }
}

/// What a signal handler needs to put a terminal back. Handlers get no context, so this is the one place of the program
/// with state of its own; it is written before handlers are installed and only read by them.
private enum Restoration {
    private static let isArmed = Atomic(false)
    nonisolated(unsafe) private static var settings = termios()
    nonisolated(unsafe) private static var descriptor: Int32 = -1
    nonisolated(unsafe) private static var formerActions: [(Int32, sigaction)] = []

    private static let endings = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    static func arm(descriptor: Int32, settings: termios) {
        self.settings = settings
        self.descriptor = descriptor
        isArmed.store(true, ordering: .sequentiallyConsistent)
        formerActions = []
        for signal in endings {
            var former = sigaction()
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { signal in
                Restoration.restore()
                // The handler is gone after this call, so that the signal ends the process as it would have.
                Glibc.signal(signal, SIG_DFL)
                raise(signal)
            }
            sigaction(signal, nil, &former)
            // A shell may have told a background process to ignore it; that stays.
            if unsafeBitCast(former.__sigaction_handler.sa_handler, to: Int.self) == 1 { continue }
            sigaction(signal, &action, nil)
            formerActions.append((signal, former))
        }
        // A new window size interrupts waiting for keys, so that the line is drawn again.
        var resize = sigaction()
        var former = sigaction()
        resize.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGWINCH, &resize, &former)
        formerActions.append((SIGWINCH, former))
    }

    static func disarm() {
        isArmed.store(false, ordering: .sequentiallyConsistent)
        for (signal, former) in formerActions {
            var former = former
            sigaction(signal, &former, nil)
        }
        formerActions = []
    }

    static func restore() {
        guard isArmed.exchange(false, ordering: .sequentiallyConsistent) else { return }
        leavePaste(descriptor)
        tcsetattr(descriptor, TCSANOW, &settings)
    }

    /// Terminals then mark where a paste begins and ends.
    static func enterPaste(_ descriptor: Int32) { send("\u{1B}[?2004h", descriptor) }
    static func leavePaste(_ descriptor: Int32) { send("\u{1B}[?2004l", descriptor) }

    /// A static string, so that nothing is allocated inside a signal handler.
    private static func send(_ sequence: StaticString, _ descriptor: Int32) {
        _ = Glibc.write(descriptor, sequence.utf8Start, sequence.utf8CodeUnitCount)
    }
}

import Glibc
import Synchronization

/// Ctrl-C before the first word of an answer.
struct Stopped: Error {}

/// Ctrl-C as a request that long work looks at, instead of the end of the process.
enum Interrupt {
    private static let count = Atomic(0)

    /// Whether Ctrl-C was pressed since the last ``watch(_:)`` began.
    static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }

    /// Runs `body` with Ctrl-C turned into a request; a second Ctrl-C ends the process as usual.
    static func watch<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        count.store(0, ordering: .relaxed)
        var action = sigaction()
        var former = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            if Interrupt.count.add(1, ordering: .relaxed).oldValue > 0 {
                Glibc.signal(signal, SIG_DFL)
                raise(signal)
            }
        }
        action.sa_flags = SA_RESTART
        sigaction(SIGINT, &action, &former)
        defer { sigaction(SIGINT, &former, nil) }
        return try body()
    }
}

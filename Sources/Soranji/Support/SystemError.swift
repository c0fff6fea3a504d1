import Glibc

/// A failed system call on a named file.
public struct SystemError: HintedError, Equatable {
    /// What was attempted, as a verb: "open", "write".
    public var operation: String
    public var path: String
    /// The value of `errno`.
    public var code: Int32

    public init(_ operation: String, _ path: String, code: Int32 = errno) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// The system's own words for ``code``.
    public var reason: String { String(cString: strerror(code)) }

    public var description: String { "cannot \(operation) \(path): \(reason)" }

    public var hint: String? {
        switch code {
        case ENOENT: operation == "open" ? "check the path" : "the folder must exist"
        case EACCES, EPERM: "check the permissions: ls -l \(path)"
        case ENOSPC: "free some disk space"
        default: nil
        }
    }
}

/// Repeats a system call that a signal interrupted.
package func retryingInterrupts(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

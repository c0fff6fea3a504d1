import Glibc

/// Why a stored session cannot be used, with the session or file and what helps.
package struct SessionError: Error, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        case missing
        case exists
        case invalidName
        /// Another process writes to it, or uses it.
        case busy
        /// No session, or one that breaks its own rules.
        case malformed
        /// What lies on the disk is not what was written.
        case damaged
        /// Made with another model.
        case mismatch
        case unsupported
        /// Others use its pages.
        case inUse
        /// The system refused; the value of `errno`.
        case system(Int32)
    }

    package var kind: Kind
    /// A session's name, or a path.
    package var subject: String
    package var reason: String
    package var hint: String?

    package init(_ kind: Kind, _ subject: String, _ reason: String, hint: String? = nil) {
        self.kind = kind
        self.subject = subject
        self.reason = reason
        self.hint = hint
    }

    package var description: String { "\(subject): \(reason)" }

    /// Whether the system refused: a full disk, one that is read-only, a folder of somebody else.
    package var isOfSystem: Bool {
        if case .system = kind { return true }
        return false
    }

    /// What the system says about its last refusal.
    static func system(_ subject: String, _ attempt: String, code: Int32 = errno) -> SessionError {
        let hint: String? =
            switch code {
            case ENOSPC, EDQUOT: "free some disk space; what was stored before is as it was"
            case EFBIG: "files may not grow that large here (ulimit -f); what was stored before is as it was"
            case EROFS: "this disk is read-only; SORANJI_SESSIONS names another folder for sessions"
            case EACCES, EPERM: "check the permissions: ls -ld \(subject)"
            default: nil
            }
        return SessionError(.system(code), subject, "\(attempt): \(String(cString: strerror(code)))", hint: hint)
    }
}

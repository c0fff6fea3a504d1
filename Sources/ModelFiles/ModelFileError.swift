import Glibc

/// What is wrong with a model file, a bundle or an import: the file, the reason and, where there is one, what to do.
public struct ModelFileError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The operating system refused: no such file, no permission, a read that failed.
        case unreadable
        /// The bytes are not what the format demands.
        case malformed
        /// Well-formed, but of a version, type or layout that is not supported.
        case unsupported
        /// A tensor or file that must be there is not, or one is left over.
        case missing
        /// Plan and checkpoint do not fit together: shapes, ranges.
        case mismatch
        /// Weights that are NaN or infinite.
        case nonFinite
        /// The target exists already.
        case exists
        /// No space left on the device.
        case full
        /// The file changed while it was being read.
        case changed
        case cancelled
    }

    public var kind: Kind
    /// The file or folder in question.
    public var path: String
    public var reason: String
    /// What to do about it, as a sentence.
    public var hint: String?

    public init(_ kind: Kind, _ path: String, _ reason: String, hint: String? = nil) {
        self.kind = kind
        self.path = path
        self.reason = reason
        self.hint = hint
    }

    public var description: String { "\(path): \(reason)" + (hint.map { ". " + $0 } ?? "") }

    /// The same about another name: what was below `path` is below `name`.
    func renaming(_ path: String, to name: String) -> ModelFileError {
        var error = self
        error.path = self.path.replacing(path, with: name)
        error.reason = reason.replacing(path, with: name)
        error.hint = hint?.replacing(path, with: name)
        return error
    }

    /// The error that `errno` names, of an operation on `path`.
    static func system(_ path: String, _ operation: String, code: Int32 = errno) -> ModelFileError {
        let text = String(cString: strerror(code))
        switch code {
        case ENOSPC, EDQUOT:
            return ModelFileError(
                .full,
                path,
                "\(operation): \(text)",
                hint: "Free some space or choose another folder."
            )
        default:
            return ModelFileError(.unreadable, path, "\(operation): \(text)")
        }
    }
}

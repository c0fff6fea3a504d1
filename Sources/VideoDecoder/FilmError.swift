/// Why weights or settings of filming cannot be used.
package enum FilmError: Error, Equatable, CustomStringConvertible {
    /// A setting that is missing or out of range, in the file that it comes from.
    case badSettings(path: String, String)
    /// A tensor that is missing, left over, of another shape or type, or not finite.
    case badTensor(path: String, name: String, String)
    /// More rows of a prompt than were prepared.
    case promptTooLong(rows: Int, limit: Int)

    package var description: String {
        switch self {
        case .badSettings(let path, let reason): "\(path): \(reason)"
        case .badTensor(let path, let name, let reason): "\(path): tensor '\(name)' \(reason)"
        case .promptTooLong(let rows, let limit): "the prompt has \(rows) rows; at most \(limit) were prepared"
        }
    }
}

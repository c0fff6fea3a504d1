import CFFmpeg
import Glibc

/// What is wrong with a clip, a recording or a picture: the file, the reason and, where there is one, what to do.
public struct MediaError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The operating system refused: no such file, no permission, a read that failed.
        case unreadable
        /// The bytes are not what their format demands, or no known format at all.
        case malformed
        /// Well-formed, but of a codec, pixel format or layout that cannot be used here.
        case unsupported
        /// The file has no stream of the kind that was asked for.
        case noSuchStream
        /// More than the limits allow: pixels, streams, channels, work without a result.
        case limit
        case cancelled
        /// The target cannot be written.
        case unwritable
        /// No space left on the device.
        case full
        /// What was handed over to be written does not fit: sizes, counts, order.
        case misuse
    }

    public var kind: Kind
    /// The file in question, or a name for what came from memory.
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

    /// The error that `errno` names, of an operation on `path`.
    static func system(_ kind: Kind, _ path: String, _ operation: String, code: Int32 = errno) -> MediaError {
        let text = String(cString: strerror(code))
        switch code {
        case ENOSPC, EDQUOT, EFBIG:
            return MediaError(.full, path, "\(operation): \(text)", hint: "Free some space or choose another folder.")
        case ENOENT where kind == .unwritable:
            return MediaError(kind, path, "\(operation): \(text)", hint: "The folder must exist.")
        case EACCES where kind == .unwritable, EPERM where kind == .unwritable, EROFS where kind == .unwritable:
            return MediaError(kind, path, "\(operation): \(text)", hint: "Choose a folder that you may write to.")
        default:
            return MediaError(kind, path, "\(operation): \(text)")
        }
    }

    /// The error that a libav function's result names, with what the library logged about it on this thread.
    static func library(_ kind: Kind, _ path: String, _ operation: String, code: Int32) -> MediaError {
        let logged = LibraryMessages.take()
        let systemCode = code < 0 && code > -4096 ? -code : 0
        if systemCode == ENOSPC || systemCode == EDQUOT || systemCode == EFBIG {
            return .system(kind, path, operation, code: systemCode)
        }
        var text = [CChar](repeating: 0, count: 128)
        av_strerror(code, &text, text.count)
        let name = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return MediaError(kind, path, "\(operation): \(logged.map { "\($0) (\(name))" } ?? name)")
    }
}

/// What the libraries say about their work, kept per thread; nothing of it reaches standard error.
enum LibraryMessages {
    /// Loads the libraries where that was not done yet, and takes their messages in from here on. To be called first;
    /// forgets what this thread was told before.
    static func prepare(for path: String) throws(MediaError) {
        if let failure = sk_av_load() {
            throw MediaError(
                .unsupported,
                path,
                "the libraries for video and sound cannot be loaded: \(String(cString: failure))",
                hint: "Install what it names; where that is of another version, build soranji anew (`make build`)."
            )
        }
    }

    /// Forgets what this thread was told before.
    static func forget() { sk_av_forget_message() }

    /// The first error since, as printable text of one line.
    static func take() -> String? {
        var text = [CChar](repeating: 0, count: 256)
        guard sk_av_take_message(&text, text.count) else { return nil }
        let bytes = text.prefix { $0 != 0 }.map { character -> UInt8 in
            // The libraries quote bytes of the file.
            let byte = UInt8(bitPattern: character)
            return byte >= 0x20 && byte < 0x7F ? byte : 0x3F
        }
        let line = String(decoding: bytes, as: UTF8.self)
        return line.isEmpty ? nil : line
    }
}

import CFFmpeg
import Glibc

/// Where a file's bytes come from: a regular file or memory. Seekable, and counts what is read.
final class ByteSource {
    private enum Storage {
        case file(Int32)
        case memory([UInt8])
    }

    let name: String
    let count: Int
    private let storage: Storage
    private let cancellation: MediaCancellation?
    private let mostBytes: Int
    private var position = 0
    private(set) var bytesRead = 0
    /// Why reading stopped, when it was not the end: the libraries pass on a mere number.
    private(set) var failure: MediaError?

    /// Opens a regular file; symbolic links are followed.
    init(_ origin: MediaFile.Origin, limits: MediaLimits, cancellation: MediaCancellation?) throws(MediaError) {
        switch origin {
        case .memory(let bytes, let name):
            self.name = name
            count = bytes.count
            storage = .memory(bytes)
        case .file(let path):
            name = path
            // Non-blocking, so that a named pipe is refused below instead of waited for.
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else {
                let code = errno
                var error = MediaError.system(.unreadable, path, "cannot open", code: code)
                if code == ENOENT { error.hint = "Check the path." }
                throw error
            }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                close(descriptor)
                throw MediaError(.unreadable, path, "not a regular file")
            }
            storage = .file(descriptor)
            count = Int(status.st_size)
        }
        self.cancellation = cancellation
        let (product, overflow) = max(count, 1 << 20).multipliedReportingOverflow(by: max(1, limits.maximumRereads))
        mostBytes = overflow ? .max : product
        if count == 0 {
            let error = MediaError(.malformed, name, "the file is empty")
            if case .file(let descriptor) = storage { close(descriptor) }
            throw error
        }
    }

    deinit {
        if case .file(let descriptor) = storage { close(descriptor) }
    }

    var isCancelled: Bool { cancellation?.isCancelled ?? false }

    /// Throws what stopped the reading, where something did.
    func check() throws(MediaError) {
        if isCancelled { throw MediaError(.cancelled, name, "cancelled") }
        if let failure { throw failure }
    }

    /// Reads at the current position; a libav error code, or the number of bytes.
    fileprivate func read(_ buffer: UnsafeMutablePointer<UInt8>, _ capacity: Int) -> Int32 {
        if isCancelled { return sk_av_error_exit() }
        if failure != nil { return sk_av_error(EIO) }
        guard bytesRead < mostBytes else {
            failure = MediaError(
                .limit,
                name,
                "reading it went round in circles: \(bytesRead) bytes read of a file of \(count)",
                hint: "The file is damaged."
            )
            return sk_av_error(EIO)
        }
        let wanted = min(capacity, max(0, count - position), Int(Int32.max))
        guard wanted > 0 else { return sk_av_error_eof() }
        switch storage {
        case .memory(let bytes):
            bytes.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { buffer.update(from: base + position, count: wanted) }
            }
            position += wanted
            bytesRead += wanted
            return Int32(wanted)
        case .file(let descriptor):
            while true {
                let done = pread(descriptor, buffer, wanted, off_t(position))
                if done > 0 {
                    position += done
                    bytesRead += done
                    return Int32(done)
                }
                // The file shrank while it was read: its end is nearer now.
                if done == 0 { return sk_av_error_eof() }
                if errno == EINTR { continue }
                failure = .system(.unreadable, name, "cannot read")
                return sk_av_error(EIO)
            }
        }
    }

    fileprivate func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        let base: Int64
        switch whence & ~AVSEEK_FORCE {
        case AVSEEK_SIZE: return Int64(count)
        case SEEK_SET: base = 0
        case SEEK_CUR: base = Int64(position)
        case SEEK_END: base = Int64(count)
        default: return Int64(sk_av_error(EINVAL))
        }
        let (target, overflow) = base.addingReportingOverflow(offset)
        guard !overflow, target >= 0, let target = Int(exactly: target) else { return Int64(sk_av_error(EINVAL)) }
        position = target
        return Int64(target)
    }
}

/// The callbacks of libavformat for a ``ByteSource`` passed without ownership.
enum ByteSourceCallbacks {
    static func makeIO(_ source: ByteSource) -> UnsafeMutablePointer<AVIOContext>? {
        sk_av_io_create(
            Unmanaged.passUnretained(source).toOpaque(),
            { context, buffer, count in
                guard let context, let buffer, count > 0 else { return sk_av_error(EINVAL) }
                return Unmanaged<ByteSource>.fromOpaque(context).takeUnretainedValue().read(buffer, Int(count))
            },
            { context, offset, whence in
                guard let context else { return Int64(sk_av_error(EINVAL)) }
                return Unmanaged<ByteSource>.fromOpaque(context).takeUnretainedValue().seek(offset, whence)
            }
        )
    }

    static func interrupt(_ source: ByteSource) -> AVIOInterruptCB {
        AVIOInterruptCB(
            callback: { context in
                guard let context else { return 0 }
                return Unmanaged<ByteSource>.fromOpaque(context).takeUnretainedValue().isCancelled ? 1 : 0
            },
            opaque: Unmanaged.passUnretained(source).toOpaque()
        )
    }
}

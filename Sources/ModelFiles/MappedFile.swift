import Glibc
import JSONText

/// A file mapped read-only into memory; unmapped when the last reference goes.
///
/// A class, because views into it (tensors, shards) outlive the scope that opened it: every view holds a reference, and
/// the mapping lives as long as any of them. Opening costs a few system calls whatever the file's size; pages are read on
/// first touch and belong to the page cache, so two processes that map one file share them. No descriptor stays open.
///
/// The size is taken once, when the file is opened, and nothing past it is ever touched. A file that another process
/// truncates afterwards is beyond help: touching a page that is gone raises SIGBUS, as it does for every program that
/// maps files. ``verifyUnchanged()`` narrows the window; replacing a file by renaming another over it is always safe.
package final class MappedFile: Sendable {
    package let path: String
    /// Size in bytes when the file was opened.
    package let count: Int
    private nonisolated(unsafe) let base: UnsafeMutableRawPointer?
    private let identity: Identity

    private struct Identity: Equatable {
        var device: UInt64
        var inode: UInt64
        var size: Int
        var seconds: Int
        var nanoseconds: Int

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int(status.st_size)
            seconds = Int(status.st_mtim.tv_sec)
            nanoseconds = Int(status.st_mtim.tv_nsec)
        }
    }

    /// How a range is about to be read: a hint to the kernel.
    package enum Advice: Sendable {
        case normal, sequential, random, willNeed, dontNeed
        /// Not needed for long: this process gives its pages back, and the page cache drops them where it may.
        case pageOut

        var code: Int32 {
            switch self {
            case .normal: MADV_NORMAL
            case .sequential: MADV_SEQUENTIAL
            case .random: MADV_RANDOM
            case .willNeed: MADV_WILLNEED
            case .dontNeed: MADV_DONTNEED
            case .pageOut: MADV_PAGEOUT
            }
        }
    }

    /// Maps the regular file at `path`; symbolic links are followed.
    ///
    /// - Throws: `.missing` when there is no such file, `.unreadable` with the system's reason otherwise.
    package init(path: String) throws(ModelFileError) {
        // Non-blocking, so that a named pipe is refused below instead of waited for.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw ModelFileError(.missing, path, "no such file") }
            throw .system(path, "cannot open")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(path, "cannot read its size") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ModelFileError(.unreadable, path, "not a regular file")
        }
        self.path = path
        self.count = Int(status.st_size)
        self.identity = Identity(status)
        if count == 0 {
            base = nil
        } else {
            let address = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0)
            guard let address, address != MAP_FAILED else { throw .system(path, "cannot map") }
            base = address
        }
    }

    deinit {
        if let base { munmap(base, count) }
    }

    /// The whole file. Valid while this object lives: outside of this room use ``withBytes(_:)``, which sees to that.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Calls `body` with the whole file; the bytes must not escape.
    package func withBytes<Value, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        defer { withExtendedLifetime(self) {} }
        return try body(bytes)
    }

    /// The number of type `Value` at `offset`, little-endian, or nil when it is not all inside the file.
    package func number<Value: FixedWidthInteger>(_ type: Value.Type, at offset: Int) -> Value? {
        guard let slice = slice(offset: offset, length: MemoryLayout<Value>.size) else { return nil }
        defer { withExtendedLifetime(self) {} }
        return Value(littleEndian: slice.loadUnaligned(as: Value.self))
    }

    /// The file as text; bytes that are not UTF-8 become U+FFFD.
    package var text: String { withBytes { String(decoding: $0, as: UTF8.self) } }

    /// The file as JSON.
    package func json(maximumDepth: Int = 128, rejectingDuplicateKeys: Bool = false) throws(JSONError) -> JSON {
        try withBytes { bytes throws(JSONError) in
            try JSON.parse(bytes, maximumDepth: maximumDepth, rejectingDuplicateKeys: rejectingDuplicateKeys)
        }
    }

    /// Bytes `offset ..< offset + length` of the file, or nil when they are not all inside it. Valid while this object
    /// lives.
    package func slice(offset: Int, length: Int) -> UnsafeRawBufferPointer? {
        guard offset >= 0, length >= 0, offset <= count, length <= count - offset else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
    }

    /// Tells the kernel how bytes `offset ..< offset + length` will be used. A hint: failures are ignored, and a range
    /// outside the file does nothing. `.dontNeed` drops this process's pages; the page cache keeps its own.
    package func advise(_ advice: Advice, offset: Int = 0, length: Int? = nil) {
        let length = length ?? max(0, count - max(0, offset))
        guard let base, offset >= 0, length > 0, offset <= count, length <= count - offset else { return }
        let start = offset & ~(Self.pageSize - 1)
        madvise(base + start, length + (offset - start), advice.code)
        // What the page cache could not drop (another process maps it, or the file is not ours) leaves at least this process.
        if case .pageOut = advice { madvise(base + start, length + (offset - start), MADV_DONTNEED) }
    }

    /// Throws `.changed` when the file at the path is no longer the one that was opened, or has another size or date.
    package func verifyUnchanged() throws(ModelFileError) {
        var status = stat()
        guard stat(path, &status) == 0, Identity(status) == identity else {
            throw ModelFileError(.changed, path, "the file changed while it was being read", hint: "Try again.")
        }
    }

    static let pageSize = 4096
}

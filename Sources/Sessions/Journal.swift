import CKernels

/// The file that alone makes records visible: entries one after the other, each chained to the one before it.
///
/// An entry is a head of 32 bytes (magic, type, sequence, length, the checksum of the entry before, the head's own
/// checksum), the payload, and the payload's checksum. A process that was killed leaves an entry without its end: that is
/// cut off. Whatever else does not fit is damage, and is told.
struct Journal {
    static let name = "journal"
    static let headBytes = 32
    /// Longer ones are no entries: the text of ten million tokens fits.
    static let maximumPayloadBytes = 1 << 30
    private static let magic: UInt32 = 0x3145_4A53

    /// What stands after the last good entry.
    enum Ending: Equatable {
        case clean
        /// An entry whose end is missing, or space that was never written.
        case torn(bytes: Int)
        case damaged(String)
    }

    private(set) var sequence: UInt64 = 0
    private(set) var chain: UInt32 = 0
    /// Bytes up to the end of the last good entry.
    private(set) var byteCount = 0
    private(set) var ending = Ending.clean

    /// The bytes of the entry that follows.
    func encoded(_ entry: JournalEntry) -> (bytes: [UInt8], checksum: UInt32) {
        let payload = entry.payload
        var writer = ByteWriter()
        writer.put(Self.magic)
        writer.put(entry.type)
        writer.put(sequence)
        writer.put(UInt64(payload.count))
        writer.put(chain)
        let head = writer.bytes
        writer.put(Checksum.of(head))
        let checksum = Checksum.of(payload, after: chain)
        var tail = ByteWriter()
        tail.put(checksum)
        return (writer.bytes + payload + tail.bytes, checksum)
    }

    /// Takes note of an entry that is in the file now.
    mutating func advance(bytes: Int, checksum: UInt32) {
        byteCount += bytes
        chain = checksum
        sequence += 1
    }

    /// Reads entries from where this journal ends; they are handed over in order.
    ///
    /// - Parameter apply: whether the entry makes sense; the journal ends before one that does not.
    mutating func read(
        _ file: SessionFile,
        apply: (JournalEntry) throws(SessionError) -> String?
    ) throws(SessionError) {
        let size = try file.byteCount()
        ending = .clean
        while byteCount < size {
            let rest = size - byteCount
            guard rest >= Self.headBytes else {
                ending = .torn(bytes: rest)
                return
            }
            let head = try file.read(at: byteCount, count: Self.headBytes)
            guard head.count == Self.headBytes else { return }
            guard let (type, length) = checkedHead(head) else {
                // Some file systems grow a file before what was written is in it.
                let isUnwritten = try isZero(file, from: byteCount, to: size)
                ending = isUnwritten ? .torn(bytes: rest) : .damaged("entry \(sequence) has a damaged head")
                return
            }
            guard length <= rest - Self.headBytes - 4 else {
                ending = .torn(bytes: rest)
                return
            }
            let body = try file.read(at: byteCount + Self.headBytes, count: length + 4)
            guard body.count == length + 4 else { return }
            let payload = Array(body.dropLast(4))
            var trailer = ByteReader(Array(body.suffix(4)))
            let checksum = Checksum.of(payload, after: chain)
            guard trailer.number(UInt32.self) == checksum else {
                let isLast = rest == Self.headBytes + length + 4
                // The end of the last entry may never have reached the disk when the machine lost its power.
                let isUnwritten = isLast && body.suffix(min(body.count, 4096)).allSatisfy { $0 == 0 }
                ending = isUnwritten ? .torn(bytes: rest) : .damaged("entry \(sequence) is damaged")
                return
            }
            guard let entry = JournalEntry(type: type, payload: payload) else {
                ending = .damaged("entry \(sequence) is no entry that this program knows")
                return
            }
            if let problem = try apply(entry) {
                ending = .damaged("entry \(sequence): \(problem)")
                return
            }
            advance(bytes: Self.headBytes + length + 4, checksum: checksum)
        }
    }

    private func checkedHead(_ head: [UInt8]) -> (type: UInt32, length: Int)? {
        var reader = ByteReader(head)
        guard reader.number(UInt32.self) == Self.magic, let type = reader.number(UInt32.self),
            reader.number(UInt64.self) == sequence,
            let length = reader.count(UInt64.self, limit: Self.maximumPayloadBytes),
            reader.number(UInt32.self) == chain,
            reader.number(UInt32.self) == Checksum.of(Array(head.dropLast(4)))
        else { return nil }
        return (type, length)
    }

    private func isZero(_ file: SessionFile, from begin: Int, to end: Int) throws(SessionError) -> Bool {
        var offset = begin
        // A file that is all holes is not read to its end.
        let limit = min(end, begin + (64 << 20))
        while offset < limit {
            let bytes = try file.read(at: offset, count: min(1 << 20, limit - offset))
            guard !bytes.isEmpty else { return true }
            guard bytes.allSatisfy({ $0 == 0 }) else { return false }
            offset += bytes.count
        }
        return true
    }
}

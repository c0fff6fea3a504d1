import Glibc
import JSONText

/// Results of an evaluation on disk, one JSON object a line: settings first, then an answer each. A run that was stopped,
/// however, goes on where it was: a last line that was cut is taken away.
package final class EvaluationFile {
    private let path: String
    private let descriptor: Int32
    /// Results that were there already.
    package private(set) var records: [EvaluationRecord] = []

    /// What a file of results never reaches.
    static let mostBytes = 1 << 30

    /// - Parameters:
    ///   - header: what has to be equal for results to belong together.
    ///   - resumes: whether an existing file is gone on with; else it is an error.
    package init(path: String, header: JSON, resumes: Bool) throws {
        self.path = path
        var existing: [UInt8] = []
        let opened = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (resumes ? 0 : O_EXCL), 0o666)
        guard opened >= 0 else {
            if errno == EEXIST { throw EvaluationError.resultsExist(path) }
            throw SystemError("open", path)
        }
        descriptor = opened
        var status = stat()
        guard fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw EvaluationError.noPlainFile(path)
        }
        guard status.st_size <= Self.mostBytes else { throw EvaluationError.resultsTooLarge(path) }
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = retryingInterrupts { read(opened, &chunk, chunk.count) }
            guard count >= 0 else { throw SystemError("read", path) }
            if count == 0 { break }
            existing += chunk[..<count]
        }
        // What follows the last line break was being written when the run ended.
        let end = (existing.lastIndex(of: 0x0A) ?? -1) + 1
        if end < existing.count {
            guard ftruncate(opened, off_t(end)) == 0 else { throw SystemError("write", path) }
        }
        let lines = existing[..<end].split(separator: 0x0A, omittingEmptySubsequences: true)
        guard let first = lines.first else {
            try append(header)
            return
        }
        guard let found = try? JSON.parse(Array(first)), found["evaluation"] != nil else {
            throw EvaluationError.notAResultsFile(path, line: 1)
        }
        guard found == header else {
            throw EvaluationError.otherSettings(path, differences: Self.differences(found, header))
        }
        for (index, line) in lines.dropFirst().enumerated() {
            guard let json = try? JSON.parse(Array(line)), let record = EvaluationRecord(json: json) else {
                throw EvaluationError.notAResultsFile(path, line: index + 2)
            }
            records.append(record)
        }
    }

    deinit { close(descriptor) }

    /// What two headers say otherwise, by the names of settings.
    private static func differences(_ found: JSON, _ wanted: JSON) -> [String] {
        guard let found = found.objectValue, let wanted = wanted.objectValue else { return [] }
        var names = wanted.members.map(\.key)
        for member in found.members where !names.contains(member.key) { names.append(member.key) }
        return names.filter { found[$0] != wanted[$0] }.map { name in
            func text(_ value: JSON?) -> String { value.map { $0.stringValue ?? $0.text() } ?? "nothing" }
            return "\(name.replacing("_", with: " ")) \(text(found[name])) instead of \(text(wanted[name]))"
        }
    }

    /// Adds a result; it is in the file when this returns.
    package func append(_ record: EvaluationRecord) throws { try append(record.json) }

    private func append(_ json: JSON) throws {
        let bytes = Array((json.text() + "\n").utf8)
        var offset = 0
        while offset < bytes.count {
            let written = bytes[offset...].withUnsafeBytes { part in
                retryingInterrupts { write(descriptor, part.baseAddress, part.count) }
            }
            guard written > 0 else { throw SystemError("write", path) }
            offset += written
        }
    }
}

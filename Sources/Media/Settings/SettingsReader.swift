import Foundation
import JSONText

/// A setting of a processor's file that cannot be used.
package struct ProcessorSettingsError: Error, Equatable, CustomStringConvertible {
    package let file: String
    /// The key, with those around it: `size.longest_edge`.
    package let key: String
    package let reason: String

    package var description: String {
        "\(file): " + (key.isEmpty ? "" : "'\(key)' ") + reason + "; compare it with the model's published file"
    }
}

/// One of a processor's files (or an object inside it), read by key: errors name file and key.
struct SettingsReader {
    let file: String
    private let json: JSON
    private let prefix: String

    init(file: String, json: JSON, prefix: String = "") {
        self.file = file
        self.json = json
        self.prefix = prefix
    }

    subscript(key: String) -> JSON? {
        guard let value = json[key], !value.isNull else { return nil }
        return value
    }

    func section(_ key: String) throws(ProcessorSettingsError) -> SettingsReader? {
        guard let value = self[key] else { return nil }
        guard value.objectValue != nil else { throw error(key, "is \(shown(value)), not an object") }
        return SettingsReader(file: file, json: value, prefix: prefix + key + ".")
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(ProcessorSettingsError) -> Int? {
        guard let value = self[key] else { return nil }
        guard let integer = value.intValue, range.contains(integer) else {
            throw error(key, "is \(shown(value)), not a whole number in \(range.lowerBound)...\(range.upperBound)")
        }
        return integer
    }

    func number(_ key: String, in range: ClosedRange<Double>) throws(ProcessorSettingsError) -> Double? {
        guard let value = self[key] else { return nil }
        guard let number = value.doubleValue, number.isFinite, range.contains(number) else {
            throw error(key, "is \(shown(value)), not a number in \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    func flag(_ key: String) throws(ProcessorSettingsError) -> Bool? {
        guard let value = self[key] else { return nil }
        guard let flag = value.boolValue else { throw error(key, "is \(shown(value)), not true or false") }
        return flag
    }

    func text(_ key: String) throws(ProcessorSettingsError) -> String? {
        guard let value = self[key] else { return nil }
        guard let text = value.stringValue else { throw error(key, "is \(shown(value)), not a text") }
        return text
    }

    /// Three numbers, one per channel.
    func channels(_ key: String) throws(ProcessorSettingsError) -> [Double]? {
        guard let value = self[key] else { return nil }
        let numbers = value.arrayValue?.compactMap(\.doubleValue) ?? []
        guard numbers.count == 3, value.arrayValue?.count == 3, numbers.allSatisfy(\.isFinite) else {
            throw error(key, "is \(shown(value)), not three numbers")
        }
        return numbers
    }

    /// One token id or a list of them.
    func tokens(_ key: String) throws(ProcessorSettingsError) -> [Int32]? {
        guard let value = self[key] else { return nil }
        let entries = value.arrayValue ?? [value]
        let ids = entries.compactMap { $0.intValue.flatMap(Int32.init(exactly:)) }.filter { $0 >= 0 }
        guard ids.count == entries.count else { throw error(key, "is \(shown(value)), not token ids") }
        return ids
    }

    func error(_ key: String, _ reason: String) -> ProcessorSettingsError {
        ProcessorSettingsError(file: file, key: prefix + key, reason: reason)
    }

    private func shown(_ value: JSON) -> String { String(value.text().prefix(60)) }

    /// The file in `folder`, or nil when there is none.
    static func open(folder: String, file: String) throws(ProcessorSettingsError) -> SettingsReader? {
        let path = folder + "/" + file
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        func unusable(_ reason: String) -> ProcessorSettingsError {
            ProcessorSettingsError(file: path, key: "", reason: reason)
        }
        guard let handle = FileHandle(forReadingAtPath: path) else { throw unusable("cannot be read") }
        defer { try? handle.close() }
        let limit = 16_000_000
        guard let bytes = try? handle.read(upToCount: limit + 1), bytes.count <= limit else {
            throw unusable("is larger than any settings")
        }
        guard let json = try? JSON.parse(Array(bytes)), json.objectValue != nil else {
            throw unusable("is not a JSON object")
        }
        return SettingsReader(file: path, json: json)
    }
}

import Foundation

/// Whole files as bytes.
enum ByteFile {
    static func read(_ path: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(fileURLWithPath: path))) }
}

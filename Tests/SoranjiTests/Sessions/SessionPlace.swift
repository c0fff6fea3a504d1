import Foundation
import KVCache
import MediaFixtures
import Models
import Sessions
import Testing

@testable import Soranji

/// A tiny model and a folder of sessions, removed with the value.
final class SessionPlace {
    let model: MediaModel
    let folder: String
    var store: SessionStore { SessionStore(folder: folder + "/sessions") }

    init(_ name: String = "qwen3_vl_moe") throws {
        model = try MediaModel(name, hasText: true)
        folder = NSTemporaryDirectory() + "soranji-stored-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Another run of the program.
    func open(
        _ session: String = "s",
        element: Runtime.CacheElement = .f32,
        recalls: Bool? = nil
    ) throws -> SessionConversation {
        try SessionConversation(runtime: runtime(element, recalls: recalls), name: session, library: store.library)
    }

    /// - Parameter recalls: true for a window of 640 tokens and three pages, false for exact attention, nil for what people get.
    func runtime(_ element: Runtime.CacheElement = .f32, recalls: Bool? = nil) throws -> Runtime {
        var options = Runtime.Options()
        options.contextTokens = 3072
        options.threadCount = 2
        options.cacheElement = element
        if recalls == false { options.attention.mode = .exact }
        if recalls == true {
            options.attention.mode = .recall
            options.attention.windowTokens = 640
            options.attention.pages = 2
        }
        return try Runtime(bundleFolder: model.bundle, options: options)
    }

    func flip(_ file: String, at offset: Int) throws {
        let handle = try #require(FileHandle(forUpdatingAtPath: folder + "/sessions/" + file))
        try handle.seek(toOffset: UInt64(offset))
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: UInt64(offset))
        try handle.write(contentsOf: Data([byte ^ 0x40]))
        try handle.close()
    }

    static func document(_ lines: Int, name: String = "book.txt", seed: Int = 0) -> Document {
        let text = (0..<lines).map { "Line \($0): number \(($0 + seed) * 7919 % 1000).\n" }.joined()
        return Document(title: name, text: text, kind: .text, source: name)
    }
}

import Foundation
import JSONText
import ModelFiles

/// The folder of this user's books, a file each.
package struct BookShelf: Sendable {
    package let folder: String

    package init(folder: String) { self.folder = folder }

    /// `$SORANJI_BOOKS`, else `$XDG_DATA_HOME/soranji/books`, else `~/.local/share/soranji/books`.
    package init(environment: (String) -> String? = UserFolders.variable) throws(BookError) {
        if let folder = environment("SORANJI_BOOKS"), !folder.isEmpty {
            self.folder = folder
        } else if let data = environment("XDG_DATA_HOME"), data.hasPrefix("/") {
            folder = data + "/soranji/books"
        } else if let home = environment("HOME"), home.hasPrefix("/") {
            folder = (home == "/" ? "" : home) + "/.local/share/soranji/books"
        } else {
            throw .noFolder
        }
    }

    package func path(_ name: String) throws(BookError) -> String {
        let isValid =
            !name.isEmpty && name.count <= 100 && !name.hasPrefix(".")
            && name.unicodeScalars.allSatisfy {
                $0.properties.isAlphabetic || "0123456789-_.".unicodeScalars.contains($0)
            }
        guard isValid else { throw .invalidName(name) }
        return folder + "/" + name + ".book.json"
    }

    /// A name for documents: the first one's, without what a name cannot have.
    package static func name(for paths: [String]) -> String {
        let file = paths.first?.split(separator: "/").last.map(String.init) ?? ""
        let stem = file.split(separator: ".").first.map(String.init) ?? ""
        let kept = String(
            stem.unicodeScalars.map { $0.properties.isAlphabetic || ("0"..."9").contains($0) ? Character($0) : "-" }
        )
        return kept.isEmpty || kept == "-" ? "book" : String(kept.prefix(60))
    }

    package var names: [String] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return entries.filter { $0.hasSuffix(".book.json") && !$0.hasPrefix(".") }.map { String($0.dropLast(10)) }
            .sorted()
    }

    package func exists(_ name: String) throws(BookError) -> Bool {
        FileManager.default.fileExists(atPath: try path(name))
    }

    /// - Throws: where there is no book of this name.
    package func checkExists(_ name: String) throws {
        guard try exists(name) else { throw BookError.notFound(name, known: names) }
    }

    package func load(_ name: String) throws -> Book {
        let path = try path(name)
        let file: MappedFile
        do throws(ModelFileError) {
            file = try MappedFile(path: path)
        } catch let error where error.kind == .missing {
            throw BookError.notFound(name, known: names)
        }
        guard let json = try? file.json() else { throw BookError.unreadable(path, "it is no JSON") }
        return try Book(json: json, path: path)
    }

    /// Hours of work should not end in a name that cannot be written to.
    package func checkWritable(_ name: String) throws {
        let path = try path(name)
        try UserFolders.create(folder)
        _ = try AtomicFile(path: path, mode: Self.mode)
    }

    /// What was read is its owner's alone.
    private static let mode: mode_t = 0o600

    /// The file appears complete or not at all, whatever happens meanwhile.
    package func save(_ book: Book) throws {
        let path = try path(book.name)
        try UserFolders.create(folder)
        try AtomicFile.write(Array((book.json.text() + "\n").utf8), to: path, mode: Self.mode)
    }

    package func remove(_ name: String) throws {
        let path = try path(name)
        guard unlink(path) == 0 else {
            if errno == ENOENT { throw BookError.notFound(name, known: names) }
            throw SystemError("remove", path)
        }
    }
}

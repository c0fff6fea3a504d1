import Glibc

/// Bundles among other files of a folder.
package enum BundleFolder {
    /// Names of the bundles in a folder, sorted; none where there is no folder.
    package static func bundles(in folder: String) throws(ModelFileError) -> [String] {
        guard Paths.isFolder(folder) else { return [] }
        return try Paths.list(folder).filter { !isPartial($0) && Bundle.exists(at: folder + "/" + $0) }
    }

    /// Bytes on the disk of everything in a folder; what vanishes meanwhile counts nothing.
    package static func byteCount(_ path: String, depth: Int = 0) -> Int {
        guard depth < 64, let names = try? Paths.list(path) else { return 0 }
        return names.reduce(0) { sum, name in
            var status = stat()
            let entry = path + "/" + name
            guard lstat(entry, &status) == 0 else { return sum }
            if status.st_mode & S_IFMT == S_IFDIR { return sum &+ byteCount(entry, depth: depth + 1) }
            return sum &+ Int(status.st_blocks) &* 512
        }
    }

    /// Removes a bundle. Who reads it goes on with what is mapped already.
    ///
    /// It loses its name first, so that one which is half removed is never taken for whole.
    package static func remove(_ path: String) throws(ModelFileError) {
        guard Bundle.exists(at: path) else { throw ModelFileError(.missing, path, "not a bundle") }
        let aside = "\(Paths.trimmed(path)).partial-\(getpid())-removed"
        guard rename(path, aside) == 0 else { throw .system(path, "cannot remove") }
        do throws(ModelFileError) {
            try StagingFolder.removeTree(aside)
        } catch {
            throw error.renaming(aside, to: path)
        }
    }

    /// Removes what imports that were killed left behind.
    ///
    /// - Returns: how many folders went.
    @discardableResult
    package static func removeLeftovers(in folder: String) -> Int {
        guard let names = try? Paths.list(folder) else { return 0 }
        return names.count { isPartial($0) && StagingFolder.removeIfStale(folder + "/" + $0) }
    }

    private static func isPartial(_ name: String) -> Bool { name.contains(".partial-") }
}

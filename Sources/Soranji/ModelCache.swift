import Foundation
import JSONText
import ModelFiles

/// A bundle in the cache folder: an imported copy of a checkpoint, which can be made again as long as that is there.
public struct CachedModel: Sendable, Equatable {
    /// Whether the copy is still of use.
    public enum State: String, Sendable {
        case current
        /// The checkpoint has changed since: this copy is never looked at again.
        case outdated
        /// The checkpoint is gone: this copy cannot be made again from it.
        case orphaned
        /// Made before it was written down where copies come from.
        case unknown
    }

    /// Its folder's name, which ``ModelCache/remove(_:)`` takes.
    public var name: String
    public var path: String
    public var architecture: String
    /// Bytes on the disk.
    public var byteCount: Int
    /// The checkpoint's path; only its name where nothing more is known.
    public var source: String
    public var state: State
    /// Seconds since 1970.
    public var lastUse: Double

    public var json: JSON {
        [
            "name": .string(name), "path": .string(path), "architecture": .string(architecture),
            "bytes": .integer(Int64(byteCount)), "source": .string(source), "state": .string(state.rawValue),
            "last_use": .number(lastUse),
        ]
    }
}

/// The imported models in the cache folder.
public enum ModelCache {
    /// Beside the manifest of a cached bundle: where it came from. The file's time is that of the last use.
    private static let noteName = "cache.json"

    /// All of them, the most recently used first. A folder that is no readable bundle is left out.
    public static func list() throws -> [CachedModel] {
        let folder = try folder()
        return try BundleFolder.bundles(in: folder).compactMap { name in
            model(name, in: folder)
        }.sorted { ($0.lastUse, $1.name) > ($1.lastUse, $0.name) }
    }

    /// Removes a model of the cache.
    public static func remove(_ model: CachedModel) throws { try BundleFolder.remove(model.path) }

    /// Removes what imports left behind that were killed.
    ///
    /// - Returns: how many there were.
    @discardableResult
    public static func removeLeftovers() throws -> Int { BundleFolder.removeLeftovers(in: try folder()) }

    /// The folder that holds them; it may not exist.
    public static func folder() throws -> String {
        guard let cache = UserFolders.cache() else { throw RuntimeError.noCacheFolder }
        return cache + "/bundles"
    }

    /// Writes down that a bundle of the cache is used now. Only a help: a cache that cannot be written to still serves.
    static func noteUse(of bundle: String, source: String) {
        let path = bundle + "/" + noteName
        if utimensat(AT_FDCWD, path, nil, 0) == 0 { return }
        let note: JSON = ["source": .string(source)]
        try? AtomicFile.write(Array((note.text() + "\n").utf8), to: path)
    }

    private static func model(_ name: String, in folder: String) -> CachedModel? {
        let path = folder + "/" + name
        guard let bundle = try? ModelFiles.Bundle(path: path) else { return nil }
        let note = path + "/" + noteName
        let source = FileManager.default.contents(atPath: note)
            .flatMap { $0.count < 1_000_000 ? try? JSON.parse(Array($0)) : nil }?["source"]?.stringValue
        return CachedModel(
            name: name,
            path: path,
            architecture: bundle.architecture,
            byteCount: BundleFolder.byteCount(path),
            source: source ?? bundle.manifest.provenance.source,
            state: state(name, source),
            lastUse: changeTime(note) ?? changeTime(path + "/" + ModelFiles.Bundle.manifestName) ?? 0
        )
    }

    private static func state(_ name: String, _ source: String?) -> CachedModel.State {
        guard let source else { return .unknown }
        guard FileManager.default.fileExists(atPath: source) else { return .orphaned }
        if (try? ModelLocator.cacheName(source)) == name { return .current }
        // The default model's name depends on its parts as well.
        let parts = (try? DefaultModel.partsFolder()).flatMap { $0 }.flatMap { try? GrownParts(root: $0) }
        let whole = parts.flatMap { try? DefaultModel.bundleName(trunk: source, parts: $0) }
        return whole == name ? .current : .outdated
    }

    private static func changeTime(_ path: String) -> Double? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) * 1e-9
    }
}

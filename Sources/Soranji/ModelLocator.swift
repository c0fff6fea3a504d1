import Foundation
import JSONText
import ModelFiles
import Models

/// Finds the bundle behind what a user calls a model, importing it once where it is a checkpoint.
public enum ModelLocator {
    /// File name of the default model in the cache's `models` folder.
    public static let defaultModelName = "SmolLM2-135M-Instruct.Q4_1.gguf"

    /// The bundle folder for `model`.
    ///
    /// - Parameters:
    ///   - model: a bundle, a GGUF file or a Hugging Face folder; nil for the default model. Checkpoints are imported
    ///     into the cache folder, once: the copy is found again by the source's path, size and time of change.
    ///   - isCancelled: asked now and then during an import; true ends it.
    ///   - onProgress: called while a checkpoint is imported.
    /// - Throws: ``RuntimeError`` when there is nothing, or the importer's errors.
    public static func bundleFolder(
        for model: String?,
        isCancelled: () -> Bool = { false },
        onProgress: (ModelImportProgress) -> Void = { _ in }
    ) throws -> String {
        guard let cache = UserFolders.cache() else { throw RuntimeError.noCacheFolder }
        let path = model ?? cache + "/models/" + defaultModelName
        let manager = FileManager.default
        guard manager.fileExists(atPath: path) else {
            throw model == nil ? RuntimeError.noDefaultModel(path) : RuntimeError.modelNotFound(path)
        }
        if model == nil, let folder = try DefaultModel.partsFolder() {
            let parts = try GrownParts(root: folder)
            return try cached(try DefaultModel.bundleName(trunk: path, parts: parts), of: path) { target in
                try DefaultModel.assemble(
                    trunk: path,
                    parts: parts,
                    into: target,
                    isCancelled: isCancelled,
                    onProgress: onProgress
                )
            }
        }
        if ModelFiles.Bundle.exists(at: path) { return path }
        return try cached(try cacheName(path), of: path) {
            try ModelImporter.importModel(source: path, into: $0, isCancelled: isCancelled, onProgress: onProgress)
        }
    }

    /// The bundle of that name in the cache folder, made where it is not there.
    private static func cached(_ name: String, of source: String, make: (String) throws -> Void) throws -> String {
        let folder = try ModelCache.folder()
        let target = folder + "/" + name
        if !ModelFiles.Bundle.exists(at: target) {
            try UserFolders.create(folder)
            do {
                try make(target)
            } catch let error as ModelFileError where error.kind == .exists && ModelFiles.Bundle.exists(at: target) {
                // Another process was faster; the name says that it made the same.
            }
        }
        ModelCache.noteUse(of: target, source: absolute(source))
        return target
    }

    private static func absolute(_ path: String) -> String {
        URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    }

    /// A name that changes when the source does.
    static func cacheName(_ path: String) throws -> String {
        let absolute = absolute(path)
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: absolute, isDirectory: &isFolder) else {
            throw RuntimeError.modelNotFound(path)
        }
        var files = [absolute]
        if isFolder.boolValue {
            guard FileManager.default.fileExists(atPath: absolute + "/config.json") else {
                throw RuntimeError.notAModel(path)
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: absolute).sorted()
            files += names.filter { $0.hasSuffix(".safetensors") || $0.hasSuffix(".json") }.map { absolute + "/" + $0 }
        }
        // FNV-1a: the name only tells versions of one source apart, it protects nothing.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for file in files {
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            let size = (attributes[.size] as? NSNumber)?.int64Value ?? 0
            let changed = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
            for byte in "\(file)|\(size)|\(changed)|\(ModelFiles.Bundle.version)".utf8 {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            }
        }
        let stem = URL(fileURLWithPath: absolute).deletingPathExtension().lastPathComponent
        let digits = String(hash, radix: 16)
        return stem + "-" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}

import Foundation
import ModelFiles
import Models

/// The default model: the trunk that `make model` fetches, and what was grown on it.
enum DefaultModel {
    /// Names the folder that holds `Experts` instead of the one that came with the tool.
    static let variable = "SORANJI_PARTS"

    /// The folder that holds the grown parts; nil where there are none, and the trunk alone is the default model.
    ///
    /// Looked for in `$SORANJI_PARTS`, in `share/soranji` beside the program's folder, and in the package that the program was
    /// built in.
    ///
    /// - Throws: when the variable names a folder without parts.
    static func partsFolder(
        environment: (String) -> String? = UserFolders.variable,
        program: String? = Bundle.main.executablePath
    ) throws -> String? {
        if let folder = environment(variable), !folder.isEmpty {
            guard GrownParts.exist(in: folder) else { throw RuntimeError.noParts(folder) }
            return folder
        }
        guard let program else { return nil }
        var folder = URL(fileURLWithPath: program).resolvingSymlinksInPath().deletingLastPathComponent()
        let installed = folder.deletingLastPathComponent().appendingPathComponent("share/soranji").path
        if GrownParts.exist(in: installed) { return installed }
        // .build/x86_64-unknown-linux-gnu/release/soranji
        for _ in 0..<5 {
            folder = folder.deletingLastPathComponent()
            let isPackage = FileManager.default.fileExists(atPath: folder.path + "/Package.swift")
            if isPackage { return GrownParts.exist(in: folder.path) ? folder.path : nil }
        }
        return nil
    }

    /// Name of the bundle that trunk and parts make: another one when either changes.
    static func bundleName(trunk: String, parts: GrownParts) throws -> String {
        let attributes = try FileManager.default.attributesOfItem(atPath: trunk)
        let size = (attributes[.size] as? NSNumber)?.int64Value ?? 0
        let changed = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
        var hash = try parts.fingerprint()
        for byte in "\(trunk)|\(size)|\(changed)|\(ModelFiles.Bundle.version)".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        let digits = String(hash, radix: 16)
        return "default-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Puts trunk and parts together as a bundle. What has the bundle's name is whole.
    static func assemble(
        trunk: String,
        parts: GrownParts,
        into bundle: String,
        isCancelled: () -> Bool = { false },
        onProgress: (ModelImportProgress) -> Void = { _ in }
    ) throws {
        try parts.verify()
        let (plan, source) = try GrownModel.plan(trunk: CheckpointSource(path: trunk), parts: parts)
        var importer = BundleImporter()
        importer.importer = "soranji \(SoranjiVersion.current)"
        try importer.run(plan, from: source, to: bundle, isCancelled: isCancelled) {
            onProgress(ModelImportProgress(doneBytes: $0.bytesDone, totalBytes: $0.bytesTotal, name: $0.name))
        }
    }
}

import Glibc
import JSONText
import Synchronization

/// How far an import is.
package struct ImportProgress: Sendable, Equatable {
    /// Bytes written and bytes hashed so far.
    package var bytesDone: Int
    package var bytesTotal: Int
    /// What is being written: a path inside the bundle.
    package var name: String
}

/// Carries out an ``ImportPlan``: a checkpoint in, a bundle out.
///
/// Weights are packed panel by panel straight into the files by several threads, each with memory for a few panels of its
/// current matrix, while another thread hashes the source. The bundle is written beside the target and gets its name at
/// the end, when every file is durable: an import that fails, is cancelled or killed leaves nothing under that name.
package struct BundleImporter {
    /// Type of the packed weights; nil keeps what the source has, exactly where there is a packed type for it.
    package var weights: WeightType?
    /// Replace an existing bundle.
    package var replacesExisting = false
    /// Threads that pack; one more hashes.
    package var threadCount = BundleImporter.defaultThreadCount
    /// Name and version of the program, for the manifest.
    package var importer = "soranji"
    /// Looks at the tokenizer's files, in the folder that it is given, before any weights are packed: a bundle whose text
    /// cannot be read would be found out only after gigabytes. Called when there is a vocabulary.
    package var checkTokenizer: (_ folder: String) throws(ModelFileError) -> Void = { _ in }

    package init(weights: WeightType? = nil) { self.weights = weights }

    /// One per processor, at most eight: beyond that the disk is the limit.
    package static var defaultThreadCount: Int { min(8, max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))) }

    /// Imports `source` as the bundle folder `target`. Blocks until it is done; both closures are called in this thread,
    /// about twenty times a second.
    ///
    /// - Returns: what was written to `bundle.json`.
    /// - Throws: ``ModelFileError``: `.exists`, `.missing`, `.mismatch`, `.unsupported`, `.nonFinite`, `.full`, `.changed`,
    ///   `.cancelled`. Whatever it is, nothing is left under the target's name.
    @discardableResult
    package func run(
        _ plan: ImportPlan,
        from source: CheckpointSource,
        to target: String,
        isCancelled: () -> Bool = { false },
        progress: (ImportProgress) -> Void = { _ in }
    ) throws(ModelFileError) -> BundleManifest {
        let target = Paths.trimmed(target)
        try StagingFolder.checkTarget(target, replacing: replacesExisting)
        let resolved = try ResolvedPlan(plan, from: source, requested: weights)
        let staging = try StagingFolder(target: target)
        do throws(ModelFileError) {
            let manifest = try fill(staging, plan, resolved, from: source, isCancelled, progress)
            if isCancelled() { throw ModelFileError(.cancelled, target, "the import was cancelled") }
            try staging.commit(replacing: replacesExisting)
            return manifest
        } catch {
            // The folder that is filled has a name of its own, which says nothing to the user.
            throw error.renaming(staging.path, to: target)
        }
    }

    /// Writes all files of the bundle.
    private func fill(
        _ staging: StagingFolder,
        _ plan: ImportPlan,
        _ resolved: ResolvedPlan,
        from source: CheckpointSource,
        _ isCancelled: () -> Bool,
        _ progress: (ImportProgress) -> Void
    ) throws(ModelFileError) -> BundleManifest {
        let bytes = resolved.files.reduce(0) { $0 + $1.byteCount }
        try Self.checkSpace(bytes, staging.path)
        var tokenizerFiles = TokenizerFiles.names(of: source)
        try TokenizerFiles.write(tokenizerFiles, of: source, to: staging)
        for copy in plan.copies {
            if Paths.folder(copy.path) != "." { try staging.makeFolder(Paths.folder(copy.path)) }
            try staging.copy(copy.source, to: copy.path)
            if TokenizerFiles.folderNames.contains(copy.path) { tokenizerFiles.append(copy.path) }
        }
        if TokenizerFiles.holdVocabulary(tokenizerFiles) { try checkTokenizer(staging.path) }
        let hashed = source.provenancePaths + plan.copies.map(\.source)
        let run = ImportRun(files: resolved.files, hashed: hashed, folder: staging.path)
        try run.makeFolders(staging)
        let hashes = try run.perform(threadCount: threadCount, isCancelled: isCancelled, progress: progress)
        for file in source.weightFiles { try file.verifyUnchanged() }
        let manifest = BundleManifest(
            architecture: plan.architecture,
            configuration: plan.configuration,
            requestedWeights: weights,
            weights: resolved.weights,
            trunkBytes: resolved.trunk.byteCount,
            encoders: zip(plan.encoders, resolved.encoders).map { encoder, file in
                .init(name: encoder.name, bytes: file.byteCount, configuration: encoder.configuration)
            },
            expertLayers: resolved.expertLayers,
            expertBytes: resolved.shards.reduce(0) { $0 + $1.byteCount },
            tokenizerFiles: tokenizerFiles,
            provenance: .init(
                source: plan.sourceName ?? Paths.name(Paths.resolved(source.path)),
                kind: source.kind,
                files: hashes,
                licence: source.licence,
                importer: importer
            )
        )
        try staging.write(Array((manifest.json.text(indented: true) + "\n").utf8), to: Bundle.manifestName)
        return manifest
    }

    /// Refuses early what cannot fit.
    private static func checkSpace(_ bytes: Int, _ folder: String) throws(ModelFileError) {
        guard let free = FreeDisk.bytes(in: folder), bytes > free else { return }
        throw ModelFileError(
            .full,
            folder,
            "the bundle needs \(Inspection.size(bytes)); \(Inspection.size(free)) are free",
            hint: "Free some space or choose another folder."
        )
    }
}

extension CheckpointSource {
    /// Every file whose hash goes into the manifest: weights, index, configuration, tokenizer.
    var provenancePaths: [String] {
        // What was added is named, with its hashes, by a file of its own (``ImportPlan/copies``).
        var paths = ownFiles.map(\.path)
        guard case .safetensors(let checkpoint) = container else { return paths }
        if let index = checkpoint.indexPath { paths.append(index) }
        paths += (["config.json"] + TokenizerFiles.folderNames).map { checkpoint.folder + "/" + $0 }
            .filter(Paths.isRegularFile)
        return paths
    }
}

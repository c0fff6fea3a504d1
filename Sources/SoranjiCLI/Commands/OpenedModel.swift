import ModelFiles
import Soranji

extension ModelFlags {
    /// Finds the bundle, importing the model first if need be, and maps it.
    ///
    /// - Parameter atLeast: tokens that the context must hold when the user named no size.
    func open(progress: ProgressBar) throws -> Runtime {
        let folder = try bundleFolder(progress: progress)
        var options = Runtime.Options()
        options.threadCount = threads ?? 0
        options.contextTokens = context?.tokens
        options.cacheElement = cacheType
        return try Runtime(bundleFolder: folder, options: options)
    }

    /// The bundle behind `--model`; a checkpoint is imported into the cache folder, once.
    func bundleFolder(progress: ProgressBar) throws -> String {
        defer { progress.clear() }
        var isAnnounced = false
        return try ModelLocator.bundleFolder(for: model) { step in
            if !isAnnounced {
                isAnnounced = true
                Terminal.standardError.writeLine(
                    "importing \(model ?? "the default model") into the cache folder, once"
                )
            }
            progress.update("importing", completed: step.doneBytes, total: step.totalBytes, unit: .bytes)
        }
    }
}

extension Runtime {
    /// What people call the model: the file or folder that it was imported from, else the bundle folder's name.
    var modelName: String {
        let source = (try? Bundle(path: bundleFolder))?.manifest.provenance.source ?? ""
        return [source, bundleFolder].lazy
            .compactMap { $0.split(separator: "/").last.map(String.init) }
            .first ?? bundleFolder
    }

    /// Adds this run's expert choices to the saved ones. They are a help, so a full disk does not fail the command.
    func keepExpertUsage() {
        do {
            try saveExpertUsage()
        } catch {
            Terminal.standardError.writeLine("warning: the experts' counts could not be saved: \(error)")
        }
    }
}

extension ProgressBar {
    func update(_ step: PrefillProgress) {
        update("reading", completed: step.doneTokens, total: step.promptTokens, unit: .tokens)
    }

    /// A file that is being decoded and encoded.
    func update(_ media: MediaReceipt.Entry) {
        update("looking at \(media.source)", completed: 0, total: media.tokens, unit: .tokens)
    }
}

import ArgumentParser
import Soranji

extension ModelFlags {
    /// Finds the bundle, importing the model first if need be, and maps it.
    ///
    /// - Parameter session: a stored session that will be asked; it knows how it keeps keys and values.
    func open(progress: ProgressBar, session: String? = nil) throws -> Runtime {
        let folder = try ModelFolder.find(model, progress: progress)
        var options = Runtime.Options()
        options.threadCount = threads ?? 0
        options.contextTokens = context?.tokens
        let stored = try session.flatMap { try SessionStore.standard().cacheElement(of: $0) }
        options.cacheElement = cacheType ?? stored ?? options.cacheElement
        options.memoryBytes = memory?.bytes
        options.attention = attentionOptions
        let runtime = try Runtime(bundleFolder: folder, options: options)
        let trained = runtime.trainedContextTokens
        if let context, context.tokens > trained, !runtime.recallsLongContexts {
            let style = Terminal.standardError.style
            Terminal.standardError.writeLine(
                style.bold(style.yellow("warning:"))
                    + " --context \(context.tokens) is more than the \(FixedPoint.count(trained, "token")) that "
                    + "\(runtime.modelName) was trained for; beyond them its answers may make no sense"
            )
        }
        return runtime
    }
}

/// The bundle behind `--model`.
enum ModelFolder {
    /// A checkpoint is imported into the cache folder, once. Ctrl-C ends an import, which leaves nothing then.
    ///
    /// - Parameter model: a bundle or checkpoint; nil for the default model.
    static func find(_ model: String?, progress: ProgressBar) throws -> String {
        defer { progress.clear() }
        var isAnnounced = false
        return try Interrupt.watch { () throws -> String in
            do {
                return try ModelLocator.bundleFolder(for: model, isCancelled: { Interrupt.isRequested }) { step in
                    if !isAnnounced {
                        isAnnounced = true
                        Terminal.standardError.writeLine(
                            "importing \(model ?? "the default model") into the cache folder, once"
                        )
                    }
                    progress.update("importing", completed: step.doneBytes, total: step.totalBytes, unit: .bytes)
                }
            } catch {
                guard Interrupt.isRequested else { throw error }
                progress.clear()
                Terminal.standardError.writeLine("interrupted: nothing was made")
                throw ExitStatus.interrupted
            }
        }
    }
}

extension Runtime {
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

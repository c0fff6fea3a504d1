import Foundation
import ModelFiles
import Models
import Tokenizers

/// How far an import is.
public struct ModelImportProgress: Sendable, Equatable {
    /// Bytes written and bytes read for the source's hash.
    public var doneBytes: Int
    public var totalBytes: Int
    /// What is being written: a path inside the bundle.
    public var name: String
}

/// Makes bundles from checkpoints.
public enum ModelImporter {
    /// Types that weights can be packed as.
    public enum Weights: String, Sendable, CaseIterable {
        case f32, f16, bf16, q8, q4
    }

    /// Imports a GGUF file or a Hugging Face folder as a bundle.
    ///
    /// - Parameters:
    ///   - weights: nil keeps what the source has, exactly wherever there is a packed type for it.
    ///   - replacesExisting: whether a bundle of that name may be replaced.
    ///   - isCancelled: asked now and then; true ends the import, leaving nothing.
    ///   - onNote: called with a sentence for each part of the checkpoint that is left out on purpose.
    /// - Throws: errors that name the file, tensor or setting. Whatever happens, nothing unfinished is left under the
    ///   bundle's name.
    public static func importModel(
        source: String,
        into bundle: String,
        weights: Weights? = nil,
        replacesExisting: Bool = false,
        isCancelled: () -> Bool = { false },
        onProgress: (ModelImportProgress) -> Void = { _ in },
        onNote: (String) -> Void = { _ in }
    ) throws {
        let checkpoint = try CheckpointSource(path: source)
        let plan = try Families.plan(for: checkpoint)
        plan.notes.forEach(onNote)
        var importer = BundleImporter(weights: weights.flatMap { WeightType(rawValue: $0.rawValue) })
        importer.replacesExisting = replacesExisting
        importer.importer = "soranji \(SoranjiVersion.current)"
        importer.checkTokenizer = { folder throws(ModelFileError) in try checkTokenizer(in: folder, of: source) }
        try importer.run(plan, from: checkpoint, to: bundle, isCancelled: isCancelled) {
            onProgress(ModelImportProgress(doneBytes: $0.bytesDone, totalBytes: $0.bytesTotal, name: $0.name))
        }
    }

    /// Loads the tokenizer and compiles the chat template, as opening the bundle will.
    private static func checkTokenizer(in folder: String, of source: String) throws(ModelFileError) {
        let template: String?
        do throws(TokenizerError) {
            template = try Tokenizer.load(folder: folder).chatTemplate
        } catch {
            throw ModelFileError(.unsupported, source, "its tokenizer cannot be used: \(error)")
        }
        guard let template else { return }
        do throws(TemplateError) {
            _ = try ChatTemplate(source: template)
        } catch {
            throw ModelFileError(.unsupported, source, "its chat template cannot be used: \(error)")
        }
    }
}

/// The version of this package.
public enum SoranjiVersion {
    public static let current = "0.1.0"
}

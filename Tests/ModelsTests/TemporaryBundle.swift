import Foundation
import ModelFiles
import Models

/// A bundle imported into a temporary folder, removed with the value.
final class TemporaryBundle {
    let path: String

    init(importing source: String, weights: WeightType?) throws {
        path = NSTemporaryDirectory() + "soranji-test-\(UUID().uuidString)"
        let checkpoint = try CheckpointSource(path: source)
        try BundleImporter(weights: weights).run(Families.plan(for: checkpoint), from: checkpoint, to: path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

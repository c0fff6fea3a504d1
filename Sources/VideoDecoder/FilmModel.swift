import Glibc
import JSONText
import ModelFiles

/// Everything that films: settings, codec and flow transformer of a folder that `Training/` exported.
package struct FilmModel: Sendable {
    package let settings: FilmSettings
    package let codec: PatchCodec
    package let flow: FlowDecoder

    /// Reads `decoder/codec.safetensors`, `decoder/flow.safetensors` and their dimensions: `dims` of `model.json`, or of the
    /// object `grown` in a bundle's `bundle.json`.
    package init(folder: String) throws {
        var path = folder + "/model.json"
        var json: JSON
        do {
            json = try Self.read(path)
        } catch let error as ModelFileError where error.kind == .missing {
            let bundle = folder + "/bundle.json"
            guard let grown = try? Self.read(bundle)["grown"] else { throw error }
            path = bundle
            json = grown
        }
        guard let dims = json["dims"] else { throw FilmError.badSettings(path: path, "has no 'dims'") }
        try self.init(folder: folder, dims: dims, path: path)
    }

    private static func read(_ path: String) throws -> JSON {
        let file = try MappedFile(path: path)
        do throws(JSONError) {
            return try file.json(maximumDepth: 32)
        } catch {
            throw FilmError.badSettings(path: path, "\(error)")
        }
    }

    /// Whether a folder has what films.
    package static func exists(in folder: String) -> Bool {
        access(folder + "/decoder/flow.safetensors", R_OK) == 0
    }

    /// - Parameters:
    ///   - dims: the settings, where they are part of another file.
    ///   - path: that file, for messages.
    package init(folder: String, dims: JSON, path: String) throws {
        settings = try FilmSettings(dims: dims, path: path)
        codec = try PatchCodec(
            try SafetensorsFile(path: folder + "/decoder/codec.safetensors"),
            settings: settings.codec
        )
        flow = try FlowDecoder(
            try SafetensorsFile(path: folder + "/decoder/flow.safetensors"),
            settings: settings
        )
    }
}

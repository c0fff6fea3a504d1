import JSONText

/// An encoder of a bundle, mapped: its settings as the checkpoint had them, its matrices and vectors by our names.
package struct EncoderFile: Sendable {
    package let configuration: JSON
    let file: SafetensorsFile

    /// For messages.
    package var path: String { file.file.path }

    /// A packed matrix; sizes and alignment are checked against the mapping.
    package func matrix(named name: String) throws(ModelFileError) -> MappedMatrix {
        try file.packedMatrix(named: name)
    }

    package func vector(named name: String) throws(ModelFileError) -> MappedVector {
        guard let vector = try file.vectorIfPresent(named: name) else {
            throw ModelFileError(.missing, path, "no vector '\(name)'", hint: "Import the model again.")
        }
        return vector
    }
}

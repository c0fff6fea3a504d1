import Foundation
import JSONText
import ModelFiles
import VideoDecoder

/// A reference result from PyTorch: weights under `w.`, inputs under `in.`, outputs under `out.`, all f32.
struct Golden {
    let file: SafetensorsFile

    init(_ name: String) throws {
        let folder = Foundation.Bundle.module.resourcePath ?? "."
        file = try SafetensorsFile(path: "\(folder)/Fixtures/\(name).safetensors")
    }

    func shape(_ name: String) throws -> [Int] { try entry(name).shape }

    func floats(_ name: String) throws -> [Float] {
        let entry = try entry(name)
        guard let bytes = file.bytes(of: entry) else { throw Missing(name: name) }
        defer { withExtendedLifetime(file) {} }
        return (0..<entry.byteCount / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }

    func integers(_ name: String) throws -> [Int] {
        let entry = try entry(name)
        guard let bytes = file.bytes(of: entry) else { throw Missing(name: name) }
        defer { withExtendedLifetime(file) {} }
        return (0..<entry.byteCount / 8).map {
            Int(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
        }
    }

    private func entry(_ name: String) throws -> SafetensorsFile.Entry {
        guard let entry = file.entry(named: name) else { throw Missing(name: name) }
        return entry
    }

    struct Missing: Error {
        var name: String
    }

    /// Dimensions of the tiny networks.
    func settings() throws -> FilmSettings {
        let json = try JSON.parse(Array((file.metadata["config"] ?? "").utf8))
        return try FilmSettings(dims: json, path: file.file.path)
    }
}

func largestDifference(_ a: some Collection<Float>, _ b: some Collection<Float>) -> Float {
    a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
}

/// Of values in -1 ... 1, in dB.
func peakSignalToNoise(_ a: [Float], _ b: [Float]) -> Double {
    let error = zip(a, b).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) } / Double(max(1, a.count))
    return 10 * log10(4 / max(error, 1e-30))
}

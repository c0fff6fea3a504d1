import Foundation
import Glibc
import Testing

@testable import Media

/// The committed clips of these tests.
enum ClipFiles {
    static let folder: String = Bundle.module.resourcePath.map { $0 + "/Fixtures/clips/" } ?? ""

    static func path(_ name: String) -> String { folder + name }

    static func bytes(_ name: String) throws -> [UInt8] {
        try Array(Data(contentsOf: URL(fileURLWithPath: path(name))))
    }

    static func floats(_ name: String) throws -> [Float] {
        try bytes(name).withUnsafeBytes { buffer in
            stride(from: 0, to: buffer.count, by: 4).map { buffer.loadUnaligned(fromByteOffset: $0, as: Float.self) }
        }
    }
}

/// A folder of its own for one test, removed with everything in it.
final class ClipFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/soranji-media-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    func write(_ bytes: [UInt8], to name: String) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

extension MediaFile {
    /// All frames of a schedule.
    func allFrames(
        _ schedule: FrameSchedule,
        stream: Int? = nil,
        options: FrameReader.Options = FrameReader.Options()
    ) throws -> [TimedFrame] {
        let reader = try frames(schedule, stream: stream, options: options)
        var frames: [TimedFrame] = []
        while let frame = try reader.next() { frames.append(frame) }
        return frames
    }
}

extension PixelImage {
    /// Red, green and blue at a place.
    func color(_ x: Int, _ y: Int) -> [Int] { (0..<3).map { Int(pixels[(y * width + x) * 3 + $0]) } }
}

/// Peak signal to noise in decibels; infinite for equal bytes.
func peakSignalToNoise(_ left: [UInt8], _ right: [UInt8]) -> Double {
    guard left.count == right.count, !left.isEmpty else { return -.infinity }
    var sum = 0.0
    for (a, b) in zip(left, right) {
        let difference = Double(a) - Double(b)
        sum += difference * difference
    }
    return sum == 0 ? .infinity : 10 * log10(255 * 255 * Double(left.count) / sum)
}

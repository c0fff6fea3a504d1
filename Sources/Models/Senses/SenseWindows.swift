/// How clips and recordings are cut into windows, and how many rows a window becomes: what a plan needs before anything is
/// decoded.
package struct SenseWindows: Codable, Sendable, Equatable {
    /// The picture of sound that the ear reads: log-mel bands.
    package struct Bands: Codable, Sendable, Equatable {
        /// Samples under a column's window, and from one column to the next.
        package var window: Int
        package var hop: Int
        package var count: Int
        package var lowHertz: Double
        package var highHertz: Double
        /// The amplitude, relative to a full-scale sine, that counts as silence.
        package var floor: Double
    }

    /// Pixels of a frame's side as the eye sees it.
    package var framePixels: Int
    /// Frames of a window.
    package var frames: Int
    package var framesPerSecond: Double
    package var sampleRate: Int
    package var bands: Bands
    /// Rows of a window, marks included.
    package var videoRows: Int
    package var audioRows: Int

    package var seconds: Double { Double(frames) / framesPerSecond }
    package var samples: Int { Int((seconds * Double(sampleRate)).rounded()) }
    /// Columns of a window's picture of sound.
    package var columns: Int { samples / bands.hop }

    /// What is wrong with the numbers, or nil.
    package var problem: String? {
        if !(8...4096 ~= framePixels) { return "frames of \(framePixels) pixels" }
        if !(1...4096 ~= frames) { return "windows of \(frames) frames" }
        if !(framesPerSecond.isFinite && 0.01...1000 ~= framesPerSecond) {
            return "\(framesPerSecond) frames per second"
        }
        if !(1000...384_000 ~= sampleRate) { return "\(sampleRate) samples per second" }
        if !(2...65_536 ~= bands.window && bands.window % 2 == 0) { return "\(bands.window) samples under a window" }
        if !(1...65_536 ~= bands.hop && 1...512 ~= bands.count) {
            return "\(bands.count) bands every \(bands.hop) samples"
        }
        let hertz = [bands.lowHertz, bands.highHertz]
        if !(hertz.allSatisfy { $0.isFinite && 0...1e6 ~= $0 } && hertz[0] < hertz[1]) { return "bands from \(hertz)" }
        if !(bands.floor > 0 && bands.floor < 1) { return "a floor of \(bands.floor)" }
        if !(3...1024 ~= videoRows && 3...1024 ~= audioRows) { return "\(videoRows) and \(audioRows) rows to a window" }
        if !(1...16_000_000 ~= samples) || columns < 1 { return "\(samples) samples to a window" }
        return nil
    }
}

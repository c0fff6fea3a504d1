/// How many tokens an audio tower makes of log-mel frames (Qwen3-Omni): three convolutions of stride two per chunk.
package enum AudioTokens {
    /// - Parameters:
    ///   - frames: of 10 ms.
    ///   - window: `n_window` of the audio configuration: half of a chunk, in frames.
    /// - Returns: 13 per second at the released window of 50; 0 for no frames.
    package static func count(frames: Int, window: Int = 50) -> Int {
        guard frames > 0, window > 0, window <= 1 << 20 else { return 0 }
        let chunk = 2 * window
        return frames / chunk * halved(chunk) + halved(frames % chunk)
    }

    /// Frames after three halvings that round up.
    private static func halved(_ frames: Int) -> Int {
        (0..<3).reduce(frames) { count, _ in (count + 1) / 2 }
    }
}

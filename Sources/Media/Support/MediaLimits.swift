import Synchronization

/// What one file may ask of the machine. A file that asks for more is refused with the number that it asked for.
package struct MediaLimits: Sendable {
    /// Pixels of one frame, as coded and as shown.
    package var maximumPixels = 1 << 26
    /// Streams of one file.
    package var maximumStreams = 64
    /// Channels of one recording.
    package var maximumChannels = 64
    /// Bytes that may be read to find out what a file holds.
    package var probeBytes = 16 << 20
    /// How often the file's own length may be read, all passes and seeks together, before the work counts as going round
    /// in circles.
    package var maximumRereads = 64
    /// Packets that may go by without a frame or a sample.
    package var maximumFruitlessPackets = 100_000
    /// Seconds of silence that gaps in a recording's times may add, all together: a file of a few bytes can claim hours.
    package var maximumSilentSeconds = 1800.0
    /// Threads of one decoder; nil for one per processor, at most eight.
    package var threads: Int?

    package init() {}
}

/// Stops the work on a file from another thread; it then ends with `.cancelled`.
package final class MediaCancellation: Sendable {
    private let flag = Atomic<Bool>(false)

    package init() {}

    package func cancel() { flag.store(true, ordering: .relaxed) }

    package var isCancelled: Bool { flag.load(ordering: .relaxed) }
}

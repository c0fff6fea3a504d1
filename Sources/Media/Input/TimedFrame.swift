/// A frame and when it is shown.
package struct TimedFrame: Sendable {
    /// When the frame begins to be shown, from the beginning of the file.
    package let seconds: Double
    /// The time that it was asked for by; the same as ``seconds`` where none was.
    package let requestedSeconds: Double
    /// How much later than the clip's last moment it was asked for: the frame is the last one, standing in. Otherwise 0.
    package let secondsAfterEnd: Double
    package let image: PixelImage

    package init(seconds: Double, requestedSeconds: Double? = nil, secondsAfterEnd: Double = 0, image: PixelImage) {
        self.seconds = seconds
        self.requestedSeconds = requestedSeconds ?? seconds
        self.secondsAfterEnd = secondsAfterEnd
        self.image = image
    }
}

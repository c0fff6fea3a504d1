/// A frame and when it is shown.
package struct TimedFrame: Sendable {
    /// When the frame begins to be shown, from the beginning of the file.
    package let seconds: Double
    /// The time that it was asked for by; the same as ``seconds`` where none was.
    package let requestedSeconds: Double
    package let image: PixelImage

    package init(seconds: Double, requestedSeconds: Double? = nil, image: PixelImage) {
        self.seconds = seconds
        self.requestedSeconds = requestedSeconds ?? seconds
        self.image = image
    }
}

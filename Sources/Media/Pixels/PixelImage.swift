/// A picture or a frame: 8-bit RGB, interleaved, rows of `width * 3` bytes without gaps, the top row first.
package struct PixelImage: Sendable, Equatable {
    package let width: Int
    package let height: Int
    /// `width * height * 3` bytes.
    package var pixels: [UInt8]

    /// - Throws: ``PixelError/badSize`` when a side is not positive or the bytes are not as many as the sides ask for.
    package init(width: Int, height: Int, pixels: [UInt8]) throws(PixelError) {
        guard let bytes = Self.byteCount(width: width, height: height), bytes == pixels.count else {
            throw .badSize(width: width, height: height, bytes: pixels.count)
        }
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// Sides beyond this are damage: no camera and no codec of ours has them.
    package static let maximumSide = 65_536

    /// Bytes of an image, or nil when a side is out of range or the product is more than 8 GiB.
    package static func byteCount(width: Int, height: Int) -> Int? {
        guard 1...maximumSide ~= width, 1...maximumSide ~= height else { return nil }
        let bytes = width * height * 3
        return bytes <= 8 << 30 ? bytes : nil
    }
}

/// What is wrong with a picture, or with what was asked of it.
package enum PixelError: Error, Equatable, CustomStringConvertible {
    case badSize(width: Int, height: Int, bytes: Int)
    /// Longer than `limit` times its other side.
    case tooNarrow(width: Int, height: Int, limit: Int)
    case badBudget(String)
    /// Frames of one clip must have one size.
    case mixedSizes(frame: Int)
    case notWholePatches(width: Int, height: Int, unit: Int)
    case noFrames
    case outOfMemory(bytes: Int)

    package var description: String {
        switch self {
        case .badSize(let width, let height, let bytes):
            "an image of \(width)x\(height) pixels cannot have \(bytes) bytes"
        case .tooNarrow(let width, let height, let limit):
            "the image is \(width)x\(height): one side is more than \(limit) times the other; crop it first"
        case .badBudget(let reason): reason
        case .mixedSizes(let frame): "frame \(frame) has another size than the first one"
        case .notWholePatches(let width, let height, let unit):
            "\(width)x\(height) pixels are not whole blocks of \(unit)x\(unit); resize first"
        case .noFrames: "there are no frames"
        case .outOfMemory(let bytes): "cannot allocate \(bytes / 1_048_576) MiB for pixels; use fewer or smaller frames"
        }
    }
}

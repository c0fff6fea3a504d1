import CFFmpeg

/// Decoded frames of any format to upright RGB with square pixels.
///
/// The conversion is that of the reference readers: swscale's own YUV to RGB with the `bilinear` flag, the matrix and the
/// range that the frame is tagged with, the place of the colour samples likewise, and BT.601 with studio range where it is not tagged. Brightness is not mapped:
/// HDR transfer curves stay as they are.
final class PixelConverter {
    private struct Key: Equatable {
        var width: Int32
        var height: Int32
        var format: Int32
        var colorspace: UInt32
        var chromaLocation: UInt32
        var isFullRange: Bool
        var aspect: Double
        var orientation: Orientation
    }

    private let name: String
    private let maximumPixels: Int
    private let isAsCoded: Bool
    private var key: Key?
    private var scaler: OpaquePointer?
    private var target: Frame?
    /// Of the coded picture, before turning.
    private var squareSize = (width: 0, height: 0)
    /// Of the first picture: the frames of one clip all get one size, also when the stream changes its own.
    private var shownSize: (width: Int, height: Int)?

    /// - Parameter isAsCoded: leaves pixels and orientation as they are stored.
    init(name: String, maximumPixels: Int, isAsCoded: Bool) {
        self.name = name
        self.maximumPixels = maximumPixels
        self.isAsCoded = isAsCoded
    }

    deinit { sk_av_scaler_free(scaler) }

    /// - Parameters:
    ///   - aspect: what the container says; the frame's own word goes first.
    ///   - orientation: what the container says; likewise.
    func convert(
        _ frame: UnsafeMutablePointer<AVFrame>,
        aspect: Rational,
        orientation: Orientation
    ) throws(MediaError) -> PixelImage {
        let wanted = key(of: frame, aspect: aspect, orientation: orientation)
        if key != wanted { try prepare(wanted) }
        guard let scaler, let target else { throw outOfMemory }
        let rows = sk_av_scaler_run(scaler, frame, target.pointer)
        guard rows == Int32(squareSize.height) else {
            throw .library(.malformed, name, "cannot convert a frame", code: rows)
        }
        return try packed(target.pointer, orientation: wanted.orientation)
    }

    private var outOfMemory: MediaError { MediaError(.limit, name, "out of memory for frames") }

    private func key(
        of frame: UnsafeMutablePointer<AVFrame>,
        aspect: Rational,
        orientation: Orientation
    ) -> Key {
        let format = AVPixelFormat(rawValue: frame.pointee.format)
        var own = Rational(frame.pointee.sample_aspect_ratio)
        if !own.isPositive { own = aspect }
        var turned = orientation
        var matrix = [Int32](repeating: 0, count: 9)
        if sk_av_frame_matrix(frame, &matrix) {
            turned = Orientation(displayMatrix: matrix)
        } else if let exif = Self.exifOrientation(frame) {
            turned = exif
        }
        return Key(
            width: frame.pointee.width,
            height: frame.pointee.height,
            format: frame.pointee.format,
            colorspace: frame.pointee.colorspace.rawValue,
            chromaLocation: frame.pointee.chroma_location.rawValue,
            isFullRange: PixelGeometry.isFullRange(frame.pointee.color_range, format),
            aspect: isAsCoded ? 1 : PixelGeometry.sane(own),
            orientation: isAsCoded ? .upright : turned
        )
    }

    /// The orientation that photographs carry as EXIF data, where the decoder only passes the number on.
    private static func exifOrientation(_ frame: UnsafeMutablePointer<AVFrame>) -> Orientation? {
        guard let entry = av_dict_get(frame.pointee.metadata, "Orientation", nil, 0), let value = entry.pointee.value
        else {
            return nil
        }
        let digits = String(cString: value).filter(\.isNumber)
        return Int(digits).map { Orientation(exif: $0) }
    }

    private func prepare(_ wanted: Key) throws(MediaError) {
        sk_av_scaler_free(scaler)
        scaler = nil
        key = nil
        let width = Int(wanted.width)
        let height = Int(wanted.height)
        guard PixelImage.byteCount(width: width, height: height) != nil, width * height <= maximumPixels else {
            throw tooLarge(width, height)
        }
        if let shownSize {
            let swaps = wanted.orientation.swapsSides
            squareSize = swaps ? (shownSize.height, shownSize.width) : shownSize
        } else {
            squareSize = PixelGeometry.squareSize(width: width, height: height, aspect: wanted.aspect)
            guard PixelImage.byteCount(width: squareSize.width, height: squareSize.height) != nil,
                squareSize.width * squareSize.height <= maximumPixels
            else { throw tooLarge(squareSize.width, squareSize.height) }
        }
        var from = sk_av_picture(
            width: wanted.width,
            height: wanted.height,
            format: AVPixelFormat(rawValue: wanted.format),
            colorspace: AVColorSpace(rawValue: wanted.colorspace),
            chroma_location: AVChromaLocation(rawValue: wanted.chromaLocation),
            full_range: wanted.isFullRange
        )
        var to = sk_av_picture(
            width: Int32(squareSize.width),
            height: Int32(squareSize.height),
            format: AV_PIX_FMT_RGB24,
            colorspace: AVCOL_SPC_UNSPECIFIED,
            chroma_location: AVCHROMA_LOC_UNSPECIFIED,
            full_range: true
        )
        let isResized = squareSize != (width, height)
        guard let made = sk_av_scaler_create(&from, &to, isResized ? SWS_BICUBIC : SWS_BILINEAR) else {
            let format = av_get_pix_fmt_name(from.format).map { String(cString: $0) } ?? "unknown"
            throw MediaError(
                .unsupported,
                name,
                "frames of format \(format), \(width)x\(height), cannot be converted to RGB"
            )
        }
        scaler = made
        let frame = try Frame(name)
        frame.pointer.pointee.width = to.width
        frame.pointer.pointee.height = to.height
        frame.pointer.pointee.format = AV_PIX_FMT_RGB24.rawValue
        // The converter's vectors run past the end of a row, into the padding that this gives.
        guard av_frame_get_buffer(frame.pointer, 64) >= 0 else { throw outOfMemory }
        target = frame
        key = wanted
        if shownSize == nil {
            shownSize =
                wanted.orientation.swapsSides
                ? (squareSize.height, squareSize.width) : (squareSize.width, squareSize.height)
        }
    }

    private func tooLarge(_ width: Int, _ height: Int) -> MediaError {
        MediaError(.limit, name, "frames of \(width)x\(height) pixels, more than the \(maximumPixels) allowed")
    }

    /// Rows without padding, turned upright.
    private func packed(
        _ frame: UnsafeMutablePointer<AVFrame>,
        orientation: Orientation
    ) throws(MediaError) -> PixelImage {
        let width = squareSize.width
        let height = squareSize.height
        let stride = Int(frame.pointee.linesize.0)
        guard let base = frame.pointee.data.0, stride >= width * 3 else { throw outOfMemory }
        let source = UnsafeBufferPointer(start: base, count: stride * (height - 1) + width * 3)
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
            if let target = buffer.baseAddress {
                PixelTurner.turn(
                    source,
                    stride: stride,
                    width: width,
                    height: height,
                    orientation: orientation,
                    into: target
                )
            }
            count = width * height * 3
        }
        let turned = orientation.swapsSides ? (width: height, height: width) : (width: width, height: height)
        do {
            return try PixelImage(width: turned.width, height: turned.height, pixels: pixels)
        } catch {
            throw MediaError(.limit, name, "\(error)")
        }
    }
}

import Foundation
import Media
import Tensor
import VideoDecoder

/// A clip or a picture as the decoder needs it: frames of its size at its rate, and the picture of their sound.
struct ClipMaterial {
    var frames: [FilmFrame]
    /// Mono, at the decoder's rate; as long as the frames.
    var samples: [Float]
    /// `[columns][bands]`
    var sound: [Float]
    /// Where the clip has another size or rate than it is filmed with.
    var note: String?

    /// Longest clip that is read: as long as the longest film. All its frames are held, at the size of filming.
    static let longestSeconds = FilmLimits.longestSeconds

    /// - Throws: an error that names the file.
    static func clip(
        _ path: String,
        settings: FilmSettings,
        size: FilmRequest.Size,
        pool: ThreadPool
    ) throws -> ClipMaterial {
        let file = try MediaFile(path: path)
        let rate = Double(settings.world.framesPerSecond)
        // What the file says of its length may be wrong, so that frames are counted, too.
        if let seconds = file.description.seconds, seconds > longestSeconds + 1 {
            throw FilmRequestError.clipTooLong(path, seconds: seconds, limit: longestSeconds)
        }
        let reader = try file.frames(.rate(rate))
        var resizing = Resizing(size: size, pool: pool)
        var frames: [FilmFrame] = []
        while let frame = try reader.next() {
            frames.append(try resizing.resized(frame.image))
            guard Double(frames.count) <= (longestSeconds + 1) * rate else {
                throw FilmRequestError.clipTooLong(
                    path,
                    seconds: Double(frames.count) / rate,
                    limit: longestSeconds
                )
            }
        }
        guard !frames.isEmpty else { throw MediaError(.malformed, path, "it has no frame that decodes") }
        let count = frames.count * settings.columnsPerFrame * settings.mel.hop
        var samples: [Float] = []
        if file.description.bestSound != nil {
            let sound = try file.sound(sampleRate: settings.world.sampleRate)
            while samples.count < count, let piece = try sound.next() { samples += piece }
        }
        samples = Array(samples.prefix(count)) + Array(repeating: 0, count: max(0, count - samples.count))
        return ClipMaterial(
            frames: frames,
            samples: samples,
            sound: try SoundPicture(settings).picture(samples),
            note: note(file, size, rate)
        )
    }

    /// Says what of a clip is lost by its new size and rate.
    private static func note(_ file: MediaFile, _ size: FilmRequest.Size, _ rate: Double) -> String? {
        guard let stream = file.description.bestVideo, case .video(let video) = stream.kind else { return nil }
        let own = video.averageRate ?? rate
        let isSame = video.displayWidth == size.width && video.displayHeight == size.height
        guard !isSame || abs(own - rate) > 0.1 else { return nil }
        return "\(file.name) has \(video.displayWidth)x\(video.displayHeight) pixels and "
            + "\(FixedPoint.text(own, places: 1)) frames/s; it is used at \(size.width)x\(size.height) and "
            + "\(FixedPoint.text(rate, places: 1)) frames/s"
    }

    static func picture(
        _ path: String,
        settings: FilmSettings,
        size: FilmRequest.Size,
        pool: ThreadPool
    ) throws -> FilmFrame {
        var resizing = Resizing(size: size, pool: pool)
        return try resizing.resized(try MediaFile(path: path).picture())
    }

    /// The size that a clip or a picture is shown at; nil for what has none.
    static func displaySize(_ path: String) throws -> FilmRequest.Size? {
        let description = try MediaFile(path: path).description
        let streams = [description.bestVideo].compactMap { $0 } + description.streams
        for stream in streams {
            switch stream.kind {
            case .video(let video), .cover(let video):
                return FilmRequest.Size(width: video.displayWidth, height: video.displayHeight)
            default: continue
            }
        }
        return nil
    }

    /// Frames `range`, and their sound; what lies outside of the clip is missing.
    func frames(_ range: Range<Int>) -> [FilmFrame] { Array(frames[range.clamped(to: 0..<frames.count)]) }

    func sound(_ range: Range<Int>, width: Int) -> [Float] {
        let inside = range.clamped(to: 0..<frames.count)
        return Array(sound[inside.lowerBound * width..<inside.upperBound * width])
    }
}

/// Pictures to one size, whatever theirs: the middle is kept where the sides have another ratio.
private struct Resizing {
    let size: FilmRequest.Size
    let pool: ThreadPool
    private var resizer: Resizer?

    init(size: FilmRequest.Size, pool: ThreadPool) {
        self.size = size
        self.pool = pool
    }

    mutating func resized(_ image: PixelImage) throws -> FilmFrame {
        let cropped = try crop(image)
        if resizer?.inputWidth != cropped.width || resizer?.inputHeight != cropped.height {
            resizer = try Resizer(
                from: (cropped.width, cropped.height),
                to: (size.width, size.height),
                pool: pool
            )
        }
        let result = try resizer?.resize(cropped) ?? cropped
        return FilmFrame(width: size.width, height: size.height, pixels: result.pixels)
    }

    private func crop(_ image: PixelImage) throws -> PixelImage {
        let width = min(image.width, max(1, image.height * size.width / size.height))
        let height = min(image.height, max(1, image.width * size.height / size.width))
        guard width < image.width || height < image.height else { return image }
        let (left, top) = ((image.width - width) / 2, (image.height - height) / 2)
        var pixels: [UInt8] = []
        pixels.reserveCapacity(width * height * 3)
        for row in top..<top + height {
            let first = (row * image.width + left) * 3
            pixels += image.pixels[first..<first + width * 3]
        }
        return try PixelImage(width: width, height: height, pixels: pixels)
    }
}

/// The picture of sound that the decoder was trained with: log amplitudes in triangular mel bands, -1 ... 1.
///
/// Column k is centred on sample hop * k + hop / 2. Cost: a Fourier transform a column.
struct SoundPicture {
    private let settings: FilmSettings.Mel
    private let transform: FourierTransform
    private let taper: [Double]
    private let full: Double
    /// Per band: the first bin and the weights from there on.
    private let bands: [(first: Int, weights: [Double])]

    init(_ settings: FilmSettings) throws {
        self.settings = settings.mel
        guard let transform = FourierTransform(length: settings.mel.window) else {
            throw FilmError.badSettings(path: "mel", "a window of \(settings.mel.window) samples")
        }
        self.transform = transform
        let window = settings.mel.window
        taper = (0..<window).map { 0.5 - 0.5 * cos(2 * Double.pi * Double($0) / Double(window)) }
        full = taper.reduce(0, +) / 2
        func mel(_ hertz: Double) -> Double { 2595 * log10(1 + hertz / 700) }
        let low = mel(settings.mel.lowestHertz)
        let high = mel(settings.mel.highestHertz)
        let count = settings.mel.bands
        let edges = (0...count + 1).map { index -> Double in
            700 * (pow(10, (low + Double(index) * ((high - low) / Double(count + 1))) / 2595) - 1)
        }
        let bins = (0...window / 2).map { Double($0) * Double(settings.world.sampleRate) / Double(window) }
        bands = (0..<count).map { band in
            var weights = bins.map { hertz in
                max(
                    0,
                    min(
                        (hertz - edges[band]) / (edges[band + 1] - edges[band]),
                        (edges[band + 2] - hertz) / (edges[band + 2] - edges[band + 1])
                    )
                )
            }
            // The lowest bands are narrower than a bin: each keeps at least the bin nearest its centre.
            if weights.reduce(0, +) < 0.5 {
                let nearest =
                    bins.indices.min { abs(bins[$0] - edges[band + 1]) < abs(bins[$1] - edges[band + 1]) } ?? 0
                weights[nearest] = 1
            }
            let first = weights.firstIndex { $0 > 0 } ?? 0
            let last = weights.lastIndex { $0 > 0 } ?? first
            return (first, Array(weights[first...last]))
        }
    }

    /// `[columns][bands]`, a column for every whole hop of samples.
    func picture(_ samples: [Float]) -> [Float] {
        let window = settings.window
        var frame = [Double](repeating: 0, count: window)
        var power = [Double](repeating: 0, count: window / 2 + 1)
        var scratch = [Double](repeating: 0, count: transform.scratchCount)
        var result: [Float] = []
        result.reserveCapacity(samples.count / settings.hop * settings.bands)
        for column in 0..<samples.count / settings.hop {
            let start = column * settings.hop + settings.hop / 2 - window / 2
            for index in 0..<window {
                let sample = start + index
                let value = samples.indices.contains(sample) ? samples[sample] : 0
                frame[index] = (value.isFinite ? Double(value) : 0) * taper[index]
            }
            transform.power(frame, into: &power, scratch: &scratch)
            for band in bands {
                var sum = 0.0
                for (offset, weight) in band.weights.enumerated() { sum += power[band.first + offset] * weight }
                let loud = min(1, max(settings.floor, sum.squareRoot() / full))
                result.append(Float(1 - 2 * log(loud) / log(settings.floor)))
            }
        }
        return result
    }
}

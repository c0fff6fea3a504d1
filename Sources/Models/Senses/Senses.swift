import ModelFiles
import Tensor

/// The default model's eye and ear: windows of a clip, or of its sound, become rows for the trunk.
///
/// A window of frames is analysed patch by patch (a fixed linear map), 4 frames by 2x2 patches are one token of the eye; a window of
/// sound is a picture of log-mel bands, a few columns are one token of the ear. What comes out is a row for each slot (the first
/// thing, its motion, its place ...), between two marks. `Training/README.md` has the mathematics.
package final class Senses {
    package static let encoderName = "senses"

    package let configuration: SensesConfiguration
    /// Of a row.
    package let width: Int
    private let pool: ThreadPool
    private let eye: SenseEncoder
    private let ear: SenseEncoder
    private let patchMean: [Float]
    private let basis: WeightMatrix
    /// Per channel.
    private let scale: [Float]
    private let centre: [Float]
    private let spread: Float
    /// Per slot, the eye's first.
    private let gains: [Float]
    /// `[4][width]`: what stands before and after what is seen, and heard.
    private let marks: [Float]
    private let patches: Activations
    private let latents: Activations

    /// Maps the senses of a bundle.
    ///
    /// - Parameter width: of the trunk's embeddings.
    package convenience init(bundle: ModelFiles.Bundle, width: Int, pool: ThreadPool) throws {
        guard let file = try bundle.encoder(named: Self.encoderName) else {
            throw ModelError.unsupported("images, video and sound: this model has no eye and no ear")
        }
        try self.init(file: file, width: width, pool: pool)
    }

    package init(file: EncoderFile, width: Int, pool: ThreadPool) throws {
        let configuration = try SensesConfiguration(dims: file.configuration)
        let weights = EncoderWeights(file: file)
        self.configuration = configuration
        self.width = width
        self.pool = pool
        eye = try SenseEncoder(weights, prefix: "eye.", sense: configuration.eye, outputWidth: width, pool: pool)
        ear = try SenseEncoder(weights, prefix: "ear.", sense: configuration.ear, outputWidth: width, pool: pool)
        let numbers = configuration.patchPixels * configuration.patchPixels * 3
        patchMean = try weights.vector("analysis.mean", numbers).values
        basis = try weights.matrix("analysis.basis", configuration.channels, numbers)
        scale = try weights.vector("analysis.scale", configuration.channels).values
        guard scale.allSatisfy({ abs($0) > 1e-30 }) else {
            throw ModelError.invalidConfiguration("the patches' analysis divides by zero")
        }
        centre = try weights.vector("centre", width).values
        spread = try weights.vector("spread", 1).values[0]
        gains = try weights.vector("gains", configuration.eye.slots + configuration.ear.slots).values
        marks = try weights.matrix("marks", 4, width).unpacked
        let patchCount = configuration.latentSide * configuration.latentSide
        patches = try Activations(columns: numbers, maximumRows: patchCount)
        latents = try Activations(columns: configuration.channels, maximumRows: patchCount)
    }

    /// Latents of a frame, `[row][column][channel]`.
    ///
    /// - Parameter pixels: 8-bit RGB, as many pixels to a side as a window's frames have.
    package func analyze(_ pixels: [UInt8]) -> [Float] {
        precondition(pixels.count == configuration.windows.framePixels * configuration.windows.framePixels * 3)
        let rowBytes = configuration.windows.framePixels * 3
        return analyze { row, byte in Float(pixels[row * rowBytes + byte]) / 127.5 - 1 }
    }

    /// - Parameter value: of a row and a position in it (pixel * 3 + colour), -1 ... 1.
    func analyze(_ value: (_ row: Int, _ position: Int) -> Float) -> [Float] {
        let (side, across) = (configuration.patchPixels, configuration.latentSide)
        for patch in 0..<across * across {
            let (top, left) = (patch / across * side, patch % across * side * 3)
            let target = patches.row(patch)
            for y in 0..<side {
                for x in 0..<side * 3 {
                    target[y * side * 3 + x] = value(top + y, left + x) - patchMean[y * side * 3 + x]
                }
            }
        }
        pool.quantize(patches, rows: across * across)
        pool.multiply(basis, patches, into: latents, tokens: across * across)
        var output: [Float] = []
        output.reserveCapacity(configuration.frameLatents)
        for patch in 0..<across * across {
            let row = latents.row(patch)
            for channel in 0..<configuration.channels { output.append(row[channel] / scale[channel]) }
        }
        return output
    }

    /// What the eye makes of a window: a direction for each slot, `[slots][width]`.
    ///
    /// - Parameter frames: latents of as many frames as a window has, the first frame at `first` and on around the array.
    package func see(_ frames: [[Float]], first: Int = 0) -> [Float] {
        precondition(frames.count == configuration.windows.frames)
        let (side, channels) = (configuration.tokenLatents, configuration.channels)
        let across = configuration.latentSide
        let columns = across / side
        return eye.directions { token, target in
            let time = token / (columns * columns)
            let (row, column) = (token / columns % columns * side, token % columns * side)
            var next = target
            for frame in 0..<configuration.tokenFrames {
                let latents = frames[(first + time * configuration.tokenFrames + frame) % frames.count]
                for y in row..<row + side {
                    for index in (y * across + column) * channels..<(y * across + column + side) * channels {
                        next.pointee = latents[index]
                        next += 1
                    }
                }
            }
        }
    }

    /// What the ear makes of a window.
    ///
    /// - Parameter picture: `[columns][bands]`, -1 ... 1.
    package func hear(_ picture: [Float]) -> [Float] {
        precondition(picture.count == configuration.windows.columns * configuration.windows.bands.count)
        let count = configuration.ear.inputs
        return ear.directions { token, target in
            for index in 0..<count { target[index] = picture[token * count + index] }
        }
    }

    /// Rows for the trunk, marks included: the mean embedding plus each direction, as long as embeddings are.
    package func rows(seen directions: [Float]) -> [Float] {
        rows(directions, gains.prefix(configuration.eye.slots), 0)
    }
    package func rows(heard directions: [Float]) -> [Float] {
        rows(directions, gains.suffix(configuration.ear.slots), 2)
    }

    private func rows(_ directions: [Float], _ gains: ArraySlice<Float>, _ firstMark: Int) -> [Float] {
        var rows: [Float] = []
        rows.reserveCapacity((gains.count + 2) * width)
        func appendMark(_ mark: Int) {
            for column in 0..<width { rows.append(centre[column] + marks[mark * width + column]) }
        }
        appendMark(firstMark)
        for (slot, gain) in gains.enumerated() {
            for column in 0..<width {
                rows.append(centre[column] + spread * (directions[slot * width + column] * gain))
            }
        }
        appendMark(firstMark + 1)
        return rows
    }
}

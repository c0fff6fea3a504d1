import CKernels
import Tensor

/// Frames of one size to latents and back, a few at a time: owns every buffer, allocated once.
///
/// Frames are `[height][width][3]` floats in -1 ... 1; latents `[rows][columns][channels]`. A frame's result depends on
/// that frame alone. Cost of synthesis at the sizes of `Training/configs/small.json`: 1.5 MFLOP a patch.
package final class PatchCodecRunner {
    package let codec: PatchCodec
    /// Latents down and across.
    package let rows: Int
    package let columns: Int
    package var height: Int { rows * codec.settings.patchPixels }
    package var width: Int { columns * codec.settings.patchPixels }
    package var frameFloats: Int { height * width * 3 }
    package var latentFloats: Int { rows * columns * codec.settings.channels }

    private let pool: ThreadPool
    private let framesPerPass: Int
    /// Patches of a frame.
    private let patchCount: Int
    private let pixels: Activations
    private let latents: Activations
    private let around: Activations
    private let stream: Activations
    private let normed: Activations
    private let qkv: Activations
    private let attended: Activations
    private let product: Activations
    private let hidden: Activations
    private let windows: Activations
    private let attention: SegmentAttention
    private let rotation: AxisRotation
    private let cosines: AlignedBuffer<Float>
    private let sines: AlignedBuffer<Float>
    private let vertical: BlendAxis
    private let horizontal: BlendAxis

    /// - Parameters:
    ///   - rows: latents down; the frame is so many patches high.
    ///   - maximumFrames: frames that one call has at most; fewer are computed together when they are large.
    package init(_ codec: PatchCodec, rows: Int, columns: Int, maximumFrames: Int, pool: ThreadPool) throws {
        let settings = codec.settings
        self.codec = codec
        self.rows = rows
        self.columns = columns
        self.pool = pool
        patchCount = rows * columns
        // Some hundred rows fill the kernels' tiles; more only cost memory.
        framesPerPass = max(1, min(maximumFrames, 512 / patchCount))
        let count = framesPerPass * patchCount
        let numbers = settings.patchPixels * settings.patchPixels * 3
        let window = settings.patchPixels + 2 * settings.rimPixels
        pixels = try Activations(columns: numbers, maximumRows: count)
        latents = try Activations(columns: settings.channels, maximumRows: count)
        around = try Activations(columns: 9 * settings.channels, maximumRows: count)
        stream = try Activations(columns: settings.width, maximumRows: count)
        normed = try Activations(columns: settings.width, maximumRows: count)
        qkv = try Activations(columns: 3 * settings.width, maximumRows: count)
        attended = try Activations(columns: settings.width, maximumRows: count)
        product = try Activations(columns: settings.width, maximumRows: count)
        hidden = try Activations(columns: PatchCodec.hiddenWidth(settings.width), maximumRows: count)
        windows = try Activations(columns: window * window * 3, maximumRows: count)
        attention = try SegmentAttention(
            headCount: settings.headCount,
            headWidth: settings.width / settings.headCount,
            maximumRows: count,
            maximumSegments: framesPerPass,
            threadCount: pool.threadCount
        )
        rotation = AxisRotation(headWidth: settings.width / settings.headCount, axisCount: 2)
        cosines = try AlignedBuffer(count: patchCount * rotation.pairCount)
        sines = try AlignedBuffer(count: patchCount * rotation.pairCount)
        for patch in 0..<patchCount {
            rotation.write(
                [Double(patch / columns), Double(patch % columns)],
                cosines: cosines.pointer + patch * rotation.pairCount,
                sines: sines.pointer + patch * rotation.pairCount
            )
        }
        vertical = BlendAxis(patches: rows, side: settings.patchPixels, rim: settings.rimPixels)
        horizontal = BlendAxis(patches: columns, side: settings.patchPixels, rim: settings.rimPixels)
    }

    /// Frames to latents.
    ///
    /// - Parameters:
    ///   - frames: `count` frames one after the other.
    ///   - output: room for `count` times ``latentFloats``.
    package func analyze(_ frames: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>) {
        let side = codec.settings.patchPixels
        let channels = codec.settings.channels
        let mean = codec.mean.pointer
        for first in stride(from: 0, to: count, by: framesPerPass) {
            let frameCount = min(framesPerPass, count - first)
            pool.forRows(frameCount * patchCount, perTask: 16) { range in
                for row in range {
                    let frame = frames + (first + row / patchCount) * frameFloats
                    let patch = row % patchCount
                    let top = patch / columns * side
                    let left = patch % columns * side
                    let to = pixels.row(row)
                    for y in 0..<side {
                        let from = frame + ((top + y) * width + left) * 3
                        for x in 0..<side * 3 { to[y * side * 3 + x] = from[x] - mean[y * side * 3 + x] }
                    }
                }
            }
            pool.multiply(
                codec.analysis,
                pixels,
                rows: frameCount * patchCount,
                into: output + first * latentFloats,
                outputStride: channels
            )
        }
    }

    /// Latents to frames, about -1 ... 1.
    package func synthesize(_ source: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>) {
        for first in stride(from: 0, to: count, by: framesPerPass) {
            let frameCount = min(framesPerPass, count - first)
            spreadNeighbours(source + first * latentFloats, frames: frameCount)
            transform(frames: frameCount)
            blend(frames: frameCount, into: output + first * frameFloats)
        }
    }

    /// Fills the latents and each patch's 3x3 neighbourhood, zeros outside.
    private func spreadNeighbours(_ source: UnsafePointer<Float>, frames: Int) {
        let channels = codec.settings.channels
        pool.forRows(frames * patchCount, perTask: 16) { range in
            for row in range {
                let frame = source + row / patchCount * latentFloats
                let patch = row % patchCount
                latents.row(row).update(from: frame + patch * channels, count: channels)
                var to = around.row(row)
                for y in patch / columns - 1...patch / columns + 1 {
                    for x in patch % columns - 1...patch % columns + 1 {
                        if y >= 0, y < rows, x >= 0, x < columns {
                            to.update(from: frame + (y * columns + x) * channels, count: channels)
                        } else {
                            to.update(repeating: 0, count: channels)
                        }
                        to += channels
                    }
                }
            }
        }
    }

    /// From neighbourhoods to windows of pixels.
    private func transform(frames: Int) {
        let count = frames * patchCount
        let segments = (0..<frames).map { RowSegment(begin: $0 * patchCount, count: patchCount) }
        pool.multiply(codec.inlet.matrix, bias: codec.inlet.bias, around, into: stream, tokens: count)
        var addend: Activations?
        for block in codec.blocks {
            normalizeRows(count, addend: addend, block.firstNorm)
            pool.multiply(block.qkv, normed, into: qkv, tokens: count)
            turnQueriesAndKeys(count, block.sharpness)
            attention.run(
                qkv.pointer,
                stride: qkv.stride,
                segments: segments,
                angles: nil,
                into: attended.pointer,
                outputStride: attended.stride,
                pool: pool
            )
            pool.multiply(block.out, attended, into: product, tokens: count)
            normalizeRows(count, addend: product, block.secondNorm)
            pool.gated(block.gateUp, normed, rows: count, into: hidden)
            pool.multiply(block.down, hidden, into: product, tokens: count)
            addend = product
        }
        normalizeRows(count, addend: addend, codec.norm)
        pool.multiply(codec.outlet.matrix, bias: codec.outlet.bias, normed, into: windows, tokens: count)
        pool.multiply(codec.synthesis.matrix, bias: codec.synthesis.bias, latents, into: pixels, tokens: count)
    }

    private func normalizeRows(_ count: Int, addend: Activations?, _ gain: WeightVector) {
        pool.addNormalize(
            residual: stream,
            addend: addend,
            weight: gain.pointer,
            epsilon: normEpsilon,
            rows: count,
            output: normed,
            quantizes: false
        )
    }

    private func turnQueriesAndKeys(_ count: Int, _ sharpness: [Float]) {
        let head = codec.settings.width / codec.settings.headCount
        pool.forRows(count, perTask: 16) { range in
            for row in range {
                let angles = row % patchCount * rotation.pairCount
                for index in 0..<2 * codec.settings.headCount {
                    let x = qkv.row(row) + index * head
                    normalize(x, columns: head, into: x)
                    rotation.turn(
                        x,
                        cosines.pointer + angles,
                        sines.pointer + angles,
                        scale: index < codec.settings.headCount ? sharpness[index] : 1,
                        into: x
                    )
                }
            }
        }
    }

    /// The linear part, and the windows added up over it: each pixel is computed by itself, in the order of the patches.
    private func blend(frames: Int, into output: UnsafeMutablePointer<Float>) {
        let side = codec.settings.patchPixels
        let window = side + 2 * codec.settings.rimPixels
        pool.forRows(frames * height, perTask: side) { range in
            for row in range {
                let frame = row / height
                let y = row % height
                let first = frame * patchCount
                let target = output + frame * frameFloats + y * width * 3
                let down = vertical.contributions(y)
                for x in 0..<width {
                    let across = horizontal.contributions(x)
                    let patch = first + y / side * columns + x / side
                    let base = pixels.row(patch) + (y % side * side + x % side) * 3
                    var sum = SIMD3<Float>(repeating: 0)
                    var total: Float = 0
                    for v in down {
                        for h in across {
                            let weight = v.weight * h.weight
                            let from =
                                windows.row(first + v.patch * columns + h.patch) + (v.offset * window + h.offset) * 3
                            sum += weight * SIMD3(from[0], from[1], from[2])
                            total += weight
                        }
                    }
                    let learned = sum / total
                    target[x * 3] = base[0] + learned.x
                    target[x * 3 + 1] = base[1] + learned.y
                    target[x * 3 + 2] = base[2] + learned.z
                }
            }
        }
    }
}

/// Which windows reach a pixel along one axis, where in them it lies, and how much they count.
///
/// Weights rise linearly over the pixels that two windows share, so that neighbours sum to one.
private struct BlendAxis {
    struct Contribution {
        var patch: Int
        var offset: Int
        var weight: Float
    }
    private let perPixel: [Contribution]
    private let starts: [Int]

    init(patches: Int, side: Int, rim: Int) {
        let window = side + 2 * rim
        var perPixel: [Contribution] = []
        var starts = [0]
        for pixel in 0..<patches * side {
            for patch in max(0, pixel / side - 1)...min(patches - 1, pixel / side + 1) {
                let offset = pixel - patch * side + rim
                guard (0..<window).contains(offset) else { continue }
                let fromEdge = min(offset, window - 1 - offset)
                let weight = fromEdge < 2 * rim ? (Float(fromEdge) + 0.5) / Float(2 * rim) : 1
                perPixel.append(Contribution(patch: patch, offset: offset, weight: weight))
            }
            starts.append(perPixel.count)
        }
        self.perPixel = perPixel
        self.starts = starts
    }

    func contributions(_ pixel: Int) -> ArraySlice<Contribution> { perPixel[starts[pixel]..<starts[pixel + 1]] }
}

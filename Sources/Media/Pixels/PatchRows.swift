/// Patches of one image or clip as the rows that a vision tower's first product reads.
package struct PatchRows: Sendable {
    /// Patches in time (groups of frames), down and across.
    package let grid: (t: Int, h: Int, w: Int)
    /// 3 * temporalPatch * patch * patch: channel, frame of the group, y, x.
    package let columns: Int
    /// `[t * h * w][columns]`. Rows go by group, then by merge block (down, across), then inside the block.
    package var values: [Float]

    package var rowCount: Int { grid.t * grid.h * grid.w }
}

/// How pixels become patch rows: sizes, and what is subtracted and divided.
package struct PatchLayout: Sendable, Equatable {
    package var patch: Int
    package var temporalPatch: Int
    package var merge: Int
    /// `[channel][byte]`: (byte / 255 - mean) / deviation.
    private var normalized: [Float]

    /// - Parameters:
    ///   - mean, deviation: of red, green and blue, for bytes divided by 255 (times `rescale`).
    /// - Throws: ``PixelError/badBudget`` when a size is out of range or a deviation is zero.
    package init(
        patch: Int = 16,
        temporalPatch: Int = 2,
        merge: Int = 2,
        mean: [Double] = [0.5, 0.5, 0.5],
        deviation: [Double] = [0.5, 0.5, 0.5],
        rescale: Double = 1 / 255
    ) throws(PixelError) {
        guard 1...256 ~= patch, 1...16 ~= temporalPatch, 1...16 ~= merge else {
            throw .badBudget("patches of \(patch) pixels, \(temporalPatch) frames and merge \(merge) are not supported")
        }
        guard mean.count == 3, deviation.count == 3, rescale.isFinite, rescale != 0,
            deviation.allSatisfy({ $0.isFinite && $0 != 0 }), mean.allSatisfy(\.isFinite)
        else { throw .badBudget("normalisation needs three means and three deviations other than zero") }
        self.patch = patch
        self.temporalPatch = temporalPatch
        self.merge = merge
        // The reference folds the scale into mean and deviation, in single precision.
        normalized = (0..<3).flatMap { channel in
            let center = Float(mean[channel] / rescale)
            let width = Float(deviation[channel] / rescale)
            return (0..<256).map { (Float($0) - center) / width }
        }
    }

    package var columns: Int { 3 * temporalPatch * patch * patch }
    /// Pixels that sides must be a multiple of.
    package var unit: Int { patch * merge }

    /// Groups of frames: the last one is filled up by repeating the last frame.
    package func groups(frames: Int) -> Int { (frames + temporalPatch - 1) / temporalPatch }

    /// Patches of `frames` frames of the given size.
    ///
    /// - Throws: ``PixelError/notWholePatches`` or ``PixelError/noFrames``.
    package func grid(frames: Int, width: Int, height: Int) throws(PixelError) -> (t: Int, h: Int, w: Int) {
        guard frames > 0 else { throw .noFrames }
        guard width > 0, height > 0, width % unit == 0, height % unit == 0 else {
            throw .notWholePatches(width: width, height: height, unit: unit)
        }
        return (groups(frames: frames), height / patch, width / patch)
    }

    /// Tokens after merging.
    package func tokens(of grid: (t: Int, h: Int, w: Int)) -> Int { grid.t * (grid.h / merge) * (grid.w / merge) }

    /// Patch rows of an image (one frame) or a clip, all of one size.
    package func rows(of frames: [PixelImage]) throws(PixelError) -> PatchRows {
        guard let first = frames.first else { throw .noFrames }
        let grid = try grid(frames: frames.count, width: first.width, height: first.height)
        for (index, frame) in frames.enumerated() {
            guard frame.width == first.width, frame.height == first.height else { throw .mixedSizes(frame: index) }
        }
        let perGroup = grid.h * grid.w * columns
        let (total, overflow) = perGroup.multipliedReportingOverflow(by: grid.t)
        guard !overflow, total <= 1 << 36 else { throw .outOfMemory(bytes: Int.max) }
        let values = [Float](unsafeUninitializedCapacity: total) { buffer, initialized in
            if let target = buffer.baseAddress {
                for group in 0..<grid.t {
                    for slot in 0..<temporalPatch {
                        let frame = frames[min(group * temporalPatch + slot, frames.count - 1)]
                        fill(target + group * perGroup, slot: slot, with: frame)
                    }
                }
            }
            initialized = total
        }
        return PatchRows(grid: grid, columns: columns, values: values)
    }

    /// Writes one frame into its slot (0 ..< temporalPatch) of a group's rows: for callers that stream.
    ///
    /// - Parameter target: `[h * w][columns]` of the group; sides of `frame` are multiples of ``unit``.
    package func fill(_ target: UnsafeMutablePointer<Float>, slot: Int, with frame: PixelImage) {
        precondition(frame.width % unit == 0 && frame.height % unit == 0 && 0..<temporalPatch ~= slot)
        let across = frame.width / unit
        normalized.withUnsafeBufferPointer { table in
            frame.pixels.withUnsafeBufferPointer { pixels in
                guard let pixels = pixels.baseAddress, let table = table.baseAddress else { return }
                for y in 0..<frame.height {
                    let (block, inside) = (y / unit, y % unit)
                    let firstRow = block * across * merge * merge + inside / patch * merge
                    let line = target + slot * patch * patch + inside % patch * patch
                    var source = pixels + y * frame.width * 3
                    for column in 0..<frame.width / patch {
                        let row = firstRow + column / merge * merge * merge + column % merge
                        let red = line + row * columns
                        let green = red + temporalPatch * patch * patch
                        let blue = green + temporalPatch * patch * patch
                        for x in 0..<patch {
                            red[x] = table[Int(source[0])]
                            green[x] = table[256 + Int(source[1])]
                            blue[x] = table[512 + Int(source[2])]
                            source += 3
                        }
                    }
                }
            }
        }
    }
}

/// Which size an image or a clip gets before it is cut into patches: near its own, in whole merge blocks, within a budget.
package struct SmartResize: Sendable, Equatable {
    /// Sides become multiples of this many pixels: patch size times merge size.
    package var unit: Int
    /// Pixels: of a frame, or of the whole clip (frames times height times width), see ``scope``.
    package var minimumPixels: Int
    package var maximumPixels: Int
    package var scope: Scope

    package enum Scope: Sendable, Equatable {
        /// The budget is one frame's (Qwen2-VL, Qwen3-Omni; every image).
        case frame
        /// The budget is the clip's (Qwen3-VL's video processor); frames count in whole groups of `temporalUnit`.
        case clip(temporalUnit: Int)
    }

    /// A longer side than this many shorter ones is refused, as the reference does.
    package static let largestRatio = 200

    package init(unit: Int, minimumPixels: Int, maximumPixels: Int, scope: Scope = .frame) {
        self.unit = unit
        self.minimumPixels = minimumPixels
        self.maximumPixels = maximumPixels
        self.scope = scope
    }

    /// - Parameter frames: of the clip; 1 for an image.
    /// - Throws: ``PixelError`` for sides out of range or too different, or a budget that is not positive and ordered.
    package func size(width: Int, height: Int, frames: Int = 1) throws(PixelError) -> (width: Int, height: Int) {
        guard 1...PixelImage.maximumSide ~= width, 1...PixelImage.maximumSide ~= height else {
            throw .badSize(width: width, height: height, bytes: 0)
        }
        guard 1...4096 ~= unit, 1...1 << 48 ~= minimumPixels, minimumPixels <= maximumPixels, maximumPixels <= 1 << 48
        else {
            throw .badBudget(
                "the pixel budget \(minimumPixels)...\(maximumPixels) in blocks of \(unit) is not a usable range"
            )
        }
        guard 1...1 << 24 ~= frames else { throw .badBudget("\(frames) frames are not a clip") }
        guard max(width, height) <= Self.largestRatio * min(width, height) else {
            throw .tooNarrow(width: width, height: height, limit: Self.largestRatio)
        }
        // What the budget counts: frames as they are, and padded to whole groups.
        let (count, padded): (Int, Int) =
            switch scope {
            case .frame: (1, 1)
            case .clip(let group): (frames, (frames + max(1, group) - 1) / max(1, group) * max(1, group))
            }
        // Halves go to the even neighbour.
        func rounded(_ side: Int) -> Int {
            Int((Double(side) / Double(unit)).rounded(.toNearestOrEven)) * unit
        }
        var size = (width: rounded(width), height: rounded(height))
        let pixels = padded * size.width * size.height
        let real = Double(count) * Double(width) * Double(height)
        if pixels > maximumPixels {
            let factor = (real / Double(maximumPixels)).squareRoot()
            func shrunk(_ side: Int) -> Int { Int((Double(side) / factor / Double(unit)).rounded(.down)) * unit }
            size = (shrunk(width), shrunk(height))
        } else if pixels < minimumPixels {
            let factor = (Double(minimumPixels) / real).squareRoot()
            func grown(_ side: Int) -> Int { Int((Double(side) * factor / Double(unit)).rounded(.up)) * unit }
            size = (grown(width), grown(height))
        }
        size = (max(unit, size.width), max(unit, size.height))
        guard PixelImage.byteCount(width: size.width, height: size.height) != nil else {
            throw .badBudget("\(width)x\(height) pixels would become \(size.width)x\(size.height)")
        }
        return size
    }

    /// The budget of a clip whose frames have at most `tokens` blocks, or an even share of the clip's budget where that is
    /// less, but at least 1.05 times the minimum (`cap_pixels_per_frame` of Qwen3-VL's processor).
    package func cappingFrames(count: Int, tokens: Int) -> SmartResize {
        let count = max(1, min(count, 1 << 24))
        let (block, blockOverflow) = max(1, tokens).multipliedReportingOverflow(by: unit * unit)
        let most = min(blockOverflow ? .max : block, maximumPixels / count)
        let floor = Int(Double(minimumPixels) * 1.05)
        let (total, overflow) = max(most, floor).multipliedReportingOverflow(by: count)
        var result = self
        result.maximumPixels = max(minimumPixels, overflow ? maximumPixels : total)
        return result
    }

    /// The budget of one frame of a clip as Qwen's own utilities share out a budget of `totalPixels` over `frames`:
    /// never below 1.05 times the minimum, never above the maximum.
    ///
    /// - Parameter framesPerGroup: frames that one temporal patch joins, since a group costs the tokens of one frame.
    package func sharing(totalPixels: Int, frames: Int, framesPerGroup: Int = 2) -> SmartResize {
        let share = Double(totalPixels) / Double(max(1, frames)) * Double(framesPerGroup)
        let floor = Int(Double(minimumPixels) * 1.05)
        var result = self
        result.maximumPixels = max(min(maximumPixels, Int(min(share, 1e15))), floor)
        return result
    }
}

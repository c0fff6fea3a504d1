/// Which frames of a clip a model sees.
package struct FrameSampling: Sendable, Equatable {
    /// Frames per second of playing time.
    package var framesPerSecond: Double
    package var minimumFrames: Int
    package var maximumFrames: Int
    /// Counts are rounded down to a multiple of this (Qwen's own utilities: 2; the processors: 1).
    package var multiple: Int

    package init(framesPerSecond: Double = 2, minimumFrames: Int = 4, maximumFrames: Int = 768, multiple: Int = 1) {
        self.framesPerSecond = framesPerSecond
        self.minimumFrames = minimumFrames
        self.maximumFrames = maximumFrames
        self.multiple = multiple
    }

    /// What is assumed of a source that does not tell its rate.
    package static let assumedRate = 24.0

    /// How many of `total` frames are taken; never more than there are, and at least one.
    ///
    /// - Parameter rate: frames per second of the source.
    package func count(total: Int, rate: Double) -> Int {
        guard total > 0 else { return 0 }
        let rate = rate.isFinite && rate > 0 ? rate : Self.assumedRate
        let wanted = Double(total) / rate * (framesPerSecond.isFinite ? framesPerSecond : 0)
        // Towards zero, as the reference does; absurd products stop at what an Int holds.
        let whole = wanted > 0 ? Int(min(wanted, 1e15)) : 0
        let multiple = max(1, multiple)
        var least = max(1, minimumFrames)
        var most = min(maximumFrames, total)
        if multiple > 1 {
            least = (least + multiple - 1) / multiple * multiple
            most = most / multiple * multiple
        }
        let count = min(max(whole, least), most) / multiple * multiple
        return max(1, min(count, total))
    }

    /// Frame numbers, ascending: evenly spread from the first frame to the last, halves to the even neighbour.
    package func indices(total: Int, rate: Double) -> [Int] {
        Self.spread(count: count(total: total, rate: rate), over: total)
    }

    /// `count` numbers from 0 to `total - 1`, evenly spread; 0 for a single one.
    package static func spread(count: Int, over total: Int) -> [Int] {
        guard count > 0, total > 0 else { return [] }
        guard count > 1 else { return [0] }
        let step = Double(total - 1) / Double(count - 1)
        return (0..<count).map { index in
            index == count - 1 ? total - 1 : Int((Double(index) * step).rounded(.toNearestOrEven))
        }
    }
}

/// Times of sampled frames, as a model reads them.
package enum FrameTimes {
    /// The mean of a group's first and last time, in seconds; the last frame is repeated to fill the last group.
    ///
    /// - Parameter seconds: of every sampled frame.
    package static func groups(_ seconds: [Double], size: Int = 2) -> [Double] {
        guard let last = seconds.last, size > 0 else { return [] }
        return stride(from: 0, to: seconds.count, by: size).map { first in
            let end = first + size - 1
            return (seconds[first] + (end < seconds.count ? seconds[end] : last)) / 2
        }
    }

    /// One decimal, by the exact binary value: 1.45 is a little less than it looks and prints "1.4".
    ///
    /// - Returns: "0.0" for what is no finite number of seconds.
    package static func text(_ seconds: Double) -> String {
        guard seconds.isFinite, abs(seconds) < 1e14 else { return "0.0" }
        // Ten times the value rounds in double; the remainder by fused multiply-add tells on which side the truth lies.
        let magnitude = abs(seconds)
        let product = magnitude * 10
        let error = (-product).addingProduct(magnitude, 10)
        var tenths = product.rounded(.down)
        let fraction = product - tenths
        let isAboveHalf = fraction > 0.5 || (fraction == 0.5 && error > 0)
        let isHalf = fraction == 0.5 && error == 0
        if isAboveHalf || (isHalf && tenths.truncatingRemainder(dividingBy: 2) == 1) { tenths += 1 }
        let whole = Int(tenths)
        return (seconds.sign == .minus ? "-" : "") + "\(whole / 10).\(whole % 10)"
    }
}

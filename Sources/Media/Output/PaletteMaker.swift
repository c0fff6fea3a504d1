/// Reduces pictures to 255 colours of their own: median cut over a histogram of 15-bit colours, and an ordered dither.
///
/// The same picture gives the same indices; still parts of a clip do not flicker, since the dither stays in place.
struct PaletteMaker {
    private static let colorCount = 255
    /// A Bayer matrix of 4 x 4.
    private static let dither: [Int] = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]

    private var counts = [Int32](repeating: 0, count: 1 << 15)
    /// Nearest colour of the palette for each 15-bit colour; -1 while unknown.
    private var nearest = [Int16](repeating: -1, count: 1 << 15)

    private struct Box {
        var bins: ArraySlice<Int>
        /// Pixels in it.
        var weight: Int
        var axis: Int
        var extent: Int
    }

    /// Writes one index per pixel and returns the palette as 0xFFRRGGBB.
    mutating func index(_ image: PixelImage, into indices: UnsafeMutablePointer<UInt8>, stride: Int) -> [UInt32] {
        for slot in counts.indices { counts[slot] = 0 }
        for slot in nearest.indices { nearest[slot] = -1 }
        let pixels = image.pixels
        for offset in Swift.stride(from: 0, to: image.width * image.height * 3, by: 3) {
            counts[Self.bin(Int(pixels[offset]), Int(pixels[offset + 1]), Int(pixels[offset + 2]))] &+= 1
        }
        let colors = makePalette()
        let isExact = colors.count < Self.colorCount
        for y in 0..<image.height {
            for x in 0..<image.width {
                let offset = (y * image.width + x) * 3
                // A spread of one step of the histogram, centred.
                let nudge = isExact ? 0 : (Self.dither[(y & 3) * 4 + (x & 3)] - 8) / 2
                let bin = Self.bin(
                    min(255, max(0, Int(pixels[offset]) + nudge)),
                    min(255, max(0, Int(pixels[offset + 1]) + nudge)),
                    min(255, max(0, Int(pixels[offset + 2]) + nudge))
                )
                if nearest[bin] < 0 { nearest[bin] = Int16(Self.closest(to: bin, in: colors)) }
                indices[y * stride + x] = UInt8(nearest[bin])
            }
        }
        return colors.map { 0xFF00_0000 | UInt32($0.0) << 16 | UInt32($0.1) << 8 | UInt32($0.2) }
    }

    private static func bin(_ red: Int, _ green: Int, _ blue: Int) -> Int {
        (red >> 3) << 10 | (green >> 3) << 5 | blue >> 3
    }

    /// One component of a bin, 0...31: 0 red, 1 green, 2 blue.
    private static func component(_ bin: Int, _ axis: Int) -> Int { (bin >> (10 - 5 * axis)) & 31 }

    /// The middle of a component's step as 8 bits, black and white staying what they are.
    private static func wide(_ component: Double) -> Int { min(255, Int((component * 255 / 31).rounded())) }

    private func makePalette() -> [(Int, Int, Int)] {
        let used = counts.indices.filter { counts[$0] > 0 }
        guard !used.isEmpty else { return [(0, 0, 0)] }
        var boxes = [box(used[...])]
        while boxes.count < Self.colorCount {
            // The box in which most pixels lie farthest apart.
            guard
                let widest = boxes.indices.filter({ boxes[$0].extent > 0 }).max(by: { left, right in
                    let a = boxes[left].weight * boxes[left].extent
                    let b = boxes[right].weight * boxes[right].extent
                    return (a, right) < (b, left)
                })
            else { break }
            let chosen = boxes[widest]
            let sorted = chosen.bins.sorted { left, right in
                (Self.component(left, chosen.axis), left) < (Self.component(right, chosen.axis), right)
            }
            var half = 0
            var cut = 0
            while cut < sorted.count - 1 {
                half += Int(counts[sorted[cut]])
                cut += 1
                if half * 2 >= chosen.weight { break }
            }
            boxes[widest] = box(sorted[..<cut])
            boxes.append(box(sorted[cut...]))
        }
        return boxes.map { box in
            var sums = (0.0, 0.0, 0.0)
            for bin in box.bins {
                let count = Double(counts[bin])
                sums.0 += count * Double(Self.component(bin, 0))
                sums.1 += count * Double(Self.component(bin, 1))
                sums.2 += count * Double(Self.component(bin, 2))
            }
            let weight = Double(max(1, box.weight))
            return (Self.wide(sums.0 / weight), Self.wide(sums.1 / weight), Self.wide(sums.2 / weight))
        }
    }

    private func box(_ bins: ArraySlice<Int>) -> Box {
        var low = [31, 31, 31]
        var high = [0, 0, 0]
        var weight = 0
        for bin in bins {
            weight += Int(counts[bin])
            for axis in 0..<3 {
                low[axis] = min(low[axis], Self.component(bin, axis))
                high[axis] = max(high[axis], Self.component(bin, axis))
            }
        }
        let extents = (0..<3).map { high[$0] - low[$0] }
        let axis = (0..<3).max { (extents[$0], $1) < (extents[$1], $0) } ?? 0
        return Box(bins: bins, weight: weight, axis: axis, extent: max(0, extents[axis]))
    }

    private static func closest(to bin: Int, in colors: [(Int, Int, Int)]) -> Int {
        let wanted = (0..<3).map { wide(Double(component(bin, $0))) }
        var best = 0
        var least = Int.max
        for (slot, color) in colors.enumerated() {
            let red = color.0 - wanted[0]
            let green = color.1 - wanted[1]
            let blue = color.2 - wanted[2]
            let distance = red * red + green * green + blue * blue
            if distance < least { (best, least) = (slot, distance) }
        }
        return best
    }
}

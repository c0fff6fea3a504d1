import CKernels
import Media
import Tensor
import Testing

struct ResizeTests {
    @Test func equalsTheReferenceToTheBit() throws {
        let fixture = try TensorFixture("preproc_pixels.safetensors")
        let shape = try fixture.shape("resize_in_u8")
        let image = try PixelImage(width: shape[1], height: shape[0], pixels: fixture.values("resize_in_u8"))
        let rule = SmartResize(unit: 32, minimumPixels: 1024, maximumPixels: 65536)
        let size = try rule.size(width: image.width, height: image.height)
        let grid = try fixture.values("resize_grid", as: Int64.self).map { Int($0) }
        #expect(grid == [1, size.height / 16, size.width / 16])
        let resizer = try Resizer(from: (image.width, image.height), to: size, pool: ThreadPool(threadCount: 2))
        let rows = try PatchLayout().rows(of: [resizer.resize(image)])
        let expected: [Float] = try fixture.values("resize_pixel_values")
        #expect(rows.values.count == expected.count)
        let largest = zip(rows.values, expected).map { abs($0 - $1) }.max() ?? 1
        // One step of a byte is 1 / 127.5.
        #expect(largest < 1e-6, "\(largest)")
    }

    @Test func kernelsEqualTheirScalarTwins() throws {
        var random = SeededNumbers(state: 5)
        for (input, output) in [(1, 1), (1, 9), (3, 2), (17, 64), (64, 17), (211, 192), (333, 40), (40, 333), (700, 7)]
        {
            let filter = try ResampleFilter(inputs: input, outputs: output)
            for fill in 0..<3 {
                let row = (0..<input * 3).map { _ in
                    fill == 0
                        ? UInt8.random(in: 0...255, using: &random)
                        : fill == 1 ? 255 : Bool.random(using: &random) ? 255 : 0
                }
                let stride = input + filter.stride
                var planes = [Int16](repeating: -1, count: stride * 3)
                var fast = [UInt8](repeating: 7, count: output * 3)
                var slow = [UInt8](repeating: 9, count: output * 3)
                filter.withTaps { taps in
                    sk_resample_row(row, Int32(input), taps, &planes, Int32(stride), &fast)
                    sk_resample_row_scalar(row, Int32(input), taps, &planes, Int32(stride), &slow)
                }
                #expect(fast == slow, "\(input) -> \(output)")
                for width in [1, 5, 16, 33] {
                    let rows = (0..<input * width).map { _ in UInt8.random(in: 0...255, using: &random) }
                    var quick = [UInt8](repeating: 7, count: width)
                    var plain = [UInt8](repeating: 9, count: width)
                    filter.withTaps { taps in
                        for index in 0..<output {
                            rows.withUnsafeBufferPointer { rows in
                                guard let base = rows.baseAddress else { return }
                                let start = base + Int(taps.pointee.starts[index]) * width
                                sk_resample_column(start, Int32(width), taps, Int32(index), &quick)
                                sk_resample_column_scalar(start, Int32(width), taps, Int32(index), &plain)
                            }
                        }
                    }
                    #expect(quick == plain)
                }
            }
        }
    }

    @Test func keepsFlatColoursAndAnyThreadCount() throws {
        var random = SeededNumbers(state: 9)
        let flat = try PixelImage(
            width: 37,
            height: 53,
            pixels: (0..<37 * 53).flatMap { _ in [3, 200, 255] as [UInt8] }
        )
        let noise = try PixelImage(
            width: 37,
            height: 53,
            pixels: (0..<37 * 53 * 3).map { _ in .random(in: 0...255, using: &random) }
        )
        for size in [(64, 96), (1, 1), (37, 10), (100, 53), (37, 53)] {
            let one = try Resizer(from: (37, 53), to: size, pool: ThreadPool(threadCount: 1))
            let three = try Resizer(from: (37, 53), to: size, pool: ThreadPool(threadCount: 3))
            let result = try one.resize(flat)
            #expect(result.width == size.0 && result.height == size.1)
            #expect(
                Set(result.pixels.enumerated().map { $0.offset % 3 * 256 + Int($0.element) }) == [
                    3, 256 + 200, 512 + 255,
                ]
            )
            #expect(try one.resize(noise) == three.resize(noise))
        }
    }

    @Test func refusesOtherSizes() throws {
        #expect(throws: PixelError.self) { try PixelImage(width: 2, height: 2, pixels: [0]) }
        #expect(throws: PixelError.self) { try PixelImage(width: .max, height: 3, pixels: []) }
        #expect(throws: PixelError.self) { try ResampleFilter(inputs: 0, outputs: 4) }
        let resizer = try Resizer(from: (4, 4), to: (2, 2), pool: ThreadPool(threadCount: 1))
        #expect(throws: PixelError.self) { try resizer.resize(PixelImage(width: 1, height: 1, pixels: [0, 0, 0])) }
    }
}

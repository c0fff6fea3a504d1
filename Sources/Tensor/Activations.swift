import CKernels

/// Rows of activations for a chunk: floats, and their 8-bit twin that the quantized weights multiply with.
package final class Activations {
    package let columns: Int
    package let maximumRows: Int
    /// Floats between two rows: columns rounded up to 32.
    package let stride: Int
    private let floats: AlignedBuffer<Float>
    private let quants: AlignedBuffer<Int8>
    private let scales: AlignedBuffer<Float>
    private let offsets: AlignedBuffer<Int32>
    private let sums: AlignedBuffer<Float>

    /// Allocates for up to `maximumRows` rows of `columns` values.
    package init(columns: Int, maximumRows: Int) throws(AllocationError) {
        self.columns = columns
        self.maximumRows = maximumRows
        stride = (columns + 31) & ~31
        floats = try AlignedBuffer(count: stride * maximumRows)
        quants = try AlignedBuffer(count: stride * maximumRows)
        scales = try AlignedBuffer(count: stride / 32 * maximumRows)
        offsets = try AlignedBuffer(count: stride / 32 * maximumRows)
        sums = try AlignedBuffer(count: stride / 32 * maximumRows)
    }

    /// `[rows][stride]`
    package var pointer: UnsafeMutablePointer<Float> { floats.pointer }

    package func row(_ index: Int) -> UnsafeMutablePointer<Float> { floats.pointer + index * stride }

    /// What kernels read, from row `first` on.
    package func kernelView(from first: Int = 0) -> sk_activations {
        let blocks = stride / 32
        return sk_activations(
            f32: floats.pointer + first * stride,
            f32_stride: Int64(stride),
            q8: quants.pointer + first * stride,
            q8_stride: Int64(stride),
            scale: scales.pointer + first * blocks,
            offset: offsets.pointer + first * blocks,
            sum: sums.pointer + first * blocks,
            block_stride: Int64(blocks)
        )
    }

    /// Fills the 8-bit twin of rows `first ..< first + count`.
    package func quantize(first: Int, count: Int) {
        var view = kernelView(from: first)
        sk_quantize_rows(floats.pointer + first * stride, Int64(stride), Int32(columns), Int32(count), &view)
    }
}

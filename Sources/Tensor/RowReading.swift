import CKernels

/// The form in which a product reads rows of activations: what its matrix's type asks for.
package enum RowReading: Sendable, Equatable {
    /// Floats: f32 and f16 matrices.
    case floats
    /// 16-bit fixed point in blocks: bf16 matrices with many rows (see `sk_fixed.h`).
    case fixedPoint
    /// Eight bits in blocks: quantized matrices.
    case eightBit
}

extension WeightMatrix {
    /// How products with many rows read them.
    package var manyRowsReading: RowReading {
        if readsQuantized { return .eightBit }
        return kernelMatrix.type == Int32(SK_BF16.rawValue) ? .fixedPoint : .floats
    }
}

/// Rows of activations of an encoder: floats, and the twin that products read.
///
/// Memory: 5.3 bytes a value, and 2.1 more for the twin in fixed point where it is asked for.
package final class EncoderRows {
    package let floats: Activations
    private let values: AlignedBuffer<Int16>
    private let scales: AlignedBuffer<Float>
    private let hasFixedPoint: Bool

    /// Allocates for up to `maximumRows` rows of `columns` values, to be read by products as `readings` say.
    package init(columns: Int, maximumRows: Int, readings: [RowReading]) throws(AllocationError) {
        floats = try Activations(columns: columns, maximumRows: maximumRows)
        hasFixedPoint = readings.contains(.fixedPoint)
        let count = hasFixedPoint ? floats.stride * maximumRows : 0
        values = try AlignedBuffer(count: count)
        scales = try AlignedBuffer(count: count / 32)
    }

    package var columns: Int { floats.columns }
    package var maximumRows: Int { floats.maximumRows }
    /// Floats between two rows.
    package var stride: Int { floats.stride }
    /// `[rows][stride]`
    package var pointer: UnsafeMutablePointer<Float> { floats.pointer }

    package func row(_ index: Int) -> UnsafeMutablePointer<Float> { floats.row(index) }

    /// The twin in fixed point, from row `first` on.
    package func fixedView(from first: Int = 0) -> sk_fixed_rows {
        precondition(hasFixedPoint)
        let blocks = stride / 32
        return sk_fixed_rows(
            values: values.pointer + first * stride,
            stride: Int64(stride),
            scale: scales.pointer + first * blocks,
            block_stride: Int64(blocks)
        )
    }

    /// Fills the twin of rows `first ..< first + count` that `reading` names.
    package func fill(_ reading: RowReading, first: Int, count: Int) {
        switch reading {
        case .floats: break
        case .eightBit: floats.quantize(first: first, count: count)
        case .fixedPoint:
            var view = fixedView(from: first)
            sk_fixed_rows_from(floats.row(first), Int64(stride), Int32(columns), Int32(count), &view)
        }
    }

    /// Row `target` := the rows `sources` of `other` side by side, -1 for a row of zeros: what a convolution multiplies.
    /// With `isFixed` the twins in fixed point are copied (the other's columns are then a multiple of 32), else the
    /// floats.
    package func gather(_ sources: UnsafeBufferPointer<Int>, of other: EncoderRows, into target: Int, isFixed: Bool) {
        let width = other.columns
        precondition(sources.count * width <= columns && (!isFixed || width % 32 == 0))
        for (index, source) in sources.enumerated() {
            if isFixed {
                let to = values.pointer + target * stride + index * width
                let scale = scales.pointer + (target * stride + index * width) / 32
                if source < 0 {
                    to.update(repeating: 0, count: width)
                    scale.update(repeating: 0, count: width / 32)
                } else {
                    to.update(from: other.values.pointer + source * other.stride, count: width)
                    scale.update(from: other.scales.pointer + source * other.stride / 32, count: width / 32)
                }
            } else {
                let to = row(target) + index * width
                if source < 0 {
                    to.update(repeating: 0, count: width)
                } else {
                    to.update(from: other.row(source), count: width)
                }
            }
        }
    }
}

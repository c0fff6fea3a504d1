import CKernels

/// A run of rows that attend to each other and to nothing else.
package struct RowSegment: Sendable, BitwiseCopyable {
    package var begin: Int
    package var count: Int

    package init(begin: Int, count: Int) {
        self.begin = begin
        self.count = count
    }
}

/// Angles of rotary embedding, per row: cosines and sines `[rows][stride]`, half a head's width each.
package struct RowAngles {
    package var cosines: UnsafePointer<Float>
    package var sines: UnsafePointer<Float>
    package var stride: Int

    package init(cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, stride: Int) {
        self.cosines = cosines
        self.sines = sines
        self.stride = stride
    }
}

/// Bidirectional attention of all heads inside segments, over rows that hold queries, keys and values side by side.
///
/// Memory: the keys and values of as many rows as it was made for once more, in the order of the products, and a few
/// hundred KiB a thread.
package final class SegmentAttention {
    package let headCount: Int
    package let headWidth: Int
    private let maximumFloats: Int
    private let packed: AlignedBuffer<Float>
    private let scratch: AlignedBuffer<Float>
    private let scratchStride: Int
    private var tasks: [SegmentTask] = []
    private var offsets: [Int] = []

    /// - Parameter maximumRows: rows of one call, in at most `maximumSegments` segments.
    package init(
        headCount: Int,
        headWidth: Int,
        maximumRows: Int,
        maximumSegments: Int,
        threadCount: Int
    ) throws(AllocationError) {
        precondition(1...Int(SK_SEGMENT_WIDTH) ~= headWidth && headCount > 0)
        self.headCount = headCount
        self.headWidth = headWidth
        // A segment is padded to 16 rows, a head's values to 16 columns.
        let rows = maximumRows + 15 * maximumSegments
        let (floats, overflow) = rows.multipliedReportingOverflow(by: (headWidth * 2 + 15) * headCount)
        guard !overflow else { throw AllocationError(bytes: Int.max) }
        maximumFloats = floats
        packed = try AlignedBuffer(count: floats + 16)
        scratchStride = (sk_segment_scratch_floats(Int32(headWidth)) + 15) / 16 * 16
        scratch = try AlignedBuffer(count: scratchStride * threadCount)
    }

    /// output[r] = attention of row r, heads side by side.
    ///
    /// - Parameters:
    ///   - rows: `[rows][3 * width]`, queries, keys and values, `stride` floats apart.
    ///   - segments: together at most the rows and segments that the object was made for.
    package func run(
        _ rows: UnsafePointer<Float>,
        stride: Int,
        segments: [RowSegment],
        angles: RowAngles?,
        into output: UnsafeMutablePointer<Float>,
        outputStride: Int,
        pool: ThreadPool
    ) {
        tasks.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        var offset = 0
        for (index, segment) in segments.enumerated() where segment.count > 0 {
            let floats = sk_segment_packed_floats(Int32(headWidth), Int32(segment.count))
            for head in 0..<headCount {
                let parts = max(1, (segment.count + SegmentTask.rowsPerTask - 1) / SegmentTask.rowsPerTask)
                for part in 0..<parts {
                    tasks.append(
                        SegmentTask(segment: index, head: head, packed: offset, part: part, isFirst: part == 0)
                    )
                }
                offset += floats
            }
        }
        precondition(offset <= maximumFloats)
        let width = headCount * headWidth
        let work = SegmentWork(
            isPacking: true,
            headWidth: headWidth,
            width: width,
            rows: rows,
            stride: stride,
            angles: angles,
            packed: packed.pointer,
            scratch: scratch.pointer,
            scratchStride: scratchStride,
            output: output,
            outputStride: outputStride
        )
        segments.withUnsafeBufferPointer { segments in
            tasks.withUnsafeBufferPointer { tasks in
                guard let segments = segments.baseAddress, let list = tasks.baseAddress else { return }
                var work = work
                work.segments = segments
                work.tasks = list
                pool.run(tasks: tasks.count, work)
                work.isPacking = false
                pool.run(tasks: tasks.count, work)
            }
        }
    }
}

/// Some rows of one head of one segment.
private struct SegmentTask: BitwiseCopyable {
    static let rowsPerTask = 4 * Int(SK_SEGMENT_ROWS)
    var segment: Int
    var head: Int
    var packed: Int
    var part: Int
    /// The one that packs the head's keys and values.
    var isFirst: Bool
}

private struct SegmentWork: ParallelWork {
    var isPacking: Bool
    let headWidth: Int
    let width: Int
    let rows: UnsafePointer<Float>
    let stride: Int
    let angles: RowAngles?
    let packed: UnsafeMutablePointer<Float>
    let scratch: UnsafeMutablePointer<Float>
    let scratchStride: Int
    let output: UnsafeMutablePointer<Float>
    let outputStride: Int
    var segments: UnsafePointer<RowSegment>?
    var tasks: UnsafePointer<SegmentTask>?

    func perform(task: Int, worker: Int) {
        guard let entry = tasks?[task], let segment = segments?[entry.segment] else { return }
        if isPacking, !entry.isFirst { return }
        let from = rows + segment.begin * stride + entry.head * headWidth
        var kernelSegment = sk_segment(
            width: Int32(headWidth),
            rows: Int32(segment.count),
            scale: Float(1 / Double(headWidth).squareRoot()),
            queries: from,
            keys: from + width,
            values: from + 2 * width,
            stride: Int64(stride),
            cosines: angles.map { $0.cosines + segment.begin * $0.stride },
            sines: angles.map { $0.sines + segment.begin * $0.stride },
            table_stride: Int64(angles?.stride ?? 0),
            out: output + segment.begin * outputStride + entry.head * headWidth,
            out_stride: Int64(outputStride)
        )
        if isPacking {
            sk_segment_pack(&kernelSegment, packed + entry.packed)
            return
        }
        let first = entry.part * SegmentTask.rowsPerTask
        sk_segment_attend(
            &kernelSegment,
            packed + entry.packed,
            Int32(first),
            Int32(min(segment.count, first + SegmentTask.rowsPerTask)),
            scratch + worker * scratchStride
        )
    }
}

import CKernels

/// How a page lies in memory: for each layer, for each KV head, the keys and then the values of 128 positions.
///
/// Keys are stored before rotary embedding, transposed `[keyWidth][128]`, so that a page can be read at any distance
/// from the query and scores need no horizontal sums; values lie `[128][valueStride]`. Sealed pages hold codes with
/// their scales instead, see `sk_attention.h`, and at their end a record for ranking, see ``PageIndexBlock``.
package struct PageLayout: Sendable, Equatable {
    /// Positions per page.
    package static let positions = Int(SK_PAGE)

    /// Element type of keys and values.
    package enum Element: String, Sendable, CaseIterable {
        case f32, f16
        /// Sealed: keys of 8 bits by channel; values of 8, or 4, bits by position.
        case q8, q8v4

        /// Codes with scales: full pages alone can be so.
        package var isSealed: Bool { self == .q8 || self == .q8v4 }

        var kernelType: Int32 {
            switch self {
            case .f32: Int32(SK_F32.rawValue)
            case .f16: Int32(SK_F16.rawValue)
            case .q8: SK_PAGE_Q8
            case .q8v4: SK_PAGE_Q8V4
            }
        }
    }

    package let layerCount: Int
    package let kvHeadCount: Int
    package let keyWidth: Int
    package let valueWidth: Int
    /// Rotated columns of a key; pairs are half a range apart.
    package let ropeColumns: Range<Int>
    package let element: Element
    /// Bytes of one KV head's keys and values.
    package let keyBytes: Int
    package let valueBytes: Int

    package init(
        layerCount: Int,
        kvHeadCount: Int,
        keyWidth: Int,
        valueWidth: Int,
        ropeColumns: Range<Int>,
        element: Element
    ) {
        self.layerCount = layerCount
        self.kvHeadCount = kvHeadCount
        self.keyWidth = keyWidth
        self.valueWidth = valueWidth
        self.ropeColumns = ropeColumns
        self.element = element
        var kernelLayout = Self.kernelLayout(keyWidth, valueWidth, ropeColumns, element)
        keyBytes = Int(sk_page_key_bytes(&kernelLayout))
        valueBytes = Int(sk_page_value_bytes(&kernelLayout))
    }

    /// The same shape with another element type.
    package func with(_ element: Element) -> PageLayout {
        PageLayout(
            layerCount: layerCount,
            kvHeadCount: kvHeadCount,
            keyWidth: keyWidth,
            valueWidth: valueWidth,
            ropeColumns: ropeColumns,
            element: element
        )
    }

    /// The value's columns rounded up to 16.
    package var valueStride: Int { (valueWidth + 15) & ~15 }

    package var kernelLayout: sk_page_layout { Self.kernelLayout(keyWidth, valueWidth, ropeColumns, element) }

    /// For keys that are read as they lie, before rotation.
    var unrotatedKernelLayout: sk_page_layout { Self.kernelLayout(keyWidth, valueWidth, 0..<0, element) }

    private static func kernelLayout(
        _ keyWidth: Int,
        _ valueWidth: Int,
        _ ropeColumns: Range<Int>,
        _ element: Element
    ) -> sk_page_layout {
        sk_page_layout(
            k_width: Int32(keyWidth),
            v_width: Int32(valueWidth),
            v_stride: Int32((valueWidth + 15) & ~15),
            rope_begin: Int32(ropeColumns.lowerBound),
            rope_width: Int32(ropeColumns.count),
            type: element.kernelType
        )
    }

    package var headBytes: Int { keyBytes + valueBytes }
    package var layerBytes: Int { headBytes * kvHeadCount }
    /// Bytes of one page's keys and values over all layers.
    package var pageBytes: Int { layerBytes * layerCount }
    /// Bytes of everything that a page's memory holds: a sealed page ends with its records for ranking.
    package var recordBytes: Int { pageBytes + (element.isSealed ? indexBytes : 0) }

    /// Bytes of a page in a session's files: whole blocks of 4,096.
    package var fileBytes: Int { (pageBytes + 4095) & ~4095 }

    /// Bytes of one KV head's record for ranking, and of those of all layers `[layers][heads]`, up to 64 bytes.
    var indexRecordBytes: Int { Int(sk_rank_record_bytes(Int32(keyWidth))) }
    var indexBytes: Int { (indexRecordBytes * kvHeadCount * layerCount + 63) & ~63 }

    /// Bytes that `positions` positions take, rounded up to whole pages.
    package func bytes(positions: Int) -> Int { (positions + Self.positions - 1) / Self.positions * recordBytes }
}

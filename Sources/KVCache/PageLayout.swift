import CKernels

/// How a page lies in memory: for each layer, for each KV head, the keys and then the values of 128 positions.
///
/// Keys are stored before rotary embedding, transposed `[keyWidth][128]`, so that a page can be read at any distance
/// from the query and scores need no horizontal sums; values lie `[128][valueStride]`.
package struct PageLayout: Sendable, Equatable {
    /// Positions per page.
    package static let positions = Int(SK_PAGE)

    /// Element type of keys and values.
    package enum Element: String, Sendable, CaseIterable {
        case f32, f16
    }

    package let layerCount: Int
    package let kvHeadCount: Int
    package let keyWidth: Int
    package let valueWidth: Int
    /// Rotated columns of a key; pairs are half a range apart.
    package let ropeColumns: Range<Int>
    package let element: Element

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

    package var kernelLayout: sk_page_layout {
        sk_page_layout(
            k_width: Int32(keyWidth),
            v_width: Int32(valueWidth),
            v_stride: Int32(valueStride),
            rope_begin: Int32(ropeColumns.lowerBound),
            rope_width: Int32(ropeColumns.count),
            type: Int32(element == .f32 ? SK_F32.rawValue : SK_F16.rawValue)
        )
    }

    private var elementBytes: Int { element == .f32 ? 4 : 2 }
    package var keyBytes: Int { keyWidth * Self.positions * elementBytes }
    package var valueBytes: Int { valueStride * Self.positions * elementBytes }
    package var headBytes: Int { keyBytes + valueBytes }
    package var layerBytes: Int { headBytes * kvHeadCount }
    /// Bytes of one page over all layers.
    package var pageBytes: Int { layerBytes * layerCount }

    /// Bytes that `positions` positions take, rounded up to whole pages.
    package func bytes(positions: Int) -> Int { (positions + Self.positions - 1) / Self.positions * pageBytes }
}

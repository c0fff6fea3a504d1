import Tensor

/// Where a token stands for the rotary embedding: time, row and column.
///
/// Text has the same number on all three axes; what was seen has a place in its frame. Times may be fractions.
package struct RotaryPosition: Sendable, Equatable, BitwiseCopyable {
    package var time: Double
    package var row: Double
    package var column: Double

    package init(time: Double, row: Double, column: Double) {
        self.time = time
        self.row = row
        self.column = column
    }

    /// A position of text: the same on every axis.
    package init(_ position: Double) {
        self.init(time: position, row: position, column: position)
    }

    package var largest: Double { max(time, max(row, column)) }
    package var isFinite: Bool { time.isFinite && row.isFinite && column.isFinite }

    /// The number on one axis: 0 time, 1 row, 2 column.
    package subscript(axis: UInt8) -> Double { axis == 0 ? time : axis == 1 ? row : column }
}

/// Which slot's position an append takes.
package enum AppendedPositions {
    /// Text that follows what the context holds.
    case following
    /// One position per token.
    case listed(UnsafeBufferPointer<RotaryPosition>)
}

/// Angle tables of one page whose positions do not simply count up by one: what was seen, and text after fractions of
/// a position.
///
/// Keys turn by the distance of their position to the page's first one, which keeps the angles small and a page valid
/// at any distance. Entries are computed in double, one position at a time, so they do not depend on how many tokens
/// came at once; where positions do count up, they are the very bytes of the table that all text pages share.
final class PageAngles {
    /// `[128]`
    private(set) var positions: [RotaryPosition]
    /// `[pairs][128]`
    let cosines: AlignedBuffer<Float>
    let sines: AlignedBuffer<Float>

    init(pairCount: Int, anchor: RotaryPosition) throws(AllocationError) {
        cosines = try AlignedBuffer(count: pairCount * PageLayout.positions)
        sines = try AlignedBuffer(count: pairCount * PageLayout.positions)
        positions = Array(repeating: anchor, count: PageLayout.positions)
    }

    init(copying other: PageAngles) throws(AllocationError) {
        cosines = try AlignedBuffer(count: other.cosines.count)
        sines = try AlignedBuffer(count: other.sines.count)
        cosines.pointer.update(from: other.cosines.pointer, count: other.cosines.count)
        sines.pointer.update(from: other.sines.pointer, count: other.sines.count)
        positions = other.positions
    }

    /// Writes the turn of the key at `offset`.
    func set(_ offset: Int, _ position: RotaryPosition, anchor: RotaryPosition, _ spectrum: RotarySpectrum) {
        positions[offset] = position
        for pair in 0..<spectrum.pairCount {
            let axis = spectrum.axis(pair)
            let (cosine, sine) = spectrum.turn(position[axis] - anchor[axis], pair: pair)
            cosines.pointer[pair * PageLayout.positions + offset] = cosine
            sines.pointer[pair * PageLayout.positions + offset] = sine
        }
    }
}

/// How a picture must be turned before it is shown: one of the eight ways to lay a rectangle on its own sides.
package struct Orientation: Sendable, Equatable {
    /// Quarter turns clockwise, 0...3, applied after mirroring.
    package var quarterTurns: Int
    /// Left and right change places first.
    package var isMirrored: Bool

    package static let upright = Orientation(quarterTurns: 0, isMirrored: false)

    package init(quarterTurns: Int, isMirrored: Bool) {
        self.quarterTurns = quarterTurns & 3
        self.isMirrored = isMirrored
    }

    /// Whether width and height change places.
    package var swapsSides: Bool { quarterTurns % 2 == 1 }

    /// From a display matrix `a b u c d v x y w` in 16.16 fixed point, by which the coded point (p, q), q downwards, is
    /// shown at (a p + c q, b p + d q). Angles between the quarters go to the nearest; a matrix that flattens the picture
    /// counts as none.
    init(displayMatrix matrix: [Int32]) {
        guard matrix.count >= 5 else {
            self = .upright
            return
        }
        let a = Double(matrix[0])
        let b = Double(matrix[1])
        let c = Double(matrix[3])
        let d = Double(matrix[4])
        let determinant = a * d - b * c
        guard determinant != 0 else {
            self = .upright
            return
        }
        let isMirrored = determinant < 0
        // Where the coded picture's rightward axis goes, after the mirror has turned it leftward.
        let right = isMirrored ? (-a, -b) : (a, b)
        let turns: Int
        if abs(right.0) >= abs(right.1) {
            turns = right.0 >= 0 ? 0 : 2
        } else {
            turns = right.1 >= 0 ? 1 : 3
        }
        self.init(quarterTurns: turns, isMirrored: isMirrored)
    }

    /// From the number in a photograph's EXIF data, 1...8; others count as upright.
    init(exif number: Int) {
        switch number {
        case 2: self.init(quarterTurns: 0, isMirrored: true)
        case 3: self.init(quarterTurns: 2, isMirrored: false)
        case 4: self.init(quarterTurns: 2, isMirrored: true)
        case 5: self.init(quarterTurns: 3, isMirrored: true)
        case 6: self.init(quarterTurns: 1, isMirrored: false)
        case 7: self.init(quarterTurns: 1, isMirrored: true)
        case 8: self.init(quarterTurns: 3, isMirrored: false)
        default: self = .upright
        }
    }
}

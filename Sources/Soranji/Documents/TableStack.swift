/// Open tables of an HTML page. A row becomes "a | b | c"; a row with a cell of several lines (a table that lays out
/// a page) becomes its cells one below the other.
struct TableStack {
    /// Beyond this depth rows and cells are plain lines: each level looks once more at the text of its rows.
    private static let maximumDepth = 8

    /// For each open table the offset at which its open row's text begins; nil between rows.
    private var rows: [Int?] = []
    private var deeper = 0

    mutating func open() {
        if rows.count < Self.maximumDepth { rows.append(nil) } else { deeper += 1 }
    }

    mutating func close(_ flow: inout TextFlow) {
        if deeper > 0 {
            deeper -= 1
        } else {
            endRow(&flow)
            _ = rows.popLast()
        }
    }

    mutating func closeAll(_ flow: inout TextFlow) {
        deeper = 0
        while !rows.isEmpty { close(&flow) }
    }

    mutating func startRow(_ flow: inout TextFlow) {
        endRow(&flow)
        flow.need(breaks: 1)
    }

    mutating func startCell(_ flow: inout TextFlow) {
        guard deeper == 0, let row = rows.last else {
            flow.need(breaks: 1)
            return
        }
        if row == nil {
            rows[rows.count - 1] = flow.settle()
        } else {
            flow.beginCell()
        }
    }

    mutating func endRow(_ flow: inout TextFlow) {
        if deeper == 0, let last = rows.last, let start = last {
            rows[rows.count - 1] = nil
            let cells = flow.bytes[min(start, flow.bytes.count)...]
                .split(separator: TextFlow.cellSeparator, omittingEmptySubsequences: false)
                .map(Self.trimmed)
            if cells.contains(where: { $0.contains(0x0A) }) {
                flow.keep(cells.filter { !$0.isEmpty }.map(\.indices), from: start, separator: [0x0A])
            } else {
                let isEmpty = cells.allSatisfy(\.isEmpty)
                flow.keep(isEmpty ? [] : cells.map(\.indices), from: start, separator: Array(" | ".utf8))
            }
        }
        flow.need(breaks: 1)
    }

    private static func trimmed(_ cell: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let start = cell.firstIndex { !isSpace($0) } ?? cell.endIndex
        let end = cell.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start
        return cell[start..<end]
    }
}

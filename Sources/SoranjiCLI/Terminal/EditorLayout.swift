/// Where prompt, text and cursor stand on the screen.
struct EditorLayout: Equatable {
    /// Rows as they are written, without line ends.
    var rows: [String] = [""]
    var cursorRow = 0
    var cursorColumn = 0

    /// Breaks prompt and text into rows of at most `columns` columns, and keeps at most `maximumRows` of them around the
    /// cursor. Wide characters are never split over two rows.
    init(prompt: String, continuation: String, buffer: LineBuffer, columns: Int, maximumRows: Int) {
        let columns = max(columns, 2)
        var column = 0
        func startRow(_ text: String, into rows: inout [String]) {
            rows.append(text)
            column = CharacterWidth.columns(text)
        }
        rows = []
        startRow(prompt, into: &rows)
        for (index, character) in buffer.characters.enumerated() {
            if index == buffer.cursor { (cursorRow, cursorColumn) = (rows.count - 1, column) }
            if character == "\n" {
                startRow(continuation, into: &rows)
                continue
            }
            let width = CharacterWidth.columns(character)
            if column + width > columns {
                startRow("", into: &rows)
                if index == buffer.cursor { (cursorRow, cursorColumn) = (rows.count - 1, 0) }
            }
            rows[rows.count - 1].append(character)
            column += width
        }
        // A full last row: terminals differ in where the cursor is then, so it gets a row of its own.
        if column >= columns { startRow("", into: &rows) }
        if buffer.cursor == buffer.characters.count { (cursorRow, cursorColumn) = (rows.count - 1, column) }

        let shown = max(maximumRows, 1)
        if rows.count > shown {
            let first = min(max(cursorRow - shown / 2, 0), rows.count - shown)
            rows = Array(rows[first..<(first + shown)])
            cursorRow -= first
        }
    }
}
